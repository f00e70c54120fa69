"""Reasons of recommendations as a table and a page, and what erasing them does."""

from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import Field
from rich.console import Console

import models
from engine.evaluation.history_erasure import probe
from engine.evaluation.part_erasure import Over, probe_inside
from engine.measures.significance import randomisation
from engine.tables import files, store
from engine.tables.arrays import case_columns
from engine.tables.command import run
from engine.tables.layout import Layout
from engine.tables.schemas import REASONS
from engine.tables.settings import Choice, Record
from engine.training.cases import Cases
from engine.training.contract import Explainer, Recommender
from engine.training.fit import accelerator
from engine.training.needs import View
from engine.training.source import Data, load
from stages.explain.display_tables import Shelf
from stages.explain.explained_cases import Case, answered, chosen
from stages.explain.known_causes import World, compare
from stages.explain.page import render
from stages.explain.person import Sources, person
from stages.explain.reasons import explain

INSIDE: dict[Over, View] = {"word": "words", "region": "regions"}


class Explain(Record):
    """Whose reasons are shown and how much of them; how many cases are probed, by erasing how many events."""

    users: int | tuple[str | int, ...] = Field(description="how many, drawn by the seed, or which (raw ids)")
    top: int = Field(ge=1)
    history: int = Field(ge=1, description="acts shown of each person")
    picture: int = Field(ge=16, description="width of a picture in the page, in pixels")
    topics: int = Field(ge=1, description="lines in a chart of topics")
    cases: int = Field(ge=0, description="test cases that are probed; 0: all")
    erase: int = Field(ge=1, description="events that are erased")
    inside: int = Field(ge=0, description="of the probed cases, those whose words and regions are blanked too")


class Params(Record):
    model: Choice
    seen: Literal["excluded", "kept"]
    explain: Explain
    device: str
    seed: int


def main(params: Params, layout: Layout) -> None:
    """Explain some people's last test case as a table and as a page; probe the reasons by erasing what they weigh."""
    shelf = Shelf.read(layout)
    device = accelerator(params.device)
    data = load(layout, models.configure(params.model).needs, "test", device)
    if not data.table.height:
        raise ValueError(f"{layout.cases} has no test cases: every user's history is too short for the protocol")
    model: Recommender = models.restore(params.model, data.catalog, data.users, layout.weights, device)
    settings = params.explain
    asked = chosen(data.table, shelf.names, settings.users, params.seed)
    found = explain(
        model, data.events, Cases.of(case_columns(asked), device), settings.top, params.seen, shelf.labels()
    )
    readings = {"users": float(asked.height)} | _readings(model, data, params, shelf)
    told = answered(model, data.events, asked, found, params.seen)
    html = _page(params, shelf.sources(layout.images, told, settings.picture), told, found.reasons, model, readings)
    store.write(found.reasons, layout.reasons, REASONS)
    files.write_json(readings, layout.metric("explain"))
    files.write_text(html, layout.page)
    Console(soft_wrap=True).print(f"reasons of {asked.height} people: {layout.page.resolve().as_uri()}")


def _page(
    params: Params, sources: Sources, told: list[Case], reasons: pl.DataFrame, model: Recommender, readings: Any
) -> str:
    settings = params.explain
    people = [
        person(sources, case, reasons.filter(pl.col("user") == case.user), settings.history, settings.topics)
        for case in told
    ]
    return render(people, params.model.name, isinstance(model, Explainer), readings)


def _readings(model: Recommender, data: Data, params: Params, shelf: Shelf) -> dict[str, float]:
    """What erasing does, and whether what weighs most is a true cause, over cases drawn by the seed."""
    rng = np.random.default_rng(params.seed)
    count = min(params.explain.cases or data.table.height, data.table.height)
    rows = np.sort(rng.choice(data.table.height, count, replace=False)).tolist()
    cases = Cases.of(case_columns(data.table[rows]), data.events.item_E.device.type)
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
    few = Cases(*(value[: params.explain.inside] for value in (cases.user_C, cases.position_C, cases.target_C)))
    for over, view in INSIDE.items():
        if view in model.needs.views:
            parts = data.catalog.ragged(view)
            blank = probe_inside(model, data.events, few, params.seen, parts, over, params.seed)
            readings |= {f"drop_{over}_{way}": float(value.mean()) for way, value in (blank or {}).items()}
            readings |= {f"move_{over}_{way}": float(abs(value).mean()) for way, value in (blank or {}).items()}
    world = World.of(shelf.truth, shelf.words, shelf.regions)
    return readings | compare(model, data.events, cases, world)


if __name__ == "__main__":
    run(main)
