import csv
import logging
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.tables.printing import PrintableFormatter, printable
from stages.ingest.reading import delimited
from stages.ingest.reading.columns import Column, Tally

quick = settings(max_examples=60, deadline=None)
COLUMNS = {
    "user": Column("u", "number"),
    "item": Column("i", "id"),
    "rating": Column("r", "rating"),
    "time": Column("t", "seconds"),
}
HEAD = "u,i,r,t,note"
GOOD = "1,a,3.5,100,"


def read(path: Path, text: str | bytes, columns: dict[str, Column] = COLUMNS, allowed: float = 0.0) -> pl.DataFrame:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    tally = Tally(path)
    found = delimited.read(path, columns, tally)
    tally.settle(allowed)
    assert tally.rows - tally.bad == found.height
    return found


BAD = {
    "x,a,3,100,": "u: no whole number, found x",
    ",a,3,100,": "u: no whole number there",
    "1.5,a,3,100,": "u: no whole number, found 1.5",
    "1, ,3,100,": "i: no id there",
    "1,a,nan,100,": "r: not a finite number, found nan",
    "1,a,inf,100,": "r: not a finite number, found inf",
    "1,a,1e300,100,": "r: not a finite number, found 1e300",
    "1,a,high,100,": "r: no number, found high",
    "1,a,3,-5,": "t: a time before 1970, found -5",
    "1,a,3,99999999999,": "t: a time in the future (milliseconds?), found 99999999999",
    "1,a,3,soon,": "t: no time in seconds, found soon",
    "1,a,3": "3 cells, expected 5",
    "1,a,3,100": "4 cells, expected 5",
    "1,a,3,100,,": "6 cells, expected 5",
    '1,"a"b,3,100,': "',' expected after '\"'",
    "1,\ufffd,3,100,": "not UTF-8 text",
}


@pytest.mark.parametrize("row", BAD)
def test_a_bad_row_is_an_error_with_file_and_line_or_is_counted(tmp_path: Path, row: str) -> None:
    path = tmp_path / "mine.csv"
    bad = row.encode().replace("\ufffd".encode(), b"\xe9")  # latin-1
    text = b"\n".join([HEAD.encode(), GOOD.encode(), b"", bad, *[GOOD.encode()] * 8]) + b"\n"
    with pytest.raises(ValueError) as error:
        read(path, text, allowed=0.05)
    assert str(error.value).startswith(f"{path} line 4: {BAD[row]}")
    assert "(1 of 10 rows are bad; bad_rows allows a share of 0.05" in str(error.value)
    assert read(path, text, allowed=0.1).height == 9


def test_the_line_is_right_after_a_quoted_line_break(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 5: u: no whole number, found x"):
        read(tmp_path / "a.csv", f'{HEAD}\n1,"a\nb\nc",3,100,\nx,a,3,100,\n')


def test_the_line_is_the_one_on_which_a_bad_row_begins(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 3: u: no whole number, found x"):
        read(tmp_path / "a.csv", f'{HEAD}\n{GOOD}\nx,"a\nb",3,100,\n')


def test_a_line_that_breaks_off_is_bad_even_where_only_a_cell_that_nobody_reads_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 3: 4 cells, expected 5"):
        read(tmp_path / "a.csv", f"{HEAD}\n{GOOD}kept\n1,a,3,100\n")


def test_rows_that_a_stray_quote_swallowed_all_count(tmp_path: Path) -> None:
    text = f'{HEAD}\n{GOOD}\n1,"a,3,100,\n{GOOD}\n{GOOD}\n1,b"x,3,100,\n{GOOD}\n'
    with pytest.raises(ValueError, match=r"line 3: .* \(4 of 6 rows"):
        read(tmp_path / "a.csv", text)


def test_every_bad_row_is_counted_the_first_three_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 2: .*; line 3: .*; line 4: [^;]* … \(5 of 6 rows"):
        read(tmp_path / "a.csv", "\n".join([HEAD, *["x,a,3,100,"] * 5, GOOD]))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "empty; its first line"),
        (f"{HEAD}\n".encode(), "no rows in it"),
        (b"\xef\xbb\xbf\r\n \n", r"a\.csv: empty; its first line"),
        (f"\n{HEAD}\n{GOOD}\n".encode(), r"a\.csv: its first line is empty; it should name the columns"),
        (b"u;i;r;t\n1;a;3;1\n", r"it has \['u;i;r;t'\]; semicolons stand between its columns: write commas"),
        (b"u\ti\tr\tt\n1\ta\t3\t1\n", "tabs stand between its columns"),
        (b"u|i|r|t\n1|a|3|1\n", "bars stand between its columns"),
        (b"u,i,r,note\n1,a,3,\n", r"no columns \['t'\]; it has \['u', 'i', 'r', 'note'\]"),
        (b"u,i,r,t,u\n1,a,3,1,2\n", r"columns \['u'\] stand there twice"),
        (f"{HEAD}\n{GOOD}\n".encode("utf-16"), "UTF-16"),
        (f'{HEAD}\n{GOOD}\n1,"a,3,100,\n{GOOD}\n'.encode(), "line 3: a quote that opens here is not closed"),
        (f"{HEAD}\nx,a,3,100,\n".encode(), "1 of 1 rows are bad"),
    ],
)
def test_a_file_that_will_not_do_is_refused(tmp_path: Path, text: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        read(tmp_path / "a.csv", text, allowed=1.0)
    assert str(tmp_path / "a.csv") in str(error.value)


def test_a_byte_order_mark_and_windows_lines_do_no_harm(tmp_path: Path) -> None:
    plain = read(tmp_path / "a.csv", f"{HEAD}\n{GOOD}\n")
    for text in (b"\xef\xbb\xbf" + f"{HEAD}\n{GOOD}\n".encode(), f"{HEAD}\r\n\r\n{GOOD}\r\n".encode()):
        assert read(tmp_path / "a.csv", text).rows() == plain.rows()


WORD = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n", exclude_categories=("Cs",)), min_size=1)
NOBODY = (
    *("na", "n/a", "<na>", "nan", "nil", "null", "none", "undefined", r"\n"),
    *("#n/a", "#ref!", "#value!", "#name?", "#num!", "#null!", "#div/0!"),
)
ID = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1).filter(
    lambda word: word.strip() == word and word.lower() not in NOBODY and word != "NaT"
)
ROW = st.tuples(
    st.integers(-(2**31), 2**31 - 1),
    ID,
    st.floats(-1e6, 1e6, width=32),
    st.integers(0, 1_700_000_000),
    WORD,
)


@quick
@given(st.lists(ROW, min_size=1))
def test_reading_at_full_speed_and_row_by_row_agree(tmp_path_factory: pytest.TempPathFactory, rows: list) -> None:
    path = tmp_path_factory.mktemp("rows") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEAD.split(","), *rows])
    assert delimited._fast(path, COLUMNS, (",", True), HEAD.split(","), True) is not None
    found = read(path, path.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_fast", lambda *_: None)
        patch.setattr(delimited, "_CHUNK", 2)
        slow = read(path, path.read_bytes())
    assert found.rows() == slow.rows()
    assert found["rating"].to_list() == [r for _, _, r, _, _ in rows]
    assert found["time"].to_list() == [datetime.fromtimestamp(t, UTC) for *_, t, _ in rows]


@quick
@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2024, 1, 1)),
    st.sampled_from(["date", "minutes", "seconds", "micro"]),
    st.sampled_from([" ", "T"]),
    st.sampled_from(["", "Z", "+00:00", "+0530", "-08:00", "-03", "+00"]),
)
def test_iso_times_as_python_reads_them(
    tmp_path_factory: pytest.TempPathFactory, when: datetime, form: str, between: str, zone: str
) -> None:
    text = {
        "date": f"{when:%Y-%m-%d}",
        "minutes": f"{when:%Y-%m-%d}{between}{when:%H:%M}{zone}",
        "seconds": f"{when:%Y-%m-%d}{between}{when:%H:%M:%S}{zone}",
        "micro": f"{when:%Y-%m-%d}{between}{when:%H:%M:%S.%f}{zone}",
    }[form]
    want = datetime.fromisoformat(text)
    path = tmp_path_factory.mktemp("iso") / "a.csv"
    found = read(path, f"t\n{text}\n", {"time": Column("t", "iso")})["time"][0]
    assert found == (want if want.tzinfo else want.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    "text", ["12/03/2020", "2020-13-01", "2020-02-30", "2020-01-01 25:00", "yesterday", "20200101", "1.5"]
)
def test_what_is_no_iso_time_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="line 3: t: no ISO 8601 time, found"):
        read(tmp_path / "a.csv", f"t\n2020-01-01\n{text}\n", {"time": Column("t", "iso")})


def test_a_clock_a_little_fast_is_no_future(tmp_path: Path) -> None:
    soon, far = (datetime.now(timezone(timedelta(hours=14))) + timedelta(hours=h) for h in (20, 30))
    columns = {"time": Column("t", "iso")}
    assert read(tmp_path / "a.csv", f"t\n{soon.isoformat()}\n", columns).height == 1
    with pytest.raises(ValueError, match="in the future"):
        read(tmp_path / "a.csv", f"t\n{far.isoformat()}\n2020-01-01\n", columns)


def test_fractions_of_a_second_and_milliseconds(tmp_path: Path) -> None:
    found = read(tmp_path / "a.csv", "t\n1000000000.25\n3\n", {"time": Column("t", "seconds")})
    assert [when.timestamp() for when in found["time"]] == [1000000000.25, 3.0]
    found = read(tmp_path / "a.csv", "t\n1000000000250\n", {"time": Column("t", "milliseconds")})
    assert found["time"][0].timestamp() == 1000000000.25


def test_an_optional_cell_may_be_empty_but_not_unreadable(tmp_path: Path) -> None:
    columns = {"rating": Column("r", "rating", optional=True)}
    assert read(tmp_path / "a.csv", "r,x\n,1\n3,2\n", columns)["rating"].to_list() == [None, 3.0]
    with pytest.raises(ValueError, match="line 2: r: no number, found high"):
        read(tmp_path / "a.csv", "r,x\nhigh,1\n3,2\n", columns)


def test_a_text_or_a_header_of_any_length(tmp_path: Path) -> None:
    long = "x" * 200_000
    columns = {"item": Column("i", "id"), "note": Column("note", "text", optional=True)}
    for last in ("", "short"):
        found = read(tmp_path / "a.csv", f"i,{long},note\na,b,{last}\nb,c,{long}\n", columns)
        assert found["note"].to_list() == [last or None, long]


def test_many_columns_are_read_and_named_in_short(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(60_000)]
    text = f"{','.join(names)}\n{','.join('1' for _ in names)}\n"
    started = time.process_time()
    assert read(tmp_path / "a.csv", text, {"item": Column("c59999", "id")})["item"].to_list() == ["1"]
    with pytest.raises(ValueError, match=r"no columns \['c60000'\]; it has \['c0', .*'c11'\] and 59,988 more"):
        read(tmp_path / "a.csv", text, {"item": Column("c60000", "id")})
    assert time.process_time() - started < 30


def test_a_file_without_a_header_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"no columns \['u', 'i', 'r', 't'\]; .*seems to hold data: put a line before it"
    ):
        read(tmp_path / "a.csv", f"{GOOD}\n{GOOD}\n")
    with pytest.raises(ValueError, match=r"it has \['who', 'what'\]$"):
        read(tmp_path / "a.csv", "who,what\n1,2\n")


def test_a_header_where_none_belongs_is_refused_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user,item,rating,timestamp\n" + "1,a,3,100\n" * 9)
    with pytest.raises(ValueError, match=r"a.csv line 1: \['user', .*\] names columns, and this file should begin"):
        delimited.read(path, COLUMNS, Tally(path), header=["u", "i", "r", "t"])
    path.write_text("1,a,3,100\n" * 9)
    assert delimited.read(path, COLUMNS, Tally(path), header=["u", "i", "r", "t"]).height == 9


@pytest.mark.parametrize(
    ("start", "why"),
    [
        (b"\x1f\x8b\x08\x00", "no text; it is packed by gzip: unpack it"),
        (b"PK\x03\x04", "no text; it is a .zip or a spreadsheet: unpack it, or save it as CSV"),
        (b"PAR1", r"no text; it is Parquet: let its name end in \.parquet"),
        (b"BZh91AY&SY", "no text; it is packed by bzip2: unpack it"),
        (b"\xfd7zXZ\x00", "no text; it is packed by xz"),
        (b"\x28\xb5\x2f\xfd", "no text; it is packed by zstd"),
        (b"7z\xbc\xaf\x27\x1c", "no text; it is packed by 7-Zip"),
        (b"Rar!\x1a\x07\x01", "no text; it is packed by RAR"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"no text; it is a spreadsheet of an old kind \(\.xls\): save it as CSV"),
        (b"ARROW1\x00\x00", "no text; it is Arrow"),
        (b"SQLite format 3\x00", "no text; it is a database of SQLite"),
        ("user,item\n".encode("utf-32"), "this is UTF-32"),
        ("user,item\n".encode("utf-16-le"), "every second byte is zero: UTF-16 without its mark, or a lost file; save"),
        ("user,item\n".encode("utf-16-be"), "every second byte is zero"),
        (bytes(4096), "every second byte is zero"),
    ],
)
def test_what_is_no_text_is_told_by_what_it_is(tmp_path: Path, start: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=rf"a\.csv: {why}"):
        read(tmp_path / "a.csv", start + b"\x00\x15\x04\n")


@pytest.mark.parametrize("word", ["NaT", "NULL", "None", *NOBODY])
def test_a_word_for_nothing_is_no_id(tmp_path: Path, word: str) -> None:
    """As programs, databases and spreadsheets write empty cells: it would become a person, or an item of many."""
    with pytest.raises(ValueError, match="line 2: i: a word for nothing, which is no id, found"):
        read(tmp_path / "a.csv", f"{HEAD}\n1,{word},3,100,\n{GOOD}\n")
    assert read(tmp_path / "a.csv", f"{HEAD}\n1,Nat,3,100,\n1,#1,3,100,\n{GOOD}\n").height == 3


def test_old_mac_lines_and_stray_returns(tmp_path: Path) -> None:
    plain = read(tmp_path / "a.csv", f"{HEAD}\n{GOOD}\n{GOOD}\n").rows()
    assert read(tmp_path / "a.csv", f"{HEAD}\r{GOOD}\r{GOOD}\r").rows() == plain
    assert read(tmp_path / "a.csv", f"{HEAD}\n{GOOD}\n{GOOD}").rows() == plain


def test_what_a_message_quotes_cannot_drive_a_terminal(tmp_path: Path) -> None:
    with pytest.raises(ValueError) as error:
        read(tmp_path / "a.csv", f"{HEAD}\n1,a,3,\x1b]0;pwned\x07\x1b[31m\u202e\x00,x\n")
    assert r"found \x1b]0;pwned\x07\x1b[31m\u202e\x00" in str(error.value)
    assert printable("plain é 名 \u3000 🙂") == "plain é 名 \u3000 🙂"
    record = logging.LogRecord("x", logging.WARNING, "x", 1, "a%s\nb", ("\x1b[2J",), None)
    assert PrintableFormatter("%(message)s").format(record) == "a\\x1b[2J\nb"
