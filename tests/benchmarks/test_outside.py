"""Numbers from outside: files in, a table with ours and the published ones out, and nothing done twice."""

import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import cells, outside
from benchmarks.outside import File, main, row
from engine.tables import store
from engine.tables.params import read_yaml
from engine.tables.schemas import ITEMS


def published(file: Path) -> None:
    """The file, with the items and frozen candidates that some come with beside it.

    Twelve people of few items, one whose last is new, two who had many that nobody else had.
    """
    had = {user: [(2 * user + step) % 20 for step in range(6)] for user in range(12)}
    had |= {99: [0, 1, 2, 77], 100: [*range(100, 220)], 101: [*range(300, 420)]}
    items = sorted({item for some in had.values() for item in some})
    others = {user: [item for item in items if item not in some][:14] for user, some in had.items()}
    file.parent.mkdir()
    for lists, path in ((had, file), (others, file.parent / "LastFM_sample.txt")):
        path.write_text("".join(f"{user} {' '.join(map(str, some))}\n" for user, some in lists.items()))
    attributes = {str(item): [item % 3] for item in items}
    (file.parent / "LastFM_item2attributes.json").write_text(json.dumps(attributes))


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A file `tiny`; stages run in this process. Gives what was started."""
    published(tmp_path / "tiny" / "sequences.txt")
    one = File({"file": "tiny/sequences.txt"}, "leave_one_out", ("popularity",), {"Somebody's": (0.25, 0.125)})
    monkeypatch.setitem(outside.SETTINGS, "tiny", one)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    found: list[str] = []

    def run(words: list[str], **how: Any) -> SimpleNamespace:
        found.append(words[2].removeprefix("stages."))
        monkeypatch.setattr(sys, "argv", words[2:])
        for module in (words[2], f"{words[2]}.__main__"):  # runpy warns of what is imported already
            monkeypatch.delitem(sys.modules, module, raising=False)
        runpy.run_module(words[2], run_name="__main__", alter_sys=True)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(cells.subprocess, "run", run)
    return found


def test_a_file_is_learnt_ranked_and_laid_beside_what_was_published(
    tmp_path: Path, started: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["outside", str(tmp_path), "--only", "tiny", "--seeds", "1", "2", "--out", str(tmp_path / "out")]
    tables = []
    for _ in range(2):
        monkeypatch.setattr(sys, "argv", words)
        main()
        tables.append(capsys.readouterr().out[-2000:])
    assert started == ["check", "ingest", "crawl", "split", *["train", "evaluate"] * 2]
    text = (tmp_path / "out" / "tiny.md").read_text()
    assert text.strip() in tables[1]
    assert "leave_one_out: 15 cases, 12 of them warm" in text
    assert "| *published:* Somebody's | 0.2500 | 0.1250 |" in text
    kept = json.loads((tmp_path / "out" / "tiny" / "popularity-1" / "outside.json").read_text())
    ours = next(line for line in text.splitlines() if line.startswith("| popularity"))
    assert f"| {kept['hr']:.4f} ± 0.0000 | {kept['ndcg']:.4f} ± 0.0000 | {kept['warm_hr']:.4f}" in ours
    assert kept["warm_hr"] * 12 == pytest.approx(kept["hr"] * 15)  # nobody has the new one ranked in ten of ten
    assert 0 < kept["ndcg"] < kept["hr"]


@pytest.mark.parametrize("name", ["beauty", "cell_phones", "cell_phones_shuffled", "lastfm"])
def test_the_files_that_are_named_are_read_as_they_are(
    name: str, tmp_path: Path, started: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    published(tmp_path / outside.SETTINGS[name].data["file"])
    words = ["outside", str(tmp_path), "--only", name, "--seeds", "1", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", [*words, "--models", "popularity"])
    main()
    assert f"{outside.SETTINGS[name].protocol}: 15 cases" in capsys.readouterr().out
    items = store.read(tmp_path / "out" / name / "data" / "items.parquet", ITEMS)
    told = items["categories"].is_not_null()
    assert told.all() if name == "lastfm" else not told.any()  # what S3-Rec is taught first


def test_a_shuffled_file_has_the_same_items_a_person_in_another_order(tmp_path: Path) -> None:
    published(tmp_path / "some" / "sequences.txt")
    copy = outside.shuffled(tmp_path / "some" / "sequences.txt", tmp_path / "copy.txt")
    both = (tmp_path / "some" / "sequences.txt", copy)
    given, found = ([line.split() for line in path.read_text().splitlines()] for path in both)
    assert [line[0] for line in given] == [line[0] for line in found]
    assert [sorted(line[1:]) for line in given] == [sorted(line[1:]) for line in found]
    assert sum(one != other for one, other in zip(given, found, strict=True)) > 10


def test_a_row_is_a_mean_with_its_spread_and_says_where_a_run_ended_at_its_cap() -> None:
    cost = {"ended_at_cap": 0, "seconds_to_the_best": 3.0}
    same = {"ndcg": 0.1, "warm_hr": 0.2, "warm_ndcg": 0.1}
    found = [{"hr": 0.1, "epochs": 4, **same, **cost}, {"hr": 0.3, "epochs": 9, **same, **cost, "ended_at_cap": 1}]
    assert row("m", found) == (
        "| m | 0.2000 ± 0.1414 | 0.1000 ± 0.0000 | 0.2000 ± 0.0000 | 0.1000 ± 0.0000 | 2 | 4/9 (cap) | 3 |"
    )


def test_another_folder_or_other_settings_are_read_anew(
    tmp_path: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--only", "tiny", "--seeds", "1", "--out", str(tmp_path / "out")]
    params = read_yaml(Path("params.yaml"))
    monkeypatch.setattr(outside, "read_yaml", lambda path: params)

    def ran(folder: Path) -> list[str]:
        started.clear()
        monkeypatch.setattr(sys, "argv", ["outside", str(folder), *words])
        main()
        return list(started)

    assert ran(tmp_path) == ["check", "ingest", "crawl", "split", "train", "evaluate"]
    kept = tmp_path / "out" / "tiny" / "popularity-1" / "outside.json"
    first = json.loads(kept.read_text())
    other = tmp_path / "other" / "tiny" / "sequences.txt"
    other.parent.parent.mkdir()
    published(other)
    other.write_text("".join(other.read_text().splitlines(keepends=True)[:8]))  # fewer people
    assert ran(tmp_path / "other") == ["check", "ingest", "crawl", "split", "train", "evaluate"]
    assert json.loads(kept.read_text())["cases"] == 8 < first["cases"] == 15
    assert ran(tmp_path / "other") == []
    params["models"]["popularity"] = {"half": 3}
    assert ran(tmp_path / "other") == ["train", "evaluate"]
