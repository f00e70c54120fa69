"""Of whom an example is: test cases by a rule, or of people who are named."""

from typing import Any

import numpy as np
import polars as pl

from engine.measures.ranking import positions
from engine.tables import store
from engine.tables.schemas import CASES, RANKS, SPLIT, USERS
from stages.explain.examples.cells import Cell
from stages.explain.examples.settings import Example


def chosen_cases(example: Example, cell: Cell, seed: int) -> pl.DataFrame:
    """The CASES rows, one a person: of each the best ranked one with enough acts, of equals that with fewest.

    Raises:
        ValueError: somebody is not known or has no such case, or too few have.
    """
    layout = cell.layout
    ranks = store.read(layout.ranks, RANKS)
    place = pl.Series("place", positions(ranks["greater"].to_numpy(), ranks["ties"].to_numpy()))
    cases = store.read(layout.cases, CASES).filter(pl.col("part") == "test")
    found = cases.join(ranks.select("case", place), on="case").sort("place", "position", "user")
    if example.least_item_acts:
        found = found.filter(_acts_on_target(found, store.read(layout.split, SPLIT), cell) >= example.least_item_acts)
    enough = found.filter(pl.col("position") >= example.least_acts).unique("user", keep="first", maintain_order=True)
    names = dict(store.read(layout.users, USERS).iter_rows())
    if not isinstance(example.people, int):
        return _named(example, enough, cases, names, cell).select(cases.columns)
    if enough.height < example.people:
        raise ValueError(
            f"{enough.height} people of {layout.root} have {_enough(example)}, and {example.people} are asked for; "
            "a lower least_acts or least_item_acts would do"
        )
    if example.pick == "drawn":
        drawn = np.random.default_rng(seed).choice(enough.height, example.people, replace=False)
        enough = enough.sort("user")[np.sort(drawn).tolist()]
    return enough.head(example.people).select(cases.columns)


def _named(
    example: Example, enough: pl.DataFrame, cases: pl.DataFrame, names: dict[int, str], cell: Cell
) -> pl.DataFrame:
    assert not isinstance(example.people, int)
    codes, where = {raw: code for code, raw in names.items()}, cell.layout.root
    for raw in example.people:
        if str(raw) not in codes:
            raise ValueError(f"nobody in {where} is called {str(raw)!r}; people are called e.g. {min(codes)!r}")
        if not (enough["user"] == codes[str(raw)]).any():
            most: Any = cases.filter(pl.col("user") == codes[str(raw)])["position"].max()
            has = "no test case" if most is None else f"at most {most} acts before a test case"
            some = f"; {names[enough['user'][0]]!r} has" if enough.height else ""
            raise ValueError(f"{str(raw)!r} has {has} of {cell.layout.protocol}, and not {_enough(example)}{some}")
    order = pl.DataFrame(
        {"user": [codes[str(raw)] for raw in dict.fromkeys(example.people)]}, schema={"user": pl.UInt32}
    )
    return order.join(enough, on="user", maintain_order="left")


def _enough(example: Example) -> str:
    of_item = f" and {example.least_item_acts} acts of others on its item" if example.least_item_acts else ""
    return f"a ranked test case after at least {example.least_acts} acts{of_item}"


def _acts_on_target(cases: pl.DataFrame, split: pl.DataFrame, cell: Cell) -> pl.Series:
    """How many acts in training each case's item has before the case's moment."""
    if split["time"].null_count():
        raise ValueError(f"{cell.layout.split} has no times, so that nobody acted before: set least_item_acts to 0")
    train = split.filter(pl.col("part") == "train").sort("time").select("time", target="item")
    train = train.with_columns(count=pl.int_range(1, pl.len() + 1).over("target"))
    moment = split.select("user", "position", "time")
    asked = cases.select("case", "user", "position", "target").join(moment, on=["user", "position"]).sort("time")
    before = asked.join_asof(train, on="time", by="target", allow_exact_matches=False, check_sortedness=False)
    counted = cases.select("case").join(before.select("case", "count"), on="case", how="left", maintain_order="left")
    return counted["count"].fill_null(0)
