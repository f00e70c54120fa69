"""Many items at once, under a progress bar."""

import logging
from collections import Counter
from collections.abc import Iterator
from multiprocessing import TimeoutError
from multiprocessing.pool import IMapIterator, ThreadPool
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from stages.crawl.failures import CrawlStopped
from stages.crawl.fetcher import Fetcher
from stages.crawl.services.item_content import ItemContent, ItemRequest
from stages.crawl.services.service import Service

log = logging.getLogger(__name__)

R = TypeVar("R")
_SLEEP = 0.5  # seconds


def crawl_items(name: str, service: Service, requests: list[ItemRequest], items: int) -> dict[int, ItemContent]:
    """What `service`, called `name` in the params, has for each requested item, by item.

    Raises:
        CrawlStopped: as the service; or more than the stated share of the table's `items` failed.
    """
    fetcher = service.fetcher
    found: dict[int, ItemContent] = {}
    failures: Counter[str] = Counter()

    def look_up(request: ItemRequest) -> tuple[int, ItemContent]:
        return request.item, service.look_up(request)

    # its threads are daemons and nobody waits for them: one that hangs in a name server's answer keeps no Ctrl-C
    with _bar(name, len(requests)) as bar, ThreadPool(fetcher.settings.workers) as pool:
        try:
            for item, content in _awake(pool.imap_unordered(look_up, requests)):
                found[item] = content
                failed = next((one for one in (content.text_status, content.picture_status) if one.failed), None)
                if failed:
                    failures[failed.reason] += 1
                    _check_failures(name, failures, items, fetcher)
                _show(bar, fetcher)
        except KeyboardInterrupt:
            fetcher.abort()
            raise
        finally:
            fetcher.stop()
    _warn_of_unknown(name, service, requests, found)
    return found


def _awake(results: "IMapIterator[R]") -> Iterator[R]:
    """The results as they come. Python sees Ctrl-C when its main thread runs, so that does not sleep for long."""
    while True:
        try:
            yield results.next(_SLEEP)
        except TimeoutError:
            continue
        except StopIteration:
            return


def _check_failures(name: str, failures: Counter[str], items: int, fetcher: Fetcher) -> None:
    share = fetcher.settings.failed
    if failures.total() > max(share * items, share > 0):
        reasons = ", ".join(f"{count} x {reason}" for reason, count in failures.most_common(3))
        raise CrawlStopped(
            f"{name}: {failures.total()} of {items} items failed, more than its setting `failed` allows ({share:.1%}): "
            f"{reasons}; run again to go on, all that was answered is kept in {fetcher.store.path}; "
            f"where these will fail for ever, set `failed` higher"
        )


def _warn_of_unknown(name: str, service: Service, requests: list[ItemRequest], found: dict[int, ItemContent]) -> None:
    asked = [one for one in requests if one.ids.get(service.id_name)]
    unknown = [one for one in asked if found[one.item].unknown]
    share = service.fetcher.settings.not_found
    if len(unknown) > share * len(asked):
        log.warning(
            "crawl, %s: %d of %d items are not found there, more than its setting `not_found` expects (%.0f %%), "
            "e.g. the %s id %r of item %d: are the ids those of this service, and whole?",
            name, len(unknown), len(asked), 100 * share,
            service.id_name, unknown[0].ids[service.id_name], unknown[0].item,
        )  # fmt: skip


def _bar(name: str, total: int) -> Progress:
    columns = (
        TextColumn(f"crawl {name}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[asked]} asked, {task.fields[rate]:.0f}/s, {task.fields[failures]} failed tries"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, disable=not console.is_terminal)
    bar.add_task("crawl", total=total, asked=0, rate=0.0, failures=0)
    return bar


def _show(bar: Progress, fetcher: Fetcher) -> None:
    task = bar.tasks[0]
    asked, failures = fetcher.tally["asked"], fetcher.tally["failures"]
    bar.update(task.id, advance=1, asked=asked, failures=failures, rate=asked / max(task.elapsed or 0.0, 1e-3))
