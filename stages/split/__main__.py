"""Events and a protocol to train, valid and test, and the cases to rank."""

from pathlib import Path
from typing import Any

import polars as pl

from engine import store
from engine.params import Choice, Record, checked, run
from engine.tables import CANDIDATES, CASES, CATALOG, EVENTS, SPLIT
from stages.split.moments import newcomers, some
from stages.split.protocols import RULES, GlobalTime, RandomOne, parted, ranked
from stages.split.rivals import drawn, given


class Params(Record):
    protocol: Choice
    seed: int


def main(params: Params, events: Path, catalog: Path, candidates: Path, out: Path, cases: Path, report: Path) -> None:
    """Cut each user's events into train, valid and test; draw and freeze the candidate lists; report on the data."""
    rule = params.protocol.settings.get("rule")
    if rule not in RULES:
        raise ValueError(f"protocols.{params.protocol.name}.rule: found {rule!r}; there are {sorted(RULES)}")
    protocol = checked(RULES[rule], params.protocol.settings, f"protocols.{params.protocol.name}")
    known = store.read(events, EVENTS)
    if known.height == 0:
        raise ValueError(f"{events}: no events to split")
    about = store.read(catalog, CATALOG, ["item", "status", "picture"])
    items = about.height
    split = parted(known, protocol, params.seed)
    table = ranked(split, protocol)
    repeats = split.filter(pl.col("part") != "train").height - table.height
    timed = isinstance(protocol, GlobalTime)
    table = some(table, protocol.cases, params.seed) if isinstance(protocol, GlobalTime) else table
    if protocol.candidates == "given":
        table = given(table, store.read(candidates, CANDIDATES), candidates)
    elif protocol.candidates:
        table = drawn(table, split, items, protocol.candidates, params.seed)
    users = int(split["user"].max() or 0)  # type: ignore[arg-type]
    about_split = {"items": items, "users": users, "protocol": params.protocol.name}
    store.write(split, out, SPLIT, about_split | {"in_order": not isinstance(protocol, RandomOne)})
    store.write(table, cases, CASES)
    readings = _report(known, split, about, table, repeats) | (newcomers(split) if timed else {})
    store.write_json(store.meta(events).get("report", {}) | readings, report)


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
