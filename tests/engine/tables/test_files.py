"""Files are written whole or not at all, and what was opened is noted."""

from pathlib import Path

import polars as pl
import pytest

from engine.tables import files, store
from engine.tables.layout import Layout
from engine.tables.schemas import VECTORS


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
