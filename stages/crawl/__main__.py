"""What the raw logs lack of texts and pictures, from a service."""

import logging
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from engine.params import Record, cache, run
from engine.store import read, write, write_json, write_shards
from engine.tables import CATALOG, IMAGES, ITEMS
from stages.crawl import merge, tmdb
from stages.crawl.answers import Answers
from stages.crawl.fetcher import Fetcher
from stages.crawl.pool import look
from stages.crawl.service import Found

log = logging.getLogger(__name__)


class Given(Record):
    """No service: the texts and pictures that came with the raw logs, as they are."""

    service: Literal["none"]


class Params(Record):
    """The dataset's `crawl` section; its `service` says which keys it has."""

    crawl: Annotated[Given | tmdb.Settings, Field(discriminator="service")]


def main(
    params: Params, items: Path, given_catalog: Path, given_images: Path, catalog: Path, images: Path, report: Path
) -> None:
    """Fill what the given texts and pictures lack from a service (TMDb: key in TMDB_API_KEY); what was given wins.

    Every item stands in the catalog once, with its status (ok, missing, failed: why) for text and picture. Answers are
    kept in .cache/http as they come: a killed crawl, run again, goes on where it stopped.
    """
    table = read(items, ITEMS)
    given = merge.given(given_catalog, given_images, table)
    wanted = merge.wanted(table, given)
    found: dict[int, Found] = {}
    answers = None
    with ExitStack() as stack:
        if isinstance(params.crawl, tmdb.Settings) and wanted:
            answers = stack.enter_context(closing(Answers(cache("http", params.crawl.service) / "answers.sqlite")))
            fetcher = stack.enter_context(closing(Fetcher(params.crawl, tmdb.key(), answers)))
            found = look(tmdb.Tmdb(params.crawl, fetcher), fetcher, wanted, table.height)
            log.info("crawl: %(asked)d asked, %(kept)d kept already, %(faults)d faults", fetcher.tally)
        result = merge.merged(table, given, found)
        write_shards(merge.shards(given_images, result.pictures, answers), images, IMAGES)
    write(result.catalog, catalog, CATALOG)
    write_json(result.counts, report)


if __name__ == "__main__":
    run(main)
