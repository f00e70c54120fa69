import inspect
import json
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.params import read_yaml
from engine.tables.schemas import CANDIDATES, CATALOG, EVENTS, IMAGES, ITEMS, ORACLE, TRUTH, USERS
from engine.tables.settings import Record
from stages.ingest import __main__ as ingest
from stages.ingest.shaping.source_tables import SourceTables, empty
from tests.stages.ingest.conftest import Section

TABLES = {
    "events": EVENTS,
    "users": USERS,
    "items": ITEMS,
    "given_catalog": CATALOG,
    "given_candidates": CANDIDATES,
    "truth": TRUTH,
    "oracle": ORACLE,
}


def test_all_tables_are_written_and_the_same_seed_gives_the_same_bytes(tmp_path: Path, section: Section) -> None:
    log = tmp_path / "s.txt"
    log.write_text("1 3 4 5\n2 5 4 3 3\n3 1 2\n")
    a, b = Layout(tmp_path / "a", "temporal"), Layout(tmp_path / "b", "temporal")
    for layout in (a, b):
        ingest.main(section("sequences", file=str(log)), layout)
    for name, table in TABLES.items():
        frame = store.read(getattr(a, name), table)
        assert frame.height == {"events": 7, "users": 2, "items": 5, "given_catalog": 5}.get(name, 0)
        assert getattr(a, name).read_bytes() == getattr(b, name).read_bytes()
    assert sum(frame.height for frame in store.read_shards(a.given_images, IMAGES)) == 0
    report = store.meta(a.events)["report"]
    assert report["dropped_minimum_history"] == 2
    assert report["repeats"] == 1
    assert json.dumps(report)


def test_pictures_that_cannot_be_written_leave_all_tables_as_they_were(
    tmp_path: Path, section: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, or a picture that went away meanwhile: new codes beside old events would be read as one data set."""
    log, layout = tmp_path / "s.txt", Layout(tmp_path / "data", "temporal")
    log.write_text("1 3 4 5\n2 5 4 3\n")
    ingest.main(section("sequences", file=str(log)), layout)
    before = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*.parquet")}
    log.write_text("7 8 4 5\n8 5 4 8\n")

    def full(*_: object) -> int:
        raise OSError(28, "no space left on the disk")

    monkeypatch.setattr(ingest, "write_shards", full)
    with pytest.raises(OSError, match="no space left"):
        ingest.main(section("sequences", file=str(log)), layout)
    assert {path: path.read_bytes() for path in (tmp_path / "data").rglob("*.parquet")} == before


def test_an_unknown_source_is_refused_with_those_there(section: Section) -> None:
    for name in ("netflicks", "raw", "__main__", "../demo", None):
        with pytest.raises(
            ValueError,
            match=r"source is .*; there are \[.*'demo'.*'movielens', 'netflix', 'pinterest', 'sequences', 'table'\]",
        ):
            ingest.tables(section("movielens", source=name))


class Settings(Record):
    size: int


def made(settings: Settings, seed: int) -> SourceTables:
    events = pl.DataFrame({"user": [1, 1], "item": [2, 2], "rating": None, "time": None}, schema=dict(EVENTS.columns))
    truth = empty(TRUTH).cast({"box": pl.Array(pl.Float32, 4)})
    items = pl.DataFrame({"item": [1, 2], "raw": ["a", "b"]}).cast({"item": pl.UInt32})
    return SourceTables(events, items, empty(CATALOG), truth=truth, counts={"size": settings.size}, coded=True)


def test_a_coded_source_is_left_as_it_is(section: Section, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("made")
    module.Settings, module.read = Settings, made  # type: ignore[attr-defined]
    monkeypatch.setattr(ingest, "source", lambda _: module)
    raw, report = ingest.tables(
        ingest.Params.model_validate({"dataset": {"name": "m", "settings": {"source": "m", "size": 3}}, "seed": 1})
    )
    assert raw.events["item"].to_list() == [2, 2]
    assert (report["size"], report["users"], report["items"], report["density"]) == (3, 1, 2, 1.0)
    module.read = lambda s, seed: SourceTables(made(s, seed).events, made(s, seed).items, empty(CATALOG))  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"need Settings\(ShapingSettings\)"):
        ingest.tables(
            ingest.Params.model_validate({"dataset": {"name": "m", "settings": {"source": "m", "size": 3}}, "seed": 1})
        )


@pytest.mark.parametrize("name", read_yaml(Path("params.yaml"))["datasets"])
def test_a_source_has_settings_names_its_raw_files_and_reads_them(name: str, section: Section) -> None:
    module = ingest.source(section(name).dataset)
    assert issubclass(ingest.record(section(name).dataset), Record)
    assert list(inspect.signature(module.files).parameters) == ["settings"]
    assert list(inspect.signature(module.read).parameters) == ["settings", "seed"]


def test_the_raw_files_of_tables_are_the_events_and_the_items(tmp_path: Path, section: Section) -> None:
    events, items = tmp_path / "events.csv", tmp_path / "items.csv"
    events.write_text("user,item,time\n")
    items.write_text("item\n")
    assert ingest.raw_files(section("table", events=str(events))) == [events]
    assert ingest.raw_files(section("table", events=str(events), items=str(items))) == [events, items]
    with pytest.raises(FileNotFoundError, match=r"gone\.csv: no such file or folder"):
        ingest.raw_files(section("table", events=str(tmp_path / "gone.csv")))
