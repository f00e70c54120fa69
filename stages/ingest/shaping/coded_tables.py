"""From raw ids to the final tables: users and items numbered from 1 in the order of their raw ids."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from engine.tables.schema import Table
from engine.tables.schemas import CANDIDATES, CATALOG, EVENTS, IMAGES, ITEMS, USERS
from stages.ingest.reading import html_text
from stages.ingest.shaping.event_log import EventLog
from stages.ingest.shaping.parallel import U32, codes_present, gather
from stages.ingest.shaping.source_tables import SourceTables


def code_tables(log: EventLog, raw: SourceTables, catalogue: str, report: dict[str, Any]) -> SourceTables:
    """The final tables; `report` gets their counts."""
    raw = _titled(_keyed(raw, log))
    users = _numbered("user", log.users.filter(pl.Series(codes_present(log.user, len(log.users)))))
    items = _numbered("item", _item_ids(log, raw, catalogue))
    report["items_unlisted"] = int((~items["key"].is_in(raw.items["item"].implode())).sum())
    events = _events(log, users, items)
    candidates = _candidates(raw.candidates, users, items)
    report |= log_statistics(events, items.height)
    report["candidate_users"] = candidates.height
    listed = items.join(raw.items, left_on="key", right_on="item", how="left", validate="1:1")
    return replace(
        raw,
        events=events,
        users=_final(users.with_columns(raw=pl.col("key").cast(pl.String)), USERS),
        items=_final(listed.with_columns(raw=pl.col("key").cast(pl.String)), ITEMS),
        catalog=_catalog(listed, raw.catalog),
        candidates=candidates,
        images=_images(raw.images, items),
        coded=True,
    )


def _keyed(raw: SourceTables, log: EventLog) -> SourceTables:
    """Ids of one type in all frames, or they would not be joined."""
    user, item = log.users.dtype, log.items.dtype
    return replace(
        raw,
        items=raw.items.cast({"item": item}),
        catalog=raw.catalog.cast({"item": item}),
        candidates=raw.candidates.cast({"user": user, "candidates": pl.List(item)}),
        images=(frame.cast({"item": item}) for frame in raw.images),
    )


def _titled(raw: SourceTables) -> SourceTables:
    """Titles on one line, without control characters, whatever the source wrote."""
    items, catalog = (
        frame.with_columns(html_text.one_line(frame["title"]).alias("title")) for frame in (raw.items, raw.catalog)
    )
    return replace(raw, items=items, catalog=catalog)


def log_statistics(events: pl.DataFrame, items: int) -> dict[str, Any]:
    """Counts of a final table of events; tied: at the very time of another event of the same user."""
    users = int(events["user"].n_unique())
    timed = events["time"].null_count() == 0
    same = (pl.col("user") == pl.col("user").shift(1)) & (pl.col("time") == pl.col("time").shift(1))
    tied = events.select(same=same.fill_null(False)).select(
        (pl.col("same") | pl.col("same").shift(-1)).fill_null(False)
    )
    return {
        "users": users,
        "items": items,
        "events": events.height,
        "density": events.height / (users * items),
        "mean_length": events.height / users,
        "timed": timed,
        "tied_share": float(tied.to_series().mean()) if timed else 0.0,  # type: ignore[arg-type]
    }


def _final(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    return frame.select(pl.col(name).cast(dtype) for name, dtype in table.columns.items()).sort(table.sorted_by)


def _numbered(name: str, ids: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({name: np.arange(1, len(ids) + 1, dtype=np.uint32), "key": ids})


def _item_ids(log: EventLog, raw: SourceTables, catalogue: str) -> pl.Series:
    used = log.items.filter(pl.Series(codes_present(log.item, len(log.items)))).rename("key")
    asked = raw.candidates["candidates"].explode().drop_nulls().unique().rename("key")
    if catalogue == "all":
        return pl.concat([used, raw.items["item"].rename("key"), asked]).unique().sort()
    strange = asked.filter(~asked.is_in(used.implode()))
    if len(strange):
        raise ValueError(
            f"{len(strange)} frozen candidates, e.g. item {strange[0]!r}, have no events left; "
            "frozen lists stay whole: set catalogue: all"
        )
    return used


def _events(log: EventLog, users: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    user, item = _renumbered(log.user, log.users, users), _renumbered(log.item, log.items, items)
    rows = len(user)
    rating = (
        pl.Series([None], dtype=pl.Float32).new_from_index(0, rows) if log.rating is None else pl.Series(log.rating)
    )
    time = pl.Series([None], dtype=pl.Int64).new_from_index(0, rows) if log.time is None else pl.Series(log.time)
    frame = pl.DataFrame({"user": user, "item": item, "rating": rating.fill_nan(None), "time": time})
    return frame.select(pl.col(name).cast(dtype) for name, dtype in EVENTS.columns.items())


def _renumbered(codes: U32, ids: pl.Series, final: pl.DataFrame) -> U32:
    table = (final["key"].search_sorted(ids) + 1).cast(pl.UInt32).to_numpy()
    return gather(table, codes)


def _candidates(given: pl.DataFrame, users: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    if not given.height:
        return pl.DataFrame(schema=dict(CANDIDATES.columns))
    each = given.explode("candidates").rename({"user": "key"}).join(users, on="key", maintain_order="left")
    each = each.join(items.rename({"key": "candidates"}), on="candidates", maintain_order="left")
    lists = each.group_by("user", maintain_order=True).agg(candidates="item")
    return _final(lists, CANDIDATES)


def _catalog(listed: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
    """A row for every item; what did not come with the source is `missing`."""
    both = listed.select("item", "key", "title").join(
        given.rename({"item": "key"}), on="key", how="left", suffix="_given", validate="1:1"
    )
    return _final(
        both.with_columns(
            pl.coalesce("title_given", "title").alias("title"),
            pl.col("status", "picture").fill_null("missing"),
        ),
        CATALOG,
    )


def _images(frames: Iterable[pl.DataFrame], items: pl.DataFrame) -> Iterator[pl.DataFrame]:
    for frame in frames:
        yield _final(frame.rename({"item": "key"}).join(items, on="key"), IMAGES)
