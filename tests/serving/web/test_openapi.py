"""/openapi.json describes what every route answers: names, kinds and bounds, and nothing is answered beside it."""

from typing import Any

import polars as pl
import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from tests.serving.shop import world

Document = dict[str, Any]
P2 = {"history": {"user": "p2"}}
HAD = set(world().frame.filter(pl.col("user") == 2)["item"])
NOT_HAD = [f"f{n}" for n in range(1, 16) if n not in HAD]
ASKED = {
    "/recommend": [P2, P2 | {"model": "ease", "reasons": False}, {"history": {"acts": [{"item": "f3"}]}}],
    "/explain": [P2 | {"item": "f1"}, P2 | {"item": "f15", "model": "ease"}],
    "/why_not": [P2 | {"item": item, "top": top} for item in NOT_HAD for top in (1, 5)],
    "/history": [P2["history"], {"user": "p2", "without": [0]}, {"acts": [{"item": "f3"}, {"item": "f4"}]}],
    "/search": [{"text": "heat"}, {"text": "nothing so"}],
    "/people": [{}, {"text": "p1", "limit": 3}],
    "/person": [{"user": "p2"}],
    "/health": [{}],
}
WRONG = {
    "/recommend": {"history": {"user": "p22"}},
    "/explain": P2 | {"item": "haet"},
    "/why_not": P2 | {"item": "f1", "top": 0},
    "/history": {"user": "p2", "without": [99]},
    "/search": {"text": "a", "limit": 0},
    "/people": {"limit": "many"},
    "/person": {"user": "nobody"},
}


@pytest.fixture
def document(client: TestClient) -> Document:
    """As it stands, but for what it does not name, which is not let in."""
    found: Document = client.get("/openapi.json").json()
    for one in found["components"]["schemas"].values():
        if "properties" in one:
            one["additionalProperties"] = False
    return found


def faults(document: Document, route: str, status: str, answer: object) -> list[str]:
    """Where an answer is not as the document says."""
    (about,) = document["paths"][route].values()
    schema = about["responses"][status]["content"]["application/json"]["schema"]
    assert "$ref" in schema, f"{route}: nothing is said of {status}"
    Draft202012Validator.check_schema(schema)
    checked = Draft202012Validator(schema | {"components": document["components"]})
    return [f"{fault.json_path}: {fault.message}" for fault in checked.iter_errors(answer)]


def ask(client: TestClient, document: Document, route: str, body: Document) -> Any:
    return client.post(route, json=body) if "post" in document["paths"][route] else client.get(route, params=body)


def test_it_names_the_routes_of_a_shop(document: Document) -> None:
    assert set(document["paths"]) == set(ASKED)


@pytest.mark.parametrize("route", ASKED)
def test_answers_are_as_it_says(client: TestClient, document: Document, route: str) -> None:
    for body in ASKED[route]:
        answer = ask(client, document, route, body)
        assert answer.status_code == 200, answer.text
        assert faults(document, route, "200", answer.json()) == []


@pytest.mark.parametrize("route", WRONG)
def test_refusals_are_as_it_says(client: TestClient, document: Document, route: str) -> None:
    answer = ask(client, document, route, WRONG[route])
    assert answer.status_code == 422
    assert faults(document, route, "422", answer.json()) == []
    for status in ("413", "503"):
        assert faults(document, route, status, {"error": "why", "nearest": []}) == []
        assert faults(document, route, status, {"detail": "why"}) != []


def test_it_has_the_bounds(document: Document) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Recommendation"]["properties"]["rank"]["minimum"] == 1
    assert schemas["Reading"]["properties"]["kind"]["enum"] == ["share", "gate", "signed"]
    assert schemas["AskedRecommend"]["properties"]["top"]["maximum"] == 100
    assert set(schemas["Part"]["required"]) == {"label", "weight", "place", "item", "part", "box"}
    explained = schemas["Explained"]["properties"]["explanation"]
    assert explained == {"$ref": "#/components/schemas/Explanation"}
