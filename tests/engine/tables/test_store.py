"""A table that is not there, or a file that is none, is refused by its path and with what makes it."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from engine.tables import store
from engine.tables.schemas import ITEMS, USERS

WAYS: list[Callable[[Path], object]] = [
    lambda path: store.read(path, ITEMS),
    lambda path: store.read(path, ITEMS, ["item", "raw"]),
    lambda path: store.find(path, ITEMS, item=1),
    store.meta,
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A table of people, where one of items is asked for."""
    path = tmp_path / "items.parquet"
    store.write(pl.DataFrame({"user": [1], "raw": ["p1"]}, schema=dict(USERS.columns)), path, USERS)
    return path


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_there_is_named(path: Path, way: Callable[[Path], object]) -> None:
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"items\.parquet: no items table there; `dvc repro` makes it"):
        way(path)


@pytest.mark.parametrize("left", [0, 100], ids=["empty", "cut off"])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_no_table_is_named(path: Path, way: Callable[[Path], object], left: int) -> None:
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ValueError, match=r"items\.parquet holds no items table \(parquet: .*\); `dvc repro`"):
        way(path)


@pytest.mark.parametrize("way", WAYS[:3])
def test_a_table_of_another_kind_is_named(path: Path, way: Callable[[Path], object]) -> None:
    with pytest.raises(ValueError, match=r"items\.parquet.*items table"):
        way(path)


PARTS: dict[str, Callable[[Path], object]] = {
    "height": lambda path: store.height(path.parent),
    "slice": lambda path: store.read_slice(path, USERS, 0, 1, ["raw"]),
    "groups": lambda path: list(store.read_groups(path, USERS, 10)),
    "shards": lambda path: list(store.read_shards(path.parent, USERS)),
}
HARMS = [(way, harm) for way in PARTS for harm in ("empty", "cut")]
HARMS += [("groups", "inside"), ("shards", "inside")]  # which shows when rows are read


@pytest.mark.parametrize(("way", "harm"), HARMS)
def test_a_part_that_is_not_whole_is_named(tmp_path: Path, way: str, harm: str) -> None:
    path = tmp_path / "part-00000.parquet"
    people = pl.DataFrame({"user": range(1, 900), "raw": [f"p{n}" for n in range(1, 900)]}, schema=dict(USERS.columns))
    store.write(people, path, USERS)
    data = path.read_bytes()
    left = {"empty": b"", "cut": data[:-100], "inside": data[:4] + b"\xaa" * 2000 + data[2004:]}
    path.write_bytes(left[harm])
    with pytest.raises(ValueError, match=r"part-00000\.parquet holds no \S+ table \(.*\); `dvc repro` makes it anew"):
        PARTS[way](path)


def test_a_slice_of_another_type_is_named_and_a_part_by_its_table(tmp_path: Path) -> None:
    path = tmp_path / "users" / "part-00000.parquet"
    path.parent.mkdir()
    pl.DataFrame({"user": [1, 2], "raw": [3, 4]}).write_parquet(path)
    with pytest.raises(ValueError, match=r"part-00000\.parquet: column 'raw' of a users table is String, found Int64"):
        store.read_slice(path, USERS, 0, 1, ["raw"])
    path.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"part-00000\.parquet holds no users table"):
        store.height(path)
