import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from stages.ingest.__main__ import tables
from stages.ingest.reading import picture_files
from tests.stages.ingest.conftest import Section

EVENTS = pl.DataFrame(
    {
        "who": ["b", "a", "b"],
        "what": ["x", "x", "07"],
        "stars": [4.0, None, 1.0],
        "at": [1_300_000_030, 1_300_000_020, 1_300_000_010],
    }
)
ITEMS = pl.DataFrame(
    {
        "sku": ["07", "x", "unseen"],
        "name": ["Seven", None, "Never"],
        "plot": ["a plot", "", None],
        "shot": ["good.png", "cut.png", "gone.png"],
        "kind": ["A > B | C", "", None],
    }
)
COLUMNS: dict[str, Any] = {"user": "who", "item": "what", "time": "at", "rating": "stars", "minimum_history": 1}
ABOUT = {"item": "sku", "title": "name", "text": "plot", "picture": "shot", "categories": "kind"}


def picture() -> bytes:
    data = io.BytesIO()
    Image.effect_noise((30, 40), 50).save(data, "PNG")
    return data.getvalue()


def saved(frame: pl.DataFrame, path: Path) -> str:
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        comma = path.suffix == ".csv"
        frame.write_csv(path, separator="," if comma else "\t", quote_style="necessary" if comma else "never")
    return str(path)


@pytest.mark.parametrize("ending", ["csv", "tsv", "tab", "parquet", "CSV"])
def test_your_own_tables(tmp_path: Path, section: Section, ending: str) -> None:
    whole = picture()
    (tmp_path / "good.png").write_bytes(whole)
    (tmp_path / "cut.png").write_bytes(whole[:-200])
    events, items = saved(EVENTS, tmp_path / "e.tsv"), saved(ITEMS, tmp_path / "i.tsv")
    if ending == "parquet":
        events, items = saved(EVENTS, tmp_path / "e.parquet"), saved(ITEMS, tmp_path / "i.parquet")
    elif ending in ("csv", "CSV"):
        EVENTS.write_csv(events := str(tmp_path / f"e.{ending}"))
        ITEMS.write_csv(items := str(tmp_path / f"i.{ending}"))
    raw, report = tables(section("table", events=events, items=items, about=ABOUT, **COLUMNS))
    assert raw.users["raw"].to_list() == ["a", "b"]
    assert raw.items.select("raw", "title", "categories").rows() == [
        ("07", "Seven", [["A", "B"], ["C"]]),
        ("unseen", "Never", None),
        ("x", None, None),
    ]
    assert raw.events.rows() == [
        (1, 3, None, datetime.fromtimestamp(1_300_000_020, UTC)),
        (2, 1, 1.0, datetime.fromtimestamp(1_300_000_010, UTC)),
        (2, 3, 4.0, datetime.fromtimestamp(1_300_000_030, UTC)),
    ]
    assert raw.catalog["status"].to_list() == ["ok", "missing", "missing"]
    assert raw.catalog["text"].to_list() == ["a plot", None, None]
    good, gone, cut = raw.catalog["picture"]
    assert good == "ok"
    assert gone == "failed: No such file or directory"
    assert cut.startswith("failed: ")
    shards = pl.concat(list(raw.images))
    assert shards.select("item", "image", "format", "width", "height").rows() == [(1, whole, "PNG", 30, 40)]
    assert report["bad_items"] == 0


def test_without_an_items_file_or_ratings(tmp_path: Path, section: Section) -> None:
    events = saved(EVENTS.drop("stars"), tmp_path / "e.csv")
    raw, report = tables(section("table", events=events, **COLUMNS | {"rating": ""}))
    assert raw.items["raw"].to_list() == ["07", "x"]
    assert raw.events["rating"].null_count() == 3
    assert report["items_unlisted"] == 2


def test_parquet_types_that_say_more(tmp_path: Path, section: Section) -> None:
    frame = EVENTS.with_columns(
        who=pl.Series([20, 3, 20], dtype=pl.UInt64), at=pl.from_epoch(pl.col("at") * 1000 + 10, "ms")
    )
    lists = ITEMS.with_columns(kind=pl.Series([[["A|x", "B"], ["C"]], [], None]), shot=pl.lit(None, pl.String))
    paths = {"events": saved(frame, tmp_path / "e.parquet"), "items": saved(lists, tmp_path / "i.parquet")}
    raw, _ = tables(section("table", **paths, about=ABOUT | {"picture": ""}, **COLUMNS))
    assert raw.users["raw"].to_list() == ["20", "3"]  # ids of a table are text
    assert raw.items["categories"][0].to_list() == [["A|x", "B"], ["C"]]
    assert raw.events["time"].to_list()[0] == datetime.fromtimestamp(1_300_000_010.01, UTC)
    assert raw.catalog["picture"].to_list() == ["missing"] * 3


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"time": "when"}, r"no columns \['when'\]; it has \['who', 'what', 'stars', 'at'\]"),
        ({"time_form": "milliseconds"}, r"at: a time before 1990 \(seconds\?\), found 1300000030"),
        ({"events": "nowhere.csv"}, "nowhere.csv: no such file"),
        ({"events": "params.yaml"}, r"known are \['.csv', '.tsv', '.tab', '.parquet'\], and folders"),
        ({"item": "stars"}, "column 'stars' holds Float64; ids are whole numbers or text"),
        ({"time_form": "weeks"}, "datasets.table.time_form"),
        ({"unknown": 1}, "datasets.table.unknown: .*known keys: .*time_form"),
    ],
)
def test_wrong_settings_are_refused_by_name(tmp_path: Path, section: Section, change: dict[str, str], why: str) -> None:
    settings = COLUMNS | {"events": saved(EVENTS, tmp_path / "e.parquet")} | change
    with pytest.raises((ValueError, FileNotFoundError), match=why):
        tables(section("table", **settings))


def test_a_bad_row_of_parquet_is_told_by_its_number(tmp_path: Path, section: Section) -> None:
    events = saved(EVENTS.with_columns(stars=pl.Series([1.0, float("nan"), 2.0])), tmp_path / "e.parquet")
    with pytest.raises(ValueError, match=r"e.parquet row 2: stars: not a finite number"):
        tables(section("table", events=events, **COLUMNS))
    (tmp_path / "f.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match="no whole Parquet file"):
        tables(section("table", events=str(tmp_path / "f.parquet"), **COLUMNS))


def test_an_item_with_two_rows_is_refused(tmp_path: Path, section: Section) -> None:
    paths = {
        "events": saved(EVENTS, tmp_path / "e.csv"),
        "items": saved(pl.concat([ITEMS, ITEMS[1:2]]), tmp_path / "i.csv"),
    }
    with pytest.raises(ValueError, match=r"i.csv: 1 ids have several rows, e.g. 'x'"):
        tables(section("table", **paths, about=ABOUT, **COLUMNS))


def test_pictures_come_in_shards_of_bounded_size(
    tmp_path: Path, section: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = picture()
    monkeypatch.setattr(picture_files, "_SHARD", len(whole) * 2)
    count = 5
    items = pl.DataFrame({"sku": [f"i{n}" for n in range(count)], "shot": [f"{n}.png" for n in range(count)]})
    for name in items["shot"]:
        (tmp_path / name).write_bytes(whole)
    about = {"item": "sku", "title": "", "text": "", "picture": "shot", "categories": ""}
    events = EVENTS.with_columns(what=pl.Series(["i0", "i1", "i2"]))
    paths = {"events": saved(events, tmp_path / "e.csv"), "items": saved(items, tmp_path / "i.csv")}
    raw, _ = tables(section("table", **paths, about=about, **COLUMNS))
    shards = list(raw.images)
    assert [s.height for s in shards] == [2, 2, 1]
    assert pl.concat(shards)["item"].to_list() == [1, 2, 3, 4, 5]
