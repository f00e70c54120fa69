from pathlib import Path

import pytest

from stages.ingest.__main__ import source
from stages.ingest.reading.raw_files import find, listed
from tests.stages.ingest.conftest import Section, settings_of


def test_a_relative_path_is_looked_up_under_the_project_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under `dvc exp run --temp`, whose copy of the project lacks what git ignores."""
    project, copy = tmp_path / "project", tmp_path / "copy"
    for folder in (project / "data", copy / "data"):
        folder.mkdir(parents=True)
    (project / "data" / "log.csv").write_text("of the project")
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(project))
    assert find("data/log.csv").read_text() == "of the project"
    assert find(project / "data") == project / "data"
    (copy / "data" / "log.csv").write_text("of the copy")
    assert find("data/log.csv").read_text() == "of the copy"
    with pytest.raises(FileNotFoundError) as told:
        find("data/none.csv", "; try another")
    assert str(told.value) == (
        f"data/none.csv: no such file or folder in {copy} nor in the project's folder {project}; try another"
    )
    monkeypatch.delenv("DVC_ROOT")
    with pytest.raises(FileNotFoundError, match=rf"^data/none.csv: no such file or folder in {copy}$"):
        find("data/none.csv")
    with pytest.raises(FileNotFoundError, match=r"^/nowhere/none.csv: no such file or folder$"):
        find("/nowhere/none.csv")


def test_the_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b", "a", "deep/c", "deep/a"):
        (tmp_path / name).touch()
    names = [str(path.relative_to(tmp_path)) for path in listed(tmp_path)]
    assert names == ["a", "b", "deep/a", "deep/c"]
    assert listed(tmp_path, ["a"]) == [tmp_path / "a"]
    assert listed(tmp_path / "b") == [tmp_path / "b"]


@pytest.mark.parametrize(
    ("name", "there", "changes", "wanted"),
    [
        ("demo", [], {}, []),
        (
            "movielens",
            ["ml/u.data", "ml/u.item", "ml/tags.csv"],
            {"folder": "ml"},
            ["ml/u.data", "ml/u.item"],
        ),
        ("movielens", ["ml.zip"], {"folder": "ml.zip"}, ["ml.zip"]),
        ("movielens", [], {"folder": ""}, []),
        ("amazon", ["r.gz", "m.gz"], {"reviews": "r.gz", "metadata": "m.gz"}, ["r.gz", "m.gz"]),
        ("amazon", ["r.csv"], {"reviews": "r.csv", "metadata": ""}, ["r.csv"]),
        ("pinterest", ["p/categories.txt", "p/x"], {"folder": "p"}, ["p/categories.txt"]),
        ("pinterest", ["p.zip"], {"folder": "p.zip"}, ["p.zip"]),
        (
            "netflix",
            ["n/movie_titles.csv", "n/training_set/mv_0000001.txt", "n/x"],
            {"folder": "n"},
            ["n/movie_titles.csv", "n/training_set/mv_0000001.txt"],
        ),
        ("table", ["e.csv", "i.csv"], {"events": "e.csv", "items": "i.csv"}, ["e.csv", "i.csv"]),
        ("table", ["e.csv"], {"events": "e.csv", "items": ""}, ["e.csv"]),
        ("sequences", ["s.txt", "c.txt"], {"file": "s.txt", "candidates": "c.txt"}, ["s.txt", "c.txt"]),
        ("sequences", ["s.txt"], {"file": "s.txt"}, ["s.txt"]),
    ],
)
def test_every_source_names_its_raw_files(
    tmp_path: Path,
    section: Section,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    there: list[str],
    changes: dict[str, str],
    wanted: list[str],
) -> None:
    params = section(name, **changes)
    for file in there:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    module = source(params.dataset)
    assert module.files(settings_of(params, module)) == [tmp_path / file for file in wanted]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("amazon", "reviews"),
        ("pinterest", "folder"),
        ("netflix", "folder"),
        ("table", "events"),
        ("sequences", "file"),
    ],
)
def test_a_file_that_is_not_named_is_not_the_current_folder(section: Section, name: str, key: str) -> None:
    params = section(name, **{key: ""})
    with pytest.raises(ValueError, match=f"test.{key}: String should have at least 1 character"):
        settings_of(params, source(params.dataset))


@pytest.mark.parametrize("name", ["movielens", "amazon", "pinterest", "netflix", "table", "sequences"])
def test_a_raw_file_that_is_not_there_is_refused(section: Section, name: str) -> None:
    missing = {"movielens": {"folder": "none"}, "table": {"items": "none"}, "amazon": {"metadata": "none"}}
    params = section(name, **missing.get(name, {}))
    module = source(params.dataset)
    with pytest.raises(FileNotFoundError, match="no such file or folder in"):
        module.files(settings_of(params, module))
