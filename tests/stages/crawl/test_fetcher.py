import gzip
import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from stages.crawl.answer_store import Answer
from stages.crawl.api_key import ApiKey
from stages.crawl.failures import CrawlStopped, RequestFailed, TransientFailure
from stages.crawl.fetcher import Fetcher
from stages.crawl.services.service import picture_metadata

from .conftest import KEY, Handler, Service, jpeg

Fetch = Callable[..., Fetcher]
GOOD = (200, {"good": True})


def read(answer: Answer) -> str:
    try:
        json.loads(answer.body)
    except ValueError:
        raise TransientFailure("not JSON") from None
    return "read"


def slow(handler: Handler) -> None:
    time.sleep(0.6)
    handler.close_connection = True


def drip(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


FAULTS: dict[str, tuple[Any, str]] = {
    "500": ((500, b"<html>oops</html>"), "HTTP 500"),
    "502": ((502, b""), "HTTP 502"),
    "503": ((503, b""), "HTTP 503"),
    "504": ((504, b""), "HTTP 504"),
    "429": ((429, {}, {"Retry-After": "0"}), "HTTP 429"),
    "odd Retry-After": ((429, {}, {"Retry-After": "soon"}), "HTTP 429"),
    "reset": (Handler.reset, "connection refused or broken"),
    "cut": ((200, {"good": True}, None, 5), "cut answer"),
    "cut 404": ((404, {"good": True}, None, 5), "cut answer"),
    "garbage": ((200, b"<!doctype html><title>captive portal</title>"), "not JSON"),
    "not gzip": ((200, {}, {"Content-Encoding": "gzip"}), "garbled answer"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_tried_again_and_never_kept(service: Service, fetch: Fetch, name: str) -> None:
    fault, why = FAULTS[name]
    service.says("/3/x", fault, fault, GOOD)
    fetcher = fetch(retries=2)
    assert fetcher.get(f"{service.base}/x", "json", read) == Answer(200, b'{"good": true}', "read")
    assert (fetcher.tally["asked"], fetcher.tally["failures"]) == (3, 2)
    service.says("/3/y", fault)
    with pytest.raises(RequestFailed, match=f"^{why}$"):
        fetcher.get(f"{service.base}/y", "json", read)
    assert service.paths().count("/3/y") == 3
    assert fetcher.store.get(f"{service.base}/y", "json") is None


@pytest.mark.parametrize(("fault", "why"), [(slow, "no answer in time"), (drip, "not whole within 0.5 seconds")])
def test_a_slow_answer_is_a_fault(service: Service, fetch: Fetch, fault: Any, why: str) -> None:
    service.says("/3/x", fault, GOOD)
    fetcher = fetch(timeout=0.3, deadline=0.5, retries=1)
    assert fetcher.get(f"{service.base}/x", "json", read).status == 200
    service.says("/3/y", fault)
    with pytest.raises(RequestFailed, match=why):
        fetch(timeout=0.3, deadline=0.5, retries=0).get(f"{service.base}/y", "json", read)


def test_nobody_listens(fetch: Fetch) -> None:
    with pytest.raises(RequestFailed, match="connection refused or broken"):
        fetch(base="http://127.0.0.1:9/3", retries=1).get("http://127.0.0.1:9/3/x", "json", read)


@pytest.mark.parametrize("status", [301, 302, 400, 405, 421])
def test_other_statuses_are_given_up_at_once(service: Service, fetch: Fetch, status: int) -> None:
    service.says("/3/x", (status, {}, {"Location": "/3/other"}))
    with pytest.raises(RequestFailed, match=f"^HTTP {status}$"):
        fetch().get(f"{service.base}/x", "json", read)
    assert service.paths() == ["/3/x"]


@pytest.mark.parametrize("reply", [GOOD, (404, {"status_code": 34})])
def test_an_answer_is_asked_for_once(service: Service, fetch: Fetch, reply: Any) -> None:
    service.says("/3/x", reply)
    first = fetch()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: first.get(f"{service.base}/x", "json", read), range(8)))
    assert fetch().get(f"{service.base}/x", "json", read) == answers[0]
    assert len(set(answers)) == 1
    assert service.paths() == ["/3/x"]


def test_retry_after_holds_all_threads_back(service: Service, fetch: Fetch) -> None:
    service.says("/3/busy", (429, {}, {"Retry-After": "1"}), GOOD)
    service.says("/3/other", GOOD)
    fetcher = fetch()
    with ThreadPoolExecutor(2) as pool:
        busy = pool.submit(fetcher.get, f"{service.base}/busy", "json", read)
        while not fetcher.tally["failures"]:
            time.sleep(0.005)
        time.sleep(0.05)
        other = pool.submit(fetcher.get, f"{service.base}/other", "json", read)
        assert (busy.result().status, other.result().status) == (200, 200)
    first, *rest = (when for *_, when in service.asked)
    assert len(rest) == 2
    assert min(rest) - first > 0.95


@pytest.mark.parametrize("wait", [3600, 86400])
def test_a_longer_wait_than_the_longest_stops(service: Service, fetch: Fetch, wait: int) -> None:
    service.says("/3/x", (503, {}, {"Retry-After": str(wait)}))
    with pytest.raises(CrawlStopped, match=rf"asks to wait {wait} seconds.*longest_wait is 5.*run again later"):
        fetch().get(f"{service.base}/x", "json", read)


def test_the_rate_is_kept_for_the_service_and_not_for_pictures(service: Service, fetch: Fetch) -> None:
    fetcher = fetch(rate=20, workers=8)
    for n in range(45):
        service.says(f"/3/{n}", GOOD)
        service.says(f"/t/{n}", (200, jpeg()))
    start = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: fetcher.get(f"{service.base}/{n}", "json", read), range(45)))
        calls = sorted(when - start for *_, when in service.asked)
        list(pool.map(lambda n: fetcher.get(f"{service.host}/t/{n}", "picture", picture_metadata), range(45)))
    assert 2.0 <= calls[-1] < 4.0
    assert all(calls[n + 21] - calls[n] > 0.9 for n in range(45 - 21))
    pictures = [when - start for path, *_, when in service.asked if path.startswith("/t/")]
    assert max(pictures) - min(pictures) < 1.0


def test_after_429_it_asks_more_slowly(service: Service, fetch: Fetch) -> None:
    service.says("/3/x", (429, {}, {"Retry-After": "0"}), GOOD)
    fetcher = fetch(rate=25)
    fetcher.get(f"{service.base}/x", "json", read)
    for n in range(10):
        service.says(f"/3/{n}", GOOD)
        fetcher.get(f"{service.base}/{n}", "json", read)
    calls = [when for *_, when in service.asked]
    assert calls[-1] - calls[1] > 10 * 1.25 / 25 * 0.9


@pytest.mark.parametrize("zipped", [False, True])
def test_a_huge_answer_is_refused_before_it_is_read(service: Service, fetch: Fetch, zipped: bool) -> None:
    body = b" " * 30_000_000
    service.says("/3/x", (200, gzip.compress(body) if zipped else body, {"Content-Encoding": "gzip"} if zipped else {}))
    with pytest.raises(RequestFailed, match=r"more than 0\.1 megabytes"):
        fetch(megabytes=0.1).get(f"{service.base}/x", "json", read)
    assert len(service.asked) == 1


def test_a_zipped_answer_is_read(service: Service, fetch: Fetch) -> None:
    service.says("/3/x", (200, gzip.compress(b'{"a": "' + b"b" * 100_000 + b'"}'), {"Content-Encoding": "gzip"}))
    assert len(fetch().get(f"{service.base}/x", "json", read).body) == 100_009


def test_a_stop_wakes_those_who_wait(service: Service, fetch: Fetch) -> None:
    service.says("/3/x", (429, {}, {"Retry-After": "4"}))
    fetcher = fetch()
    threading.Timer(0.2, fetcher.stop).start()
    start = time.monotonic()
    with pytest.raises(CrawlStopped, match="the crawl was stopped"):
        fetcher.get(f"{service.base}/x", "json", read)
    assert time.monotonic() - start < 2


# ---- the key


@pytest.mark.parametrize("key", ["", "  ", "two words", "key\nX-Evil: 1", "clé"])
def test_a_missing_or_odd_key_stops_before_asking(
    service: Service, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("TMDB_API_KEY", key)
    with pytest.raises(CrawlStopped, match="TMDB_API_KEY") as caught:
        fetch().get(f"{service.base}/x", "json", read)
    assert not key.strip() or key not in str(caught.value)
    assert service.asked == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_stops_at_once_and_is_not_shown(service: Service, fetch: Fetch, status: int) -> None:
    service.says("/3/x", (status, {"status_message": f"Invalid API key: {KEY} is not valid."}))
    with pytest.raises(CrawlStopped, match=rf"environment variable TMDB_API_KEY \(HTTP {status}.*Invalid") as caught:
        fetch().get(f"{service.base}/x", "json", read)
    assert KEY not in str(caught.value)
    assert len(service.asked) == 1


def test_a_v3_key_is_a_parameter_beside_others(service: Service, fetch: Fetch) -> None:
    service.says("/3/x", GOOD)
    fetch().get(f"{service.base}/x?language=de", "json", read)
    (_, query, headers, _) = service.asked[0]
    assert query == {"language": "de", "api_key": KEY}
    assert "Authorization" not in headers


def test_a_v4_token_is_a_bearer_header(service: Service, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMDB_API_KEY", "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln-_A")
    service.says("/3/x", GOOD)
    fetch().get(f"{service.base}/x", "json", read)
    (_, query, headers, _) = service.asked[0]
    assert query == {}
    assert headers["Authorization"] == "Bearer eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln-_A"


@pytest.mark.parametrize("token", [KEY, "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln-_A"])
def test_pictures_are_asked_for_without_the_key(
    service: Service, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: str
) -> None:
    monkeypatch.setenv("TMDB_API_KEY", token)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    service.says("/t/1.jpg", (200, jpeg()))
    fetch().get(f"{service.host}/t/1.jpg", "picture", picture_metadata)
    assert token not in str(service.asked)
    assert "Authorization" not in service.asked[0][2]


@pytest.mark.parametrize("name", ["429", "500", "reset", "cut", "garbage"])
def test_the_key_stays_out_of_logs_errors_and_files(
    service: Service, fetch: Fetch, caplog: pytest.LogCaptureFixture, tmp_path: Path, name: str
) -> None:
    caplog.set_level(logging.DEBUG)
    service.says("/3/x", FAULTS[name][0])
    with pytest.raises(RequestFailed) as caught:
        fetch(retries=1).get(f"{service.base}/x", "json", read)
    service.says("/3/y", GOOD)
    fetch().get(f"{service.base}/y", "json", read)
    assert any("/3/y" in record.getMessage() for record in caplog.records), "urllib3 logs addresses"
    assert KEY not in caplog.text
    assert not [line for line in caplog.records if "limiter" in line.name and "for http" in line.getMessage()]
    assert KEY not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.glob("answers.sqlite*"))


def test_a_key_shows_itself_to_nobody() -> None:
    key = ApiKey("TMDb", "TMDB_API_KEY", "api_key")
    assert KEY not in f"{key} {key!r} {vars(key)}"
    key.close()
