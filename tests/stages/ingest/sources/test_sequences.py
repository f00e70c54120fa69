import gzip
import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from stages.ingest.__main__ import tables
from tests.stages.ingest.conftest import Section

PLAIN = {"minimum_history": 1}


def saved(path: Path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def walks(events: pl.DataFrame, users: pl.DataFrame, items: pl.DataFrame) -> dict[str, list[str]]:
    named = events.join(users, on="user", maintain_order="left").join(
        items.select("item", name="raw"), on="item", maintain_order="left"
    )
    return {user[0]: part["name"].to_list() for user, part in named.group_by("raw", maintain_order=True)}  # type: ignore[misc]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.integers(0, 10**6), st.lists(st.integers(0, 50), min_size=1), min_size=1).filter(
        lambda people: len({item for items in people.values() for item in items}) > 1  # one item alone is refused
    ),
    st.booleans(),
    st.data(),
)
def test_a_line_a_user_or_a_line_an_event(
    tmp_path_factory: pytest.TempPathFactory,
    section: Section,
    people: dict[int, list[int]],
    by_user: bool,
    data: st.DataObject,
) -> None:
    if by_user:
        lines = [" ".join(map(str, (user, *items))) for user, items in people.items()]
    else:
        turns = data.draw(st.permutations([user for user, items in people.items() for _ in items]))
        left = {user: iter(items) for user, items in people.items()}
        lines = [f"{user}\t{next(left[user])}" for user in turns]
    path = saved(tmp_path_factory.mktemp("s") / "s.txt", "\r\n".join(lines))
    raw, report = tables(section("sequences", file=path, line="user" if by_user else "event", **PLAIN))
    assert walks(raw.events, raw.users, raw.items) == {
        str(user): list(map(str, items)) for user, items in people.items()
    }
    assert raw.users["raw"].to_list() == list(map(str, sorted(people)))
    assert raw.events["time"].null_count() == report["events"]


def test_ids_of_letters_are_sorted_as_text(tmp_path: Path, section: Section) -> None:
    raw, _ = tables(section("sequences", file=saved(tmp_path / "s.txt", "u10 b a\nu9 10 9\n"), **PLAIN))
    assert raw.users["raw"].to_list() == ["u10", "u9"]
    assert raw.items["raw"].to_list() == ["10", "9", "a", "b"]


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("1 2 3\n4\n", "user", "line 2: 1 cells, expected a user and items"),
        ("1 2\n\n1 2 3\n", "event", "line 3: 3 cells, expected a user and an item"),
        ("1 2\n2 3\n1 4\n", "user", "line 3: a second line of user 1"),
        (b"1 2\n2 caf\xe9\n", "user", "line 2: not UTF-8 text"),
        ("1 2 NaN\n2 2 3\n", "user", "line 1: a word for nothing, which is no id"),
        ("NULL 2\n2 2\n2 3\n", "event", "line 1: a word for nothing, which is no id"),
        ("1, 2, 3\n2 2 3\n", "user", "line 1: commas or brackets between ids, which would be parts of them"),
        ("1 2; 3\n2 2 3\n", "user", "line 1: commas or brackets between ids"),
        ("1 [2 3]\n2 2 3\n", "user", "line 1: commas or brackets between ids"),
        (r"\N 2 3" + "\n2 2 3\n", "user", "line 1: a word for nothing, which is no id"),
        ('"1" "2 3"\n2 2 3\n', "user", "line 1: quotes around ids, which would be parts of them"),
        ("1,2,3\n2 2 3\n", "user", "line 1: 1 cells, expected a user and items, found '1,2,3'"),
        ("\n", "user", "no rows in it"),
    ],
)
def test_bad_lines(tmp_path: Path, section: Section, text: str | bytes, line: str, why: str) -> None:
    path = saved(tmp_path / "s.txt", text)
    with pytest.raises(ValueError, match=rf"s.txt.*{why}"):
        tables(section("sequences", file=path, line=line, **PLAIN))
    if why != "no rows in it":
        _, report = tables(section("sequences", file=path, line=line, bad_rows=0.5, **PLAIN))
        assert report["bad_rows"] == 1


def test_lists_that_are_no_text_are_told_by_what_they_are(tmp_path: Path, section: Section) -> None:
    text = "1 10 20\n2 20 30\n"
    whole, packed = saved(tmp_path / "s.txt", text), saved(tmp_path / "s.gz", gzip.compress(text.encode()))
    with pytest.raises(ValueError, match=r"s.gz: no text; it is packed by gzip: unpack it"):
        tables(section("sequences", file=packed, **PLAIN))
    with pytest.raises(ValueError, match=r"s.gz: no text; it is packed by gzip: unpack it"):
        tables(section("sequences", file=whole, candidates=packed, **PLAIN))
    items = saved(tmp_path / "i.json", '{"10": ["a"]}'.encode("utf-16"))
    with pytest.raises(ValueError, match=r"i.json: this is UTF-16; save it as UTF-8"):
        tables(section("sequences", file=whole, items=items, **PLAIN))


def test_lines_end_as_on_any_machine(tmp_path: Path, section: Section) -> None:
    text, lists = "1 10 20\n2 20 30,31\n", "1 40 50\n2 40 10\n"
    wanted, _ = tables(
        section("sequences", file=saved(tmp_path / "s", text), candidates=saved(tmp_path / "c", lists), **PLAIN)
    )
    for end in ("\r", "\r\n"):
        files = [saved(tmp_path / f"{n}.txt", t.replace("\n", end)) for n, t in enumerate((text, lists))]
        raw, _ = tables(section("sequences", file=files[0], candidates=files[1], **PLAIN))
        assert raw.events.equals(wanted.events)
        assert raw.candidates.equals(wanted.candidates)
    assert wanted.items["raw"].to_list() == ["10", "20", "30,31", "40", "50"]


def test_frozen_candidates(tmp_path: Path, section: Section) -> None:
    file = saved(tmp_path / "s.txt", "7 3 1\n5 1 1\n")
    lists = saved(tmp_path / "c.txt", "5 9 3\n7 9 2\n")
    raw, report = tables(section("sequences", file=file, candidates=lists, **PLAIN))
    assert raw.items["raw"].to_list() == ["1", "2", "3", "9"]
    assert raw.candidates.rows() == [(1, [4, 3]), (2, [4, 2])]
    assert report["candidate_users"] == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("7 9 2\n", "no candidates for 1 users, e.g. 5"),
        ("5 9 3\n7 9 9\n", "user 7 has item 9 twice"),
        ("5 9 3\n7 9 2\n7 8\n", "line 3: a second line of user 7"),
        ("5 9 3\n7\n", "line 2: 1 cells"),
    ],
)
def test_frozen_candidates_count_whole_or_not_at_all(tmp_path: Path, section: Section, text: str, why: str) -> None:
    file = saved(tmp_path / "s.txt", "7 3 1\n5 1 1\n")
    with pytest.raises(ValueError, match=rf"c.txt.*{why}"):
        tables(section("sequences", file=file, candidates=saved(tmp_path / "c.txt", text), bad_rows=0.9, **PLAIN))


def test_candidates_that_are_no_items_are_told(
    tmp_path: Path, section: Section, caplog: pytest.LogCaptureFixture
) -> None:
    """Written in another way than the sequences write them, each list would be the target among unknown items."""
    file = saved(tmp_path / "s.txt", "7 3 1\n5 1 2\n")
    lists = saved(tmp_path / "c.txt", "5 01 03\n7 02\n")
    with pytest.raises(ValueError, match=r"3 of 3 items of .*c.txt .*e.g. '01' .*'1'.*; 3 would match but for zeros"):
        tables(section("sequences", file=file, candidates=lists, **PLAIN))
    lists = saved(tmp_path / "c.txt", "5 1 03\n7 2\n")
    tables(section("sequences", file=file, candidates=lists, **PLAIN))
    assert "1 of 3 items of" in caplog.text
    items = tmp_path / "i.csv"
    items.write_text("item\n1\n2\n3\n03\n")
    caplog.clear()
    about = dict.fromkeys(("title", "text", "picture", "categories"), "")
    tables(section("sequences", file=file, candidates=lists, items=str(items), about={"item": "item"} | about, **PLAIN))
    assert not caplog.text


def test_a_file_that_is_not_there(section: Section) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere.txt: no such file"):
        tables(section("sequences", file="nowhere.txt"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("user item\nu1 a\nu2 b\n", "event"),
        ("user_id:token item_id:token\n1 2\n3 4\n", "event"),
        ("UserId MovieId\n7 8\n9 3\n", "event"),
        ("user items\n1 2 3\n4 5\n", "user"),
        ("who what\n1 2\n3 4\n", "event"),
    ],
)
def test_a_header_is_no_user(tmp_path: Path, section: Section, text: str, line: str) -> None:
    with pytest.raises(ValueError, match=r"s.txt line 1: \[.*\] names columns; remove the line"):
        tables(section("sequences", file=saved(tmp_path / "s.txt", text), line=line, **PLAIN))
    body = text.partition("\n")[2]
    raw, _ = tables(section("sequences", file=saved(tmp_path / "s.txt", body), line=line, **PLAIN))
    assert raw.users.height == 2


def test_a_doubled_candidate_is_dropped_and_counted_where_it_is_asked_for(
    tmp_path: Path, section: Section, caplog: pytest.LogCaptureFixture
) -> None:
    file = saved(tmp_path / "s.txt", "7 3 1\n5 1 1\n")
    lists = saved(tmp_path / "c.txt", "5 9 3 9 9\n7 9 2\n8 1 2\n")
    with pytest.raises(ValueError, match=r"user 5 has item 9 twice .*; duplicate_candidates: drop leaves"):
        tables(section("sequences", file=file, candidates=lists, **PLAIN))
    raw, report = tables(section("sequences", file=file, candidates=lists, duplicate_candidates="drop", **PLAIN))
    assert raw.candidates.rows() == [(1, [4, 3]), (2, [4, 2])]
    assert report["dropped_duplicate_candidates"] == 2
    assert "1 lists are of users without events, e.g. 8: not used" in caplog.text


def test_sequences_with_an_items_file(tmp_path: Path, section: Section) -> None:
    Image.new("RGB", (9, 8)).save(tmp_path / "one.png")
    items = saved(
        tmp_path / "i.csv",
        "id,name,plot,shot,kind\n10,Ten,ten &amp; more,one.png,A>B\n9,Nine,,,C\n11,Eleven,never taken,,\n",
    )
    about = {"item": "id", "title": "name", "text": "plot", "picture": "shot", "categories": "kind"}
    file = saved(tmp_path / "s.txt", "1 10 9\n2 9 10\n")
    raw, report = tables(section("sequences", file=file, items=items, about=about, **PLAIN))
    assert raw.items.select("raw", "title", "categories").rows() == [
        ("9", "Nine", [["C"]]),
        ("10", "Ten", [["A", "B"]]),
        ("11", "Eleven", None),
    ]
    assert raw.catalog["text"].to_list() == [None, "ten & more", "never taken"]
    assert pl.concat(list(raw.images))["item"].to_list() == [2]
    assert (report["items_unlisted"], report["bad_items"]) == (0, 0)
    zeros = saved(tmp_path / "z.csv", "id\n09\n010\n")
    with pytest.raises(ValueError, match=r"2 of 2 items .* 2 would match but for zeros before"):
        tables(section("sequences", file=file, items=zeros, about=dict.fromkeys(about, "") | {"item": "id"}, **PLAIN))


def test_a_truth_value_is_no_name(tmp_path: Path, section: Section) -> None:
    file = saved(tmp_path / "s.txt", "1 10 9\n2 9 10\n")
    items = saved(tmp_path / "i.json", '{"10": [true], "9": ["a"]}')
    with pytest.raises(ValueError, match=r"i.json entry 1: of '10' is \[True\], no list of names"):
        tables(section("sequences", file=file, items=items, **PLAIN))


def test_categories_from_lists_of_names(tmp_path: Path, section: Section) -> None:
    file = saved(tmp_path / "s.txt", "1 10 9\n2 9 10\n")
    items = saved(tmp_path / "i.json", '\ufeff{"10": [7, 8, 7], "9": ["a|b > c"], "11": []}')
    raw, report = tables(section("sequences", file=file, items=items, **PLAIN))
    assert raw.items.select("raw", "categories").rows() == [
        ("9", [["a|b > c"]]),  # a name is a name, whatever stands in it
        ("10", [["7"], ["8"]]),
        ("11", None),
    ]
    assert (report["items_unlisted"], report["bad_items"]) == (0, 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"10": "rock", "9": ["a"]}', r"i\.json entry 1: of '10' is rock, no list of names"),
        ('{"10": [["rock"]], "9": ["a"]}', r"entry 1: of '10' is \[\['rock'\]\], no list"),
        ('{"10": ["a"], "": ["b"]}', r"entry 2: id: no id there"),
        ('[["10", "rock"]]', r"i\.json: a JSON list; it should be ids and lists of names"),
        ('{"10": ["a"]', r"i\.json: no JSON"),
        (
            '{"10": ["a"], "9": ["b"], "10": ["c"]}',
            r"i\.json: 1 ids have several entries, e.g. '10'; keep one for each",
        ),
    ],
)
def test_lists_of_names_that_are_none(tmp_path: Path, section: Section, text: str, said: str) -> None:
    file = saved(tmp_path / "s.txt", "1 10 9\n2 9 10\n")
    with pytest.raises(ValueError, match=said):
        tables(section("sequences", file=file, items=saved(tmp_path / "i.json", text), **PLAIN))


@pytest.mark.skipif("WHYREC_REAL" not in os.environ, reason="WHYREC_REAL names no folder of real data")
def test_real_sequences(section: Section) -> None:
    data = Path(os.environ["WHYREC_REAL"], "data")
    lists = data / "lastfm" / "LastFM_sample.txt"
    about = data / "lastfm" / "LastFM_item2attributes.json"
    paths = {"file": str(data / "lastfm" / "LastFM.txt"), "candidates": str(lists), "items": str(about)}
    raw, report = tables(section("sequences", **paths))
    assert raw.items["categories"].null_count() == 0
    assert raw.items["categories"].explode().explode().n_unique() == 388
    assert (report["users"], report["items"], report["events"], report["bad_rows"]) == (1_090, 3_646, 52_551, 0)
    assert raw.candidates["candidates"].list.len().unique().to_list() == [99]
    want = {line.split()[0]: line.split()[1:] for line in (data / "lastfm" / "LastFM.txt").read_text().splitlines()}
    assert walks(raw.events, raw.users, raw.items) == want
    raw, report = tables(section("sequences", file=str(data / "amazon_cell_phones" / "sequences.txt")))
    assert (report["users"], report["items"], report["events"]) == (27_879, 10_429, 194_439)
