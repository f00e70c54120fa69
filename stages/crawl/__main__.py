"""What the raw logs lack of texts and pictures, from services."""

import logging
from contextlib import ExitStack, closing

from engine.tables.command import run
from engine.tables.files import cache, write_json
from engine.tables.layout import Layout
from engine.tables.schemas import CATALOG, IMAGES, ITEMS
from engine.tables.store import read, write, write_shards
from stages.crawl import merge
from stages.crawl.answer_store import Answers
from stages.crawl.chosen_services import Params, api_key, chosen_services, open_service
from stages.crawl.fetcher import Fetcher
from stages.crawl.services.service import Found
from stages.crawl.worker_pool import look

log = logging.getLogger(__name__)


def main(params: Params, layout: Layout) -> None:
    """Fill what the given texts and pictures lack from services, the preferred one first; what was given wins.

    Keys: TMDB_API_KEY, OMDB_API_KEY, PINTEREST_ACCESS_TOKEN. Every item stands in the catalog once, with its status
    (ok, missing, failed: why) for text and picture. Answers are kept in .cache/http as they come: a killed crawl, run
    again, goes on where it stopped.
    """
    table = read(layout.items, ITEMS)
    given = merge.given(layout.given_catalog, layout.given_images, table)
    found: dict[str, dict[int, Found]] = {}
    answers: dict[str, Answers] = {}
    with ExitStack() as stack:
        for name, settings in chosen_services(params).items():
            wanted = merge.wanted(table, given, list(found.values()))
            if not wanted:
                break
            path = cache("http", settings.service) / "answers.sqlite"
            answers[name] = stack.enter_context(closing(Answers(path)))
            with closing(Fetcher(settings, api_key(settings), answers[name])) as fetcher:
                found[name] = look(open_service(settings, fetcher), fetcher, wanted, table.height)
                log.info("crawl, %s: %d asked, %d kept already, %d faults", name, *fetcher.counts())
        result = merge.merged(table, given, found)
        write_shards(merge.shards(layout.given_images, result.pictures, answers), layout.images, IMAGES)
    write(result.catalog, layout.catalog, CATALOG)
    write_json(result.counts, layout.metric("crawl"))


if __name__ == "__main__":
    run(main)
