import zipfile
from pathlib import Path
from typing import Any

import bson
import pytest
from bson.int64 import Int64

from stages.ingest.__main__ import tables
from tests.stages.ingest.conftest import Section

BOARDS = [
    {"_id": bson.ObjectId(), "board_id": "70", "board_url": "/ann/food/", "pins": ["3", "1", "2", "1"]},
    {"_id": bson.ObjectId(), "board_id": "71", "board_url": "/bob/hats/", "pins": ["4", "2", "9"]},
    {"_id": bson.ObjectId(), "board_id": "72", "board_url": "/ann/more-food/", "pins": ["5"]},
    {"_id": bson.ObjectId(), "board_id": "73", "board_url": "/cy/none/", "pins": []},
]
PINS = [
    {"_id": bson.ObjectId(), "pin_id": str(pin), "im_name": name, "im_url": f"http://media.com/{name}.jpg"}
    for pin, name in [(1, "a"), (2, "b"), (3, "c"), (4, "a"), (5, "b"), (6, "z")]
]
LABELS = [
    {"_id": bson.ObjectId(), "board_id": board, "board_url": "x", "cate_id": cate}
    for board, cate in [("70", "1"), ("71", 2), ("72", Int64(1))]
]


def laid(folder: Path, boards: list[Any] = BOARDS, pins: list[Any] = PINS, labels: list[Any] = LABELS) -> str:
    folder.mkdir(exist_ok=True)
    for name, rows in (("board_pins", boards), ("pin_im", pins), ("board_cate", labels)):
        (folder / f"subset_iccv_{name}.bson").write_bytes(b"".join(bson.encode(row) for row in rows))
    (folder / "categories.txt").write_text("food\nhats\n")
    return str(folder)


def named(raw: Any) -> list[tuple[str, str]]:
    joined = raw.events.join(raw.users, on="user", maintain_order="left").rename({"raw": "name"})
    return joined.join(raw.items, on="item", maintain_order="left").select("name", "raw").rows()


def test_boards_as_users_in_the_order_of_the_board(tmp_path: Path, section: Section) -> None:
    raw, report = tables(section("pinterest", folder=laid(tmp_path / "p")))
    assert named(raw) == [("70", "c"), ("70", "a"), ("70", "b"), ("71", "a"), ("71", "b"), ("72", "b")]
    assert raw.events["time"].null_count() == 6
    assert raw.items["categories"].to_list() == [[["food"]], [["food"]], [["food"]]]
    assert raw.items["ids"].to_list()[0] == [
        {"service": "pinterest", "id": "1"},
        {"service": "address", "id": "http://media.com/a.jpg"},
    ]
    assert (report["timed"], report["pins_unlisted"], report["dropped_duplicates"]) == (False, 1, 1)
    assert (report["bad_rows"], report["bad_pins"], report["bad_labels"]) == (0, 0, 0)


def test_owners_as_users_and_the_other_order(tmp_path: Path, section: Section) -> None:
    raw, _ = tables(section("pinterest", folder=laid(tmp_path / "p"), user="owner", order="reversed"))
    assert named(raw) == [("ann", "a"), ("ann", "b"), ("ann", "c"), ("bob", "b"), ("bob", "a")]


def test_the_most_pinned_pictures_then_users_by_the_seed(tmp_path: Path, section: Section) -> None:
    folder = laid(tmp_path / "p")
    raw, _ = tables(section("pinterest", folder=folder, pictures=1))
    assert named(raw) == [("70", "b"), ("71", "b"), ("72", "b")]
    drawn = {tuple(tables(section("pinterest", seed, folder=folder, users=1))[0].users["raw"]) for seed in range(12)}
    assert drawn == {("70",), ("71",), ("72",)}
    every, _ = tables(section("pinterest", folder=folder, catalogue="all", pictures=0, users=0))
    assert every.items["raw"].to_list() == ["a", "b", "c", "z"]


@pytest.mark.parametrize("data", [b"\xef\xbb\xbffood\r\nchap\xc3\xa9us\r\n", b"food\nchap\xe9us\n"])
def test_names_of_categories_in_utf8_and_latin1(tmp_path: Path, section: Section, data: bytes) -> None:
    boards = [*BOARDS[:3], BOARDS[3] | {"pins": ["6"]}]
    folder = Path(laid(tmp_path / "p", boards, labels=[*LABELS, {"board_id": "73", "cate_id": 2}]))
    (folder / "categories.txt").write_bytes(data)
    raw, _ = tables(section("pinterest", folder=str(folder)))
    assert raw.items.select("raw", "categories").rows()[2:] == [("c", [["food"]]), ("z", [["chapéus"]])]


def test_names_of_categories_that_are_none_are_refused(tmp_path: Path, section: Section) -> None:
    folder = Path(laid(tmp_path / "p"))
    (folder / "categories.txt").write_bytes("food\nhats\n".encode("utf-16"))
    with pytest.raises(ValueError, match=r"categories.txt: this is UTF-16; save it as UTF-8"):
        tables(section("pinterest", folder=str(folder)))
    (folder / "categories.txt").write_text("food\n \n")
    with pytest.raises(ValueError, match=r"board_cate.bson record 2: cate_id: 2 is no line of categories.txt"):
        tables(section("pinterest", folder=str(folder)))


def test_categories_of_other_boards_are_refused(tmp_path: Path, section: Section) -> None:
    folder = laid(tmp_path / "p", labels=[{"board_id": "99", "cate_id": 1}])
    with pytest.raises(ValueError, match=r"board_cate.bson: it names none of the boards of .*board_pins.bson"):
        tables(section("pinterest", folder=folder))


def test_a_board_of_two_categories_is_a_bad_row(tmp_path: Path, section: Section) -> None:
    folder = laid(tmp_path / "p", labels=[*LABELS, {"board_id": "70", "cate_id": 1}])  # the same again is none
    tables(section("pinterest", folder=folder))
    folder = laid(tmp_path / "p", labels=[*LABELS, {"board_id": "70", "cate_id": 2}])
    with pytest.raises(ValueError, match="record 4: board 70 is of hats here and of food before"):
        tables(section("pinterest", folder=folder))


@pytest.mark.parametrize("address", ["", "ftp://media.com/q.jpg", "file:///etc/passwd", "no address"])
def test_an_address_that_is_none_of_the_web_is_no_picture(tmp_path: Path, section: Section, address: str) -> None:
    folder = laid(tmp_path / "p", pins=[*PINS, {"pin_id": "7", "im_name": " q ", "im_url": address}])
    raw, _ = tables(section("pinterest", folder=folder, catalogue="all"))
    items = dict(raw.items.select("raw", "ids").rows())
    assert items["q"] == [{"service": "pinterest", "id": "7"}]
    assert items["z"][1] == {"service": "address", "id": "http://media.com/z.jpg"}


@pytest.mark.parametrize(
    ("board", "pin", "why"),
    [
        ({}, {"im_name": " "}, "pin_im.bson record 7: im_name: no id there"),
        ({}, {"im_name": "NA"}, "record 7: im_name: a word for nothing, which is no id, found NA"),
        ({}, {"pin_id": "a\x1b"}, r"record 7: pin_id: a control character in an id, found a\\x1b"),
        ({"board_id": ""}, {}, "board_pins.bson record 5: board_id: no id there"),
    ],
)
def test_ids_that_are_none_are_bad_rows(
    tmp_path: Path, section: Section, board: dict[str, Any], pin: dict[str, Any], why: str
) -> None:
    folder = laid(
        tmp_path / "p",
        [*BOARDS, {"board_id": "74", "board_url": "/ann/x/", "pins": ["7"], **board}],
        [*PINS, {"pin_id": "7", "im_name": "q", "im_url": "http://media.com/q.jpg", **pin}],
    )
    with pytest.raises(ValueError, match=why):
        tables(section("pinterest", folder=folder))


def test_the_archive_itself_will_do(tmp_path: Path, section: Section, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(laid(tmp_path / "p"))
    with zipfile.ZipFile(tmp_path / "pinterest_iccv.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"../../pinterest_iccv/{path.name}")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    packed = str(tmp_path / "pinterest_iccv.zip")
    raw, _ = tables(section("pinterest", folder=packed))
    assert raw.events.equals(tables(section("pinterest", folder=str(folder)))[0].events)
    with pytest.raises(ValueError, match=r"its md5 is [0-9a-f]{32}, wanted 11"):
        tables(section("pinterest", folder=packed, checksum="11"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            {"boards": [*BOARDS, {"board_id": "74"}]},
            r"board_pins.bson record 5: no 'pins' in it; it has \['board_id'\]",
        ),
        ({"boards": [*BOARDS, {"board_id": "74", "pins": "12"}]}, "record 5: pins: expected a list, found '12'"),
        ({"boards": [*BOARDS, {"board_id": "74", "pins": [None]}]}, "record 5: pins: no id, found None"),
        ({"boards": [*BOARDS, BOARDS[0]]}, "record 5: a second record of board 70"),
        (
            {"pins": [*PINS, {"pin_id": "1", "im_name": "q", "im_url": ""}]},
            "record 7: pin 1 is picture q here and a before",
        ),
        ({"pins": [*PINS, {"pin_id": "8", "im_name": "q"}]}, "pin_im.bson record 7: no 'im_url' in it"),
        (
            {"pins": [*PINS, {"pin_id": True, "im_name": "q", "im_url": ""}]},
            "record 7: pin_id: expected text or a number",
        ),
        (
            {"labels": [*LABELS, {"board_id": "70", "cate_id": "3"}]},
            "record 4: cate_id: 3 is no line of categories.txt",
        ),
        ({"labels": [*LABELS, {"board_id": "70", "cate_id": 0}]}, "record 4: cate_id: 0 is no line"),
        ({"labels": [*LABELS, {"board_id": "70", "cate_id": "x"}]}, "record 4: cate_id: x is no line"),
        ({"labels": [*LABELS, {"board_id": "70", "cate_id": "²"}]}, "record 4: cate_id: ² is no line"),
    ],
)
def test_bad_records_are_told_by_number_or_counted(
    tmp_path: Path, section: Section, change: dict[str, Any], why: str
) -> None:
    folder = laid(tmp_path / "p", **change)
    with pytest.raises(ValueError, match=why):
        tables(section("pinterest", folder=folder, bad_rows=0.0))
    raw, report = tables(section("pinterest", folder=folder, bad_rows=0.5))
    assert report["bad_rows"] + report["bad_pins"] + report["bad_labels"] == 1
    assert raw.events.height == 6


def test_a_board_that_holds_a_picture_twice_has_one_say_in_its_category(tmp_path: Path, section: Section) -> None:
    boards = [
        {"board_id": str(board), "board_url": f"/u{board}/b/", "pins": pins}
        for board, pins in ((80, ["1", "4"]), (81, ["1"]), (82, ["4"]))
    ]
    labels = [{"board_id": str(board), "cate_id": cate} for board, cate in ((80, 1), (81, 2), (82, 2))]
    raw, _ = tables(section("pinterest", folder=laid(tmp_path / "p", boards, labels=labels)))
    assert raw.items["categories"].to_list() == [[["hats"]]]


def test_a_pin_told_twice_is_one_and_an_address_may_ask(tmp_path: Path, section: Section) -> None:
    boards = [BOARDS[0] | {"board_url": "/ann/food/?utm=a/b"}, *BOARDS[1:]]
    plain, wanted = tables(section("pinterest", folder=laid(tmp_path / "p"), user="owner"))
    again = [*PINS, PINS[0] | {"im_url": "http://127.0.0.1/another.jpg"}]
    raw, report = tables(section("pinterest", folder=laid(tmp_path / "q", boards, again), user="owner"))
    assert named(raw) == named(plain)
    assert raw.items.equals(plain.items), "the first address is kept"
    assert (report["bad_pins"], report["dropped_duplicates"]) == (0, wanted["dropped_duplicates"])


def test_an_owner_must_stand_in_the_address(tmp_path: Path, section: Section) -> None:
    folder = laid(tmp_path / "p", [*BOARDS, {"board_id": "74", "board_url": "//", "pins": ["1"]}])
    with pytest.raises(ValueError, match=r"record 5: board_url: no owner in '//'"):
        tables(section("pinterest", folder=folder, user="owner"))
    tables(section("pinterest", folder=folder))


def test_a_cut_file_is_refused_with_its_place(tmp_path: Path, section: Section) -> None:
    folder = laid(tmp_path / "p")
    path = Path(folder, "subset_iccv_pin_im.bson")
    whole = path.read_bytes()
    third = sum(len(bson.encode(row)) for row in PINS[:2])
    for cut in (third + 2, third + 20, len(whole) - 1):
        path.write_bytes(whole[:cut])
        number, begin = (3, third) if cut < len(whole) - 1 else (6, len(whole) - len(bson.encode(PINS[5])))
        with pytest.raises(ValueError, match=rf"pin_im.bson record {number} at byte {begin}: no whole BSON .*load"):
            tables(section("pinterest", folder=folder))
    path.write_bytes(whole[:third] + b"\xff\xff\xff\x7f" + whole[third + 4 :])
    with pytest.raises(ValueError, match=rf"record 3 at byte {third}: no whole BSON"):
        tables(section("pinterest", folder=folder))
    path.write_bytes(whole.replace(b"media", b"med\xffa", 1))
    with pytest.raises(ValueError, match=r"record 1 at byte 0: no whole BSON"):
        tables(section("pinterest", folder=folder))
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"p: no subset_iccv_pin_im.bson; the data set has subset"):
        tables(section("pinterest", folder=folder))


def test_the_module_is_pymongos() -> None:
    assert hasattr(bson, "decode_file_iter"), "the package named bson has replaced pymongo's module"
