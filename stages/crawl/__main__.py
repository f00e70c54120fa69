"""What the raw logs lack of texts and pictures, from services."""

import logging
from contextlib import ExitStack, closing
from pathlib import Path

from engine.params import cache, run
from engine.store import read, write, write_json, write_shards
from engine.tables import CATALOG, IMAGES, ITEMS
from stages.crawl import merge
from stages.crawl.answers import Answers
from stages.crawl.fetcher import Fetcher
from stages.crawl.plan import Params, key, opened, ordered
from stages.crawl.pool import look
from stages.crawl.service import Found

log = logging.getLogger(__name__)


def main(
    params: Params, items: Path, given_catalog: Path, given_images: Path, catalog: Path, images: Path, report: Path
) -> None:
    """Fill what the given texts and pictures lack from services, the preferred one first; what was given wins.

    Keys: TMDB_API_KEY, OMDB_API_KEY, PINTEREST_ACCESS_TOKEN. Every item stands in the catalog once, with its status
    (ok, missing, failed: why) for text and picture. Answers are kept in .cache/http as they come: a killed crawl, run
    again, goes on where it stopped.
    """
    table = read(items, ITEMS)
    given = merge.given(given_catalog, given_images, table)
    found: dict[str, dict[int, Found]] = {}
    answers: dict[str, Answers] = {}
    with ExitStack() as stack:
        for name, settings in ordered(params).items():
            wanted = merge.wanted(table, given, list(found.values()))
            if not wanted:
                break
            path = cache("http", settings.service) / "answers.sqlite"
            answers[name] = stack.enter_context(closing(Answers(path)))
            with closing(Fetcher(settings, key(settings), answers[name])) as fetcher:
                found[name] = look(opened(settings, fetcher), fetcher, wanted, table.height)
                log.info("crawl, %s: %d asked, %d kept already, %d faults", name, *fetcher.counts())
        result = merge.merged(table, given, found)
        write_shards(merge.shards(given_images, result.pictures, answers), images, IMAGES)
    write(result.catalog, catalog, CATALOG)
    write_json(result.counts, report)


if __name__ == "__main__":
    run(main)
