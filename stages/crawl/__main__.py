"""What the raw logs lack of texts and pictures, from services."""

import logging
from contextlib import ExitStack, closing

from engine.tables.command import run
from engine.tables.files import cache, write_json
from engine.tables.layout import Layout
from engine.tables.schemas import CATALOG, IMAGES, ITEMS
from engine.tables.store import read, write, write_shards
from stages.crawl import merge
from stages.crawl.answer_store import AnswerStore
from stages.crawl.chosen_services import Params, api_key, chosen_services, open_service
from stages.crawl.fetcher import Fetcher
from stages.crawl.services.item_content import ItemContent
from stages.crawl.worker_pool import crawl_items

log = logging.getLogger(__name__)


def main(params: Params, layout: Layout) -> None:
    """Fill what the given texts and pictures lack from services, the preferred one first; what was given wins.

    Keys: TMDB_API_KEY, OMDB_API_KEY, PINTEREST_ACCESS_TOKEN. Every item stands in the catalog once, with its status
    (ok, missing, failed: why) for text and picture. Answers are kept in .cache/http as they come: a killed crawl, run
    again, goes on where it stopped.
    """
    items = read(layout.items, ITEMS)
    given = merge.read_given(layout.given_catalog, layout.given_images, items)
    found: dict[str, dict[int, ItemContent]] = {}
    stores: dict[str, AnswerStore] = {}
    with ExitStack() as stack:
        for name, settings in chosen_services(params).items():
            requests = merge.lacking(items, given, list(found.values()))
            if not requests:
                break
            path = cache("http", settings.service) / "answers.sqlite"
            stores[name] = stack.enter_context(closing(AnswerStore(path)))
            with closing(Fetcher(settings, api_key(settings), stores[name])) as fetcher:
                found[name] = crawl_items(name, open_service(settings, fetcher), requests, items.height)
                log.info("crawl, %s: %d asked, %d kept already, %d failed tries", name, *fetcher.counts())
        result = merge.merge_contents(items, given, found)
        write_shards(merge.image_shards(layout.given_images, result.pictures, stores), layout.images, IMAGES)
    write(result.catalog, layout.catalog, CATALOG)
    write_json(result.counts, layout.metric("crawl"))


if __name__ == "__main__":
    run(main)
