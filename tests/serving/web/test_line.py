"""Many at once: health is told whatever is asked, so many wait and no more, and who has hung up costs nobody."""

import http.client
import json
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
import uvicorn

from engine.tables.domain_words import DomainWords
from serving.api import Act, History, Predictor, Recommendation
from serving.web.app import application
from serving.web.desk import Desk
from serving.web.pictures import Pictures
from serving.web.server import Server

WAITING = 20
WITHIN = 30.0  # seconds in which what is awaited has come, on any machine


class Held:
    """A model that answers when it is let go, with whom it was asked about; pictures that nobody has."""

    name, reads, words = "held", (), DomainWords()

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun: list[str] = []

    def person(self, raw: str) -> History:
        return History(raw, (Act("f1", "Heat"),))

    def recommend(self, history: History, *_: object) -> tuple[Recommendation, ...]:
        self.begun.append(str(history.user))
        assert self.go.wait(WITHIN)
        if history.user == "broken":
            raise RuntimeError("a fault")
        return (Recommendation("f1", "Heat", 1, 0.5),)


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def server(held: Held) -> Iterator[Server]:
    """Of this model alone."""
    desk = Desk({"held": cast(Predictor, held)})
    app = application(desk, cast(Pictures, None), held.words, ["127.0.0.1"], WAITING)
    server = Server(uvicorn.Config(app, port=0, log_level="critical"), app.state.lines)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield server
    held.go.set()
    server.should_exit = True
    thread.join(WITHIN)
    assert not thread.is_alive()


@pytest.fixture
def port(server: Server) -> int:
    return int(server.servers[0].sockets[0].getsockname()[1])


def until(condition: object) -> None:
    end = time.monotonic() + WITHIN
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.005)


def asked(port: int, user: str) -> http.client.HTTPConnection:
    """A question under way."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=2 * WITHIN)
    body = json.dumps({"history": {"user": user}})
    line.request("POST", "/recommend", body, {"content-type": "application/json"})
    return line


def answered(line: http.client.HTTPConnection) -> tuple[int, dict[str, object], str | None]:
    answer = line.getresponse()
    found = answer.status, json.loads(answer.read()), answer.getheader("retry-after")
    line.close()
    return found


def health(port: int) -> dict[str, object]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN)
    line.request("GET", "/health")
    return answered(line)[1]


def test_health_is_told_at_once_whatever_is_asked(port: int, held: Held) -> None:
    lines = [asked(port, f"p{n}") for n in range(100)]
    until(lambda: health(port)["waiting"] == WAITING)
    assert held.begun == ["p0"], "one is worked on, and health did not wait for it"
    held.go.set()
    told = [answered(line) for line in lines]
    assert [status for status, _, _ in told].count(200) == WAITING + 1
    assert health(port) == {"status": "ok", "models": ["held"], "waiting": 0}


def test_so_many_wait_and_no_more(port: int, held: Held) -> None:
    first = asked(port, "first")
    until(lambda: held.begun == ["first"])
    with ThreadPoolExecutor(WAITING) as pool:
        waiting = list(pool.map(lambda n: asked(port, f"p{n}"), range(WAITING)))
    until(lambda: health(port)["waiting"] == WAITING)
    status, told, after = answered(asked(port, "late"))
    assert status == 503
    assert told["error"] == f"{WAITING} questions wait already, as many as may: ask again in {after} s"
    assert after is not None
    assert int(after) >= 1
    held.go.set()
    assert {answered(line)[0] for line in (first, *waiting)} == {200}
    assert answered(asked(port, "later"))[0] == 200
    assert "late" not in held.begun


def test_who_has_hung_up_is_not_worked_for_and_leaves_room(port: int, held: Held) -> None:
    first = asked(port, "first")
    until(lambda: held.begun == ["first"])
    lines = [asked(port, f"gone{n}") for n in range(WAITING)]
    until(lambda: health(port)["waiting"] == WAITING)
    for line in lines:
        line.close()
    until(lambda: health(port)["waiting"] == 0)
    patient = asked(port, "patient")
    held.go.set()
    assert answered(first)[0] == answered(patient)[0] == 200
    assert held.begun == ["first", "patient"]


def test_a_fault_is_told_in_json_and_ends_nothing(port: int, held: Held) -> None:
    held.go.set()
    status, told, _ = answered(asked(port, "broken"))
    assert (status, told) == (500, {"error": "this failed here; the server's log says why", "nearest": []})
    assert answered(asked(port, "whole"))[0] == 200


def test_what_waits_is_refused_when_the_server_is_told_to_stop(server: Server, port: int, held: Held) -> None:
    first = asked(port, "first")
    until(lambda: held.begun)
    waiting = [asked(port, f"p{n}") for n in range(3)]
    until(lambda: health(port)["waiting"] == 3)
    server.handle_exit(signal.SIGINT, None)
    for line in waiting:
        status, found, seconds = answered(line)
        assert (status, seconds) == (503, "10")
        assert found == {"error": "this server stops: ask again in 10 s", "nearest": []}
    held.go.set()
    assert answered(first)[0] == 200, "what is begun is answered"
    assert held.begun == ["first"]
