"""Files are written whole or not at all, and what was opened is noted."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from engine.tables import files, store
from engine.tables.layout import Layout
from engine.tables.schemas import CANDIDATES, VECTORS


def test_a_file_takes_its_place_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "there" / "a.json"
    files.write_json({"b": 1.00000000001, "a": {"c": 2}}, path)
    assert path.read_text() == '{\n "a": {\n  "c": 2\n },\n "b": 1.0\n}\n'
    with pytest.raises(ZeroDivisionError):
        _half(path)
    assert "half" not in path.read_text()
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


def test_what_the_store_opens_is_noted(tmp_path: Path) -> None:
    layout = Layout(tmp_path, "temporal")
    empty = pl.DataFrame(schema=dict(VECTORS.columns) | {"vector": pl.Array(pl.Float16, 2)})
    store.write(empty, layout.image, VECTORS)
    store.write_shards([], layout.images, VECTORS)
    store.read(layout.image, VECTORS)
    list(store.read_shards(layout.images, VECTORS, columns=["item"]))
    found = files.opened()
    assert {str(layout.image), str(layout.images)} <= set(found["written"])
    assert {str(layout.image), str(layout.images)} <= set(found["read"])


def test_the_rows_of_one_are_found_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "candidates.parquet"
    rows = [(1, [5]), (2, [3]), (2, [1]), (4, [2])]
    store.write(pl.DataFrame(rows, schema=dict(CANDIDATES.columns), orient="row"), path, CANDIDATES)
    assert store.find(path, CANDIDATES, user=2).rows() == [(2, [3]), (2, [1])]
    assert store.find(path, CANDIDATES, user=3).height == 0
    assert str(path) in files.opened()["read"]
    with pytest.raises(FileNotFoundError, match=r"no candidates table there; `dvc repro` makes it"):
        store.find(tmp_path / "none.parquet", CANDIDATES, user=2)
    with pytest.raises(ValueError, match="a vectors table has the columns"):
        store.find(path, VECTORS, user=2)


def test_folders_of_their_own_hold_what_a_cell_makes() -> None:
    layout = Layout(Path("data/x"), "temporal", Path("p"), Path("r"), Path("m"))
    assert layout.events == Path("data/x/events.parquet")
    assert (layout.split, layout.topic_words) == (Path("p/events.parquet"), Path("p/topics/words.parquet"))
    assert (layout.weights, layout.ranks) == (Path("r/model/weights.pt"), Path("r/ranks/test.parquet"))
    assert (layout.metric("test"), layout.plot("loss")) == (Path("m/test.json"), Path("m/plots/loss.csv"))
    plain = Layout(Path("data/x"), "temporal")
    assert plain.split == Path("data/x/splits/temporal/events.parquet")
    assert plain.metric("test") == Path("data/x/metrics/test.json")


def _half(path: Path) -> None:
    with files.whole(path) as temporary:
        temporary.write_text("half")
        _ = 1 / 0


KILLED = """
import sys, time
from pathlib import Path
from engine.tables import files

with files.whole(Path(sys.argv[1])) as file, files.scratch_folder(Path(sys.argv[1])) as folder:
    file.write_text("half")
    (folder / "half").touch()
    print("ready", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_works_on_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "weights.pt")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        left = sorted(p.name for p in tmp_path.iterdir())
        assert len(left) == 2
        files.write_text("other", tmp_path / "other.txt")
        assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*left, "other.txt"])
        os.kill(process.pid, signal.SIGKILL)
    files.write_text("again", tmp_path / "other.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["other.txt"]


def test_what_is_written_is_on_the_disk_before_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    sync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        done.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name.removesuffix(files.UNFINISHED))
        sync(handle)

    def replaced(old: Path, new: Path) -> None:
        done.append("replaced")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    files.write_text("text", tmp_path / "a.txt")
    assert done[0].startswith(".a.txt.")
    assert done[1:] == ["replaced", tmp_path.name]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("write failed: No space left on device")]
)
def test_a_full_disk_is_said_by_path(tmp_path: Path, error: Exception) -> None:
    def fill() -> None:
        with files.whole(tmp_path / "weights.pt"):
            raise error

    with pytest.raises(OSError, match=r"no space left on the disk; free some .*weights\.pt"):
        fill()
    assert not list(tmp_path.iterdir())


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with files.whole_folder(tmp_path / "images") as new:
            (new / text).touch()
        assert [p.name for p in (tmp_path / "images").iterdir()] == [text]
    assert [p.name for p in tmp_path.iterdir()] == ["images"]
