"""The first real items of each service against the replay server; benchmarks/crawl.py does the same for all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.crawl import FAULTS, KEYS, finish, items, killed, refused, replay, same, spent, start, stored, tables

REAL = os.environ.get("WHYREC_REAL")
pytestmark = pytest.mark.skipif(
    REAL is None, reason="set WHYREC_REAL to the folder with tools/replay_server.py and data/"
)
MOVIES = 100
BRISK = ("backoff=0.02", "rate=200", "workers=8")
Crawl = Callable[..., Any]


@pytest.fixture(scope="module", params=["tmdb", "omdb", "pinterest"])
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def clean(service: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(f"replay_{service}")
    real = Path(REAL or "")
    assert items(real, folder, MOVIES, service) == MOVIES
    with replay(real) as server:
        finish(start(folder, folder / "clean", service, *server.settings(service), *BRISK))
        assert server.stats()["repeated_200"] == 0
        assert sum("/t/p/" in path for path in server.asked) > MOVIES / 4, "pictures were asked for"
    return folder


def test_a_faulty_crawl_leaves_the_same_tables(clean: Path, service: str) -> None:
    with replay(Path(REAL or ""), **FAULTS) as server:
        finish(start(clean, clean / "faulty", service, *server.settings(service), *BRISK))
        assert server.stats()["statuses"]["500"] > 0
        assert server.stats()["repeated_200"] <= server.garbage.total()
    assert same(clean / "clean", clean / "faulty")


def test_a_crawl_over_the_rate_waits_and_leaves_the_same_tables(clean: Path, service: str) -> None:
    with replay(Path(REAL or ""), rate=50) as server:
        finish(start(clean, clean / "crowded", service, *server.settings(service), *BRISK))
        assert server.stats()["statuses"]["429"] > 0
        assert server.stats()["repeated_200"] == 0
    assert same(clean / "clean", clean / "crowded")


def test_a_killed_crawl_goes_on_where_it_stopped(clean: Path, service: str) -> None:
    with replay(Path(REAL or ""), **{**FAULTS, "garbage": 0.0}) as server:
        settings, out = server.settings(service), clean / "killed"

        def begin():  # type: ignore[no-untyped-def]
            return start(clean, out, service, *settings, *BRISK, "workers=4")

        found = killed(server, begin, out, MOVIES // 5, 4)
        assert found["kept_at_last_kill"] > MOVIES // 2
        assert found["asked_again_though_kept"] == 0
        # an answer on its way at the kill is all that may be sent twice: one a worker and kill
        assert server.stats()["repeated_200"] <= 4 * 4
    assert same(clean / "clean", out)


def test_a_wrong_key_stops_at_once(clean: Path, service: str) -> None:
    with replay(Path(REAL or "")) as server:
        settings = server.settings(service)
        before, out = len(server.asked), clean / "refused"
        said = refused(start(clean, out, service, *settings, *BRISK, key="bad-key"))
        assert len(server.asked) - before <= 8, "one a worker"
    assert next(key for key in KEYS if key.lower().startswith(service)) in said
    assert "bad-key" not in said
    assert stored(out) == set()
    assert tables(out) == []


@pytest.mark.parametrize("service", ["omdb"], indirect=True)  # the one that has a daily quota
def test_a_spent_quota_goes_on_tomorrow(clean: Path, service: str) -> None:
    with replay(Path(REAL or "")) as server:
        settings, out = server.settings(service), clean / "spent"

        def begin():  # type: ignore[no-untyped-def]
            return start(clean, out, service, *settings, *BRISK)

        found = spent(server, begin, out, MOVIES // 2)
    assert "again tomorrow" in found["said"]
    assert found["tables_left"] == []
    assert found["kept"] >= MOVIES // 2 - 8
    assert found["asked_again_though_kept"] == 0
    assert same(clean / "clean", out)
