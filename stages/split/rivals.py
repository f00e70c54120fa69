"""Cases whose target is ranked among nothing else: every model puts it first, and the readings say so."""

import logging

import polars as pl

from stages.split.settings import Protocol

log = logging.getLogger(__name__)


def warn_of_none(cases: pl.DataFrame, split: pl.DataFrame, items: int, protocol: Protocol, where: str) -> None:
    """Warn of the cases of each part that have no rival: their list holds the target alone, or the person has had all
    other items before.
    """
    alone = _alone_in_its_list(cases) if protocol.candidates else _had_all_others(cases, split, items, protocol)
    cure = "longer lists" if protocol.candidates else f"{where}.seen=kept"
    for part in ("valid", "test"):
        every = cases["part"] == part
        if found := int((every & alone).sum()):
            log.warning(
                "%s: %d of %d %s cases have no rival, so that any model ranks their target first: no reading of them "
                "tells models apart; %s would give some",
                where,
                found,
                int(every.sum()),
                part,
                cure,
            )


def _alone_in_its_list(cases: pl.DataFrame) -> pl.Series:
    rivals, target = pl.col("candidates").list, pl.col("target")
    alone = (rivals.len() == 0) | ((rivals.min() == target) & (rivals.max() == target))
    return cases.select(alone.fill_null(value=False).alias("alone")).to_series()


def _had_all_others(cases: pl.DataFrame, split: pl.DataFrame, items: int, protocol: Protocol) -> pl.Series:
    if protocol.seen == "kept" or not cases.height:
        return pl.Series([False]).new_from_index(0, cases.height)
    many = split.filter(pl.len().over("user") >= items - 1)
    fresh = pl.struct("user", "item").is_first_distinct().cast(pl.Int64)
    had = many.select("user", "position", had=fresh.cum_sum().over("user") - fresh)
    found = cases.select("user", "position").join(had, on=["user", "position"], how="left", maintain_order="left")
    return (found["had"] >= items - 1).fill_null(value=False)
