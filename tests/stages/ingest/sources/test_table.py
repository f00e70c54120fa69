import io
import os
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from stages.ingest.__main__ import tables
from stages.ingest.reading import picture_files
from stages.ingest.shaping.source_tables import SourceTables
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
        ({"item": "stars", "rating": ""}, "column 'stars' holds Float64; ids are whole numbers or text"),
        ({"time_form": "weeks"}, "datasets.table.time_form"),
        ({"user": "what"}, "user and item both name the column 'what'; name one of its own for each"),
        ({"rating": "at"}, "time and rating both name the column 'at'"),
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


def test_a_word_for_nothing_is_no_title_and_no_text(
    tmp_path: Path, section: Section, caplog: pytest.LogCaptureFixture
) -> None:
    """As a column of text that was one of numbers and blanks; every item would have the same text."""
    (tmp_path / "good.png").write_bytes(picture())
    frame = pl.DataFrame(
        {
            "sku": ["07", "x", "y", "z"],
            "name": ["Nil", "None", "The None", "N/A"],
            "plot": ["nan", "nan", "a plot of nan", "NULL"],
            "shot": ["good.png", "nan", None, r"\N"],
            "kind": ["NA", "A|NA", "<NA>", None],
        }
    )
    events, items = saved(EVENTS, tmp_path / "e.csv"), saved(frame, tmp_path / "i.csv")
    raw, report = tables(section("table", events=events, items=items, about=ABOUT, **COLUMNS))
    assert raw.items["title"].to_list() == ["Nil", None, "The None", None]
    assert raw.items["categories"].to_list() == [None, [["A"], ["NA"]], None, None]
    assert raw.catalog["text"].to_list() == [None, None, "a plot of nan", None]
    assert raw.catalog["picture"].to_list() == ["ok", "missing", "missing", "missing"]
    assert report["words_for_nothing"] == 9
    assert "column 'plot' says ['nan'] in 3 of 4 rows, and counts as empty there" in caplog.text


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


def plain(count: int = 6, **columns: list[Any]) -> pl.DataFrame:
    """Two users who take `count` items in turn, an hour apart."""
    rows = range(2 * count)
    frame = pl.DataFrame(
        {
            "user": [f"u{r % 2}" for r in rows],
            "item": [f"i{r // 2}" for r in rows],
            "time": [1_400_000_000 + 3600 * r for r in rows],
        }
    )
    return frame.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def taken(
    section: Section, folder: Path, events: pl.DataFrame | str, **changes: Any
) -> tuple[SourceTables, dict[str, Any]]:
    if isinstance(events, pl.DataFrame):
        events = saved(events, folder / "events.parquet")
    about = {"about": changes.pop("about")} if "about" in changes else {}
    return tables(section("table", events=events, **{"minimum_history": 1} | changes | about))


def raw_items(raw: SourceTables) -> list[str]:
    return raw.events.join(raw.items.select("item", "raw"), on="item", maintain_order="left")["raw"].to_list()


# ---- times


def test_without_times_the_file_is_the_order_and_titles_texts_ratings_come_along(
    tmp_path: Path, section: Section
) -> None:
    events = plain(3).select("user", "item").reverse().with_columns(stars=pl.Series([1.0, 2, 3, 4, 5, 1]))
    items = pl.DataFrame({"item": ["i0", "i1", "i2"], "title": ["A", "B", "C"], "text": ["x", "y", None]})
    about = {"item": "item", "title": "title", "text": "text", "picture": "", "categories": ""}
    raw, report = taken(
        section, tmp_path, events, time="", rating="stars", items=saved(items, tmp_path / "i.csv"), about=about
    )
    assert raw_items(raw) == ["i2", "i1", "i0"] * 2
    assert raw.events["time"].null_count() == 6
    assert raw.events["rating"].to_list() == [2.0, 4.0, 1.0, 1.0, 3.0, 5.0]
    assert raw.items["title"].to_list() == ["A", "B", "C"]
    assert (report["timed"], report["items_unlisted"]) == (False, 0)


def test_a_column_of_whole_numbers_orders_events_and_ties_fall_by_the_seed(tmp_path: Path, section: Section) -> None:
    events = plain(8, step=[7 - r // 2 for r in range(16)]).drop("time")
    raw, report = taken(section, tmp_path, events, time="", order="step")
    assert raw_items(raw)[:8] == [f"i{n}" for n in range(7, -1, -1)]
    assert report["tied_in_order"] == 0
    tied = plain(8, step=[r // 8 for r in range(16)]).drop("time")
    orders = []
    for seed, frame in ((1, tied), (1, tied.reverse()), (2, tied)):
        settings = section(
            "table", seed, events=saved(frame, tmp_path / "e.csv"), time="", order="step", minimum_history=1
        )
        raw, report = tables(settings)
        orders.append(raw_items(raw)[:8])
        assert report["tied_in_order"] == 16
    assert orders[0] == orders[1] != orders[2]
    assert all(set(order[:4]) == {"i0", "i1", "i2", "i3"} for order in orders)
    raw, _ = taken(section, tmp_path, tied.reverse(), time="", order="step", ties="file")
    assert raw_items(raw)[:8] == ["i3", "i2", "i1", "i0", "i7", "i6", "i5", "i4"]
    with pytest.raises(ValueError, match=r"time is 'time' and order 'step'; set one of them to ''"):
        taken(section, tmp_path, plain(), order="step")


DAYS = [20140101 + d for d in range(12)]


@pytest.mark.parametrize(
    ("form", "times", "why"),
    [
        ("seconds", DAYS, r"time before 1990 \(a day such as 20140131\?\), found 20140101"),
        ("seconds", [41640 + d for d in range(12)], "time before 1990"),  # days of a spreadsheet
        ("seconds", [f"{day}" for day in DAYS], "time before 1990"),
        ("milliseconds", DAYS, "time before 1990"),
        ("milliseconds", [1_400_000_000 + d for d in range(12)], r"time before 1990 \(seconds\?\), found 1400000000"),
        ("iso", [f"1989-12-{d + 1:02d}" for d in range(12)], "time before 1990, found 1989-12-01"),
        ("iso", DAYS, "no ISO 8601 time, found 20140101"),
        ("iso", [f"{datetime.now().year + 2}-01-01"] * 12, "time in the future"),
        ("seconds", [18_448_244_073_709] * 12, "time in the future"),
        ("seconds", [-18_448_244_073_709] * 12, "time before 1990"),
        ("seconds", [2**63 - 1] * 12, "time in the future"),
        ("seconds", [1.8e300] * 12, "time in the future"),
        ("seconds", [float("nan")] * 12, "no time in seconds"),
        ("milliseconds", [9_223_372_036_854_775] * 12, "time in the future"),
        ("seconds", pl.Series([2**63 + 5] * 12, dtype=pl.UInt64), "no time in seconds, found 9223372036854775813"),
        ("seconds", [True] * 12, "column 'time' holds Boolean; times are instants"),
        ("seconds", [timedelta(1)] * 12, "column 'time' holds Duration"),
        ("seconds", [time(1)] * 12, "column 'time' holds Time"),
        ("seconds", pl.Series([1.4e9] * 12, dtype=pl.Float32), "which keeps a time of today to two minutes alone"),
        ("seconds", pl.Series([2**62] * 12).cast(pl.Datetime("ms")), "time in the future"),
        ("seconds", pl.Series([2**31 - 1] * 12, dtype=pl.Int32).cast(pl.Date), "time in the future"),
        ("seconds", pl.Series([-(2**62)] * 12).cast(pl.Datetime("us")), "time before 1990"),
        ("seconds", [date(1989, 12, 31)] * 12, "time before 1990"),
    ],
)
def test_times_that_cannot_be_meant_are_bad_rows(
    tmp_path: Path, section: Section, form: str, times: Any, why: str
) -> None:
    with pytest.raises(ValueError, match=f"time: (a )?{why}|{why}"):
        taken(section, tmp_path, plain(time=times), time_form=form)
    if isinstance(times, list) and not isinstance(times[0], (bool, timedelta, time)):
        with pytest.raises(ValueError, match=why.split(",")[0].split(" holds")[0]):
            taken(
                section,
                tmp_path,
                saved(plain(time=times), tmp_path / "e.csv"),
                time_form="iso" if isinstance(times[0], date) else form,
            )


def test_an_older_log_is_read_where_its_year_is_stated(tmp_path: Path, section: Section) -> None:
    raw, _ = taken(section, tmp_path, plain(time=[86_400 * d for d in range(12)]), earliest_year=1970)
    assert raw.events["time"].min() == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_instants_of_every_unit_and_zone(tmp_path: Path, section: Section, unit: Any) -> None:
    when = pl.Series([datetime(2014, 5, 6, 7, 8, 9, 123_000)] * 12).cast(pl.Datetime(unit))
    raw, _ = taken(section, tmp_path, plain(time=when))
    assert raw.events["time"][0] == datetime(2014, 5, 6, 7, 8, 9, 123_000, tzinfo=UTC)
    raw, _ = taken(section, tmp_path, plain(time=when.dt.replace_time_zone("America/New_York")))
    assert raw.events["time"][0] == datetime(2014, 5, 6, 11, 8, 9, 123_000, tzinfo=UTC)
    offset = when.dt.replace_time_zone("Asia/Kolkata").to_arrow().cast(pa.timestamp(unit, "+05:30"))
    others = plain().to_arrow()
    for rows, first in (  # polars panics at an offset of half hours, whichever column has it
        (
            others.drop_columns("time").append_column("time", offset),
            datetime(2014, 5, 6, 1, 38, 9, 123_000, tzinfo=UTC),
        ),
        (others.append_column("noted", offset), datetime.fromtimestamp(1_400_000_000, UTC)),
    ):
        pq.write_table(rows, tmp_path / "e.parquet")
        raw, _ = taken(section, tmp_path, str(tmp_path / "e.parquet"))
        assert raw.events["time"][0] == first


@pytest.mark.parametrize("kind", [pl.Float64, pl.Decimal(16, 3), pl.String])
@pytest.mark.parametrize(("form", "scale"), [("seconds", 1), ("milliseconds", 1000)])
def test_fractions_of_a_second_order_events(tmp_path: Path, section: Section, kind: Any, form: str, scale: int) -> None:
    late = [1_400_000_000.75 - r / 8 for r in range(6)]
    column: Any = pl.Series([late[r // 2] * scale for r in range(12)]).cast(kind)
    raw, _ = taken(section, tmp_path, plain(time=column), time_form=form)
    assert raw_items(raw)[:6] == [f"i{n}" for n in range(5, -1, -1)]
    assert [t.timestamp() for t in raw.events["time"][:6]] == late[::-1]


def test_times_that_a_spreadsheet_has_rounded(
    tmp_path: Path, section: Section, caplog: pytest.LogCaptureFixture
) -> None:
    whole = [f"{1_400_000_000_000 + r}" for r in range(12)]
    path = saved(plain(time=["1.4E+12", "1.41E+12"] * 6), tmp_path / "all.csv")
    said = r"all.csv: 12 of 12 times look as a spreadsheet rounds them, e.g. 1.4E\+12; write the column as text"
    with pytest.raises(ValueError, match=said):
        taken(section, tmp_path, path, time_form="milliseconds")
    taken(section, tmp_path, plain(time=[*whole[:10], "1.4E+12", "1.4e+12"]), time_form="milliseconds")
    assert "2 of 12 times look as a spreadsheet rounds them" in caplog.text
    caplog.clear()
    taken(section, tmp_path, plain(time=[*whole[:11], "1.4e+12"]), time_form="milliseconds")  # as R writes it, exactly
    assert not caplog.records


# ---- files


def test_a_name_is_a_name_and_no_pattern(tmp_path: Path, section: Section) -> None:
    for name, user in (("e[1]", "right"), ("e1", "wrong"), ("e*", "star"), ("e?", "mark"), ("exx", "wrong")):
        for ending in ("csv", "parquet"):
            frame = plain().with_columns(user=pl.format("{}{}", pl.lit(user), pl.col("user")))
            saved(frame, tmp_path / f"{name}.{ending}")
    for name, user in (("e[1]", "right"), ("e*", "star"), ("e?", "mark")):
        for ending in ("csv", "parquet"):
            raw, _ = taken(section, tmp_path, str(tmp_path / f"{name}.{ending}"))
            assert raw.users["raw"].to_list() == [f"{user}u0", f"{user}u1"]


def test_a_folder_of_parquet_parts(tmp_path: Path, section: Section) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in (0, 1, 2):
        saved(plain()[number * 4 : number * 4 + 4], folder / f"part-{number}.snappy.parquet")
    (folder / "_SUCCESS").touch()
    (folder / ".part-9.parquet").write_bytes(b"half")
    raw, report = taken(section, tmp_path, str(folder))
    assert raw_items(raw) == [f"i{n}" for n in range(6)] * 2
    assert report["rows_read"] == 12
    assert raw_items(taken(section, tmp_path, str(folder), time="")[0]) == [f"i{n}" for n in range(6)] * 2
    saved(plain(2).with_columns(item=pl.lit("")), folder / "part-3.parquet")
    with pytest.raises(ValueError, match=r"parts row 1: of part-3.parquet: item: no id there, found"):
        taken(section, tmp_path, str(folder))
    (folder / "part-4.parquet").write_bytes((folder / "part-3.parquet").read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"part-4.parquet: no whole Parquet file"):
        taken(section, tmp_path, str(folder))
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match=r"a folder without .parquet files"):
        taken(section, tmp_path, str(tmp_path / "none"))


def test_parts_that_would_not_be_read_are_refused(tmp_path: Path, section: Section) -> None:
    """Parts in folders inside, as a partitioned table is written, were left out unsaid."""
    folder = tmp_path / "parts"
    (folder / "year=2014").mkdir(parents=True)
    (folder / "_temporary").mkdir()
    saved(plain(), folder / "part-0.parquet")
    saved(plain(), folder / "_temporary" / "part-0.parquet")
    assert taken(section, tmp_path, str(folder))[0].events.height == plain().height
    saved(plain(), folder / "year=2014" / "part-1.parquet")
    with pytest.raises(ValueError, match=r"1 .parquet files lie in folders of it, e.g. year=2014/part-1.parquet"):
        taken(section, tmp_path, str(folder))
    (folder / "year=2014" / "part-1.parquet").unlink()
    os.mkfifo(folder / "part-2.parquet")  # would never end
    with pytest.raises(ValueError, match=r"part-2.parquet: no plain file"):
        taken(section, tmp_path, str(folder))


def test_a_column_that_parquet_has_twice_is_named(tmp_path: Path, section: Section) -> None:
    twice = pa.table([["a"], ["x"], ["y"], [1_300_000_000]], names=["user", "item", "item", "time"])
    pq.write_table(twice, tmp_path / "e.parquet")
    with pytest.raises(ValueError, match=r"e.parquet: the columns \['item'\] stand there twice; name each column once"):
        taken(section, tmp_path, str(tmp_path / "e.parquet"))


def test_parquet_that_polars_panics_at_is_refused_with_its_path(tmp_path: Path, section: Section) -> None:
    path = tmp_path / "zone.parquet"
    when = pa.array([1] * 12, pa.timestamp("us", "Mars/Phobos"))
    pq.write_table(plain().to_arrow().drop_columns("time").append_column("time", when), path)
    with pytest.raises(ValueError, match=r"zone.parquet: column 'time' is in the time zone 'Mars/Phobos'"):
        taken(section, tmp_path, str(path))
    pq.write_table(plain().to_arrow().replace_schema_metadata({"ARROW:schema": "=no="}), path)
    data = path.read_bytes()
    for cut in (0, 3, 8, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        with pytest.raises(ValueError, match=r"zone.parquet: no whole Parquet file"):
            taken(section, tmp_path, str(path))


def test_quotes_are_letters_in_tsv_unless_it_is_said(tmp_path: Path, section: Section) -> None:
    rows = ["user\ttitle\titem\ttime", *(f"u{r % 2}\t{t}\ti{r}\t{1_400_000_000 + r}" for r, t in enumerate(
        ['a', '"Lanterns', 'b', 'c', 'Lanterns"', '"Heroes"', 'd "e" f', '"g" (live)']))]  # fmt: skip
    path = tmp_path / "e.tsv"
    path.write_text("\n".join(rows) + "\n")
    raw, report = taken(section, tmp_path, str(path))
    assert (report["rows_read"], raw.events.height) == (8, 8)
    with pytest.raises(ValueError, match=r"line 3: a quoted cell takes in 4 lines like rows; quotes: none reads"):
        taken(section, tmp_path, str(path), quotes="double")
    items = 'item\ttitle\ni0\t"Heroes"\n' + "".join(f"i{r}\t\n" for r in range(1, 8))
    (tmp_path / "i.tsv").write_text(items)
    about = {"item": "item", "title": "title", "text": "", "picture": "", "categories": ""}
    for quotes, title in (("auto", '"Heroes"'), ("double", "Heroes")):
        good = saved(plain(8), tmp_path / "good.csv")
        raw, _ = taken(section, tmp_path, good, items=str(tmp_path / "i.tsv"), about=about, quotes=quotes)
        assert raw.items["title"][0] == title
    (tmp_path / "e.csv").write_text(path.read_text().replace("\t", ","))
    with pytest.raises(ValueError, match=r"line 3: a quoted cell takes in 4 lines like rows"):
        taken(section, tmp_path, str(tmp_path / "e.csv"))
    assert taken(section, tmp_path, str(tmp_path / "e.csv"), quotes="none")[0].events.height == 8


# ---- items


def listed(folder: Path, **columns: list[Any]) -> dict[str, Any]:
    items = pl.DataFrame({"item": [f"i{n}" for n in range(6)]}).with_columns(
        **{name: pl.Series(values) for name, values in columns.items()}
    )
    about = {name: name if name in items.columns else "" for name in ("item", "title", "text", "picture", "categories")}
    return {"items": saved(items, folder / "items.csv"), "about": about}


@pytest.mark.parametrize(
    ("events", "items", "alike"),
    [
        ([f"66371300{n}" for n in range(6)], [f"066371300{n}" for n in range(6)], 6),
        ([f"10{n}.0" for n in range(6)], [f"10{n}" for n in range(6)], 6),
        ([f"i{n}" for n in range(6)], [f"j{n}" for n in range(6)], 0),
    ],
)
def test_items_of_another_list_are_refused(
    tmp_path: Path, section: Section, events: list[str], items: list[str], alike: int
) -> None:
    log = plain().with_columns(item=pl.Series([events[r // 2] for r in range(12)]))
    with pytest.raises(
        ValueError, match=f"6 of 6 items .* e.g. '{events[0]}' \\(the list has e.g. '{items[0]}'\\)"
    ) as error:
        taken(section, tmp_path, log, **listed(tmp_path, item=items))
    assert ("6 would match but for zeros before" in str(error.value)) == (alike == 6)


def test_a_few_items_that_are_not_listed_are_warned_of(
    tmp_path: Path, section: Section, caplog: pytest.LogCaptureFixture
) -> None:
    taken(section, tmp_path, plain(), **listed(tmp_path, item=["i0", "i1", "i2", "i3", "x4", "x5"]))
    assert (
        "2 of 6 items that have events are not in the list of items, e.g. 'i4' (the list has e.g. 'i0')" in caplog.text
    )
    caplog.clear()
    taken(section, tmp_path, plain(), **listed(tmp_path))
    assert not caplog.records


def test_ids_that_are_all_one_or_rounded_or_nobody(
    tmp_path: Path, section: Section, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match="all 12 events are of one item, 'x'; does the setting name its column"):
        taken(section, tmp_path, plain(item=["x"] * 12))
    taken(section, tmp_path, plain(user=["x"] * 12))
    assert "all 12 events are of one user, 'x'" in caplog.text
    with pytest.raises(ValueError, match=r"2 of 2 item ids look as a spreadsheet rounds them, e.g. \['6.63E\+08'\]"):
        taken(section, tmp_path, plain(item=["6.63E+08", "6.64E+08"] * 6))
    with pytest.raises(ValueError, match=r"2 of 2 item ids look as a spreadsheet rounds them, e.g. \['6,63E\+08'\]"):
        taken(section, tmp_path, plain(item=["6,63E+08", "7E+08"] * 6))  # as one in German shows them; a round one
    for word in ("NA", "null", "None", "nan", "N/A"):
        with pytest.raises(ValueError, match=f"row 3: user: a word for nothing, which is no id, found {word}"):
            taken(section, tmp_path, plain(user=["a", "b", word] * 4))
    with pytest.raises(ValueError, match=r"row 1: item: a control character in an id, found a\\x1b\[31m"):
        taken(section, tmp_path, plain(item=["a\x1b[31m", "b"] * 6))
    caplog.clear()
    again = pl.concat([plain().with_columns(time=pl.col("time") + 60 * n) for n in range(3)])
    taken(section, tmp_path, again)
    assert "36 events of 2 users and 6 items: each pair comes 3.0 times" in caplog.text


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("A > B | C", [["A", "B"], ["C"]]),
        ('["A | B", "C"]', [["A | B"], ["C"]]),
        ("['A', 'B > C']", [["A"], ["B > C"]]),
        ('[["A", "B"], ["C"]]', [["A", "B"], ["C"]]),
        ('[{"id": 1, "name": "A"}, {"id": 2, "name": "B"}]', [["A"], ["B"]]),
        ("[{'id': 1, 'name': \"A's\"}]", [["A's"]]),
        ("[]", []),
        ("[Adult] | B", [["[Adult]"], ["B"]]),
        (" | A ||", [["A"]]),
    ],
)
def test_categories_as_text_and_as_lists(tmp_path: Path, section: Section, cell: str, found: list[list[str]]) -> None:
    raw, _ = taken(section, tmp_path, plain(), **listed(tmp_path, categories=[cell, "Z", "Z", "Z", "Z", "Z"]))
    assert raw.items["categories"][0].to_list() == found
    assert raw.items["categories"][1].to_list() == [["Z"]]


@pytest.mark.parametrize("cell", ["['A' 'B']", "[1, 2]", '[{"id": 1}]', "['A', None]", '["A"', "{A,B}", "[A, B]"])
def test_lists_that_are_none_are_refused(tmp_path: Path, section: Section, cell: str) -> None:
    with pytest.raises(ValueError, match=r"items.csv: column 'categories': .* begins as a list and is none"):
        taken(section, tmp_path, plain(), **listed(tmp_path, categories=[cell] + ["Z"] * 5))


def test_an_empty_separator_parts_nothing(tmp_path: Path, section: Section) -> None:
    items = listed(tmp_path, categories=["A>B|C"] * 6)
    for changes, found in (
        ({"category_separator": ""}, [["A", "B|C"]]),
        ({"step_separator": ""}, [["A>B"], ["C"]]),
        ({"category_separator": "", "step_separator": ""}, [["A>B|C"]]),
    ):
        raw, _ = taken(section, tmp_path, plain(), **items, **changes)
        assert raw.items["categories"][0].to_list() == found


@pytest.mark.parametrize("cell", ["A>B|C|A> B |C", '[["A", "B"], ["C"], ["A", "B"]]'])
def test_a_path_that_is_told_twice_is_there_once(tmp_path: Path, section: Section, cell: str) -> None:
    raw, _ = taken(section, tmp_path, plain(), **listed(tmp_path, categories=[cell] * 6))
    assert raw.items["categories"][0].to_list() == [["A", "B"], ["C"]]


def test_parquet_lists_of_structs_are_refused(tmp_path: Path, section: Section) -> None:
    items = pl.DataFrame({"item": ["i0"], "categories": [[{"id": 1, "name": "Drama"}]]})
    about = {"item": "item", "title": "", "text": "", "picture": "", "categories": "categories"}
    with pytest.raises(ValueError, match=r"column 'categories' holds List\(Struct"):
        taken(section, tmp_path, plain(), items=saved(items, tmp_path / "i.parquet"), about=about)


def test_titles_and_texts_are_as_they_are_read(tmp_path: Path, section: Section) -> None:
    title = ["Tom &amp; Jerry", "<b>Bold</b> move", "a\x1b]0;x\x07b", "two\nlines", "1 < 2 > 0", "&nbsp;"]
    text = ["<p>One</p><p>Two</p>", "<script>let x = 1;</script>read", "&lt;br&gt;x", "a\nb", "R&D; <3", "<br>"]
    raw, _ = taken(section, tmp_path, plain(), **listed(tmp_path, title=title, text=text))
    assert raw.items["title"].to_list() == ["Tom & Jerry", "Bold move", "a]0;xb", "two lines", "1 < 2 > 0", None]
    assert raw.catalog["text"].to_list() == ["One Two", "read", "x", "a\nb", "R&D; <3", None]


def test_a_number_that_is_none_is_no_text(tmp_path: Path, section: Section) -> None:
    about = {"item": "item", "title": "title", "text": "", "picture": "", "categories": ""}
    items = pl.DataFrame({"item": [f"i{n}" for n in range(6)], "title": [1999.5, float("nan"), None, 1.0, 2.0, 3.0]})
    raw, _ = taken(section, tmp_path, plain(), items=saved(items, tmp_path / "i.parquet"), about=about)
    assert raw.items["title"].to_list() == ["1999.5", None, None, "1.0", "2.0", "3.0"]


# ---- pictures


def test_addresses_go_to_the_crawl(tmp_path: Path, section: Section, caplog: pytest.LogCaptureFixture) -> None:
    places = [f"https://pictures.example/{n}.jpg" for n in range(6)]
    with pytest.raises(
        ValueError, match=r"6 pictures that the items name 6 .*an address and no path; picture_kind: addr"
    ):
        taken(section, tmp_path, plain(), **listed(tmp_path, picture=places))
    raw, report = taken(section, tmp_path, plain(), **listed(tmp_path, picture=places), picture_kind="address")
    assert raw.items["ids"].to_list() == [[{"service": "address", "id": place}] for place in places]
    assert raw.catalog["picture"].to_list() == ["missing"] * 6
    assert (report["bad_addresses"], list(raw.images)) == (0, [])
    raw, report = taken(
        section, tmp_path, plain(), **listed(tmp_path, picture=[*places[:5], "ftp://x/y"]), picture_kind="address"
    )
    assert report["bad_addresses"] == 1
    assert raw.items["ids"][5] is None
    assert "1 of 6 pictures are no address of the web, e.g. ['ftp://x/y']" in caplog.text
    with pytest.raises(ValueError, match="6 of 6 pictures are no address"):
        taken(section, tmp_path, plain(), **listed(tmp_path, picture=["a.png"] * 6), picture_kind="address")


def test_pictures_that_lead_elsewhere_or_never_end(
    tmp_path: Path, section: Section, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "items"
    folder.mkdir()
    for path in (folder / "good.png", tmp_path / "outside.png"):
        path.write_bytes(picture())
    os.mkfifo(folder / "fifo")
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    (folder / "circle.png").symlink_to("circle.png")
    names = ["good.png", "../outside.png", "fifo", "link.png", "/dev/zero", "circle.png"]
    raw, _ = taken(section, tmp_path, plain(), **listed(folder, picture=names))
    outside = "failed: outside the items file's folder; picture_outside: true allows it"
    assert raw.catalog["picture"].to_list() == [
        "ok",
        outside,
        "failed: no plain file",
        outside,
        outside,
        "failed: a link that leads back to itself",
    ]
    assert (
        "of 6 pictures that the items name 5 cannot be read; the first is [\"'../outside.png': outside" in caplog.text
    )
    (folder / "folder").mkdir()
    names[5], no_file = "folder", "failed: no plain file"
    raw, _ = taken(section, tmp_path, plain(), **listed(folder, picture=names), picture_outside=True)
    assert raw.catalog["picture"].to_list()[1:] == ["ok", no_file, "ok", no_file, no_file]
    with pytest.raises(ValueError, match=r"6 cannot be read.*its path is written with .*, write /"):
        taken(section, tmp_path, plain(), **listed(folder, picture=["img\\0.png"] * 6))


def test_ratings_that_are_not_there(tmp_path: Path, section: Section, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match=r"column 'stars' is empty in 12 of 12 rows; set rating to ''"):
        taken(section, tmp_path, plain(stars=pl.Series([None] * 12, dtype=pl.Float64)), rating="stars")  # type: ignore[arg-type]
    taken(section, tmp_path, plain(stars=[1.0, None, 2.0] * 4), rating="stars")
    assert "column 'stars' is empty in 4 of 12 rows" in caplog.text
