"""Events and a protocol to train, valid and test, and the cases to rank."""

import logging
from typing import Any

import polars as pl

from engine.tables import files, store
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schemas import CANDIDATES, CASES, CATALOG, EVENTS, SPLIT
from engine.tables.settings import Choice, Record, Seed, checked
from stages.split import missing_cases, rivals
from stages.split.candidates import given_candidates, sample_candidates
from stages.split.global_time import cold_start
from stages.split.protocols import assign_parts, make_cases, sample_cases
from stages.split.settings import RULES, GlobalTime, Protocol, RandomOne

log = logging.getLogger(__name__)


class Params(Record):
    """What dvc.yaml declares."""

    protocol: Choice
    seed: Seed


def main(params: Params, layout: Layout) -> None:
    """Cut each user's events into train, valid and test; draw and freeze the candidate lists; report on the data."""
    where, protocol = f"protocols.{params.protocol.name}", settings(params)
    events = store.read(layout.events, EVENTS)
    if events.height == 0:
        raise ValueError(f"{layout.events}: no events to split")
    catalog = store.read(layout.catalog, CATALOG, ["item", "status", "picture"])
    split = assign_parts(events, protocol, params.seed, where)
    every = make_cases(split, protocol)
    ratings_alone = protocol.cases == "none"
    if ratings_alone and split["rating"].null_count() == split.height:
        raise ValueError(f"{where}.cases is none, and these events have no ratings: nothing is left to measure")
    missing = {} if ratings_alone else missing_cases.explain(split, every, protocol, where)
    cases = _frozen(every, split, protocol, catalog.height, params.seed, layout)
    rivals.warn_of_none(cases, split, catalog.height, protocol, where)
    users = int(split["user"].max() or 0)  # type: ignore[arg-type]
    meta = {"items": catalog.height, "users": users, "protocol": params.protocol.name}
    store.write(split, layout.split, SPLIT, meta | {"in_order": not isinstance(protocol, RandomOne)} | missing)
    store.write(cases, layout.cases, CASES)
    repeats = split.filter(pl.col("part") != "train").height - every.height
    readings = _report(events, split, catalog, cases, repeats)
    if isinstance(protocol, GlobalTime):
        readings |= cold_start(split)
    files.write_json(store.meta(layout.events).get("report", {}) | readings, layout.metric("data"))


def record(protocol: Choice) -> type[Protocol]:
    """The class that checks a protocol's section, by its rule."""
    rule = protocol.settings.get("rule")
    if rule not in RULES:
        raise ValueError(f"protocols.{protocol.name}.rule: found {rule!r}; there are {sorted(RULES)}")
    return RULES[rule]


def settings(params: Params) -> Protocol:
    """The section of the protocol, checked."""
    return checked(record(params.protocol), params.protocol.settings, f"protocols.{params.protocol.name}")


def _frozen(
    cases: pl.DataFrame, split: pl.DataFrame, protocol: Protocol, items: int, seed: int, layout: Layout
) -> pl.DataFrame:
    """The cases that are ranked, with their candidates where the protocol has some."""
    cases = cases.clear() if protocol.cases == "none" else sample_cases(cases, protocol.cases, seed)
    if protocol.candidates == "given":
        return given_candidates(cases, store.read(layout.given_candidates, CANDIDATES), layout.given_candidates)
    if lists := store.height(layout.given_candidates):
        log.warning(
            "%s: the data came with %d lists of candidates, which this protocol does not use; candidates: given does",
            layout.given_candidates,
            lists,
        )
    return sample_candidates(cases, split, items, protocol.candidates, seed) if protocol.candidates else cases


def _report(
    events: pl.DataFrame, split: pl.DataFrame, catalog: pl.DataFrame, cases: pl.DataFrame, repeats: int
) -> dict[str, Any]:
    users, items = split["user"].n_unique(), catalog.height
    return {
        "users": users,
        "items": items,
        "events": split.height,
        "density": split.height / (users * items),
        "mean_length": split.height / users,
        "without_time": events["time"].null_count(),
        "without_text": int((catalog["status"] != "ok").sum()),
        "without_picture": int((catalog["picture"] != "ok").sum()),
        **{f"{part}_events": int((split["part"] == part).sum()) for part in ("train", "valid", "test")},
        **{f"{part}_cases": int((cases["part"] == part).sum()) for part in ("valid", "test")},
        "repeats_left_out": repeats,
    }


if __name__ == "__main__":
    run(main)
