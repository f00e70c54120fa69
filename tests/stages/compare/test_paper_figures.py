"""The papers' figures: readings of cells, drawn and kept as numbers; what was not run is named."""

import csv
import io
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from engine.tables import files, store
from engine.tables.params import read_yaml
from engine.tables.schemas import ERRORS
from stages.compare import paper_figures
from stages.compare.figure_rows import Figure
from stages.compare.paper_figures import draw

ROOT = Path(__file__).parents[3]
CELLS = read_yaml(ROOT / "papers/cells.yaml")["cells"]
FIGURES = {n: Figure.model_validate(s) for n, s in read_yaml(ROOT / "papers/figures.yaml")["figures"].items()}
SVG = "{http://www.w3.org/2000/svg}"


def ran(folder: Path, recall: float, seconds: float = 1.5) -> None:
    files.write_json({"recall@20": recall, "cases": 9}, folder / "test.json")
    files.write_json({"ndcg@20": recall / 2}, folder / "test_more.json")
    files.write_json({"seconds_an_epoch": seconds}, folder / "cost.json")


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def drawn(path: Path) -> ET.Element:
    """The picture, parsed: so it is well-formed; and nothing in it is loaded."""
    text = path.read_text()
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in text
    return ET.fromstring(text)


def test_readings_over_a_setting_are_lines_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    for size, recall in ((8, 0.1), (16, 0.3), (128, 0.2)):
        ran(tmp_path / f"own_{size}", recall)
    ran(tmp_path / "other_8", 0.05)
    series = {"own": {str(n): f"own_{n}" for n in (128, 8, 16)}, "other": {"8": "other_8", "16": "other_16"}}
    figure = Figure(title="By size", x="dim", readings=("recall@20", "ndcg@20"), series=series)
    assert draw("by_size", figure, tmp_path, tmp_path / "out") == ["not run: other_16"]
    rows = table(tmp_path / "out/by_size.csv")
    assert [(r["series"], r["dim"], r["recall@20"], r["ndcg@20"]) for r in rows] == [
        ("own", "128", "0.2", "0.1"),
        ("own", "8", "0.1", "0.05"),
        ("own", "16", "0.3", "0.15"),
        ("other", "8", "0.05", "0.025"),
    ]
    picture = drawn(tmp_path / "out/by_size.recall@20.svg")
    lines = picture.findall(f".//{SVG}polyline")
    points = [[tuple(map(float, p.split(","))) for p in line.get("points", "").split()] for line in lines]
    assert [len(line) for line in points] == [3, 1]
    own = points[0]
    assert own == sorted(own)
    assert own[1][1] < own[2][1] < own[0][1]  # 16 is the highest: y runs down
    texts = [t.text for t in picture.iter(f"{SVG}text")]
    assert {"By size: recall@20", "own", "other", "dim"} <= set(texts)


def test_cells_side_by_side_are_bars_and_predicting_has_its_seconds(tmp_path: Path) -> None:
    ran(tmp_path / "a", 0.1, seconds=3)
    ran(tmp_path / "b", 0.2, seconds=6)
    files.write_json({"seconds": 12.5}, tmp_path / "b" / "prediction.json")
    figure = Figure(title="Costs", readings=("seconds_an_epoch", "seconds_predicting"), series={"A": "a", "B": "b"})
    assert draw("costs", figure, tmp_path, tmp_path / "out") == []
    assert table(tmp_path / "out/costs.csv") == [
        {"series": "A", "seconds_an_epoch": "3", "seconds_predicting": ""},
        {"series": "B", "seconds_an_epoch": "6", "seconds_predicting": "12.5"},
    ]
    bars = [r for r in drawn(tmp_path / "out/costs.seconds_an_epoch.svg").iter(f"{SVG}rect") if r.get("height") == "16"]
    widths = [float(bar.get("width", 0)) for bar in bars]
    assert widths[1] == pytest.approx(2 * widths[0], rel=0.01)


def test_a_table_of_each_cell_is_drawn_by_its_column(tmp_path: Path) -> None:
    for cell, recall in (("a", 0.5), ("b", 0.25)):
        ran(tmp_path / cell, recall)
        files.write_text(f"group,recall\n1: many,{recall}\n2: few,{recall / 5}\n", tmp_path / cell / "plots/by.csv")
    figure = Figure(title="G", table="plots/by.csv", x="group", readings=("recall",), series={"A": "a", "B": "b"})
    draw("groups", figure, tmp_path, tmp_path / "out")
    assert [(r["series"], r["group"], r["recall"]) for r in table(tmp_path / "out/groups.csv")] == [
        ("A", "1: many", "0.5"),
        ("A", "2: few", "0.1"),
        ("B", "1: many", "0.25"),
        ("B", "2: few", "0.05"),
    ]
    texts = list(drawn(tmp_path / "out/groups.recall.svg").iter(f"{SVG}text"))
    assert "group" in [text.text for text in texts]
    assert not any("rotate" in text.get("transform", "") for text in texts), "it would lie on the groups' names"
    wrong = figure.model_copy(update={"x": "class"})
    with pytest.raises(ValueError, match=r"by\.csv has the columns group, recall; the figure draws class, recall"):
        draw("groups", wrong, tmp_path, tmp_path / "out")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"readings": ("recall@20", "recal@20")}, "no cell that was run has recal@20"),
        ({"table": "plots/nosuch.csv", "x": "k"}, "no cell that was run has recall@20 in plots/nosuch.csv"),
    ],
)
def test_a_reading_that_no_cell_has_is_said(tmp_path: Path, more: dict[str, Any], why: str) -> None:
    ran(tmp_path / "a", 0.5)
    figure = Figure(**{"title": "G", "readings": ("recall@20",), "series": {"A": "a"}, **more})
    assert draw("g", figure, tmp_path, tmp_path / "out") == [why]


def test_a_line_that_is_cut_or_not_finite_is_no_point(tmp_path: Path) -> None:
    ran(tmp_path / "a", 0.5)
    files.write_text("loss,epoch\ninf,1\nnan,2\n0.5,3\n0.4,4\n0.", tmp_path / "a" / "plots/loss.csv")
    figure = Figure(title="G", table="plots/loss.csv", x="epoch", readings=("loss",), series={"A": "a"})
    draw("losses", figure, tmp_path, tmp_path / "out")
    assert [(r["epoch"], r["loss"]) for r in table(tmp_path / "out/losses.csv")] == [("3", "0.5"), ("4", "0.4")]


def test_errors_are_read_of_people_with_at_least_so_many_events(tmp_path: Path) -> None:
    ran(tmp_path / "a", 0.1)
    rows = [
        (1, position, 9, squared, squared**0.5, False)
        for position, squared in ((2, 100.0), (5, 4.0), (10, 9.0), (40, 1.0))
    ]
    frame = pl.DataFrame(rows, schema=dict(ERRORS.columns), orient="row")
    store.write(frame, tmp_path / "a/ranks/errors.parquet", ERRORS)
    figure = Figure(title="E", table="ranks/errors.parquet", x="history", readings=("rmse",), series={"A": "a"})
    draw("errors", figure, tmp_path, tmp_path / "out")
    found = {r["history"]: float(r["rmse"]) for r in table(tmp_path / "out/errors.csv")}
    assert found.keys() == {"3", "10", "20", "30"}  # nobody has 50
    assert [found[least] ** 2 for least in ("3", "10", "20", "30")] == pytest.approx([14 / 3, 5, 1, 1], rel=1e-4)


def test_nothing_is_drawn_of_what_was_not_run(tmp_path: Path) -> None:
    figure = Figure(title="N", readings=("recall@20",), series={"A": "a"})
    assert draw("none", figure, tmp_path, tmp_path / "out") == ["not run: a"]
    assert not (tmp_path / "out").exists()


def test_ten_series_have_a_colour_a_dash_and_a_place_in_the_legend_each(tmp_path: Path) -> None:
    for n in range(10):
        for size in ("8", "16"):
            ran(tmp_path / f"{n}_{size}", 0.1 + n / 100)
    series: dict[str, Any] = {f"series {n}": {size: f"{n}_{size}" for size in ("8", "16")} for n in range(10)}
    figure = Figure(title="Ten", x="dim", readings=("recall@20",), series=series)
    assert draw("ten", figure, tmp_path, tmp_path / "out") == []
    picture = drawn(tmp_path / "out/ten.recall@20.svg")
    style = picture.findtext(f"{SVG}style") or ""
    light, dark = style.split("prefers-color-scheme: dark")
    for scheme in (light, dark.split("}")[0]):
        assert len(set(re.findall(r"--s\d: (#\w{6})", scheme))) == 10
    assert len(set(re.findall(r"\.line\.s\d \{ stroke-dasharray: ([\d ]+);", style))) == 9, "the first is whole"
    assert [line.get("class") for line in picture.iter(f"{SVG}polyline")] == [f"line s{n}" for n in range(10)]
    legend = {text.text: (float(text.get("x", 0)), float(text.get("y", 0))) for text in picture.findall(f"{SVG}text")}
    places = [legend[f"series {n}"] for n in range(10)]
    assert len(set(places)) == 10
    assert all(x + 100 < 640 for x, _ in places)
    _, _, _, height = map(float, picture.get("viewBox", "").split())
    plane = picture.find(f"{SVG}g")
    assert plane is not None
    top = float(plane.get("transform", "").split()[-1].rstrip(")"))
    assert max(y for _, y in places) < top
    assert height == top + 300


def test_a_figure_has_the_methods_of_its_paper_that_have_cells() -> None:
    rows = {
        name: {CELLS[one]["model"] for one in FIGURES[name].series.values()}
        for name in ("ante_rnn_figure_5", "iris_figure_6")
    }
    table_4 = {
        cell["model"] for cell in CELLS.values() if cell["paper"] == "ante_rnn" and len(cell.get("published", {})) == 10
    }
    assert table_4 <= rows["ante_rnn_figure_5"]
    table_2 = [
        name
        for name, cell in CELLS.items()
        if cell["paper"] == "iris" and "published" in cell and not name.endswith("_16")
    ]
    assert sorted(FIGURES["iris_figure_6"].series.values()) == sorted(table_2)
    by_size = {CELLS[next(iter(of.values()))]["model"] for of in FIGURES["ante_rnn_figure_6"].series.values()}
    assert by_size == table_4 - {"ctr_bpr"}, "which is as wide as there are topics"


def test_more_series_than_colours_are_refused() -> None:
    with pytest.raises(ValidationError, match="11 series over dim; at most 10 can be told apart"):
        Figure(title="M", x="dim", readings=("auc",), series={str(n): {"1": "a"} for n in range(11)})


def test_the_command_says_what_was_not_run_and_titles_are_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(tmp_path / "cells/a", 0.1)
    text = "figures:\n  f: {title: '<b>&', readings: [recall@20], series: {A: a, B: b}}\n"
    files.write_text(text, tmp_path / "figures.yaml")
    out = tmp_path / "out"
    monkeypatch.setattr("sys.argv", ["x", str(tmp_path / "figures.yaml"), str(tmp_path / "cells"), str(out)])
    paper_figures.main()
    assert capsys.readouterr().out == "f: not run: b\n"
    assert drawn(out / "f.recall@20.svg").get("aria-label") == "<b>&: recall@20"


def test_a_figure_that_cannot_be_drawn_is_named_and_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(tmp_path / "cells/a", 0.1)
    for name, text in (("half/test.json", '{"recall@20": 0.'), ("odd/plots/loss.csv", "epoch,loss\n1,x\n")):
        files.write_text(text, tmp_path / "cells" / name)
    files.write_json({"recall@20": float("nan")}, tmp_path / "cells/null/test.json")
    figures = {
        "half": "{title: H, readings: [recall@20], series: {A: half}}",
        "odd": "{title: O, readings: [loss], x: epoch, table: plots/loss.csv, series: {A: odd}}",
        "typo": "{title: T, reading: [recall@20], series: {A: a}}",
        "last": "{title: L, readings: [recall@20], series: {A: a, 'N': 'null'}}",
    }
    path, out = tmp_path / "figures.yaml", tmp_path / "out"
    files.write_text("figures:\n" + "".join(f"  {name}: {text}\n" for name, text in figures.items()), path)
    monkeypatch.setattr("sys.argv", ["x", str(path), str(tmp_path / "cells"), str(out)])
    with pytest.raises(SystemExit) as refused:
        paper_figures.main()
    said = str(refused.value)
    assert "half/test.json is not whole" in said
    assert "odd/plots/loss.csv: could not convert string to float: 'x'" in said
    assert "figures.typo.reading: Extra inputs" in said
    assert capsys.readouterr().out == "last: whole\n"
    assert [row["recall@20"] for row in table(out / "last.csv")] == ["0.1"], "what is null has no row"
    files.write_text("cells: {}\n", path)
    with pytest.raises(SystemExit, match=r"figures\.yaml has no part 'figures'; it has cells"):
        paper_figures.main()


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_of_cells_that_there_are_and_as_it_says(name: str) -> None:
    figure = FIGURES[name]
    for of in figure.series.values():
        for x, cell in of.items() if isinstance(of, dict) else [("", of)]:
            assert cell in CELLS
            assert name.startswith(CELLS[cell]["paper"])
            if figure.swept:
                given = f"{CELLS[cell].get('base', '')} {CELLS[cell]['settings']}".split()
                values = [g.split("=")[1] for g in given if g.split("=")[0].endswith(f".{figure.x}")]
                assert values[-1] == x, f"{cell} has {figure.x}={values[-1]}"


def test_a_cell_for_figures_is_in_one() -> None:
    groups = [of.values() if isinstance(of, dict) else [of] for f in FIGURES.values() for of in f.series.values()]
    drawn_cells = {cell for group in groups for cell in group}
    examples = read_yaml(ROOT / "papers/figures.yaml")["examples"].values()
    drawn_cells |= {shown["cell"] for example in examples for shown in example["series"].values()}
    assert {name for name, cell in CELLS.items() if cell.get("shown") == "figures"} <= drawn_cells
