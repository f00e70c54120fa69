"""Whatever is asked is answered or refused in JSON: any value in any place of a question, any time, any text."""

import copy
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from serving.api import Predictor, Refused
from serving.history import EARLIEST, LATEST

QUESTION: dict[str, Any] = {
    "history": {
        "acts": [
            {"item": "f3", "time": "2018-05-01T10:00:00Z", "rating": 3},
            {"item": "f4", "time": "2018-05-02T10:00:00Z", "rating": 1},
        ],
        "without": [1],
        "moved": [{"place": 0, "time": "2018-05-01T12:00:00Z"}],
    },
    "muted": {"words": [], "regions": [{"item": "f3", "number": 1}], "views": ["picture"]},
    "at": "2019-01-01T00:00:00Z",
    "model": "ante_rnn",
}
MORE = {"/recommend": {"top": 3, "reasons": False}, "/explain": {"item": "f1"}, "/why_not": {"item": "f1", "limit": 1}}
NUMBERS = st.one_of(
    st.integers(), st.sampled_from([-1, 0, 2**31, 2**63, 2**64, 10**30, -(10**30)]), st.floats(), st.booleans()
)
ZONES = st.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59)).map(timezone)
TIMES = st.datetimes(timezones=ZONES) | st.sampled_from([f"000{n}-01-01T00:00:00" for n in (1, 2)]).map(
    lambda text: datetime.fromisoformat(f"{text}+14:00")
)
VALUES = st.one_of(
    st.none(),
    NUMBERS,
    st.text(max_size=20),
    TIMES.map(datetime.isoformat),
    st.lists(st.none(), max_size=2),
    st.just({}),
)
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)


def places(question: object) -> list[list[Any]]:
    """The paths of all values in a question."""
    found: list[list[Any]] = []
    inside = (
        question.items() if isinstance(question, dict) else enumerate(question) if isinstance(question, list) else ()
    )
    for key, value in inside:
        found += [[key], *([key, *path] for path in places(value))]
    return found


def told(answer: Any) -> None:
    """An answer, or why not; never a fault of the server."""
    assert answer.status_code in (200, 400, 422), answer.text
    found = answer.json()
    assert answer.status_code == 200 or (found["error"] and isinstance(found["nearest"], list))


@pytest.mark.parametrize("route", MORE)
@quick
@given(data=st.data())
def test_any_value_in_any_place(client: TestClient, route: str, data: st.DataObject) -> None:
    question = copy.deepcopy(QUESTION | MORE[route])
    *parents, last = data.draw(st.sampled_from(places(question)))
    inside = question
    for key in parents:
        inside = inside[key]
    inside[last] = data.draw(VALUES)
    body = json.dumps(question, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass")
    told(client.post(route, content=body, headers={"content-type": "application/json"}))


@quick
@given(place=st.sampled_from([path for path in places(QUESTION) if path[-1] in ("time", "at")]), time=TIMES)
def test_any_time_in_any_place(client: TestClient, place: list[Any], time: datetime) -> None:
    question = copy.deepcopy(QUESTION)
    inside = question
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = time.isoformat()
    answer = client.post("/recommend", json=question | MORE["/recommend"])
    told(answer)
    assert answer.status_code == 422 or EARLIEST <= time <= LATEST


@quick
@given(body=st.binary(max_size=50) | st.text(max_size=50).map(str.encode) | st.just(b"[" * 200_000))
def test_any_body(client: TestClient, body: bytes) -> None:
    told(client.post("/recommend", content=body, headers={"content-type": "application/json"}))


@quick
@given(text=st.text(max_size=310), limit=NUMBERS.map(str) | st.text(max_size=5))
@pytest.mark.parametrize("route", ["/search", "/people", "/person", "/picture"])
def test_any_text(client: TestClient, route: str, text: str, limit: str) -> None:
    name = {"/person": "user", "/picture": "item"}.get(route, "text")
    answer = client.get(route, params={name: text, "limit": limit})
    if route != "/picture" or answer.status_code >= 300:  # a picture is none of JSON
        told(answer)


@pytest.mark.parametrize("name", ["ante_rnn", "ease"])
@quick
@given(at=TIMES, count=st.integers(1, 400))
def test_any_moment_of_a_history_without_times(
    predictors: dict[str, Predictor], name: str, at: datetime, count: int
) -> None:
    model = predictors[name]
    try:
        history = model.history(["f3"] * count, at)
    except Refused as refused:
        assert "times lie in the years 2 to 9998" in str(refused) or "before the year 2" in str(refused)  # noqa: PT017
        return
    assert len(history.before(at).acts) == count
    assert all(act.time is not None and EARLIEST <= act.time <= LATEST for act in history.acts)
    assert model.recommend(history, 2, at, reasons=False)
