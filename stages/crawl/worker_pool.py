"""Many items at once, in a bounded line, under a progress bar."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from stages.crawl.fetcher import Fetcher
from stages.crawl.request_settings import Stopped
from stages.crawl.services.service import Found, Service, Wanted

_AHEAD = 4  # items in line for each worker


def look(service: Service, fetcher: Fetcher, wanted: list[Wanted], items: int) -> dict[int, Found]:
    """What `service` has for each wanted item, by item.

    Raises:
        Stopped: as the service; or more than the stated share of the table's `items` failed.
    """
    found: dict[int, Found] = {}
    failures: Counter[str] = Counter()
    with _bar(service.name, len(wanted)) as bar, ThreadPoolExecutor(fetcher.manners.workers) as pool:
        try:
            for item, one in _results(pool, service, iter(wanted), fetcher.manners.workers * _AHEAD):
                found[item] = one
                failed = one.text if one.text.kind == "failed" else one.picture
                if failed.kind == "failed":
                    failures[failed.why] += 1
                    _judge(failures, items, fetcher)
                _show(bar, fetcher)
        finally:
            fetcher.pace.halt()
            pool.shutdown(cancel_futures=True)
    return found


def _results(
    pool: ThreadPoolExecutor, service: Service, wanted: Iterator[Wanted], most: int
) -> Iterator[tuple[int, Found]]:
    waiting: dict[Future[Found], int] = {pool.submit(service.look, one): one.item for one in islice(wanted, most)}
    while waiting:
        done, _ = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            yield waiting.pop(future), future.result()
        for one in islice(wanted, most - len(waiting)):
            waiting[pool.submit(service.look, one)] = one.item


def _judge(failures: Counter[str], items: int, fetcher: Fetcher) -> None:
    share = fetcher.manners.failed
    if failures.total() > share * items:
        reasons = ", ".join(f"{count} x {why}" for why, count in failures.most_common(3))
        raise Stopped(
            f"{failures.total()} of {items} items failed, more than crawl.failed allows ({share:.1%}): {reasons}; "
            f"run again to go on, all that was answered is kept in {fetcher.answers.path}"
        )


def _bar(name: str, total: int) -> Progress:
    columns = (
        TextColumn(f"crawl {name}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[asked]} asked, {task.fields[rate]:.0f}/s, {task.fields[faults]} faults"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, disable=not console.is_terminal)
    bar.add_task("crawl", total=total, asked=0, rate=0.0, faults=0)
    return bar


def _show(bar: Progress, fetcher: Fetcher) -> None:
    task = bar.tasks[0]
    asked, faults = fetcher.tally["asked"], fetcher.tally["faults"]
    bar.update(task.id, advance=1, asked=asked, faults=faults, rate=asked / max(task.elapsed or 0.0, 1e-3))
