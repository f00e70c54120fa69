"""Events and a protocol to train, valid and test, and the cases to rank."""

from typing import Any

import polars as pl

from engine.tables import files, store
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schemas import CANDIDATES, CASES, CATALOG, EVENTS, SPLIT
from engine.tables.settings import Choice, Record, checked
from stages.split.candidates import drawn, given
from stages.split.global_time import newcomers, some
from stages.split.protocols import RULES, GlobalTime, Protocol, RandomOne, parted, ranked


class Params(Record):
    protocol: Choice
    seed: int


def main(params: Params, layout: Layout) -> None:
    """Cut each user's events into train, valid and test; draw and freeze the candidate lists; report on the data."""
    protocol = settings(params)
    known = store.read(layout.events, EVENTS)
    if known.height == 0:
        raise ValueError(f"{layout.events}: no events to split")
    about = store.read(layout.catalog, CATALOG, ["item", "status", "picture"])
    items = about.height
    split = parted(known, protocol, params.seed)
    table = ranked(split, protocol)
    repeats = split.filter(pl.col("part") != "train").height - table.height
    timed = isinstance(protocol, GlobalTime)
    table = some(table, protocol.cases, params.seed) if isinstance(protocol, GlobalTime) else table
    if protocol.candidates == "given":
        table = given(table, store.read(layout.given_candidates, CANDIDATES), layout.given_candidates)
    elif protocol.candidates:
        table = drawn(table, split, items, protocol.candidates, params.seed)
    users = int(split["user"].max() or 0)  # type: ignore[arg-type]
    about_split = {"items": items, "users": users, "protocol": params.protocol.name}
    store.write(split, layout.split, SPLIT, about_split | {"in_order": not isinstance(protocol, RandomOne)})
    store.write(table, layout.cases, CASES)
    readings = _report(known, split, about, table, repeats) | (newcomers(split) if timed else {})
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
