"""Reasons of recommendations as a table and a page, and what erasing them does."""

from typing import Annotated, Literal

import polars as pl
from pydantic import Field
from rich.console import Console

import models
from engine.evaluation.rate import rates
from engine.evaluation.readings import Reading
from engine.evaluation.wording import Wording
from engine.tables import files, store
from engine.tables.arrays import case_columns
from engine.tables.command import run
from engine.tables.domain_words import DomainWords
from engine.tables.layout import Layout
from engine.tables.naming import naming
from engine.tables.raw_ids import RawId
from engine.tables.schemas import REASONS
from engine.tables.settings import Choice, Record, Seed
from engine.training.cases import Cases
from engine.training.contract import Explainer, Recommender
from engine.training.fit import accelerator
from engine.training.source import load
from engine.training.trained_on import trained_on
from stages.explain.checked_acts import checked_acts
from stages.explain.display_tables import DisplayTables
from stages.explain.explained_cases import last_cases, with_recommendations
from stages.explain.faithfulness_metrics import faithfulness_metrics
from stages.explain.known_causes import KnownCauses
from stages.explain.page import About, render
from stages.explain.person import person_section
from stages.explain.reasons import recommend_with_reasons
from stages.explain.trust import trust


class Explain(Record):
    """Whose reasons are shown and how much of them; how many cases are probed, by erasing how many events."""

    users: Annotated[int, Field(ge=0, strict=True)] | tuple[RawId, ...] = Field(
        12, description="people on the page: how many, drawn by the seed, or a list of their raw ids"
    )
    top: int = Field(5, ge=1, description="recommendations shown of each person")
    history: int = Field(10, ge=1, description="events of each person's history shown, the heaviest")
    picture: int = Field(160, ge=16, le=2000, description="width of a picture in the page, in pixels")
    topics: int = Field(4, ge=1, le=6, description="lines in a person's chart of topics")
    cases: int = Field(200, ge=0, description="test cases whose reasons are probed by erasing; 0: all")
    erase: int = Field(1, ge=1, description="events erased from each probed case")
    inside: int = Field(60, ge=0, description="probed cases in which parts of acts and items are silenced too")
    causes: int = Field(2400, ge=0, description="test cases held against known causes, where there are any; 0: all")
    readings: tuple[Reading, ...] = Field(
        ("gradient", "integrated", "leave_one_out"),
        description="readings of the score that are tested beside the model's own weights",
    )


class Params(Record):
    """What dvc.yaml declares for the stage."""

    model: Choice = Field(description="the model and its section of `models`")
    seen: Literal["excluded", "kept"] = Field(description="whether items already acted on can be recommended")
    explain: Explain = Field(description="the section `explain`")
    words: DomainWords = Field(DomainWords(), description="what the data set's things are called")
    device: str = Field(description="where the model runs: auto, cpu or cuda")
    seed: Seed = Field(description="of the people and cases that are drawn")


def main(params: Params, layout: Layout) -> None:
    """Explain some people's last test case as a table and as a page; probe the reasons by erasing what they weigh."""
    settings, tables = params.explain, DisplayTables.read(layout)
    device, needs = accelerator(params.device), models.configure(params.model).needs
    data = load(layout, needs, "test", device)
    if not data.table.height:
        why = store.meta(layout.split).get("no_test_cases", "every user's history is too short for the protocol")
        raise ValueError(f"{layout.cases} has no test cases: {why}")
    learned = trained_on(layout, needs, tested=True)
    model: Recommender = models.restore(params.model, data.catalog, data.users, layout.weights, learned, device)
    rows = last_cases(data.table, tables.names, settings.users, params.seed)
    cases = Cases.of(case_columns(rows), device)
    asked = (settings.top, params.seen, data.catalog, tables.labels())
    recommended = recommend_with_reasons(model, data.events, cases, *asked)
    wording = Wording(naming(layout, needs.views, needs.topics), params.words, device)
    to_check = (recommended.item_BK, data.catalog, wording, settings.history)
    checked = checked_acts(model, data.events, cases, *to_check)
    causes = KnownCauses.of(tables.truth, tables.words, tables.regions, tables.topic_words)
    counts = (settings.cases, settings.erase, settings.inside, settings.causes)
    found = faithfulness_metrics(model, data, causes, counts, settings.readings, (params.seen, params.seed))
    users = {"users": float(rows.height)}
    explained = with_recommendations(model, data.events, rows, recommended, params.seen)
    shown, reasons = tables.of_people(layout.images, explained, settings.picture, params.words), recommended.reasons
    lengths = (settings.history, settings.topics)
    people = [
        person_section(shown, case, reasons.filter(pl.col("user") == case.user), checked, *lengths)
        for case in explained
    ]
    about = About(params.model.name, isinstance(model, Explainer), params.words)
    html = render(people, about, trust(found.explain, found.claims, rates(model)))
    store.write(reasons, layout.reasons, REASONS)
    files.write_json(users | found.explain, layout.metric("explain"))
    files.write_json(found.claims, layout.metric("claims"))
    files.write_text(found.curves, layout.plot("erasure"))
    files.write_text(found.areas, layout.plot("readings"))
    files.write_text(html, layout.page)
    Console(soft_wrap=True).print(f"reasons of {rows.height} people: {layout.page.resolve().as_uri()}")


if __name__ == "__main__":
    run(main)
