import gzip
import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.ingest.__main__ import settings, tables
from stages.ingest.sources.amazon import source
from tests.stages.ingest.conftest import Section

DAY = 1_252_800_000
SHARE = {"title": False, "picture": False, "text": False}
REVIEWS = [
    {
        "reviewerID": u,
        "asin": a,
        "helpful": [2, 3],
        "reviewText": 'fine\n"it" isn\'t',
        "overall": r,
        "unixReviewTime": t,
        "reviewTime": "09 13, 2009",
    }
    for u, a, r, t in [
        ("A2", "B1", 5.0, DAY),
        ("A2", "B2", 4.0, DAY + 86_400),
        ("A1", "B1", 1.0, DAY),
        ("A3", "B3", 2.0, DAY),
    ]
]
PRODUCTS = [
    {
        "asin": "B1",
        "title": 'Girl\'s "Tutu" &amp; more',
        "price": 3.17,
        "imUrl": "http://ecx.images.com/I/51._SY300_.jpg",
        "related": {"also_bought": ["B2"]},
        "salesRank": {"Toys": 2},
        "brand": "Cox",
        "description": "Two\nlines",
        "categories": [["Sports & Outdoors", "Dance"], ["Clothing"]],
    },
    {"asin": "B2", "categories": [["Clothing"]], "imUrl": "", "title": "Café"},
    {"asin": "B3", "description": "no title", "imUrl": "https://x.com/a.jpg"},
    {"asin": "B9", "title": "never bought"},
]


def packed(path: Path, rows: list[Any], write: Any = json.dumps) -> str:
    path.write_bytes(gzip.compress("".join(f"{r if isinstance(r, str) else write(r)}\n" for r in rows).encode()))
    return str(path)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    return {
        "reviews": packed(tmp_path / "reviews_X_5.json.gz", REVIEWS),
        "metadata": packed(tmp_path / "meta_X.json.gz", PRODUCTS, repr),
    }


def test_the_release_of_2014(files: dict[str, str], section: Section) -> None:
    raw, report = tables(section("amazon", **files, require=SHARE, text=["title", "brand", "price", "description"]))
    assert raw.users["raw"].to_list() == ["A1", "A2", "A3"]
    assert raw.items["raw"].to_list() == ["B1", "B2", "B3"]
    assert raw.items["title"].to_list() == ['Girl\'s "Tutu" & more', "Café", None]
    assert raw.items["categories"].to_list() == [[["Sports & Outdoors", "Dance"], ["Clothing"]], [["Clothing"]], None]
    address = {"service": "address", "id": "http://ecx.images.com/I/51._SY300_.jpg"}
    assert raw.items["ids"].to_list() == [[address], None, [{"service": "address", "id": "https://x.com/a.jpg"}]]
    assert raw.catalog["text"].to_list() == ['Girl\'s "Tutu" & more\nCox\n3.17\nTwo\nlines', "Café", "no title"]
    assert raw.catalog["status"].to_list() == ["ok"] * 3
    assert raw.catalog["picture"].to_list() == ["missing"] * 3
    assert raw.events.select("user", "item", "rating", pl.col("time").dt.epoch("s")).rows() == [
        (1, 1, 1.0, DAY),
        (2, 1, 5.0, DAY),
        (2, 2, 4.0, DAY + 86_400),
        (3, 3, 2.0, DAY),
    ]
    assert (report["rows_read"], report["bad_rows"], report["bad_products"]) == (4, 0, 0)


def test_literal_reviews_and_plain_files_and_all_products(
    tmp_path: Path, files: dict[str, str], section: Section
) -> None:
    wanted, _ = tables(section("amazon", **files, require=SHARE))
    (tmp_path / "reviews.json").write_text("".join(f"{row!r}\r\n\n" for row in REVIEWS))
    found, report = tables(section("amazon", **files | {"reviews": str(tmp_path / "reviews.json")}, require=SHARE))
    assert found.events.equals(wanted.events)
    assert report["rows_read"] == 4
    raw, _ = tables(section("amazon", **files, require=SHARE, catalogue="all"))
    assert raw.items["raw"].to_list() == ["B1", "B2", "B3", "B9"]


def test_what_a_product_must_have(files: dict[str, str], section: Section) -> None:
    raw, report = tables(section("amazon", **files))  # title and picture, as params.yaml stands
    assert raw.items["raw"].to_list() == ["B1"]
    assert (raw.events.height, report["dropped_require"]) == (2, 2)
    with pytest.raises(ValueError, match=r"`require` needs the products' file in `metadata`"):
        tables(section("amazon", **files | {"metadata": ""}))
    raw, _ = tables(section("amazon", **files | {"metadata": ""}, require=SHARE))
    assert raw.items["title"].to_list() == [None] * 3


def test_the_release_of_2018(tmp_path: Path, section: Section) -> None:
    reviews = [
        {
            "overall": 5,
            "verified": True,
            "reviewTime": "08 4, 2014",
            "reviewerID": "A1",
            "asin": "B1",
            "unixReviewTime": 1407110400,
        },
        {"overall": 3.0, "reviewTime": "08 5, 2014", "reviewerID": "A1", "asin": "B2", "style": {"Size:": " L"}},
    ]
    products = [
        {
            "asin": "B1",
            "category": ["Clothing", "Women"],
            "description": ["one", "two"],
            "feature": ["soft"],
            "price": "$7.50",
            "imageURL": ["https://i.com/small.jpg"],
            "imageURLHighRes": ["https://i.com/big.jpg"],
            "title": "T",
            "brand": "b",
        },
        {
            "asin": "B2",
            "category": [],
            "description": [],
            "price": ".a-box{margin:0}",
            "imageURL": [],
            "imageURLHighRes": [],
        },
        {
            "asin": "B2",
            "category": [],
            "description": [],
            "price": ".a-box{margin:0}",
            "imageURL": [],
            "imageURLHighRes": [],
        },
    ]
    names = {"reviews": packed(tmp_path / "r", reviews), "metadata": packed(tmp_path / "m", products)}
    text = ["features", "description", "price", "categories"]
    raw, report = tables(section("amazon", **names, release=2018, require=SHARE, text=text))
    assert raw.events["time"].dt.epoch("s").to_list() == [1407110400, 1407196800]
    assert raw.items["categories"].to_list() == [[["Clothing", "Women"]], None]
    assert raw.items["ids"].to_list() == [[{"service": "address", "id": "https://i.com/big.jpg"}], None]
    assert raw.catalog["text"].to_list() == ["soft\none two\n$7.50\nClothing, Women", None]
    assert report["repeated_products"] == 1


def test_the_release_of_2023(tmp_path: Path, section: Section) -> None:
    reviews = [
        {
            "rating": 5.0,
            "title": "x",
            "images": [],
            "asin": "B0",
            "parent_asin": "B1",
            "user_id": "A1",
            "timestamp": 1588687728923,
        },
        {"rating": 1.0, "asin": "B2", "user_id": "A1", "timestamp": 1588687728924},
    ]
    pictures = [
        {
            "thumb": "https://m.com/t2.jpg",
            "large": "https://m.com/l2.jpg",
            "variant": "PT01",
            "hi_res": "https://m.com/h2.jpg",
        },
        {"thumb": "https://m.com/t1.jpg", "large": "https://m.com/l1.jpg", "variant": "MAIN", "hi_res": None},
    ]
    products = [
        {
            "main_category": "All Beauty",
            "title": "Salt",
            "features": ["f"],
            "description": ["d"],
            "price": None,
            "store": "S",
            "images": pictures,
            "categories": ["Beauty", "Hair"],
            "parent_asin": "B1",
            "bought_together": None,
        },
        {
            "main_category": "All Beauty",
            "title": "Two",
            "categories": [],
            "images": [],
            "price": "—",
            "parent_asin": "B2",
        },
    ]
    names = {"reviews": packed(tmp_path / "r.jsonl.gz", reviews), "metadata": packed(tmp_path / "m", products)}
    raw, _ = tables(section("amazon", **names, release=2023, require=SHARE, text=["brand", "features", "price"]))
    assert raw.events["time"].dt.epoch("ms").to_list() == [1588687728923, 1588687728924]
    assert raw.items["categories"].to_list() == [[["Beauty", "Hair"]], [["All Beauty"]]]
    assert raw.items["ids"].to_list() == [[{"service": "address", "id": "https://m.com/l1.jpg"}], None]
    assert raw.catalog["text"].to_list() == ["S\nf", None]


@pytest.mark.parametrize(
    ("release", "text"),
    [
        (2014, f"A1,B1,5.0,{DAY}\nA2,B1,1.0,{DAY}\n"),
        (2018, f"B1,A1,5.0,{DAY}\nB1,A2,1.0,{DAY}\n"),
        (2023, f"user_id,parent_asin,rating,timestamp\nA1,B1,5.0,{DAY}000\nA2,B1,1.0,{DAY}000\n"),
    ],
)
def test_files_of_ratings_alone(tmp_path: Path, section: Section, release: int, text: str) -> None:
    (tmp_path / "ratings.csv").write_text(text)
    names = {"reviews": str(tmp_path / "ratings.csv"), "metadata": ""}
    raw, _ = tables(section("amazon", **names, release=release, require=SHARE))
    assert raw.users["raw"].to_list() == ["A1", "A2"]
    assert raw.events.select("rating", pl.col("time").dt.epoch("s")).rows() == [(5.0, DAY), (1.0, DAY)]
    (tmp_path / "ratings.csv").rename(tmp_path / "RATINGS.CSV")
    again, _ = tables(
        section("amazon", reviews=str(tmp_path / "RATINGS.CSV"), metadata="", release=release, require=SHARE)
    )
    assert again.events.equals(raw.events)
    (tmp_path / "ratings.csv.gz").write_bytes(gzip.compress(text.encode()))
    with pytest.raises(ValueError, match=r"ratings.csv.gz: no text; it is packed by gzip: unpack it"):
        tables(section("amazon", reviews=str(tmp_path / "ratings.csv.gz"), metadata="", release=release, require=SHARE))


def test_no_field_makes_no_text(files: dict[str, str], section: Section) -> None:
    raw, _ = tables(section("amazon", **files, require=SHARE, text=[]))
    assert raw.catalog["text"].null_count() == raw.items.height == 3


GOOD = json.dumps(REVIEWS[0])


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("{'reviewerID': 'A2', 'asin'", "no record"),
        ("[1, 2]", "a list, expected a record"),
        (GOOD.replace('"overall"', '"stars"'), r"no 'overall' in it; it has \['asin', 'helpful'"),
        (GOOD.replace("5.0", '"five"'), "overall: expected a number, found 'five'"),
        (GOOD.replace('"A2"', "17"), "reviewerID: expected text, found 17"),
        (GOOD.replace('"A2"', '" "'), "reviewerID: no id there"),
        (GOOD.replace(str(DAY), "-1"), "a time before 1970"),
        (GOOD.replace(str(DAY), f"{DAY}000"), r"a time in the future \(milliseconds\?\)"),
        (GOOD.replace('"unixReviewTime"', '"x"').replace("09 13", "13 40"), "no 'unixReviewTime' in it"),
    ],
)
def test_bad_reviews_are_told_by_line_or_counted(files: dict[str, str], section: Section, row: str, why: str) -> None:
    packed(Path(files["reviews"]), [*REVIEWS, row])
    with pytest.raises(ValueError, match=rf"reviews_X_5.json.gz line 5: .*{why}.*1 of 5 rows are bad; bad_rows allows"):
        tables(section("amazon", **files, require=SHARE))
    raw, report = tables(section("amazon", **files, require=SHARE, bad_rows=0.2))
    assert (raw.events.height, report["bad_rows"], report["rows_read"]) == (4, 1, 5)


def test_another_encoding_is_told(files: dict[str, str], section: Section) -> None:
    Path(files["reviews"]).write_bytes(GOOD.replace("A2", "é").encode("utf-8") + b"\n" + b'{"asin": "\xe9"}\n')
    with pytest.raises(ValueError, match=r"line 2: no record .not UTF-8 text; save the file as UTF-8"):
        tables(section("amazon", **files, require=SHARE))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"title": "x"}, "no 'asin' in it"),
        ({"asin": "B5", "title": 7}, "title: expected text, found 7"),
        ({"asin": "B5", "categories": [["a", 3]]}, "categories: expected lists of names"),
        ({"asin": "B5", "categories": ["a"]}, "categories: expected lists of names"),
        ({"asin": " "}, "asin: no id there"),
        ({"asin": "B\0005"}, r"asin: a control character in an id, found B\\x005"),
        ({"asin": "None"}, "asin: a word for nothing, which is no id, found None"),
        ({"asin": "B5", "category": ["a"]}, "'category' is no field of 2014: `release` should be another year"),
        ({"asin": "B5", "imageURL": ["http://x/a.jpg"]}, "'imageURL' is no field of 2014: `release` should be"),
        (PRODUCTS[1] | {"title": "another"}, "a second, other record of B2"),
        ("{'asin': 'B5', 'title': __import__('os')}", "no record"),
        ("{'asin': 'B5', 'title': 'cut", "no record"),
    ],
)
def test_bad_products_are_told_by_line_or_counted(files: dict[str, str], section: Section, row: Any, why: str) -> None:
    packed(Path(files["metadata"]), [*PRODUCTS, PRODUCTS[0], row], repr)
    with pytest.raises(ValueError, match=rf"meta_X.json.gz line 6: {why}"):
        tables(section("amazon", **files, require=SHARE))
    raw, report = tables(section("amazon", **files, require=SHARE, bad_rows=0.3))
    assert (report["bad_products"], report["repeated_products"], raw.items.height) == (1, 1, 3)


def test_addresses_that_are_none_of_the_web_are_no_pictures(files: dict[str, str], section: Section) -> None:
    odd = ["file:///etc/passwd", "javascript:x", "http://x y", "//x.com/a.jpg"]
    packed(Path(files["metadata"]), [{"asin": f"B{n}", "imUrl": a} for n, a in enumerate(odd)], repr)
    raw, _ = tables(section("amazon", **files, require=SHARE))
    assert raw.items["ids"].to_list() == [None] * 3


def test_a_wrong_checksum_is_refused(files: dict[str, str], section: Section) -> None:
    with pytest.raises(ValueError, match=r"meta_X.json.gz: its md5 is [0-9a-f]{32}, wanted 00"):
        tables(section("amazon", **files, checksums={"reviews": "", "metadata": "00"}))
    with pytest.raises(ValueError, match=r"checksums.metadata is '00', but metadata names no file"):
        tables(section("amazon", **files | {"metadata": ""}, checksums={"reviews": "", "metadata": "00"}))


def test_what_require_drops_is_warned_of(
    tmp_path: Path, files: dict[str, str], section: Section, caplog: pytest.LogCaptureFixture
) -> None:
    """As where another's file is read: its pictures stand in a field of a name that no release has."""
    renamed = [{("photo" if k == "imUrl" else k): v for k, v in row.items()} for row in PRODUCTS]
    packed(Path(files["metadata"]), renamed, repr)
    why = r"meta_X.json.gz: require drops 4 of 4 events: 3 of 3 products with events are in the file, 2 have a title, "
    why += r"0 have a picture, 'B1' is dropped; its first record has \['asin', .*'photo', .*release 2014 is read by .*"
    with pytest.raises(ValueError, match=why + r"'imUrl'.*no event is left: is `release` right"):
        tables(section("amazon", **files))
    packed(Path(files["metadata"]), [PRODUCTS[0], *renamed[1:]], repr)
    _, report = tables(section("amazon", **files, require=SHARE | {"title": True}))
    assert report["dropped_require"] == 1
    assert "require" not in caplog.text
    packed(Path(files["reviews"]), [*REVIEWS, REVIEWS[3] | {"reviewerID": "A4"}])
    tables(section("amazon", **files))
    assert "require drops 3 of 5 events" in caplog.text
    packed(Path(files["metadata"]), [PRODUCTS[3]], repr)
    with pytest.raises(ValueError, match=r"0 of 3 products with events are in the file.*the file of these reviews"):
        tables(section("amazon", **files))


@pytest.mark.parametrize("asked", [{}, {"catalogue": "all"}])
def test_products_of_other_reviews_are_refused(files: dict[str, str], section: Section, asked: dict[str, str]) -> None:
    """Where nothing is required too: another category's file, or ratings read by another release's columns."""
    packed(Path(files["metadata"]), [PRODUCTS[3]], repr)
    with pytest.raises(ValueError, match=r"'B1'.*the two do not belong together"):
        tables(section("amazon", **files, require=SHARE, **asked))


def test_raw_files_are_looked_up_under_the_project(
    tmp_path: Path, files: dict[str, str], section: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, _ = tables(section("amazon", **files))
    params = section("amazon", **{name: Path(path).name for name, path in files.items()})
    (tmp_path / "copy").mkdir()
    monkeypatch.chdir(tmp_path / "copy")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert tables(params)[0].events.equals(wanted.events)


@pytest.mark.skipif("WHYREC_REAL" not in os.environ, reason="WHYREC_REAL names no folder of real data")
def test_real_records(section: Section) -> None:
    folder = Path(os.environ["WHYREC_REAL"], "data", "amazon_format_samples")
    names = {
        "reviews": str(folder / "reviews_sample.json"),
        "metadata": str(folder / "meta_sample_python_literal.json"),
    }
    params = section("amazon", **names, require=SHARE, catalogue="all")
    found = source.read(source.Settings.model_validate(settings(params).model_dump()), 1)
    assert found.items["item"].to_list() == ["0000031852"]
    assert found.items["title"].to_list() == ["Girls Ballet Tutu Zebra Hot Pink"]
    assert found.items["categories"][0].to_list() == [["Sports & Outdoors", "Other Sports", "Dance"]]
    assert found.items["ids"][0][0]["id"] == "http://ecx.images-amazon.com/images/I/51fAmVkTbyL._SY300_.jpg"
    assert found.events["item"].to_list() == ["0000013714"]
    assert found.events.select("rating", pl.col("time").dt.strftime("%m %d, %Y")).rows() == [(5.0, "09 13, 2009")]
    with pytest.raises(ValueError, match="1 of 1 items that have events are not in the list of items"):
        tables(params)  # a review of one product, the record of another
