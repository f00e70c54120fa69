"""Reasons of recommendations as a table and a page, and what erasing them does."""

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field
from rich.console import Console

import models
from engine import store
from engine.contract import Explainer, Recommender
from engine.fit import accelerator
from engine.measures.ranking import positions
from engine.measures.significance import randomisation
from engine.params import Choice, Record, run
from engine.probe import probe
from engine.rank import Cases, rank
from engine.source import Data, Source, load
from engine.tables import REASONS
from stages.explain.page import render
from stages.explain.person import Case, person
from stages.explain.reasons import Found, explain
from stages.explain.shelf import Shelf
from stages.explain.truth import World, compare


class Explain(Record):
    """Whose reasons are shown and how much of them; how many cases are probed, by erasing how many events."""

    users: int | tuple[str | int, ...] = Field(description="how many, drawn by the seed, or which (raw ids)")
    top: int = Field(ge=1)
    history: int = Field(ge=1, description="acts shown of each person")
    picture: int = Field(ge=16, description="width of a picture in the page, in pixels")
    topics: int = Field(ge=1, description="lines in a chart of topics")
    cases: int = Field(ge=0, description="test cases that are probed; 0: all")
    erase: int = Field(ge=1)


class Params(Record):
    model: Choice
    seen: Literal["excluded", "kept"]
    explain: Explain
    device: str
    seed: int


def main(
    params: Params,
    users: Path,
    items: Path,
    catalog: Path,
    images: Path,
    split: Path,
    cases: Path,
    regions: Path,
    image: Path,
    text: Path,
    words: Path,
    history: Path,
    topics: Path,
    topic_words: Path,
    weights: Path,
    truth: Path,
    reasons: Path,
    page: Path,
    report: Path,
) -> None:
    """Explain some people's last test case as a table and as a page; probe the reasons by erasing what they weigh."""
    source = Source(split, cases, regions, image, text, words, history, topics)
    named = {"users": users, "items": items, "catalog": catalog, "topic_words": topic_words, "truth": truth}
    shelf = Shelf.read(named | {"words": words, "regions": regions, "history": history, "split": split})
    device = accelerator(params.device)
    data = load(source, models.configure(params.model).needs, "test", device)
    if not data.table.height:
        raise ValueError(f"{cases} has no test cases to explain: every user's history is too short for the protocol")
    model: Recommender = models.restore(params.model, data.catalog, data.users, weights, device)
    asked = chosen(data.table, shelf.names, params.explain.users, params.seed)
    found = explain(model, data.events, Cases.of(asked, device), params.explain.top, params.seen, shelf.labels())
    readings = {"users": float(asked.height)} | _readings(model, data, params, shelf)
    html = _page(model, data, asked, found, params, readings, shelf, images)
    store.write(found.reasons, reasons, REASONS)
    store.write_json(readings, report)
    store.write_text(html, page)
    Console(soft_wrap=True).print(f"reasons of {asked.height} people: {page.resolve().as_uri()}")


def chosen(table: pl.DataFrame, names: dict[int, str], users: int | tuple[str | int, ...], seed: int) -> pl.DataFrame:
    """The last test case of some users: those that are named, in that order, or as many as asked, drawn by the seed.

    Raises:
        ValueError: a user is not known, or has no test case.
    """
    last = table.sort("position").group_by("user").last().select(table.columns).sort("user")
    if isinstance(users, int):
        rows = np.random.default_rng(seed).choice(last.height, min(users, last.height), replace=False)
        return last.filter(pl.int_range(pl.len()).is_in(rows))
    codes, tested = {raw: code for code, raw in names.items()}, set(last["user"].to_list())
    wrong = [str(raw) for raw in users if codes.get(str(raw)) not in tested]
    if wrong:
        raise ValueError(f"explain.users: {', '.join(wrong)} have no test case; such have e.g. {names[min(tested)]!r}")
    order = pl.DataFrame({"user": [codes[str(raw)] for raw in dict.fromkeys(users)]}, schema={"user": pl.UInt32})
    return order.join(last, on="user", maintain_order="left").select(table.columns)


def _readings(model: Recommender, data: Data, params: Params, shelf: Shelf) -> dict[str, float]:
    """What erasing does, and whether what weighs most is a true cause, over cases drawn by the seed."""
    rng = np.random.default_rng(params.seed)
    count = min(params.explain.cases or data.table.height, data.table.height)
    rows = np.sort(rng.choice(data.table.height, count, replace=False)).tolist()
    cases = Cases.of(data.table[rows], data.events.item_E.device.type)
    readings = {"explains": float(isinstance(model, Explainer))}
    erased = probe(model, data.events, cases, params.seen, params.explain.erase, params.seed)
    if erased is not None:
        readings |= {"probe_cases": float(len(erased.case_C)), "probe_faithful": float(erased.faithful)}
        for name in ("drop", "move", "rank"):
            readings |= {f"{name}_{way}": float(value.mean()) for way, value in getattr(erased, name).items()}
        if len(erased.case_C) > 1:
            heavy, blind = erased.drop["heaviest"], erased.drop["random"]
            readings["drop_heaviest_random_p"] = randomisation(heavy, blind, seed=params.seed).p
        if not np.isnan(erased.agreement_C).all():
            readings["agreement"] = float(np.nanmean(erased.agreement_C))
    world = World.of(shelf.truth, shelf.words, shelf.regions)
    return readings | compare(model, data.events, cases, world)


def _page(
    model: Recommender,
    data: Data,
    asked: pl.DataFrame,
    found: Found,
    params: Params,
    readings: dict[str, float],
    shelf: Shelf,
    images: Path,
) -> str:
    cases = Cases.of(asked, data.events.item_E.device.type)
    counts = rank(model, cases, data.events, params.seen)
    place = positions(counts.greater, counts.ties).tolist()
    done = shelf.events.join(asked.select("user", until="position"), on="user").filter(
        pl.col("position") <= pl.col("until")
    )
    items = {*done["item"].to_list(), *found.item_BK.flatten().tolist()}
    sources = shelf.sources(images, items, params.explain.picture)
    people = []
    for row, (user, position, target) in enumerate(asked.select("user", "position", "target").iter_rows()):
        best = zip(found.item_BK[row].tolist(), found.score_BK[row].tolist(), strict=True)
        kept = [(item, score) for item, score in best if item]
        case = Case(user, position, target, place[row], int(counts.others[row]), kept)
        own = found.reasons.filter(pl.col("user") == user)
        people.append(person(sources, case, own, params.explain.history, params.explain.topics))
    return render(people, params.model.name, isinstance(model, Explainer), readings)


if __name__ == "__main__":
    run(main)
