"""What an older code left is not gone on with: a run is known by the code too that makes it."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

import models
from engine.tables.code import digest

ROOT = Path(models.__file__).parents[1]


def test_a_digest_is_of_what_files_hold_and_how_they_are_named(tmp_path: Path) -> None:
    room, one = tmp_path / "room", tmp_path / "one.py"
    (room / "inner").mkdir(parents=True)
    one.write_text("a = 1\n")
    (room / "inner" / "two.py").write_text("b = 1\n")
    found = [digest(one, room)]
    (room / "notes.md").write_text("not code")
    assert digest(one, room) == found[0]
    for change in (
        lambda: one.write_text("a = 2\n"),
        lambda: (room / "inner" / "two.py").write_text("b = 2\n"),
        lambda: (room / "inner" / "two.py").rename(room / "three.py"),
        lambda: (room / "four.py").write_text(""),
    ):
        change()
        found.append(digest(one, room))
    assert len(set(found)) == 5


def test_all_code_that_the_train_stage_names_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    monkeypatch.setattr(models, "digest", lambda *places: read.extend(places) or "x")
    assert models.code("sasrec") == "x"
    stage = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]["train"]
    named = [ROOT / dep.replace("${model}", "sasrec") for dep in stage["deps"] if not dep.startswith("data/")]
    named.remove(ROOT / "stages" / "train.py")
    assert named
    assert [str(dep) for dep in named if not any(dep.is_relative_to(place) for place in read)] == []
    assert [str(place) for place in read if not place.exists()] == []


def test_each_model_has_its_own() -> None:
    assert models.code("sasrec") == models.code("sasrec")
    assert models.code("sasrec") != models.code("gru4rec")
