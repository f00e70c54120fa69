"""The first few hundred real movies against the replay server; benchmarks/crawl.py does the same for all."""

import os
from pathlib import Path

import pytest

from benchmarks.crawl import FAULTS, finish, items, killed, replay, same, start

REAL = os.environ.get("WHYREC_REAL")
pytestmark = pytest.mark.skipif(
    REAL is None, reason="set WHYREC_REAL to the folder with tools/replay_server.py and data/ml-latest-small"
)
MOVIES = 150
BRISK = ("backoff=0.02", "rate=200")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replay")
    real = Path(REAL or "")
    assert items(real, folder, MOVIES) == MOVIES
    with replay(real) as server:
        finish(start(folder, folder / "clean", server.base, server.images(), *BRISK))
        assert server.stats()["repeated_200"] == 0
    return folder


def test_a_faulty_crawl_leaves_the_same_tables(clean: Path) -> None:
    with replay(Path(REAL or ""), **FAULTS) as server:
        finish(start(clean, clean / "faulty", server.base, server.images(), *BRISK))
        assert server.stats()["statuses"]["500"] > 0
        assert server.stats()["repeated_200"] <= server.garbage.total()
    assert same(clean / "clean", clean / "faulty")


def test_a_crawl_over_the_rate_waits_and_leaves_the_same_tables(clean: Path) -> None:
    with replay(Path(REAL or ""), rate=100) as server:
        finish(start(clean, clean / "crowded", server.base, server.images(), *BRISK))
        assert server.stats()["statuses"]["429"] > 0
        assert server.stats()["repeated_200"] == 0
    assert same(clean / "clean", clean / "crowded")


def test_a_killed_crawl_goes_on_where_it_stopped(clean: Path) -> None:
    with replay(Path(REAL or ""), **{**FAULTS, "garbage": 0.0}) as server:
        images, out = server.images(), clean / "killed"

        def begin():  # type: ignore[no-untyped-def]
            return start(clean, out, server.base, images, *BRISK, "workers=4")

        found = killed(server, begin, out, MOVIES // 4, 5)
        assert found["kept_at_last_kill"] > MOVIES // 2
        assert found["asked_again_though_kept"] == 0
        # an answer on its way at the kill is all that may be sent twice: one a worker and kill
        assert server.stats()["repeated_200"] <= 4 * 5
    assert same(clean / "clean", out)
