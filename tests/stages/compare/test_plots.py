"""The charts: every plot that dvc.yaml declares is drawn, in one page that loads nothing; DVC's own templates."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from dvc_render import VegaRenderer

from engine.tables.params import read_yaml
from stages.compare import plots
from stages.compare.charts import Series, bar_chart, line_chart, round_ticks
from stages.compare.plots import chart, declared_plots, render

ROOT = Path(__file__).parents[3]
PLOTS = declared_plots(read_yaml(ROOT / "dvc.yaml"))
BORDERS = ["1 to 4", "5 to 9", "10 to 19", "100 to 117"]  # as text 10 and 100 would come before 5
DAYS = ["2024-01-01", "2024-01-08", "2024-03-11"]


def written(root: Path) -> dict[str, int]:
    """A repository with a CSV for each declared plot; the rows of each."""
    shutil.copy(ROOT / "dvc.yaml", root)
    rows = {}
    for path, about in PLOTS.items():
        bars = about["template"].startswith("bar")
        x, y = (about["y"], about["x"]) if bars else (about["x"], about["y"])
        values = BORDERS if bars else DAYS if about["template"] == "time_line" else ["1", "2", "10"]
        lines = [f"{x},{y}", *(f"{value},{0.25 + n / 8}" for n, value in enumerate(values))]
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("\n".join(lines) + "\n")
        rows[path] = len(values)
    return rows


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_every_declared_plot_is_drawn_and_nothing_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = written(tmp_path)
    monkeypatch.setattr("sys.argv", ["plots", "--repo", str(tmp_path)])
    plots.main()
    html = (tmp_path / "metrics" / "plots.html").read_text()
    figures = re.findall(r"<figure>.*?</figure>", html, re.DOTALL)
    assert len(figures) == len(PLOTS) >= 5
    for (path, about), figure in zip(PLOTS.items(), figures, strict=True):
        assert about["title"] in figure
        if about["template"].startswith("bar"):
            assert figure.count("<rect") == rows[path]
        else:
            (points,) = re.findall(r'<polyline [^>]*points="([^"]*)"', figure)
            assert len(points.split()) == figure.count("<circle") == rows[path]
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "image", "use", "object"} & set(page.tags)
    assert not [name for name in page.attributes if name in ("src", "href", "xlink:href") or name.startswith("on")]
    assert not re.search(r"https?:|url\(|@import", html)


def test_dates_are_to_scale_and_bars_keep_the_order_of_the_file() -> None:
    found = line_chart("t", ("day", "y"), [Series("a", [(day, 1.0 + n) for n, day in enumerate(DAYS)])], dates=True)
    (x0, y0, said), (x1, _, _), (x2, y2, _) = found.lines[0].points
    assert (x1 - x0) / (x2 - x0) == pytest.approx(7 / 70)
    assert y2 < y0
    assert said == "day 2024-01-01: y 1"
    assert (found.x_ticks[0][1], found.x_ticks[-1][1]) == ("01 Jan 2024", "11 Mar 2024")
    bars = bar_chart("t", ("history", "recall"), [Series("a", [(name, 0.5) for name in BORDERS])])
    assert [name for _, name in bars.y_ticks] == BORDERS
    assert [bar.y for bar in bars.bars] == sorted(bar.y for bar in bars.bars)


def test_hours_of_a_day_lie_apart() -> None:
    hours = ["2024-01-01T00:00", "2024-01-01T06:00", "2024-01-02T00:00"]
    found = line_chart("t", ("hour", "y"), [Series("a", [(hour, 1.0) for hour in hours])], dates=True)
    first, second, last = (x for x, _, _ in found.lines[0].points)
    assert (second - first) / (last - first) == pytest.approx(6 / 24)
    assert [label for _, label in found.x_ticks][1:] == ["01 Jan 06:00", "01 Jan 12:00", "01 Jan 18:00", "02 Jan 00:00"]
    one = line_chart("t", ("hour", "y"), [Series("a", [(hours[1], 1.0)])], dates=True)
    assert one.x_ticks[0][1] == "01 Jan 2024"


def test_rows_without_a_place_are_left_out_and_a_place_that_is_none_is_named() -> None:
    about = {"x": "window", "y": "perplexity", "template": "time_line"}
    assert chart("topics.csv", about, {"a": "window,perplexity\n,178.2\n"}) is None  # topics of data without times
    cut = chart("topics.csv", about, {"a": "perplexity,window\n178.2,2024-01-01\n17"})
    assert cut is not None
    assert len(cut.lines[0].points) == 1
    for template, why in (("time_line", "Invalid isoformat string: 'monday'"), ("linear", ".*'monday'")):
        with pytest.raises(ValueError, match=rf"topics\.csv: window: {why}"):
            chart("topics.csv", about | {"template": template}, {"a": "window,perplexity\nmonday,178.2\n"})


def test_a_bar_is_as_long_as_its_value_and_two_revisions_stand_side_by_side() -> None:
    series = [Series("a", [("x", 0.2), ("y", 0.4)]), Series("b", [("y", 0.1)])]
    found = bar_chart("t", ("name", "value"), series)
    assert [(bar.series, bar.label) for bar in found.bars] == [(0, "0.2"), (0, "0.4"), (1, "0.1")]
    low, high, other = (bar.width for bar in found.bars)
    assert high == pytest.approx(2 * low)
    assert other == pytest.approx(low / 2)
    assert len({bar.y for bar in found.bars}) == 3
    html = render([found], ["a", "b"])
    assert html.count('class="fill s0"') == 2
    assert html.count('class="fill s1"') == 1


def test_one_row_and_equal_values_are_drawn_and_an_empty_file_is_not() -> None:
    one = line_chart("t", ("x", "y"), [Series("a", [("1", 0.5)])], dates=False)
    assert len(one.lines[0].points) == 1
    assert all(0 <= y <= one.height for _, y, _ in one.lines[0].points)
    assert round_ticks(0.5, 0.5)[0] < round_ticks(0.5, 0.5)[-1]
    about = {"x": "epoch", "y": "loss", "title": "loss"}
    assert chart("loss.csv", about, {"a": "epoch,loss\n", "b": ""}) is None
    skipped = chart("loss.csv", about, {"a": "epoch,loss\n1,2\n2,nan\n3,\n4,1\n"})
    assert skipped is not None
    assert len(skipped.lines[0].points) == 2
    with pytest.raises(ValueError, match=r"loss\.csv has the columns k, recall; dvc\.yaml draws loss over epoch"):
        chart("loss.csv", about, {"a": "k,recall\n1,2\n"})


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (107.3, 216.0), (-2.0, 3.0), (0.31, 0.6), (5e-7, 6e-7)])
def test_ticks_are_round_and_span_the_values(low: float, high: float) -> None:
    found = round_ticks(low, high)
    assert found[0] <= low <= high <= found[-1]
    assert 3 <= len(found) <= 7
    assert max(len(f"{value:g}") for value in found) <= 8


def test_names_are_shown_as_they_are_not_run() -> None:
    hostile = "<script>alert(1)</script>"
    found = bar_chart(hostile, (hostile, hostile), [Series(hostile, [(hostile, 1.0)])])
    assert "<script" not in render([found], [hostile])


def test_nothing_to_draw_and_too_many_revisions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    monkeypatch.setattr("sys.argv", ["plots", "--repo", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"workspace: nothing to draw; `dvc repro` makes .*metrics/plots/topics\.csv"):
        plots.main()
    monkeypatch.setattr("sys.argv", ["plots", *"abcdef", "--repo", str(tmp_path)])
    with pytest.raises(SystemExit, match="6 revisions; at most 5"):
        plots.main()


@pytest.mark.parametrize("path", PLOTS)
def test_dvc_fills_the_template_that_each_plot_names(path: str) -> None:
    about = PLOTS[path]
    rows: list[dict[str, Any]] = [{about["x"]: 1, about["y"]: 2, "rev": "workspace"}]
    settings = {key: about[key] for key in ("x", "y", "title", "template")}
    filled = VegaRenderer(rows, path, template_dir=ROOT / ".dvc" / "plots", **settings).get_filled_template()
    assert "<DVC_METRIC" not in str(filled)
    axes = filled["encoding"]
    if about["x"] == "window":
        assert (axes["x"]["type"], axes["y"]["type"]) == ("temporal", "quantitative")
    if about["y"] == "history":
        assert (axes["x"]["type"], axes["y"]["type"]) == ("quantitative", "nominal")
        assert axes["y"]["sort"] is None  # the order of the file


def test_a_folder_without_a_project_and_a_table_of_words_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["plots", "--repo", str(tmp_path)])
    with pytest.raises(SystemExit, match=r"plots: .*dvc\.yaml"):
        plots.main()
    with pytest.raises(ValueError, match=r"a\.csv: could not convert string to float: 'x'"):
        plots.chart("a.csv", {"x": "k", "y": "recall"}, {"main": "k,recall\n1,x\n"})


@pytest.mark.parametrize(
    ("pipeline", "why"),
    [
        ("schema: '2.0'\n", "`stages` is to name stages"),
        ("stages: [train]\n", "`stages` is to name stages"),
        ("stages:\n  train: python\n", "`stages` is to name stages"),
        ("stages:\n  train:\n    plots: [{a.csv: {title: A}}]\n", "the plot a.csv needs an x and a y"),
        ("stages:\n  train:\n    plots: [{a.csv: }]\n", "the plot a.csv needs an x and a y"),
    ],
)
def test_a_pipeline_that_is_none_is_refused_in_a_line(
    pipeline: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dvc.yaml").write_text(pipeline)
    monkeypatch.setattr("sys.argv", ["plots", "--repo", str(tmp_path)])
    with pytest.raises(SystemExit, match=f"plots: dvc.yaml: {why}"):
        plots.main()
