"""A stage as a command: what stops it, and with which status."""

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.tables.command import command, run
from engine.tables.lacking import STATUS, Lacking
from engine.tables.layout import Layout
from engine.tables.settings import Record


def test_what_the_data_lacks_has_a_status_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, command("train"):
        raise Lacking("the model reads ratings,\x1b and these events have none")
    assert ended.value.code == STATUS == 3
    said = capsys.readouterr().err
    assert said.startswith("train: the model reads ratings,\\x1b and these events have none\n")


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyError("no"), OSError("no"), FloatingPointError("no"), MemoryError("no")]
)
def test_all_else_that_is_refused_ends_with_its_message(error: Exception) -> None:
    with pytest.raises(SystemExit) as ended, command("train"):
        raise error
    assert str(ended.value.code).startswith("train: no\n")


def test_want_of_memory_is_said_where_the_error_says_nothing() -> None:
    with pytest.raises(SystemExit) as ended, command("topics"):
        raise MemoryError
    assert str(ended.value.code).startswith("topics: out of memory\n")


def test_a_stage_s_seconds_are_noted_where_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def main(params: Record, layout: Layout) -> None:
        """Nothing, slowly."""
        time.sleep(0.2)

    (tmp_path / "params.yaml").write_text("dataset: demo\n")
    (tmp_path / "dvc.yaml").write_text("stages:\n  check:\n    cmd: none\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", SimpleNamespace(name="stages.check.__main__"))
    monkeypatch.setattr(sys, "argv", ["check", "data/demo"])
    run(main)
    assert not list(tmp_path.glob("*.json"))
    monkeypatch.setenv("WHYREC_SECONDS", str(tmp_path / "took.json"))
    run(main)
    assert 0.2 <= json.loads((tmp_path / "took.json").read_text())["seconds"] < 2


PARAMS = """
dataset: demo
protocol: temporal
datasets: {demo: {}, mine: {}}
protocols: {temporal: {seen: excluded}, last: {seen: kept}}
"""
PIPELINE = "stages:\n  train:\n    cmd: none\n    params:\n    - protocols.${protocol}.seen\n"


class Asked(Record):
    seen: str


def started(folder: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[Asked, Layout]:
    """What the stage was given."""
    given: list[tuple[Asked, Layout]] = []

    def main(params: Asked, layout: Layout) -> None:
        """Note it."""
        given.append((params, layout))

    (folder / "params.yaml").write_text(PARAMS)
    (folder / "dvc.yaml").write_text(PIPELINE)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", SimpleNamespace(name="stages.train"))
    monkeypatch.setattr(sys, "argv", ["train", *words])
    run(main)
    return given[0]


@pytest.mark.parametrize(
    ("words", "protocol", "seen"),
    [
        ((), "temporal", "excluded"),
        (("--protocol", "last"), "last", "kept"),
        (("protocol=last",), "last", "kept"),
        (("--protocol", "last", "protocol=last"), "last", "kept"),
    ],
)
def test_the_protocol_chooses_its_section_and_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], protocol: str, seen: str
) -> None:
    params, layout = started(tmp_path, monkeypatch, "data/demo", *words)
    assert (params.seen, layout.protocol, layout.split.parent.name) == (seen, protocol, protocol)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("data/demo", "--protocol", "last", "protocol=temporal"),
            "--protocol last and protocol=temporal: one",
        ),
        (("data/demo", "--protocol", "lst"), "params.yaml has no 'lst' in 'protocols.lst.seen'"),
        (("data/mine",), "data/mine is the folder of mine, and dataset is demo: dataset=mine"),
    ],
)
def test_two_that_do_not_go_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], told: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        started(tmp_path, monkeypatch, *words)
    assert str(ended.value.code).startswith(f"train: {told}")
    assert started(tmp_path, monkeypatch, "data/mine", "dataset=mine")
    assert started(tmp_path, monkeypatch, "elsewhere/some")
