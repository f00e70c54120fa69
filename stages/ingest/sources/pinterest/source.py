"""Pinterest's boards, pins and categories (Geng et al., ICCV 2015), from the BSON files as they are.

The data has no times. What a board's list of pins is sorted by is not documented; `order` says how to take it.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from engine.tables.schemas import CATALOG, EVENTS
from stages.ingest.reading import archive, raw_files
from stages.ingest.reading.bson_documents import ID, read_documents
from stages.ingest.reading.columns import Tally
from stages.ingest.reading.record_fields import FieldTypes, id_fault
from stages.ingest.reading.shares import refuse_all
from stages.ingest.reading.text_cleaning import ADDRESS
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables, empty
from stages.ingest.sources.pinterest.labels import board_labels, picture_categories

_BOARDS, _PINS, _LABELS, _NAMES = (
    "subset_iccv_board_pins.bson",
    "subset_iccv_pin_im.bson",
    "subset_iccv_board_cate.bson",
    "categories.txt",
)
_FILES = (_BOARDS, _PINS, _LABELS, _NAMES)
_IDS = pl.List(pl.Struct({"service": pl.String, "id": pl.String}))


class Settings(ShapingSettings):
    """Pinterest."""

    folder: str = Field(min_length=1, description="folder or .zip of the four files")
    checksum: str = Field("", description="md5 of the .zip; empty: not compared")
    user: Literal["board", "owner"] = Field(description="who counts as a user: a board, or the owner of boards")
    order: Literal["board", "reversed"] = Field(description="a board's list from its oldest pin on, or from its newest")
    pictures: int = Field(ge=0, description="how many pictures stay, those with most users; 0: all")
    users: int = Field(ge=0, description="how many users are drawn among those who have such a picture; 0: all")
    gigabytes: float = Field(gt=0, description="size of the .zip once unpacked, in gigabytes; more is refused")


def files(settings: Settings) -> list[Path]:
    """The .zip, or the four files."""
    return raw_files.listed(raw_files.find(settings.folder), _FILES)


def read(settings: Settings, seed: int) -> SourceTables:
    """Pins as events without times, in the order of the board; pictures as items, known by `im_name`.

    A picture's category is the one that most of the boards which hold it have.
    """
    folder = archive.folder_or_unpacked(settings.folder, _FILES, settings.gigabytes, settings.checksum)
    if lacking := [name for name in _FILES if not (folder / name).is_file()]:
        raise FileNotFoundError(f"{folder}: no {', '.join(lacking)}; the data set has {', '.join(_FILES)}")
    pins, bad_pins = _pins(folder / _PINS, settings.bad_rows)
    boards, counts = _boards(folder / _BOARDS, settings)
    labels, bad_labels = board_labels(folder / _LABELS, folder / _NAMES, settings.bad_rows)
    strange = int((~boards["board"].is_in(labels["board"].implode())).sum())
    refuse_all(
        strange, boards.height, f"{folder / _LABELS}: it names none of the boards of {_BOARDS}; take both of one set"
    )
    events = boards.join(pins, on="pin", how="left", maintain_order="left")
    counts |= {"bad_pins": bad_pins, "bad_labels": bad_labels, "pins_unlisted": events["item"].null_count()}
    events = _chosen(events.drop_nulls("item"), settings, seed)
    items = pins.unique("item", keep="first", maintain_order=True)
    if settings.catalogue == "used":
        items = items.join(events.select("item").unique(), on="item")
    items = items.sort("item").join(picture_categories(events, labels), on="item", how="left")
    pin, address = (pl.struct(service=pl.lit(s), id=c) for s, c in (("pinterest", "pin"), ("address", "address")))
    ids = pl.concat_list(pin, pl.when(pl.col("address").str.contains(ADDRESS)).then(address)).list.drop_nulls()
    items = items.select("item", "categories", title=pl.lit(None, pl.String), ids=ids.cast(_IDS))
    none = [pl.lit(None, EVENTS.columns[name]).alias(name) for name in ("rating", "time")]
    given = empty(CATALOG).cast({"item": pl.String})
    return SourceTables(events.select("user", "item", *none), items, given, counts=counts, ordered=True)


def _boards(path: Path, settings: Settings) -> tuple[pl.DataFrame, dict[str, int | float]]:
    """board, user and pin of each pin, in the order of the board."""
    tally = Tally(path, "record")
    owned = settings.user == "owner"
    needed = ("board_id", "pins", *(["board_url"] if owned else []))
    kinds: dict[str, FieldTypes] = {"board_id": ID, "board_url": (str,), "pins": (list,)}
    seen: set[str] = set()
    boards, users, lists = [], [], []
    for number, one in read_documents(path, tally, kinds, needed):
        board = str(one["board_id"]).strip()
        steps = one["board_url"].split("?")[0].strip("/").split("/") if owned else [board, ""]
        fault = id_fault("board_id", board) or (f"a second record of board {board}" if board in seen else "")
        fault = fault or ("" if len(steps) > 1 and steps[-2] else f"board_url: no owner in {one['board_url']!r:.60}")
        fault = fault or next((f"pins: no id, found {p!r:.40}" for p in one["pins"] if type(p) not in ID), "")
        if fault:
            tally.add(number, fault, rows=0)
            tally.bad += 1
            continue
        seen.add(board)
        boards.append(board)
        users.append(steps[-2])
        lists.append([str(pin).strip() for pin in one["pins"]][:: -1 if settings.order == "reversed" else 1])
    counts = tally.settle(settings.bad_rows)
    schema: dict[str, Any] = {"board": pl.String, "user": pl.String, "pin": pl.List(pl.String)}
    frame = pl.DataFrame({"board": boards, "user": users, "pin": lists}, schema=schema)
    return frame.explode("pin").drop_nulls("pin"), counts


def _pins(path: Path, allowed: float) -> tuple[pl.DataFrame, int | float]:
    """pin, item (the picture: several pins can show one), address; each pin once."""
    tally = Tally(path, "record")
    kinds: dict[str, FieldTypes] = {"pin_id": ID, "im_name": ID, "im_url": (str,)}
    found = {name: [] for name in ("pin", "item", "address")}  # type: dict[str, list[str]]
    seen: dict[str, str] = {}
    for number, one in read_documents(path, tally, kinds, ("pin_id", "im_name", "im_url")):
        pin, item = str(one["pin_id"]).strip(), str(one["im_name"]).strip()
        fault = id_fault("pin_id", pin) or id_fault("im_name", item)
        if not fault and seen.setdefault(pin, item) != item:
            fault = f"pin {pin} is picture {item} here and {seen[pin]} before"
        if fault:
            tally.add(number, fault, rows=0)
            tally.bad += 1
            continue
        for name, value in zip(found, (pin, item, one["im_url"].strip()), strict=True):
            found[name].append(value)
    table = pl.DataFrame(found, schema=dict.fromkeys(found, pl.String))
    return table.unique("pin", keep="first", maintain_order=True), tally.settle(allowed)["bad_rows"]


def _chosen(events: pl.DataFrame, settings: Settings, seed: int) -> pl.DataFrame:
    """The events of the most pinned pictures, and of the users drawn among those who have one of them."""
    if settings.pictures:
        fame = events.group_by("item").agg(pl.col("user").n_unique()).sort("user", "item", descending=[True, False])
        events = events.filter(pl.col("item").is_in(fame["item"].head(settings.pictures).implode()))
    if settings.users:
        there = events["user"].unique().sort()
        drawn = np.random.default_rng(seed).permutation(len(there))[: settings.users]
        events = events.filter(pl.col("user").is_in(there.gather(np.sort(drawn)).implode()))
    return events
