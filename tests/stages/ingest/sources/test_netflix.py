import zipfile
from pathlib import Path

import polars as pl
import pytest

from stages.ingest.__main__ import tables
from stages.ingest.reading import stream
from stages.ingest.sources.netflix import ratings
from tests.stages.ingest.conftest import Section

FIRST = "1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n2:\n822109,1,2005-12-31\n"
SECOND = "4:\n1488844,4,1999-11-11\n"
TITLES = "1,2003,Dinosaur Planet\n2,2004,Isle of Man TT, 2004 Review, The\n3,NULL,Café\n4,1997,Four\n"
ALL = {"minimum_history": 1, "minimum_item": 0, "catalogue": "all"}


def laid(folder: Path, first: str = FIRST, titles: str = TITLES) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "combined_data_1.txt").write_text(first)
    (folder / "combined_data_2.txt").write_text(SECOND)
    (folder / "movie_titles.csv").write_bytes(titles.encode("latin-1"))
    return str(folder)


def rows(raw: object) -> list[tuple[object, ...]]:
    joined = raw.events.join(raw.users, on="user").rename({"raw": "who"}).join(raw.items, on="item")  # type: ignore[attr-defined]
    found = joined.select("who", "raw", "rating", pl.col("time").dt.strftime("%Y-%m-%d %H:%M:%S"))
    return sorted(found.rows())


WANTED = [
    ("1488844", "1", 3.0, "2005-09-06 00:00:00"),
    ("1488844", "4", 4.0, "1999-11-11 00:00:00"),
    ("822109", "1", 5.0, "2005-05-13 00:00:00"),
    ("822109", "2", 1.0, "2005-12-31 00:00:00"),
]


def test_combined_files(tmp_path: Path, section: Section) -> None:
    raw, report = tables(section("netflix", folder=laid(tmp_path / "n"), **ALL))
    assert rows(raw) == WANTED
    assert raw.items["title"].to_list() == [
        "Dinosaur Planet (2003)",
        "Isle of Man TT, 2004 Review, The (2004)",
        "Café",
        "Four (1997)",
    ]
    assert (report["rows_read"], report["bad_rows"], report["bad_items"]) == (4, 0, 0)


def test_a_file_a_film_and_windows_lines(tmp_path: Path, section: Section) -> None:
    inner = tmp_path / "n" / "training_set"
    inner.mkdir(parents=True)
    for number, text in [(1, FIRST[: FIRST.index("2:\n")]), (2, FIRST[FIRST.index("2:\n") :]), (4, SECOND)]:
        (inner / f"mv_{number:07d}.txt").write_bytes(text.replace("\n", "\r\n").encode())
    (tmp_path / "n" / "movie_titles.csv").write_bytes(TITLES.encode("latin-1"))
    raw, _ = tables(section("netflix", folder=str(tmp_path / "n"), **ALL))
    assert rows(raw) == WANTED


@pytest.mark.parametrize("size", [1, 7, 25, 40])
def test_a_film_stays_open_from_block_to_block(
    tmp_path: Path, section: Section, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    whole = stream.blocks
    monkeypatch.setattr(stream, "blocks", lambda path, limits, wrap: whole(path, limits, wrap, size))
    raw, _ = tables(section("netflix", folder=laid(tmp_path / "n"), **ALL))
    assert rows(raw) == WANTED
    raw, report = tables(section("netflix", folder=laid(tmp_path / "n", FIRST + "x\n"), **ALL, bad_rows=0.3))
    assert rows(raw) == WANTED
    assert report["bad_rows"] == 1


def test_good_blocks_are_read_at_once(tmp_path: Path, section: Section, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("line by line")

    monkeypatch.setattr(ratings, "_line_by_line", never)
    for first in (FIRST, FIRST.replace("\n", "\r\n")):
        raw, _ = tables(section("netflix", folder=laid(tmp_path / "n", first), **ALL))
        assert rows(raw) == WANTED


def test_windows_lines_around_a_bad_one(tmp_path: Path, section: Section) -> None:
    first = (FIRST + "822109,9,2005-05-13\n").replace("\n", "\r\n")
    raw, report = tables(section("netflix", folder=laid(tmp_path / "n", first), **ALL, bad_rows=0.3))
    assert rows(raw) == WANTED
    assert (report["rows_read"], report["bad_rows"]) == (5, 1)


def test_the_archive_itself_will_do(tmp_path: Path, section: Section, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(laid(tmp_path / "n"))
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
        archive.writestr("README", "not asked for")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    raw, _ = tables(section("netflix", folder=str(tmp_path / "archive.zip"), **ALL))
    assert rows(raw) == WANTED


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("822109,6,2005-05-13", "expected user,rating from 1 to 5"),
        ("822109,3", "expected user,rating"),
        ("822109,3,2005-05-13,x", "expected user,rating"),
        ("-7,3,2005-05-13", "expected user,rating"),
        ("x,3,2005-05-13", "expected user,rating"),
        ('"7",3,2005-05-13', "expected user,rating"),
        ("822109,3,2005-02-30", "no such day: 2005-02-30"),
        ("822109,3,1969-12-31", "a day before 1998 or in the future"),
        ("822109,3,2205-01-01", "a day before 1998 or in the future"),
        ("0:", "expected user,rating"),
        ("7:8", "expected user,rating"),
        ("7:,3,2005-05-13", "expected user,rating"),
        ("8221\xe909,3,2005-05-13", "expected user,rating"),
    ],
)
@pytest.mark.parametrize("blank", ["", "\n"], ids=["alone", "after a blank line"])
def test_bad_lines_are_told_by_number_or_counted(
    tmp_path: Path, section: Section, line: str, why: str, blank: str
) -> None:
    """A blank line alone keeps a block from being read at once."""
    folder = laid(tmp_path / "n", FIRST + blank)
    with Path(folder, "combined_data_1.txt").open("ab") as file:
        file.write(line.encode("latin-1") + b"\n")
    with pytest.raises(ValueError, match=rf"combined_data_1.txt line {6 + len(blank)}: {why}.*1 of 4 rows are bad"):
        tables(section("netflix", folder=folder, **ALL))
    raw, report = tables(section("netflix", folder=folder, **ALL, bad_rows=0.25))
    assert rows(raw) == WANTED
    assert (report["rows_read"], report["bad_rows"]) == (5, 1)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
def test_titles_of_repaired_copies(tmp_path: Path, section: Section, encoding: str) -> None:
    folder = Path(laid(tmp_path / "n"))
    titles = '1,1985,"Beta: The ""Gamma"" Version"\n2,1974,"Delta, A Story"\n3,2001,Café "E"\n4,NULL,"A" and "B"\n'
    (folder / "movie_titles.csv").write_bytes(titles.encode(encoding))
    raw, _ = tables(section("netflix", folder=str(folder), **ALL))
    assert raw.items["title"].to_list() == [
        'Beta: The "Gamma" Version (1985)',
        "Delta, A Story (1974)",
        'Café "E" (2001)',
        '"A" and "B"',
    ]


def test_a_rating_needs_its_film(tmp_path: Path, section: Section) -> None:
    with pytest.raises(ValueError, match=r"line 1: a rating before any film"):
        tables(section("netflix", folder=laid(tmp_path / "n", "7,3,2005-05-13\n" + FIRST), **ALL))


@pytest.mark.parametrize(
    ("titles", "why"),
    [
        (TITLES + "5,20x4,Five\n", "movie_titles.csv line 5: expected number,year,title, found '5,20x4,Five'"),
        (TITLES + "5,2004,\n", "line 5: expected number,year,title"),
        (TITLES + "4,1997,Again\n", "movie_titles.csv: 1 ids have several rows, e.g. 4"),
        ("", "movie_titles.csv: no rows in it"),
    ],
)
def test_bad_titles(tmp_path: Path, section: Section, titles: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        tables(section("netflix", folder=laid(tmp_path / "n", titles=titles), **ALL))


def test_what_is_not_there(tmp_path: Path, section: Section) -> None:
    with pytest.raises(FileNotFoundError, match=r"n: no such file or folder; a folder or a .zip will do"):
        tables(section("netflix", folder=str(tmp_path / "n")))
    (tmp_path / "n").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no combined_data_\*.txt and no mv_\*.txt there"):
        tables(section("netflix", folder=str(tmp_path / "n")))
    Path(laid(tmp_path / "n"), "movie_titles.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"movie_titles.csv: no such file; it comes with the ratings"):
        tables(section("netflix", folder=str(tmp_path / "n"), **ALL))
