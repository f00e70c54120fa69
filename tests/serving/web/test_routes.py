"""The JSON routes: the same answers as the API's, and everything that is wrong is refused by name."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from serving.api import Muted, Predictor, as_json
from serving.web.app import application
from serving.web.desk import Desk
from serving.web.limits import BODY
from serving.web.pictures import Pictures
from serving.web.questions import ACTS
from tests.serving.shop import Shop
from tests.serving.web.conftest import WORDS

P2 = {"history": {"user": "p2"}}


def asked(client: TestClient, route: str, body: Any) -> dict[str, Any]:
    answer = client.post(route, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(client: TestClient, route: str, body: Any) -> str:
    answer = client.post(route, json=body)
    assert answer.status_code == 422
    return str(answer.json()["error"])


def test_recommend_is_what_the_api_answers(client: TestClient, predictors: dict[str, Predictor]) -> None:
    for name, model in predictors.items():
        found = asked(client, "/recommend", P2 | {"model": name, "top": 4})
        assert found["model"] == name
        assert found["recommendations"] == as_json(model.recommend(model.person("p2"), 4))
    assert asked(client, "/recommend", P2 | {"top": 4})["model"] == "ante_rnn"


def test_what_is_said_of_an_item_itself_is_what_the_api_says(stocked: Shop) -> None:
    model = stocked.fitted("vbpr", "both")
    app = application(Desk({"vbpr": model}), Pictures(model, stocked.layout.images), WORDS, ["testserver"], 64)
    with TestClient(app) as client:
        found = asked(client, "/recommend", P2 | {"top": 4, "reasons": True})["recommendations"]
        first = asked(client, "/explain", P2 | {"item": found[0]["item"]})["explanation"]
    assert found == as_json(model.recommend(model.person("p2"), 4))
    assert any(one["because"] for one in found)
    assert first["because"] == found[0]["because"]


def test_an_act_that_is_taken_away_or_moved_changes_what_is_answered(
    client: TestClient, predictors: dict[str, Predictor]
) -> None:
    model = predictors["ante_rnn"]
    whole = model.person("p2")
    first = asked(client, "/recommend", P2)["recommendations"]
    without = asked(client, "/recommend", {"history": {"user": "p2", "without": [9, 0]}})
    assert without["places"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert without["recommendations"] == as_json(model.recommend(whole.without([0, 9])))
    assert without["recommendations"] != first
    time = whole.acts[8].time
    assert time is not None
    body = {"history": {"user": "p2", "moved": [{"place": 1, "time": time.isoformat()}]}}
    moved = asked(client, "/recommend", body)
    assert moved["places"] == [0, 2, 3, 4, 5, 6, 7, 8, 1, 9], "after what was at the same time"
    assert moved["recommendations"] == as_json(model.recommend(whole.moved(1, time)))
    assert moved["recommendations"] != first


def test_what_is_muted_and_when_is_asked_count(client: TestClient, predictors: dict[str, Predictor]) -> None:
    model = predictors["ante_rnn"]
    whole = model.person("p2")
    item = next(act.item for act in whole.acts[::-1] if act.item != "f2")
    regions = [{"item": item, "number": 1}]
    found = asked(client, "/recommend", P2 | {"muted": {"words": ["word3"], "regions": regions, "views": []}})
    assert found["recommendations"] == as_json(model.recommend(whole, muted=Muted(("word3",), ((item, 1),))))
    assert found["recommendations"] != asked(client, "/recommend", P2)["recommendations"]
    at = whole.acts[-1].time
    assert at is not None
    early = asked(client, "/recommend", P2 | {"at": at.isoformat()})
    assert early["recommendations"] == as_json(model.recommend(whole, at=at))


def test_explain_and_why_not_are_what_the_api_answers(client: TestClient, predictors: dict[str, Predictor]) -> None:
    model = predictors["ante_rnn"]
    whole = model.person("p2")
    best = model.recommend(whole)
    body = P2 | {"item": best[-1].item}
    assert asked(client, "/explain", body)["explanation"] == as_json(model.explain(whole, best[-1].item))
    why = asked(client, "/why_not", body | {"top": 2, "limit": 2})["why_not"]
    assert why == as_json(model.why_not(whole, best[-1].item, 2, 2))
    assert why["rank"] == len(best)


def test_somebody_new_is_told_by_titles(client: TestClient, predictors: dict[str, Predictor]) -> None:
    history = {"acts": [{"item": "Heat"}, {"item": "f4"}, {"item": "Heatwave"}]}
    found = asked(client, "/history", history)
    assert [act["item"] for act in found["acts"]] == ["f5", "f4", "f6"]
    model = predictors["ante_rnn"]
    expected = as_json(model.recommend(model.history(["f5", "f4", "f6"])))
    assert asked(client, "/recommend", {"history": history})["recommendations"] == expected


def test_places_are_those_of_the_acts_as_they_are_told(client: TestClient, predictors: dict[str, Predictor]) -> None:
    """Though they are asked about in the order of time."""
    days = {"f5": 3, "f4": 1, "f6": 2}
    acts = [{"item": item, "time": f"2018-05-0{day}T10:00:00Z"} for item, day in days.items()]

    def asked(**change: Any) -> tuple[list[str], list[int]]:
        found = client.post("/history", json={"acts": acts, **change}).json()
        return [act["item"] for act in found["acts"]], found["places"]

    assert asked() == (["f4", "f6", "f5"], [1, 2, 0])
    assert asked(without=[0]) == (["f4", "f6"], [1, 2])
    assert asked(without=[1, 2]) == (["f5"], [0])
    last = {"place": 1, "time": "2018-05-04T10:00:00Z"}
    assert asked(moved=[last]) == (["f6", "f5", "f4"], [2, 0, 1])
    model = predictors["ante_rnn"]
    times = [datetime(2018, 5, day, 10, tzinfo=UTC) for day in (1, 2)]
    expected = as_json(model.recommend(model.history(["f4", "f6"], times=times)))
    found = client.post("/recommend", json={"history": {"acts": acts, "without": [0]}}).json()
    assert (found["recommendations"], found["places"]) == (expected, [1, 2])


def test_acts_without_times_were_done_before_the_moment_that_is_asked_about(
    client: TestClient, predictors: dict[str, Predictor]
) -> None:
    """Not before the last event of the data, which may be later or long ago."""
    model, names = predictors["ante_rnn"], ["f5", "f4", "f6"]
    for at in (datetime(1999, 5, 1, 20, tzinfo=UTC), datetime(2099, 5, 1, 20, tzinfo=UTC)):
        body = {"history": {"acts": [{"item": name} for name in names]}, "at": at.isoformat()}
        expected = as_json(model.recommend(model.history(names, at), at=at))
        assert asked(client, "/recommend", body)["recommendations"] == expected
        why = asked(client, "/why_not", body | {"item": expected[0]["item"], "limit": 1})
        assert why["why_not"]["rank"] == 1
        assert asked(client, "/explain", body | {"item": expected[0]["item"]})["explanation"]["rank"] == 1


def test_lists(client: TestClient, predictors: dict[str, Predictor]) -> None:
    assert client.get("/health").json() == {"status": "ok", "models": ["ante_rnn", "ease"], "waiting": 0}
    assert client.get("/search", params={"text": "heatw"}).json()["items"] == [{"item": "f6", "title": "Heatwave"}]
    assert client.get("/people", params={"text": "p1"}).json()["people"] == ["p1", "p10", "p11", "p12"]
    person = client.get("/person", params={"user": "p2"}).json()
    assert person == {"user": "p2", "acts": as_json(predictors["ante_rnn"].person("p2").acts)}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"history": {"user": "p22"}}, "nobody is called 'p22'; nearest are p2"),
        ({"history": {"acts": [{"item": "Haet"}]}}, "no item is called 'Haet'"),
        ({"history": {"acts": []}}, "a history needs an act at least"),
        ({"history": {}}, "either `user` or `acts`"),
        ({"history": {"user": "p2", "acts": []}}, "either `user` or `acts`"),
        ({"history": {"user": "p2", "without": [10]}}, "there is no act 10: this history has 10"),
        ({"history": {"user": "p2", "without": [ACTS]}}, f"there is no act {ACTS}: this history has 10"),
        ({"history": {"user": "p2", "moved": [{"place": ACTS, "time": "2024-01-01T00:00Z"}]}}, f"no act {ACTS}: this"),
        ({"history": {"user": "p2", "without": [-1]}}, "history.without.0"),
        ({"history": {"user": "p2", "without": [10**30]}}, "history.without.0: Input should be less than 2147483648"),
        ({"history": {"acts": [{"item": "f1"}] * (ACTS + 1)}}, f"at most {ACTS} items"),
        ({"history": {"user": "p2", "moved": [{"place": 0, "time": "2024-01-01T00:00:00"}]}}, "timezone"),
        ({"history": {"acts": [{"item": "f1", "time": "2024-01-01T00:00Z"}, {"item": "f3"}]}}, "1 of 2 acts have"),
        ({"history": {"user": "p2", "moved": [{"place": 0, "time": f"202{n}-01-01T00:00Z"} for n in (4, 5)]}}, "twice"),
        ({"history": {"user": "p2", "moved": [{"place": 0, "time": "0001-01-01T00:00:00+14:00"}]}}, "years 2 to 9998"),
        ({"history": {"acts": [{"item": "f1", "time": "9999-12-31T23:59:59-14:00"}]}}, "years 2 to 9998"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "body.at: 0001-01-01T00:00:00+14:00 is too far away"),
        ({"model": "sasrec"}, "no model is called 'sasrec' here; there are ante_rnn, ease"),
        ({"muted": {"words": ["nowhere"]}}, "has the word 'nowhere'"),
        ({"top": 0}, "body.top: Input should be greater than or equal to 1; found 0"),
        ({"top": 101}, "body.top: Input should be less than or equal to 100; found 101"),
        ({"top": "5"}, "body.top: Input should be a valid integer; found '5'"),
        ({"top": True}, "body.top: Input should be a valid integer; found True"),
        ({"top": 5.0}, "body.top: Input should be a valid integer; found 5.0"),
        ({"reasons": "yes"}, "body.reasons: Input should be a valid boolean"),
        ({"reasons": 1}, "body.reasons: Input should be a valid boolean"),
        ({"at": 5}, "body.at: a time is written as text, such as 2026-05-01T20:00:00Z; found 5"),
        ({"at": "2026"}, "body.at: a time is written as text, such as 2026-05-01T20:00:00Z; found '2026'"),
        ({"at": "20260501"}, "body.at: a time is written as text"),
        ({"at": "1.5e9"}, "body.at: a time is written as text"),
        ({"history": {"acts": [{"item": "f1", "time": "1777777777"}]}}, "time: a time is written as text"),
        ({"history": {"user": "p2", "without": ["1"]}}, "history.without.0: Input should be a valid integer"),
        ({"history": {"user": "p2", "moved": [{"place": 0, "time": 1e9}]}}, "time: a time is written as text"),
        ({"history": {"acts": [{"item": "f1", "rating": "5"}]}}, "rating: Input should be a valid number; found '5'"),
        ({"muted": {"regions": [{"item": "f1", "number": "1"}]}}, "number: Input should be a valid integer"),
        ({"pop": 3}, "body.pop: Extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_name(client: TestClient, change: dict[str, Any], told: str) -> None:
    assert told in refused(client, "/recommend", P2 | change)


@pytest.mark.parametrize("name", ["top", "limit"])
@pytest.mark.parametrize("value", ["5", 5.0, True, 0])
def test_why_not_takes_whole_numbers_alone(client: TestClient, name: str, value: Any) -> None:
    assert f"body.{name}: Input should be" in refused(client, "/why_not", P2 | {"item": "f1", name: value})


@pytest.mark.parametrize(
    ("kind", "body", "status", "told"),
    [
        (
            "application/x-www-form-urlencoded",
            b'{"history": {"user": "p2"}}',
            415,
            "application/x-www-form-urlencoded:",
        ),
        ("text/plain", b'{"history": {"user": "p2"}}', 415, "content-type: application/json"),
        ("application/json", b'{"history": }', 400, "the body is no JSON: Expecting value, at character 12"),
        ("application/json", b"\xff\xfe", 400, "the body is no JSON"),
        ("application/json", b"[1]", 422, "body: Input should be a valid dictionary"),
    ],
)
def test_a_body_that_is_no_json_is_told(client: TestClient, kind: str, body: bytes, status: int, told: str) -> None:
    answer = client.post("/recommend", content=body, headers={"content-type": kind})
    assert (answer.status_code, answer.json()["nearest"]) == (status, [])
    assert told in answer.json()["error"]


def test_a_body_that_is_too_large_is_refused_whatever_it_claims(client: TestClient) -> None:
    exact = b'{"history": {"user": "p2"}}'.ljust(BODY)
    kind = {"content-type": "application/json"}
    assert client.post("/recommend", content=exact, headers=kind).status_code == 200
    answer = client.post("/recommend", content=exact + b" ", headers=kind)
    assert (answer.status_code, answer.json()["error"]) == (413, f"the body has more than {BODY:,} bytes")


def test_pictures_are_drawn_anew_and_what_is_none_is_nothing(client: TestClient) -> None:
    found = client.get("/picture", params={"item": "f1"})
    assert (found.status_code, found.headers["content-type"]) == (200, "image/webp")
    assert found.content[:4] == b"RIFF"
    assert client.get("/picture", params={"item": "f2"}).status_code == 204, "not readable"
    assert client.get("/picture", params={"item": "f3"}).status_code == 204
    assert client.get("/picture", params={"item": "f99"}).status_code == 422


def test_nothing_comes_from_elsewhere_and_nobody_asks_by_another_name(client: TestClient, app: FastAPI) -> None:
    page = client.get("/")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for path in ("/", "/static/app.js", "/static/app.css"):
        text = client.get(path).text
        assert not re.findall(r"[a-z]+://", text.replace("http://www.w3.org/2000/svg", ""))
        assert "innerHTML" not in text
    assert client.get("/docs").status_code == 404
    assert client.get("/static/../app.py").status_code == 404
    with TestClient(app, base_url="http://elsewhere.example") as other:
        assert other.get("/person", params={"user": "p2"}).status_code == 400


def test_fifty_questions_at_once_lose_none(client: TestClient) -> None:
    alone = {f"p{n}": asked(client, "/recommend", {"history": {"user": f"p{n}"}, "top": 3}) for n in range(1, 13)}

    def ask(n: int) -> bool:
        user = f"p{n % 12 + 1}"
        return asked(client, "/recommend", {"history": {"user": user}, "top": 3}) == alone[user]

    with ThreadPoolExecutor(50) as pool:
        assert all(pool.map(ask, range(50)))


def test_moments_of_a_moved_act_are_told_back(client: TestClient, predictors: dict[str, Predictor]) -> None:
    act = predictors["ante_rnn"].person("p2").acts[0]
    assert act.time is not None
    later = (act.time + timedelta(days=3000)).isoformat()
    found = asked(client, "/history", {"user": "p2", "moved": [{"place": 0, "time": later}]})
    assert found["places"][-1] == 0
    assert found["acts"][-1]["time"] == later
