"""Two revisions of a project that DVC ran: read out of git and cache, joined by case, tested."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console
from scipy.stats import ttest_rel

from engine.tables.schemas import ERRORS, RANKS
from stages.compare import __main__ as command
from stages.compare import recorded
from stages.compare.direction import better
from stages.compare.paired import common_cases, compare, per_case, untested
from stages.compare.revision import RevisionResults, different_inputs, read_revision

PIPELINE = """
stages:
  evaluate:
    cmd: python make.py ${model}
    params:
    - model
    outs:
    - data/demo/ranks/test.parquet
    metrics:
    - metrics/test.json:
        cache: false
"""


def ranks(greater: list[int], user: int = 1, start: int = 0) -> pl.DataFrame:
    n = len(greater)
    columns = {
        "case": list(range(start, start + n)),
        "user": [user] * n,
        "position": list(range(n)),
        "target": list(range(10, 10 + n)),
        "greater": greater,
        "ties": [0] * n,
        "others": [50] * n,
    }
    return pl.DataFrame(columns, schema=dict(RANKS.columns))


RANKED = "data/demo/ranks/test.parquet"
CHOSEN = {"dataset": "demo", "protocol": "temporal", "model": "x"}


def results(greater: list[int], metrics: list[str], name: str = "a") -> RevisionResults:
    return RevisionResults(name, dict.fromkeys(metrics, 0.5), ranks(greater), CHOSEN)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`main` ran model a, `other` model b; the workspace stands on `other`."""
    root = tmp_path_factory.mktemp("project")
    (root / "dvc.yaml").write_text(PIPELINE)
    ranks([0, 30] * 60).write_parquet(root / "a.parquet", metadata={"whyrec": "{}"})
    ranks([3, 3] * 60, start=7).write_parquet(root / "b.parquet", metadata={"whyrec": "{}"})
    (root / "make.py").write_text(
        "import json, pathlib, shutil, sys\n"
        "for p in ('data/demo/ranks', 'metrics'): pathlib.Path(p).mkdir(parents=True, exist_ok=True)\n"
        "shutil.copy(sys.argv[1] + '.parquet', 'data/demo/ranks/test.parquet')\n"
        "pathlib.Path('metrics/test.json').write_text(json.dumps({'recall@5': 0.5, 'mrr': 0.5, 'cases': 120}))\n"
    )

    def do(*command: str) -> None:
        path = f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/local/bin"
        env = {"PATH": path, "HOME": str(root), "DVC_NO_ANALYTICS": "1"}
        subprocess.run(command, cwd=root, check=True, capture_output=True, env=env)

    do("git", "init", "-q", "-b", "main")
    do("git", "config", "user.email", "a@example.org")
    do("git", "config", "user.name", "a")
    do(sys.executable, "-m", "dvc", "init", "-q")
    for branch, model in (("main", "a"), ("other", "b")):
        if branch != "main":
            do("git", "checkout", "-q", "-b", branch)
        (root / "params.yaml").write_text(f"dataset: demo\nprotocol: temporal\nmodel: {model}\n")
        do(sys.executable, "-m", "dvc", "repro", "-q")
        do("git", "add", ".")
        do("git", "commit", "-qm", model)
    return root


def test_a_revision_is_read_out_of_git_and_the_cache(project: Path) -> None:
    first, second = read_revision("main", project), read_revision("other", project)
    assert first.label == "demo, temporal, a"
    assert first.ranks["greater"].to_list() == [0, 30] * 60
    assert second.ranks["greater"].to_list() == [3, 3] * 60
    assert second.metrics["cases"] == 120
    assert read_revision("workspace", project).ranks.equals(second.ranks)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What the command says of a repository."""

    def run(repo: Path, *words: str) -> str:
        monkeypatch.setenv("COLUMNS", "160")
        monkeypatch.setattr("sys.argv", ["compare", *words, "--repo", str(repo)])
        command.main()
        return capsys.readouterr().out

    return run


def test_the_command_prints_both_sides_and_the_tests(project: Path, told: Callable[..., str]) -> None:
    shown = " ".join(told(project, "main", "other").replace("│", " ").split())
    assert "120 cases in common" in shown
    # recall@5 is 1, 0, 1, 0 … against 1, 1, 1, 1 …
    assert "recall@5 higher 0.5000 1.0000 +0.5000" in shown
    assert "demo, temporal, a" in shown


def test_what_is_not_there_is_refused_by_name(project: Path) -> None:
    with pytest.raises(ValueError, match="nowhere: no such revision"):
        read_revision("nowhere", project)


def test_ranks_that_were_computed_elsewhere_leave_the_metrics_and_say_what_would_do(
    project: Path, tmp_path: Path, told: Callable[..., str]
) -> None:
    lost = tmp_path / "lost"
    shutil.copytree(project, lost)
    shutil.rmtree(lost / ".dvc" / "cache")
    shown = told(lost, "main")
    assert "without tests" in shown
    assert "recall@5 higher 0.5000 0.5000 +0.0000" in " ".join(shown.replace("│", " ").split())
    assert "main lacks its ranks: data/demo/ranks/test.parquet was computed elsewhere" in shown
    assert "git checkout main && dvc repro && git commit --all" in shown
    assert "workspace lacks" not in shown
    assert "p (Holm)" not in shown


def test_a_revision_that_was_never_run_is_refused(project: Path, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    shutil.copytree(project, fresh)
    (fresh / "dvc.lock").unlink()
    with pytest.raises(ValueError, match=r"workspace has no dvc\.lock"):
        read_revision("workspace", fresh)
    (fresh / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    with pytest.raises(ValueError, match="run `dvc repro` there"):
        read_revision("workspace", fresh)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("dvc.lock", "stages:\n", r"workspace: dvc\.lock knows no ranks/test\.parquet"),
        ("dvc.lock", "stages: [", r"^workspace: dvc\.lock does not parse"),
        ("params.yaml", "- 1\n", r"^workspace: params\.yaml: expected sections, found list"),
        ("metrics/test.json", '{"mrr": 0.5, "au', r"^workspace: metrics/test\.json is not whole \(Unterminated"),
        ("metrics/test.json", "[1]", r"^workspace: metrics/test\.json: expected numbers by name, it is \[1\]"),
        ("metrics/test.json", '{"mrr": "x"}', r"expected numbers by name, mrr is 'x'; `dvc repro --force`"),
        ("data/demo/ranks/test.parquet", "PAR1", r"^workspace: data/demo/ranks/test\.parquet holds no ranks table"),
    ],
)
def test_a_file_that_is_not_whole_is_named_as_it_lies_there(
    project: Path, tmp_path: Path, name: str, text: str, why: str
) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(project, cut)
    (cut / name).unlink()
    (cut / name).write_text(text)
    with pytest.raises(ValueError, match=why):
        read_revision("workspace", cut)


def test_a_revision_without_a_name_is_not_the_workspace(project: Path) -> None:
    with pytest.raises(ValueError, match="'' is no revision; give a branch"):
        read_revision("", project)


def test_ranks_are_of_what_ran_not_of_what_params_yaml_says_by_now(
    project: Path, tmp_path: Path, told: Callable[..., str]
) -> None:
    edited = tmp_path / "edited"
    shutil.copytree(project, edited)
    (edited / "params.yaml").write_text("dataset: demo\nprotocol: temporal\nmodel: c\n")
    shown = told(edited, "main")
    assert "demo, temporal, b" in shown
    assert "workspace: params.yaml has changed since: model was 'b' and is 'c'; `dvc repro`" in shown
    assert "main: params.yaml" not in shown


def protocol(train: float) -> dict[str, object]:
    return {"train": train, "seen": "excluded"}


def test_what_has_changed_is_read_from_the_stages_before_and_no_other() -> None:
    of = {"models.ease": {"penalty": [1, 2]}, "protocols.temporal.seen": "excluded"}
    stages = {
        "split": {"outs": [{"path": "cases"}], "params": {"params.yaml": {"protocols.temporal": protocol(0.8)}}},
        "train": {"deps": [{"path": "cases"}], "outs": [{"path": "weights"}], "params": {"params.yaml": {"seed": 1}}},
        "evaluate": {"deps": [{"path": "weights"}, {"path": "models"}], "params": {"params.yaml": of}},
        "explain": {"deps": [{"path": "weights"}], "params": {"params.yaml": {"explain": {"people": 9}}}},
    }
    params = {
        "dataset": "demo",
        "protocol": "temporal",
        "model": "ease",
        "models": {"ease": {"penalty": [1, 2]}},
        "protocols": {"temporal": protocol(0.8)},
        "seed": 1,
    }
    place = "evaluate", "data/demo/ranks/test.parquet"
    assert recorded.chosen(stages["evaluate"], place[1], params) == {
        "dataset": "demo",
        "protocol": "temporal",
        "model": "ease",
    }
    assert recorded.changed(stages, *place, params) == []
    later = params | {"seed": 2, "model": "ials", "protocols": {"temporal": protocol(0.7)}}
    assert sorted(recorded.changed(stages, *place, later)) == [
        "model was 'ease' and is 'ials'",
        "protocols.temporal.train was 0.8 and is 0.7",
        "seed was 1 and is 2",
    ]


def test_cases_are_joined_by_user_position_and_target_not_by_number() -> None:
    first = results([0, 9, 9, 0], ["recall@5"])
    moved = first.ranks.reverse().with_columns(pl.Series("case", [5, 6, 7, 8], dtype=pl.UInt32))
    (line,) = compare(first, RevisionResults("b", first.metrics, moved, CHOSEN))
    assert line.verdict is not None
    assert line.verdict.difference == 0
    assert line.verdict.p == 1
    assert line.verdict.cases == 4


def test_an_item_that_is_a_persons_target_twice_is_paired_by_position() -> None:
    twice = {"user": [1, 1, 2], "position": [3, 5, 3], "target": [10, 10, 10], "greater": [0, 9, 9]}
    rows = ranks([0, 0, 0]).with_columns(
        pl.Series(name, values, dtype=RANKS.columns[name]) for name, values in twice.items()
    )
    other_way = rows.with_columns(pl.Series("greater", [9, 0, 9], dtype=pl.UInt32))
    first = RevisionResults("a", {"recall@5": 0.5}, rows, CHOSEN)
    assert common_cases(first, first).height == 3
    (same,) = compare(first, RevisionResults("b", first.metrics, rows.reverse(), CHOSEN))
    (crossed,) = compare(first, RevisionResults("b", first.metrics, other_way, CHOSEN))
    assert same.verdict is not None
    assert crossed.verdict is not None
    assert (same.verdict.cases, same.verdict.effect) == (3, 0)
    # one case better, one worse: no difference on average, but the pairs differ
    assert crossed.first == crossed.second
    pairs = common_cases(first, RevisionResults("b", first.metrics, other_way, CHOSEN))
    assert pairs.select("position", "greater", "greater_second").rows() == [(3, 0, 9), (5, 9, 0), (3, 9, 9)]


def test_only_common_cases_count_and_none_is_refused() -> None:
    first, second = results([0, 9, 9, 9], ["recall@5"]), results([9, 0, 0], ["recall@5"], "b")
    (line,) = compare(first, second)
    assert (line.verdict.cases, line.first, line.second) == (3, pytest.approx(1 / 3), pytest.approx(2 / 3))
    other = RevisionResults("c", first.metrics, ranks([0, 0], user=2), {"dataset": "movielens"})
    with pytest.raises(ValueError, match=r"a \(demo, temporal, x\) and c \(movielens\) have 0 test cases in common"):
        compare(first, other)


@pytest.mark.parametrize("test", ["randomisation", "t"])
def test_a_difference_is_found_with_its_sign_and_corrected_for_the_number_of_metrics(test: str) -> None:
    rng = np.random.default_rng(1)
    good = rng.integers(0, 12, 300).tolist()
    bad = [g + int(e) for g, e in zip(good, rng.integers(0, 12, 300), strict=True)]
    metrics = ["recall@5", "ndcg@5", "mrr", "auc", "cases", "oracle_recall@5"]
    lines = compare(results(bad, metrics), results(good, metrics, "b"), test)  # type: ignore[arg-type]
    assert [line.metric for line in lines] == ["auc", "mrr", "ndcg@5", "recall@5"]
    for line in lines:
        assert line.verdict is not None
        assert line.corrected is not None
        assert line.verdict.difference > 0
        assert line.verdict.difference == pytest.approx(line.second - line.first)
        assert line.verdict.effect > 0
        assert line.verdict.p < 0.01
        assert line.verdict.p <= line.corrected <= 4 * line.verdict.p + 1e-12
    assert lines[0].corrected > lines[0].verdict.p


def test_a_metric_of_a_case_follows_from_its_counts() -> None:
    found = ranks([0, 4, 5])
    assert per_case("recall@5", found, "").tolist() == [1, 1, 0]  # type: ignore[union-attr]
    assert per_case("ndcg@5", found, "").tolist() == pytest.approx([1, 1 / np.log2(6), 0])  # type: ignore[union-attr]
    assert per_case("mrr", found, "").tolist() == pytest.approx([1, 0.2, 1 / 6])  # type: ignore[union-attr]
    assert per_case("auc", found, "").tolist() == pytest.approx([1, 0.92, 0.9])  # type: ignore[union-attr]
    assert per_case("cases", found, "") is None
    assert per_case("oracle_recall@5", found, "") is None


def test_cases_that_only_one_side_ranked_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = results([0, 9, 9, 9], ["recall@5"]), results([9, 0, 0], ["recall@5"], "b")
    command.show(first, second, compare(first, second), Console(width=160))
    shown = capsys.readouterr().out
    assert "a ranked 1 cases more" in shown
    assert "b ranked" not in shown


def test_every_metric_and_number_is_whole_on_a_terminal_of_80_letters(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = ["recall@10", "recall@20", "ndcg@10"]
    first, second = results([0, 9, 19, 9], metrics, "main"), results([9, 0, 0, 3], metrics, "a-longer-branch")
    command.show(first, second, compare(first, second), Console(width=80))
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert all(f"│{name}" in shown for name in metrics)
    assert "p (Holm)" in shown
    intervals = re.findall(r"(\S+@\d+) ([+-]\d\.\d{4}) to ([+-]\d\.\d{4})", " ".join(shown.split()))
    assert sorted(name for name, *_ in intervals) == sorted(metrics)
    assert all(float(low) <= float(high) for _, low, high in intervals)


def test_other_data_another_protocol_or_other_cases_are_refused_with_both_named() -> None:
    def of(name: str, chosen: dict[str, str], cases: str) -> RevisionResults:
        return RevisionResults(name, {}, None, CHOSEN | chosen, {"test cases": cases, "events and their split": "e"})

    main = of("main", {}, "1111111111")
    assert different_inputs(main, of("b", {"model": "y"}, "1111111111")) == []
    assert different_inputs(main, of("b", {"dataset": "pinterest"}, "22")) == ["dataset: demo and pinterest"]
    assert different_inputs(main, of("b", {"protocol": "everything"}, "1")) == ["protocol: temporal and everything"]
    assert different_inputs(main, of("b", {}, "2222222222")) == ["test cases: 11111111 and 22222222 in dvc.lock"]


def test_the_command_refuses_what_was_not_ranked_on_the_same_unless_asked(
    project: Path, tmp_path: Path, told: Callable[..., str]
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(project, moved)
    (moved / "params.yaml").write_text("dataset: demo\nprotocol: leave_one_out\nmodel: b\n")
    with pytest.raises(SystemExit, match=r"main and workspace .*protocol: temporal and leave_one_out.*--across"):
        told(moved, "main", "workspace")
    assert "120 cases in common" in told(moved, "main", "workspace", "--across")


@pytest.mark.parametrize("seed", ["-1", "1.5", "x", "4294967296"])
def test_a_seed_that_no_generator_takes_is_refused_at_the_door(
    seed: str, project: Path, told: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        told(project, "main", "workspace", f"--seed={seed}")
    assert f"argument --seed: a whole number from 0 to 4,294,967,295, found '{seed}'" in capsys.readouterr().err


def test_ranks_among_other_numbers_of_items_are_refused_unless_asked(
    project: Path, tmp_path: Path, told: Callable[..., str]
) -> None:
    among = tmp_path / "among"
    shutil.copytree(project, among)
    (among / RANKED).unlink()  # a link into the cache, perhaps
    frame = ranks([3, 3] * 60, start=7).with_columns(others=pl.lit(60, pl.UInt32))
    frame.write_parquet(among / RANKED, metadata={"whyrec": "{}"})
    with pytest.raises(SystemExit, match="not ranked on the same: 120 common cases among other numbers of items"):
        told(among, "main")
    assert "120 cases in common" in told(among, "main", "--across")


def test_no_control_character_of_a_revision_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    first = replace(results([0, 9, 9, 9], ["recall@5"]), chosen=CHOSEN | {"model": "\x1b[31mx"})
    second = replace(results([9, 0, 0], ["recall@5"], "b"), metrics={"recall@5": 0.1, "mrr\x07": 0.5})
    command.show(first, second, compare(first, second), Console(width=160))
    command.show(first, second, untested(first, second), Console(width=160))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert r"\x1b[31mx" in shown
    assert r"mrr\x07" in shown


def test_the_digests_of_what_was_ranked_come_from_the_lock(project: Path, tmp_path: Path) -> None:
    lock = tmp_path / "locked"
    shutil.copytree(project, lock)
    text = (lock / "dvc.lock").read_text()
    deps = "    deps:\n    - path: data/demo/splits/temporal/cases.parquet\n      md5: abc\n"
    (lock / "dvc.lock").write_text(text.replace("    params:\n", deps + "    params:\n", 1))
    assert read_revision("workspace", lock).inputs == {"test cases": "abc"}


def test_every_metric_has_a_direction_or_is_a_count() -> None:
    names = ["recall@5", "hr@10", "ndcg@20", "mrr", "auc", "rmse", "mae", "cases", "ratings", "oracle_auc"]
    assert [better(name) for name in names] == ["higher"] * 5 + ["lower"] * 2 + [""] * 3


def test_better_is_said_of_reasons_too() -> None:
    higher = ["truth.history.gradient", "truth.word.own_share", "drop.heaviest", "acts.gradient.comprehensiveness"]
    higher += ["acts.own_share.gone_5", "acts.random.necessity", "agreement"]
    higher += ["words.integrated.comprehensiveness", "acts.gradient.mean_item", "drop.region_integrated"]
    higher += ["item_words.leave_one_out.comprehensiveness", "item_regions.own_share.gone_5"]
    lower = ["drop.lightest", "drop.keep_heaviest", "acts.gradient.sufficiency", "acts.gradient.kept_50"]
    lower += ["acts.gradient.redrawn", "acts.gradient.deciding", "regions.own_signed.kept_5"]
    lower += ["words.random.lightest_one", "item_words.leave_one_out.sufficiency"]
    neither = [
        "truth.history.chance",
        "truth.history.cases",
        "acts.gradient.gini",
        "item_words.own_share.entropy",
        "drop.random",
        "probe.cases",
        "users",
    ]
    assert [better(name) for name in higher] == ["higher"] * 12
    assert [better(name) for name in lower] == ["lower"] * 9
    assert [better(name) for name in neither] == [""] * 7
    rows = untested(results([0], ["mrr", "rmse"]), results([0], ["mrr"], "b"))
    assert [(row.metric, row.first, row.second) for row in rows] == [("mrr", 0.5, 0.5), ("rmse", 0.5, None)]


def rated(squared: list[float], start: int = 0) -> pl.DataFrame:
    n = len(squared)
    columns = {"user": [1] * n, "position": range(start, start + n), "item": range(5 + start, 5 + start + n)}
    values = {"squared": squared, "absolute": [value**0.5 for value in squared], "cold": [False] * n}
    return pl.DataFrame(columns | values, schema=dict(ERRORS.columns))


def test_rmse_is_tested_over_the_events_that_both_predicted() -> None:
    one, other = [0.25, 1.0, 4.0, 1.0], [9.0, 1.0, 9.0, 4.0]
    names = ["recall@5", "rmse", "mae"]
    first = replace(results([0, 1, 2], names), errors=rated(one))
    second = replace(results([0, 1, 3], names, "b"), errors=rated([*other[1:], 0.0], start=1))
    rows = {row.metric: row for row in compare(first, second, "t")}
    assert set(rows) == {"recall@5", "rmse", "mae"}
    assert rows["rmse"].first == pytest.approx(np.sqrt(np.mean(one[1:])))
    assert rows["rmse"].second == pytest.approx(np.sqrt(np.mean(other[1:])))
    assert rows["rmse"].verdict is not None
    assert rows["rmse"].verdict.cases == 3
    assert rows["rmse"].verdict.difference == pytest.approx(np.mean(other[1:]) - np.mean(one[1:]))
    assert rows["rmse"].verdict.p == pytest.approx(ttest_rel(other[1:], one[1:]).pvalue)
    assert rows["mae"].second == pytest.approx((1 + 3 + 2) / 3)
    without = replace(second, errors=None)  # of a revision from before errors were kept
    assert {row.metric for row in compare(first, without)} == {"recall@5"}


def test_where_ratings_alone_were_predicted_they_are_compared(capsys: pytest.CaptureFixture[str]) -> None:
    """`cases: none` ranks nothing."""
    first = replace(results([], ["rmse", "mae"]), errors=rated([0.25, 1.0, 4.0]))
    second = replace(results([], ["rmse", "mae", "mrr"], "b"), errors=rated([1.0, 1.0, 9.0]))
    rows = compare(first, second, "t")
    assert [row.metric for row in rows] == ["mae", "rmse"]
    assert rows[1].verdict is not None
    assert rows[1].verdict.difference == pytest.approx(5.75 / 3)
    command.show(first, second, rows, Console(width=200))
    told = capsys.readouterr().out
    assert "3 ratings in common" in told
    assert "of b alone, in no test: mrr" in told
    with pytest.raises(ValueError, match="0 test cases in common"):
        compare(first, replace(second, errors=rated([1.0])[:0]))
