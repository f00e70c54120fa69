import os
import zipfile
from pathlib import Path

import polars as pl
import pytest

from engine.tables.params import read_yaml
from engine.tables.settings import Choice
from stages.ingest.__main__ import Params, raw_files, tables
from tests.stages.ingest.conftest import Section

RATINGS = [(7, 20, 4.0, 1000), (7, 3, 3.5, 900), (2, 3, 5.0, 800)]
CSV = {
    "ratings.csv": "userId,movieId,rating,timestamp\n" + "".join(f"{u},{i},{r},{t}\n" for u, i, r, t in RATINGS),
    "movies.csv": "movieId,title,genres\n"
    '3,"Café, The (1999)",Comedy|Film-Noir\n20,Two,(no genres listed)\n21,Three,Drama\n',
    "links.csv": "movieId,imdbId,tmdbId\n3,0112345,862\n20,0000007,\n",
}
DAT = {
    "ratings.dat": "".join(f"{u}::{i}::{r}::{t}\n" for u, i, r, t in RATINGS),
    "movies.dat": "3::Café, The (1999)::Comedy|Film-Noir\n20::Two: Again::(no genres listed)\n21::Three::Drama\n",
}
TABBED = {
    "u.data": "".join(f"{u}\t{i}\t{int(r)}\t{t}\n" for u, i, r, t in RATINGS),
    "u.genre": "unknown|0\nComedy|1\nFilm-Noir|2\nDrama|3\n\n",
    "u.item": "3|Café, The (1999)|1|2|http://x|0|1|1|0\n20|Two|1||http://x|0|0|0|0\n21|Three|1|2|http://x|0|0|0|1\n",
}


def laid(folder: Path, files: dict[str, str], encoding: str = "utf-8") -> str:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text.encode(encoding))
    return str(folder)


@pytest.mark.parametrize(
    ("files", "encoding", "release"),
    [(CSV, "utf-8", "ml-25m"), (DAT, "latin-1", "ml-1m"), (DAT, "utf-8", "ml-10m"), (TABBED, "latin-1", "ml-100k")],
)
def test_every_layout_gives_the_same_tables(
    tmp_path: Path, section: Section, files: dict[str, str], encoding: str, release: str
) -> None:
    folder = laid(tmp_path / "ml", files, encoding)
    raw, report = tables(section("movielens", folder=folder, release=release, minimum_history=1))
    assert raw.users["raw"].to_list() == ["2", "7"]
    assert raw.items["raw"].to_list() == ["3", "20", "21"]
    assert raw.items["title"][0] == "Café, The (1999)"
    assert raw.items["categories"].to_list() == [
        [["Comedy"], ["Film-Noir"]],
        None if "u.data" not in files else [],
        [["Drama"]],
    ]
    assert raw.events.select("user", "item", pl.col("time").dt.epoch("s")).rows() == [
        (1, 1, 800),
        (2, 1, 900),
        (2, 2, 1000),
    ]
    assert raw.events["rating"].to_list() == [5.0, 3.0 if "u.data" in files else 3.5, 4.0]
    assert (report["rows_read"], report["bad_rows"], report["users"], report["items"]) == (3, 0, 2, 3)
    if files is CSV:
        assert raw.items["ids"].to_list() == [
            [{"service": "tmdb", "id": "862"}, {"service": "imdb", "id": "tt0112345"}],
            [{"service": "imdb", "id": "tt0000007"}],
            [{"service": "title", "id": "Three"}],
        ]
    else:  # asked for by title and year
        assert raw.items["ids"][0].to_list() == [{"service": "title", "id": "Café, The (1999)"}]


def other(folder: Path, movies: dict[int, str]) -> str:
    return laid(
        folder,
        {
            "movies.csv": "movieId,title,genres\n" + "".join(f'{i},"{title}",Drama\n' for i, title in movies.items()),
            "links.csv": "movieId,imdbId,tmdbId\n" + "".join(f"{i},{1000 + i},{2000 + i}\n" for i in movies),
        },
    )


def bare(folder: Path, movies: dict[int, str]) -> str:
    return laid(
        folder,
        {
            "ratings.dat": "".join(f"1::{i}::5::{1000 + i}\n" for i in movies),
            "movies.dat": "".join(f"{i}::{title}::Drama\n" for i, title in movies.items()),
        },
    )


def ids_of(raw: pl.DataFrame, film: int) -> dict[str, str]:
    found: list[dict[str, str]] = raw.filter(pl.col("raw") == str(film))["ids"][0].to_list()
    return {one["service"]: one["id"] for one in found}


def test_ids_of_another_release_are_taken_by_number_where_both_number_alike(tmp_path: Path, section: Section) -> None:
    own = {i: f"Film {i} (1990)" for i in range(1, 20)}
    own |= {20: "Seven (a.k.a. Se7en) (1995)", 21: "Star Trek: The Wrath of Khan (1982)", 30: "Lost (1950)"}
    theirs = {i: f"Film {i} (1990)" for i in range(1, 20)}
    theirs |= {20: "Se7en (1995)", 21: "Star Trek II: The Wrath of Khan (1982)", 40: "Found (1950)"}
    given = section(
        "movielens",
        folder=bare(tmp_path / "own", own),
        links=other(tmp_path / "other", theirs),
        release="ml-1m",
        minimum_history=1,
    )
    raw, report = tables(given)
    assert ids_of(raw.items, 1) == {"tmdb": "2001", "imdb": "tt0001001"}
    assert ids_of(raw.items, 20)["imdb"] == "tt0001020"
    assert ids_of(raw.items, 21) == {
        "tmdb": "2021", "imdb": "tt0001021", "doubtful": "Star Trek II: The Wrath of Khan (1982)",
    }  # fmt: skip
    assert ids_of(raw.items, 30) == {"title": "Lost (1950)"}
    counts = [report[f"linked_{way}"] for way in ("by_number", "by_title", "doubtfully")]
    assert [*counts, report["not_linked"]] == [20, 0, 1, 1]


def test_where_two_releases_number_otherwise_title_and_year_tell_films_apart(tmp_path: Path, section: Section) -> None:
    own = {
        1: "Babysitter, The (1995)", 2: "Emma (1996)", 3: "Amélie (2001)", 4: "Heat (1995)", 5: "unknown",
        8: "Rob Roy (1995)",
    }  # fmt: skip
    theirs = {
        1: "Another (1995)", 13: "Emma (1996)", 14: "Emma (1996)", 7: "The Babysitter (1995)",
        8: "Fabuleux destin d'Amélie Poulain, Le (Amelie) (2001)", 9: "Heat (1986)",
    }  # fmt: skip
    raw, report = tables(
        section(
            "movielens",
            folder=bare(tmp_path / "own", own),
            links=other(tmp_path / "other", theirs),
            release="ml-1m",
            minimum_history=1,
        )
    )
    assert ids_of(raw.items, 1)["imdb"] == "tt0001007"
    assert ids_of(raw.items, 3)["imdb"] == "tt0001008"
    assert ids_of(raw.items, 4) == {"title": "Heat (1995)"}, "of another year"
    assert ids_of(raw.items, 5) == {"title": "unknown"}
    assert ids_of(raw.items, 2) == {"title": "Emma (1996)"}, "two films"
    assert ids_of(raw.items, 8) == {"title": "Rob Roy (1995)"}, "the number is another film's"
    assert (report["linked_by_title"], report["linked_doubtfully"], report["not_linked"]) == (2, 0, 4)


def test_links_of_another_release_want_both_files_and_a_release_without_its_own(
    tmp_path: Path, section: Section
) -> None:
    folder = other(tmp_path / "other", {1: "A (1990)"})
    own = bare(tmp_path / "own", {1: "A (1990)"})
    named = raw_files(section("movielens", folder=own, links=folder, release="ml-1m"))
    assert [file.name for file in named] == ["movies.dat", "ratings.dat", "links.csv", "movies.csv"]
    with pytest.raises(ValueError, match=r"has a links\.csv of its own; leave `links` empty"):
        tables(section("movielens", folder=laid(tmp_path / "ml", CSV), links=folder, release="ml-25m"))
    (tmp_path / "other" / "links.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no links\.csv; `links` names a release that has both"):
        tables(section("movielens", folder=own, links=folder, release="ml-1m", minimum_history=1))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        tables(section("movielens", folder=own, links=str(tmp_path / "nowhere"), release="ml-1m", minimum_history=1))


@pytest.mark.parametrize(("files", "release"), [(CSV, "ml-25m"), (DAT, "ml-1m"), (TABBED, "ml-100k")])
def test_a_mark_at_the_beginning_and_blanks_around_cells_do_no_harm(
    tmp_path: Path, section: Section, files: dict[str, str], release: str
) -> None:
    wanted, _ = tables(section("movielens", folder=laid(tmp_path / "a", files), release=release, minimum_history=1))
    end = "\r\n" if files is CSV else " \r\n"
    odd = {name: "\ufeff" + text.replace("\n", end) for name, text in files.items()}
    raw, _ = tables(section("movielens", folder=laid(tmp_path / "b", odd), release=release, minimum_history=1))
    assert raw.items.equals(wanted.items)
    assert raw.events.equals(wanted.events)


@pytest.mark.parametrize(
    ("files", "name", "line"),
    [
        (CSV, "movies.csv", "22, ,Drama||Comedy|Drama \n"),
        (DAT, "movies.dat", "22::  ::Drama||Comedy|Drama\n"),
    ],
)
def test_empty_titles_and_genres_are_none_and_a_genre_is_there_once(
    tmp_path: Path, section: Section, files: dict[str, str], name: str, line: str
) -> None:
    folder = laid(tmp_path / "ml", files | {name: files[name] + line})
    raw, _ = tables(section("movielens", folder=folder, minimum_history=1))
    assert raw.items.select("raw", "title", "categories").row(-1) == ("22", None, [["Drama"], ["Comedy"]])


def test_a_title_is_one_line_without_control_characters(tmp_path: Path, section: Section) -> None:
    text = CSV["movies.csv"] + '77,"Two\nlines\x1b[31m\x85of\x00 it",Drama\n78,"\x07 ",Drama\n'
    raw, _ = tables(section("movielens", folder=laid(tmp_path, CSV | {"movies.csv": text}), minimum_history=1))
    found = raw.items.filter(pl.col("raw").is_in(["77", "78"]))
    assert found["title"].to_list() == ["Two lines[31m of it", None]


@pytest.mark.parametrize(
    ("files", "name", "line", "why"),
    [
        (DAT, "movies.dat", "3::again::Drama\n", "movies.dat: 1 ids have several rows, e.g. 3; keep one row for each"),
        (TABBED, "u.item", "3|again|||||0|0|0|1\n", "u.item line 4: 10 cells, expected 9"),
        (TABBED, "u.item", "3|again||||0|0|0|1\n", "u.item: 1 ids have several rows, e.g. 3"),
        (TABBED, "u.genre", "War|4.5\n", "u.genre line 5: no whole number, found '4.5'"),
        (TABBED, "u.genre", "War|3\n", "u.genre: 1 ids have several rows, e.g. 3"),
    ],
)
def test_what_the_older_layouts_have_twice_is_refused(
    tmp_path: Path, section: Section, files: dict[str, str], name: str, line: str, why: str
) -> None:
    text = files[name].rstrip("\n") + "\n" + line
    with pytest.raises(ValueError, match=why):
        tables(section("movielens", folder=laid(tmp_path / "ml", files | {name: text}), minimum_history=1))


def test_the_archive_itself_will_do(tmp_path: Path, section: Section, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = laid(tmp_path / "ml", CSV)
    with zipfile.ZipFile(tmp_path / "ml.zip", "w") as packed:
        for name in CSV:
            packed.write(tmp_path / "ml" / name, f"ml-25m/{name}")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    plain, _ = tables(section("movielens", folder=folder, minimum_history=1))
    packed_too, _ = tables(section("movielens", folder=str(tmp_path / "ml.zip"), minimum_history=1))
    assert plain.events.equals(packed_too.events)
    assert plain.items.equals(packed_too.items)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("ratings.csv", CSV["ratings.csv"] + "7,x,3,5\n", "ratings.csv line 5: movieId: no whole number, found x"),
        ("movies.csv", CSV["movies.csv"] + "3,again,Drama\n", "movies.csv: 1 ids have several rows, e.g. 3"),
        (
            "links.csv",
            CSV["links.csv"] + "21,1,two\n",
            "links.csv movie 21: tmdbId: expected a whole number, found 'two'",
        ),
        ("movies.csv", "movieId,title\n3,x\n", r"movies.csv: no columns \['genres'\]"),
    ],
)
def test_bad_rows_are_told_by_file_and_line(tmp_path: Path, section: Section, name: str, text: str, why: str) -> None:
    folder = laid(tmp_path / "ml", CSV | {name: text})
    with pytest.raises(ValueError, match=why):
        tables(section("movielens", folder=folder, minimum_history=1))


@pytest.mark.parametrize(
    ("files", "name", "text", "why"),
    [
        (DAT, "ratings.dat", "7::3::3\n", "line 4: 5 cells, expected 7"),
        (DAT, "movies.dat", "9::only a title\n", "line 4: 2 cells, expected 3"),
        (DAT, "movies.dat", "MovieID::Title::Genres\n", "line 4: no whole number, found 'MovieID'"),
        (DAT, "movies.dat", "22.0::Four::Drama\n", "line 4: no whole number, found '22.0'"),
        (DAT, "movies.dat", f"{10**20}::Four::Drama\n", "line 4: no whole number, found '1000"),
        (TABBED, "u.item", "x|Four|1|2|http://x|0|0|0|1\n", "line 4: no whole number, found 'x'"),
        (TABBED, "u.item", "9|x|1\n", "line 4: 3 cells, expected 9"),
        (TABBED, "u.data", "9\t3\t1\t-1\n", "line 4: time: a time before 1970"),
    ],
)
def test_bad_rows_of_the_older_layouts(
    tmp_path: Path, section: Section, files: dict[str, str], name: str, text: str, why: str
) -> None:
    folder = laid(tmp_path / "ml", files | {name: files[name] + text})
    with pytest.raises(ValueError, match=f"{name} {why}"):
        tables(section("movielens", folder=folder, minimum_history=1))
    raw, report = tables(section("movielens", folder=folder, minimum_history=1, bad_rows=0.5))
    assert report["bad_rows"] + report["bad_items"] == 1
    assert raw.events.height == 3


@pytest.mark.parametrize(
    ("imdb", "tmdb"), [("112345", "862"), ("tt0112345", "862.0"), ("tt112345", "0862"), ("112345.0", "862.00")]
)
def test_ids_that_lost_their_zeros_are_mended(tmp_path: Path, section: Section, imdb: str, tmdb: str) -> None:
    links = f"movieId,imdbId,tmdbId\n3,{imdb},{tmdb}\n20,tt10872600,\n21,7,\n"
    folder = laid(tmp_path / "ml", CSV | {"links.csv": links})
    raw, report = tables(section("movielens", folder=folder, minimum_history=1))
    assert raw.items["ids"].to_list() == [
        [{"service": "tmdb", "id": "862"}, {"service": "imdb", "id": "tt0112345"}],
        [{"service": "imdb", "id": "tt10872600"}],
        [{"service": "imdb", "id": "tt0000007"}],
    ]
    assert report["bad_links"] == 0


def test_a_link_that_is_no_id_is_counted(tmp_path: Path, section: Section) -> None:
    folder = laid(tmp_path / "ml", CSV | {"links.csv": CSV["links.csv"] + "21,tt12,n/a\n"})
    raw, report = tables(section("movielens", folder=folder, minimum_history=1, bad_rows=0.5))
    assert (report["bad_links"], raw.items["ids"].list.len().to_list()) == (1, [2, 1, 1])  # the last is a title


@pytest.mark.parametrize(
    ("files", "name"), [(CSV, "links.csv"), (CSV, "movies.csv"), (DAT, "movies.dat"), (TABBED, "u.genre")]
)
def test_a_file_that_belongs_to_the_ratings_is_asked_for_by_name(
    tmp_path: Path, section: Section, files: dict[str, str], name: str
) -> None:
    folder = laid(tmp_path / "ml", {other: text for other, text in files.items() if other != name})
    with pytest.raises(FileNotFoundError, match=rf"ml: (ratings\.csv|ratings\.dat|u\.data) without {name}; add those"):
        tables(section("movielens", folder=folder, minimum_history=1))


def test_links_of_another_release_are_refused(tmp_path: Path, section: Section) -> None:
    folder = laid(tmp_path / "ml", CSV | {"links.csv": "movieId,imdbId,tmdbId\n99,0112345,862\n"})
    with pytest.raises(ValueError, match=r"links.csv: it has 0 of the 3 movies of movies.csv; take both"):
        tables(section("movielens", folder=folder, minimum_history=1))


def test_a_line_of_another_encoding_spoils_no_other(tmp_path: Path, section: Section) -> None:
    folder = laid(tmp_path / "ml", DAT, "utf-8")
    with Path(folder, "movies.dat").open("ab") as file:
        file.write("22::Amélie::Comedy\n".encode("latin-1"))
    raw, _ = tables(section("movielens", folder=folder, minimum_history=1))
    assert raw.items["title"].to_list() == ["Café, The (1999)", "Two: Again", "Three", "Amélie"]


def test_a_folder_without_a_release_is_refused(tmp_path: Path, section: Section) -> None:
    with pytest.raises(FileNotFoundError, match=r"no ratings.csv, ratings.dat or u.data there"):
        tables(section("movielens", folder=str(tmp_path)))


def test_ids_beyond_32_bits_are_read_too(tmp_path: Path, section: Section) -> None:
    big = 2**40
    files = {name: text.replace("20,", f"{big},") for name, text in CSV.items()}
    raw, _ = tables(section("movielens", folder=laid(tmp_path / "ml", files), minimum_history=1))
    assert raw.items["raw"].to_list() == ["3", "21", str(big)]


def test_what_is_odd_in_the_older_releases(tmp_path: Path, section: Section) -> None:
    """ml-10m has half stars and colons in titles; ml-100k has a film of which nothing is known."""
    files = TABBED | {"u.item": TABBED["u.item"] + "267|unknown||||1|0|0|0\n"}
    raw, _ = tables(section("movielens", folder=laid(tmp_path / "a", files), release="ml-100k", minimum_history=1))
    assert raw.items.filter(pl.col("raw") == "267").select("title", "categories").rows() == [("unknown", [["unknown"]])]
    files = DAT | {"ratings.dat": "1::20::0.5::838985046\n"}
    raw, _ = tables(section("movielens", folder=laid(tmp_path / "b", files), release="ml-10m", minimum_history=1))
    assert raw.events["rating"].to_list() == [0.5]
    assert raw.items["title"][1] == "Two: Again"


@pytest.mark.parametrize(
    ("release", "files"),
    [("ml-latest", CSV), ("ml-32m", CSV), ("ml-20m", CSV), ("ml-10m", DAT), ("ml-1m", DAT), ("ml-100k", TABBED)],
)
def test_every_release_is_unpacked_from_its_archive(
    tmp_path: Path, section: Section, monkeypatch: pytest.MonkeyPatch, release: str, files: dict[str, str]
) -> None:
    """Their folders are named in several ways (ml-10M100K), and other files lie beside."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    inner = {"ml-10m": "ml-10M100K"}.get(release, release)
    with zipfile.ZipFile(tmp_path / f"{release}.zip", "w") as packed:
        for name, text in (files | {"README.txt": "about", "tags.csv": "userId", "allbut.pl": "x"}).items():
            packed.writestr(f"{inner}/{name}", text.encode())
    packed_here = str(tmp_path / f"{release}.zip")
    raw, _ = tables(section("movielens", folder=packed_here, release=release, minimum_history=1))
    assert raw.events.height == 3


@pytest.mark.skipif("WHYREC_REAL" not in os.environ, reason="WHYREC_REAL names no folder of real data")
def test_real_movielens_small() -> None:
    folder = Path(os.environ["WHYREC_REAL"], "data", "ml-latest-small")
    settings = read_yaml(Path("params.yaml"))["datasets"]["movielens"] | {"folder": str(folder), "minimum_history": 20}
    raw, report = tables(Params(dataset=Choice(name="movielens", settings=settings), seed=1))
    assert {k: report[k] for k in ("events", "users", "items", "bad_rows", "repeats", "items_unlisted")} == {
        "events": 100_836,
        "users": 610,
        "items": 9_742,
        "bad_rows": 0,
        "repeats": 0,
        "items_unlisted": 0,
    }
    plain = pl.read_csv(folder / "ratings.csv").sort("userId", "timestamp", "movieId", "rating")
    joined = raw.events.join(raw.users, on="user").join(raw.items.select("item", movie="raw"), on="item")
    found = joined.select(
        pl.col("raw").cast(pl.Int64).alias("userId"),
        pl.col("movie").cast(pl.Int64).alias("movieId"),
        pl.col("rating").cast(pl.Float64),
        pl.col("time").dt.epoch("s").alias("timestamp"),
    )
    assert found.sort("userId", "timestamp", "movieId", "rating").equals(plain)
    assert report["tied_share"] == pytest.approx(
        plain.select(pl.struct("userId", "timestamp").is_duplicated().mean()).item()
    )
    ids = raw.items.explode("ids").unnest("ids")
    assert ids.filter(pl.col("service") == "tmdb").height == 9_734
