"""The papers' examples of single people: who is chosen, what is told of them, and what is refused."""

import csv
import io
import shutil
import xml.etree.ElementTree as ET
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from pydantic import ValidationError
from ruamel.yaml import YAML

import models
from engine.evaluation.question import Question
from engine.evaluation.rank import rank
from engine.evaluation.readings import LEADING, read
from engine.measures.ranking import positions
from engine.tables import files, schemas, store
from engine.tables.arrays import case_columns
from engine.tables.lacking import Lacking
from engine.tables.params import read_yaml
from engine.training import weights
from engine.training.batch import Batch
from engine.training.cases import Cases
from engine.training.contract import Explainer, Recommender, Weights
from engine.training.source import Data, load
from engine.training.trained_on import trained_on
from engine.training.weights import Learned
from stages.explain.examples import __main__ as examples
from stages.explain.examples.__main__ import make
from stages.explain.examples.cells import Cell, cells_of
from stages.explain.examples.people import chosen_cases
from stages.explain.examples.settings import Example
from tests.stages.explain.conftest import START, frame

ROOT = Path(__file__).parents[3]
SVG = "{http://www.w3.org/2000/svg}"
ITEMS, PEOPLE, RIVALS = 12, 9, 6
TINY: dict[str, dict[str, Any]] = {
    "iarn": {"dim": 4, "hidden": 4, "inner": 4, "item_length": 3, "features": "none"},
    "iris": {"dim": 4, "hidden": 4},
    "fism": {"dim": 4},
    "nais": {"dim": 4, "hidden": 4},
    "min_net": {"dim": 4, "inner": 4, "objective": "full"},
    "popularity": {},
}
CELLS = {
    "iarn_own": ("iarn", ""),
    "iarn_tagm": ("iarn", "++models.iarn.gate=own ++models.iarn.item_length=2"),
    "iarn_rnn": ("iarn", "++models.iarn.gate=none"),
    "iarn_ranked": ("iarn", "++models.iarn.loss=ranking"),
    "iris_own": ("iris", ""),
    "nais": ("nais", ""),
    "fism": ("fism", ""),
    "min_net_own": ("min_net", ""),
    "popularity": ("popularity", ""),
    "not_run": ("fism", "++models.fism.dim=5"),
}
INFLUENCE = {"over": "history", "reading": "influence"}
GATES = {"gate": {"over": "gate", "reading": "gate"}, "left": {"over": "history", "reading": "gate"}}


def acts() -> pl.DataFrame:
    """People with 3 to 11 acts, each on another item, some of them at one time."""
    draw, rows = np.random.default_rng(5), []
    for user in range(1, PEOPLE + 1):
        items = draw.permutation(np.arange(1, ITEMS + 1))[: 2 + user].tolist()
        for n, item in enumerate(items):
            part = "test" if n == len(items) - 1 else "train"
            rows.append((user, n, item, START + timedelta(days=n, minutes=user % 3), part, float(draw.integers(1, 6))))
    return frame(schemas.SPLIT, **dict(zip(schemas.SPLIT.columns, map(list, zip(*rows, strict=True)), strict=True)))


def write_world(root: Path) -> None:
    """Data, settings and cells, each but one with a model that was drawn and ranked."""
    split, data, prepared = acts(), root / "data/tiny", root / "papers/data/tiny/temporal"
    raw = [f"person-{n}" for n in range(1, PEOPLE + 1)]
    store.write(frame(schemas.USERS, user=range(1, PEOPLE + 1), raw=raw), data / "users.parquet", schemas.USERS)
    named = {"item": range(1, ITEMS + 1), "title": [f"Film <{n}> & co" for n in range(1, ITEMS)] + [None]}
    items = frame(schemas.ITEMS, raw=map(str, range(1, ITEMS + 1)), categories=[[]] * ITEMS, ids=[[]] * ITEMS, **named)
    store.write(items, data / "items.parquet", schemas.ITEMS)
    told = {name: ["ok"] * ITEMS for name in ("status", "picture", "source", "text")}
    store.write(frame(schemas.CATALOG, **named, **told), data / "catalog.parquet", schemas.CATALOG)
    vectors = np.random.default_rng(1).normal(size=(2, ITEMS, 6))
    for view, rows in (("image", vectors[0][:-2]), ("text", vectors[1])):
        table = frame(schemas.VECTORS, 6, item=range(1, len(rows) + 1), vector=rows.tolist())
        store.write(table, data / f"features/{view}.parquet", schemas.VECTORS)
    meta = {"items": ITEMS, "users": PEOPLE}
    store.write(split, prepared / "events.parquet", schemas.SPLIT, meta)
    last = split.filter(pl.col("part") == "test").select(
        pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias("case"), "part", "user", "position", target="item"
    )
    rivals = [[i for i in range(1, ITEMS + 1) if i != target][:RIVALS] for target in last["target"]]
    cases = last.with_columns(candidates=pl.Series(rivals, dtype=pl.List(pl.UInt32)))
    store.write(cases, prepared / "cases.parquet", schemas.CASES)
    params = {"models": TINY, "protocols": {p: {"seen": "excluded"} for p in ("temporal", "random_one")}}
    listed = {
        name: {"paper": "p", "protocol": "temporal", "model": model, "base": "", "settings": settings}
        for name, (model, settings) in CELLS.items()
    }
    listed["elsewhere"] = listed["fism"] | {"protocol": "random_one"}
    for name, content in (
        ("params.yaml", params | {"device": "cpu"}),
        ("papers/cells.yaml", {"dataset": "tiny", "seed": 1, "cells": listed}),
    ):
        with (root / name).open("w") as file:
            YAML().dump(content, file)


def example(series: dict[str, Any], **settings: Any) -> Example:
    return Example.model_validate({"title": "An example", "series": series} | settings)


def shown(cell: str, weights: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"cell": cell, "weights": weights or {"influence": INFLUENCE}}


def cells(world: Path, *names: str) -> list[Cell]:
    listed, params = read_yaml(world / "papers/cells.yaml"), read_yaml(world / "params.yaml")
    of = example({str(n): shown(name) for n, name in enumerate(names)})
    return list(cells_of(of, listed, params, world / "papers").values())


def restored(cell: Cell) -> tuple[Recommender, Data]:
    needs = models.configure(cell.choice).needs
    data, about = load(cell.layout, needs, "test", "cpu"), trained_on(cell.layout, needs)
    return models.restore(cell.choice, data.catalog, data.users, cell.layout.weights, about), data


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    (root / "papers").mkdir()
    write_world(root)
    for name in CELLS:
        if name == "not_run":
            continue
        (cell,) = cells(root, name)
        data = load(cell.layout, models.configure(cell.choice).needs, "test", "cpu")
        torch.manual_seed(3)
        model = models.build(cell.choice, data.catalog, data.users).eval()
        for parameter in model.parameters():
            parameter.data.normal_()
        learned = Learned.of(cell.choice.name, models.configure(cell.choice), trained_on(cell.layout, model.needs))
        weights.save(model.state_dict(), learned, cell.layout.weights)
        counts = rank(model, data.cases, data.events, "excluded")
        ranked = data.table.select("case", "user", "position", "target").with_columns(
            pl.Series(n, getattr(counts, n), dtype=pl.UInt32) for n in ("greater", "ties", "others")
        )
        store.write(ranked, cell.layout.ranks, schemas.RANKS)
    return root


def made(world: Path, out: Path, of: Example) -> list[dict[str, str]]:
    assert make("one", of, world / "papers", out) == []
    return list(csv.DictReader(io.StringIO((out / "one.csv").read_text())))


def asked(cell: Cell, person: str, item: int) -> tuple[Recommender, Data, Batch]:
    """A cell's model with one person's row before the test case."""
    model, data = restored(cell)
    case = data.table.filter(pl.col("user") == int(person.split("-")[1]))
    of = Cases.of(case_columns(case))
    return model, data, data.events.before(of.user_C, of.position_C, model.needs)


def own(cell: Cell, person: str, item: int) -> dict[tuple[str, str], Weights]:
    """What a cell's model says by itself, by what it is over and by kind or name."""
    model, _, batch = asked(cell, person, item)
    assert isinstance(model, Explainer)
    with torch.no_grad():
        return {(one.over, one.name or one.kind): one for one in model.explain(batch, torch.tensor([item]))}


def column(rows: list[dict[str, str]], name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def close(found: list[float], expected: list[float]) -> None:
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_gates_of_both_sides_are_the_models_own_for_one_person_and_item(world: Path, tmp_path: Path) -> None:
    weights = GATES | {"influence": INFLUENCE}
    of = example({"IARN": shown("iarn_own", weights), "TAGM": shown("iarn_tagm", weights)}, least_item_acts=3)
    rows = made(world, tmp_path, of)
    assert len({(row["person"], row["item"]) for row in rows}) == 1
    person, item = rows[0]["person"], int(rows[0]["item"])
    mine, its = ([row for row in rows if row["of"] == side] for side in ("person", "item"))
    for series, cell in zip(("IARN", "TAGM"), cells(world, "iarn_own", "iarn_tagm"), strict=True):
        told = own(cell, person, item)
        close(column(mine, f"{series} gate"), told["gate", "gate"].value[0].tolist())
        close(column(mine, f"{series} left"), told["history", "gate"].value[0].tolist())
        read_here = [row for row in its if row[f"{series} gate"]]
        assert len(read_here) == int(cell.choice.settings["item_length"])
        assert read_here == its[-len(read_here) :]
        close(column(read_here, f"{series} gate"), told["item_gate", "gate"].value[0].tolist())
        close(column(read_here, f"{series} left"), told["item_history", "gate"].value[0].tolist())
        assert [r["what"] for r in read_here] == [
            f"person-{code}" for code in told["item_gate", "gate"].part[0].tolist()
        ]  # type: ignore[index]
        model, data, batch = asked(cell, person, item)
        by_kind = {w.over: w for w in read(Question(model, batch, torch.tensor([item]), data.catalog), LEADING)}
        close(column(mine, f"{series} influence"), by_kind["history"].value[0].tolist())
        close(column(read_here, f"{series} influence"), by_kind["item_history"].value[0].tolist())
        close([float(rows[0][f"{series} score"])], model.score(batch, torch.tensor([[item]]))[0].tolist())


def test_a_model_that_scores_no_catalogue_compares_with_what_it_ranks_first(world: Path, tmp_path: Path) -> None:
    rows = made(world, tmp_path, example({"IARN": shown("iarn_ranked")}, people=["person-7"]))
    (cell,) = cells(world, "iarn_ranked")
    item = int(rows[0]["item"])
    model, data, batch = asked(cell, "person-7", item)
    with torch.no_grad():
        score_N = model.score(batch, torch.arange(1, ITEMS + 1)[None])[0]
    unseen = [i for i in range(1, ITEMS + 1) if i not in batch.item_BL[0].tolist()]
    among = torch.tensor([sorted(unseen, key=lambda i: -float(score_N[i - 1]))[:10]])
    question = Question(model, batch, torch.tensor([item]), data.catalog, among)
    expected = read(question, LEADING, ("history",))[0].value[0]
    assert float(expected.abs().max()) > 0
    close(column([row for row in rows if row["of"] == "person"], "IARN influence"), expected.tolist())


def test_each_act_has_its_time_title_and_rating(world: Path, tmp_path: Path) -> None:
    """Of others, those of training that came before the case."""
    rows = made(world, tmp_path, example({"IARN": shown("iarn_own", GATES)}, people=PEOPLE))
    events = {(u, i): (p, t, r, part) for u, p, i, t, part, r in acts().iter_rows()}
    titles = {i: f"Film <{i}> & co" for i in range(1, ITEMS)} | {ITEMS: f"item {ITEMS} (no title)"}
    left_out = 0
    for person in range(1, PEOPLE + 1):
        told = [row for row in rows if row["person"] == f"person-{person}"]
        item = int(told[0]["item"])
        before, moment, *_ = events[person, item]
        mine = {row["act"]: (row["what"], row["when"], row["rating"]) for row in told if row["of"] == "person"}
        assert mine == {
            str(p + 1): (titles[i], f"{t:%Y-%m-%d %H:%M}", f"{r:g}")
            for (u, i), (p, t, r, _) in events.items()
            if u == person and p < before
        }
        others = sorted((t, f"person-{u}", r, part) for (u, i), (_, t, r, part) in events.items() if i == item)
        others = [other for other in others if other[0] < moment]
        known = [(who, f"{t:%Y-%m-%d %H:%M}", f"{r:g}") for t, who, r, part in others if part == "train"]
        left_out += len(others) - len(known)
        its = [row for row in told if row["of"] == "item"]
        assert [(r["what"], r["when"], r["rating"]) for r in its] == known[-3:]
        assert [int(row["act"]) for row in its] == list(range(1, len(known) + 1))[-3:]
        assert told[0]["title"] == titles[item]
    assert left_out


def test_what_the_first_cell_recommends_is_told_of_by_all(world: Path, tmp_path: Path) -> None:
    both = {name: {"over": "history", "reading": name} for name in ("relevance", "contribution")}
    views = {f"its {view}": {"over": "view", "reading": "influence", "view": view} for view in ("picture", "text")}
    series = {"IRIS": shown("iris_own", both | views), "NAIS": shown("nais", both)}
    series["FISM"] = shown("fism", {"contribution": both["contribution"]})
    rows = made(world, tmp_path, example(series, recommended=2, people=["person-5"], least_acts=2))
    first, *others = cells(world, "iris_own", "nais", "fism")
    model, data, batch = asked(first, "person-5", 0)
    score_N = model.score_all(batch)[0]  # type: ignore[operator]
    score_N[0] = score_N[batch.item_BL[0]] = -torch.inf
    best = score_N.topk(2).indices.tolist()
    assert list(dict.fromkeys(int(row["item"]) for row in rows)) == best
    for place, item in enumerate(best, 1):
        here = [row for row in rows if int(row["item"]) == item]
        assert len(here) == 6
        assert {float(row["IRIS rank"]) for row in here} == {place}
        for name, cell in zip(series, (first, *others), strict=True):
            told = own(cell, "person-5", item)
            close(column(here, f"{name} contribution"), told["history", "signed"].value[0].tolist())
            if name != "FISM":
                close(column(here, f"{name} relevance"), told["history", "relevance"].value[0].tolist())
        found = read(Question(model, batch, torch.tensor([item]), data.catalog), LEADING, ("view",))[0]
        for at, view in enumerate(("picture", "text")):
            there = [n for n in range(6) if found.valid[0, n, at]]
            close([float(here[n][f"IRIS its {view}"]) for n in there], found.value[0, there, at].tolist())
            assert all(here[n][f"IRIS its {view}"] == "" for n in range(6) if n not in there)


def test_attention_is_told_of_each_sequence(world: Path, tmp_path: Path) -> None:
    weights = {part: {"over": "gate", "reading": f"attention to {part}"} for part in ("pictures", "texts", "rows")}
    rows = made(world, tmp_path, example({"MIN": shown("min_net_own", weights)}, people=["person-6"]))
    (cell,) = cells(world, "min_net_own")
    told = own(cell, "person-6", int(rows[0]["item"]))
    for part in weights:
        weight = told["gate", f"attention to {part}"]
        found = [row[f"MIN {part}"] for row in rows]
        assert [bool(text) for text in found] == weight.valid[0].tolist()
        close([float(text) for text in found if text], weight.value[0][weight.valid[0]].tolist())


def test_the_person_is_the_best_ranked_with_enough_acts(world: Path, tmp_path: Path) -> None:
    (cell,) = cells(world, "fism")
    ranks = store.read(cell.layout.ranks, schemas.RANKS)
    place = positions(ranks["greater"].to_numpy(), ranks["ties"].to_numpy())
    order = sorted(zip(place, ranks["position"], ranks["user"], strict=True))
    assert order[0][1] < 8  # somebody else ranks better, after fewer acts
    for least in (1, 8):
        found = chosen_cases(example({"FISM": shown("fism")}, people=2, least_acts=least), cell, 1)
        assert found["user"].to_list() == [user for _, acts, user in order if acts >= least][:2]
    rows = made(world, tmp_path, example({"FISM": shown("fism")}))
    assert (float(rows[0]["FISM rank"]), rows[0]["person"]) == (order[0][0], f"person-{order[0][2]}")
    assert f"FISM: rank {order[0][0]:g} among {RIVALS + 1}, score" in (tmp_path / "one.1.svg").read_text()


def test_acts_on_the_item_are_counted_before_the_case(world: Path) -> None:
    (cell,) = cells(world, "fism")
    split, cases = acts(), store.read(cell.layout.cases, schemas.CASES)
    train = split.filter(pl.col("part") == "train")
    enough = set()
    for user, position, target in cases.select("user", "position", "target").iter_rows():
        now = split.filter((pl.col("user") == user) & (pl.col("position") == position))["time"].item()
        if train.filter((pl.col("item") == target) & (pl.col("time") < now)).height >= 4:
            enough.add(user)
    assert 0 < len(enough) < PEOPLE
    of = example({"FISM": shown("fism")}, people=len(enough), least_item_acts=4)
    assert set(chosen_cases(of, cell, 1)["user"]) == enough
    more = of.model_copy(update={"people": len(enough) + 1})
    with pytest.raises(ValueError, match=rf"^{len(enough)} people of .*tiny have .* 4 acts of others on its item, and"):
        chosen_cases(more, cell, 1)


def test_people_can_be_drawn_by_the_seed(world: Path) -> None:
    (cell,) = cells(world, "fism")
    of = example({"FISM": shown("fism")}, people=3, pick="drawn", least_acts=5)
    drawn = [tuple(chosen_cases(of, cell, seed)["user"]) for seed in range(5)]
    assert drawn == [tuple(chosen_cases(of, cell, seed)["user"]) for seed in range(5)]
    assert len(set(drawn)) > 1
    assert min(user for users in drawn for user in users) >= 4  # person n has n + 1 acts before the case


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"people": ["nobody"]}, r"nobody in .*tiny is called 'nobody'; people are called e\.g\. 'person-1'"),
        (
            {"people": ["person-2"], "least_acts": 7},
            r"'person-2' has at most 3 acts before a test case of temporal, and not a ranked test case after at least "
            r"7 acts; 'person-\d' has",
        ),
        (
            {"people": 4, "least_acts": 9},
            r"2 people of .*tiny have a ranked test case after at least 9 acts, and 4 are",
        ),
    ],
)
def test_people_who_are_not_there_or_did_too_little_are_refused(
    world: Path, tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        made(world, tmp_path, example({"FISM": shown("fism")}, **settings))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("cell", "weights", "told"),
    [
        (
            "iarn_rnn",
            GATES,
            r"iarn_rnn, 'gate': models\.iarn as it is set weighs no \{over: gate, reading: gate\}; it weighs "
            r"\{over: history, reading: influence\}, \{over: item_history, reading: influence\}$",
        ),
        (
            "fism",
            {"relevance": {"over": "history", "reading": "relevance"}},
            r"reading: relevance\}; it weighs .*contrib",
        ),
        ("popularity", None, r"models\.popularity as it is set weighs no .*; it weighs nothing"),
        ("fism", {"its text": {"over": "view", "reading": "influence", "view": "text"}}, r"view: text\}; it weighs"),
    ],
)
def test_a_model_without_such_weights_is_refused(
    world: Path, tmp_path: Path, cell: str, weights: dict[str, Any] | None, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        made(world, tmp_path, example({"x": shown(cell, weights)}))


def test_cells_of_several_protocols_and_unknown_ones_are_refused(world: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="its cells are of random_one, temporal, which have other cases"):
        made(world, tmp_path, example({"a": shown("fism"), "b": shown("elsewhere")}))
    with pytest.raises(ValueError, match=r"b: cells\.yaml has no cell 'fsim'; it has e\.g\. 'elsewhere'"):
        made(world, tmp_path, example({"a": shown("fism"), "b": shown("fsim")}))


def test_cells_that_were_not_run_are_named_and_the_first_is_needed(world: Path, tmp_path: Path) -> None:
    later = example({"a": shown("fism"), "b": shown("not_run")})
    assert make("later", later, world / "papers", tmp_path) == ["not_run"]
    head = (tmp_path / "later.csv").read_text().splitlines()[0]
    assert head == "person,item,title,of,act,when,what,rating,a rank,a score,a influence"
    first = example({"b": shown("not_run"), "a": shown("fism")})
    assert make("first", first, world / "papers", tmp_path) == ["not_run"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["later.1.svg", "later.csv"]


def drawn(path: Path) -> ET.Element:
    """The picture, parsed; nothing in it is loaded."""
    text = path.read_text()
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    return ET.fromstring(text)


def test_bars_are_as_long_as_weights_and_nothing_leaves_the_picture(world: Path, tmp_path: Path) -> None:
    series = {"FISM": shown("fism", {"contribution": {"over": "history", "reading": "contribution"}})}
    of = example(series, people=["person-9"], shown_acts=4, shown_by="weight")
    rows = made(world, tmp_path, of)
    heaviest = sorted(column(rows, "FISM contribution"), key=abs, reverse=True)[:4]
    assert min(heaviest) < 0 < max(heaviest)
    svg = drawn(tmp_path / "one.1.svg")
    bars = [bar for bar in svg.iter(f"{SVG}rect") if bar.get("height") == "13"]
    widths = [float(bar.get("width", 0)) for bar in bars]
    assert widths == pytest.approx([26 * abs(w) / abs(heaviest[0]) for w in heaviest], abs=0.06)
    assert [" against" in bar.get("class", "") for bar in bars] == [w < 0 for w in heaviest]
    width = float(svg.get("viewBox", "").split()[2])
    assert all(
        float(bar.get("x", 0)) > 300 and float(bar.get("x", 0)) + w < width for bar, w in zip(bars, widths, strict=True)
    )
    figures = [t.text for t in svg.iter(f"{SVG}text") if t.get("class") == "figure"]
    assert [float(text or "nan") for text in figures] == pytest.approx(heaviest, abs=0.06)
    told = " ".join(t.text or "" for t in svg.iter(f"{SVG}text"))
    assert "shown: the heaviest 4 of 10" in told
    assert "Film <" in told


def test_the_command_says_where_an_example_is_wrong(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "world"
    shutil.copytree(world, root)
    good = example({"a": shown("fism"), "b": shown("not_run")}).model_dump(mode="json", exclude_none=True)
    bad, worse = good | {"people": ["nobody"]}, good | {"series": {"a": good["series"]["a"] | {"cell": "unknown"}}}
    monkeypatch.setattr("sys.argv", ["x", str(root / "papers"), str(root / "papers/examples")])
    for listed, why in (({"good": good}, ""), ({"bad": bad, "worse": worse, "good": good}, "refused")):
        with (root / "papers/figures.yaml").open("w") as file:
            YAML().dump({"figures": {}, "examples": listed}, file)
        if why:
            with pytest.raises(
                SystemExit, match=r"(?s)^explain: figures\.yaml, examples\.bad: nobody in.*\.worse: .*unknown"
            ):
                examples.main()
        else:
            examples.main()
        assert capsys.readouterr().out == "good: not run: not_run\n", "also after those that are refused"


@pytest.mark.parametrize("error", [FileNotFoundError("no split"), Lacking("no times")])
def test_an_example_whose_data_are_not_there_leaves_the_others(
    error: Exception, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def made_or_not(name: str, *rest: Any) -> list[str]:
        if name == "gone":
            raise error
        return make(name, *rest)

    root = tmp_path / "world"
    shutil.copytree(world, root)
    one = example({"a": shown("fism")}).model_dump(mode="json", exclude_none=True)
    with (root / "papers/figures.yaml").open("w") as file:
        YAML().dump({"examples": {"gone": one, "good": one}}, file)
    monkeypatch.setattr(examples, "make", made_or_not)
    monkeypatch.setattr("sys.argv", ["x", str(root / "papers"), str(root / "papers/examples")])
    with pytest.raises(SystemExit, match=rf"explain: figures\.yaml, examples\.gone: {error.args[0]}"):
        examples.main()
    assert capsys.readouterr().out == "good: whole\n"


def test_a_name_wider_than_its_column_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most 14 characters"):
        example({"a": shown("fism", {"the contribution": INFLUENCE})})


EXAMPLES = {n: Example.model_validate(of) for n, of in read_yaml(ROOT / "papers/figures.yaml")["examples"].items()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_of_a_paper_s_cells_whose_models_have_such_weights(name: str) -> None:
    listed, params = read_yaml(ROOT / "papers/cells.yaml"), read_yaml(ROOT / "params.yaml")
    of = EXAMPLES[name]
    for series, cell in cells_of(of, listed, params, ROOT / "papers").items():
        assert name.startswith(listed["cells"][cell.name]["paper"])
        own = {weight.reading for weight in of.series[series].weights.values()} - {"influence"}
        assert own, "the model's own weights are what the paper shows"
        assert any(weight.reading == "influence" for weight in of.series[series].weights.values())
        models.configure(cell.choice)


def test_dvc_knows_which_cells_and_tables_the_examples_read(world: Path, tmp_path: Path) -> None:
    deps = read_yaml(ROOT / "papers/dvc.yaml")["stages"]["examples"]["deps"]
    used = {shown.cell for of in EXAMPLES.values() for shown in of.series.values()}
    assert {dep.removeprefix("cells/") for dep in deps if dep.startswith("cells/")} == used
    listed = read_yaml(ROOT / "papers/cells.yaml")["cells"]
    protocols = {listed[cell]["protocol"] for cell in used}
    prepared = {dep.removeprefix("data/${dataset}/") for dep in deps if dep.startswith("data/")}
    assert prepared == protocols
    known = [str(Path("papers", dep)).replace("papers/../", "").replace("${dataset}", "tiny") for dep in deps]
    known += ["papers/data/tiny/temporal", "papers/cells/iris_own"]
    root = Path(shutil.copytree(world, tmp_path / "world"))
    made(root, tmp_path, example({"IRIS": shown("iris_own")}, recommended=1))
    opened = {str(Path(path).relative_to(root)) for path in files.opened()["read"] if path.startswith(f"{root}/")}
    assert {"data/tiny/users.parquet", "papers/cells/iris_own/model/weights.pt"} <= opened
    assert {path for path in opened if not any(path.startswith(dep) for dep in known)} == set()
