"""The tables of a data set as the tensors that a model is given: training events, all events, cases, catalog."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from engine.tables import files, store
from engine.tables.arrays import case_columns, category_paths, event_columns, vectors
from engine.tables.arrays import ragged as ragged_column
from engine.tables.lacking import Lacking
from engine.tables.layout import Layout
from engine.tables.schema import Table
from engine.tables.schemas import CASES, ITEMS, REGIONS, SPLIT, TOPIC_HISTORY, TOPIC_ITEMS, VECTORS, WORDS
from engine.tables.topic_windows import profile_arrays
from engine.training import profile
from engine.training.cases import Cases
from engine.training.catalog import Catalog, Ragged
from engine.training.categories import Categories
from engine.training.empty_views import why_empty
from engine.training.interactions import Interactions
from engine.training.needs import Needs, View
from engine.training.profile import ProfileSource

ROWS = 1 << 16  # of vectors, that are looked through at a time


def views(layout: Layout) -> dict[View, Path]:
    """The table of each view."""
    features: dict[View, Path] = {"regions": layout.regions, "image": layout.image, "text": layout.text}
    return features | {"words": layout.words, "categories": layout.items, "topics": layout.topic_items}


def digest(layout: Layout, needs: Needs, *more: str) -> str:
    """A name for all that a model learns from: the tables that it reads and what else is given."""
    read = [layout.split, layout.cases, *(views(layout)[view] for view in sorted(needs.views))]
    read += [layout.topic_history, layout.topic_items] if needs.topics else []
    sha = hashlib.sha256("\0".join(more).encode())
    for path in read:
        with files.reading(path).open("rb") as file:
            sha.update(hashlib.file_digest(file, "sha256").digest())
    return sha.hexdigest()[:32]


@dataclass(frozen=True)
class Data:
    """Training events alone; the events that the cases' histories are made of; the cases; the catalog.

    part_E: the places in `events` of all that are in the asked part.
    """

    train: Interactions
    events: Interactions
    cases: Cases
    table: pl.DataFrame
    catalog: Catalog
    users: int
    part_E: Tensor


def load(layout: Layout, needs: Needs, part: str, device: str) -> Data:
    """What a model needs to be trained (part "valid": test events are not read into it) or tested (part "test").

    Raises:
        Lacking: a view or the topics that the model needs were not made; names the setting to change.
    """
    split = store.read(layout.split, SPLIT).with_row_index("event", offset=1)
    about = store.meta(layout.split)
    items, users = int(about["items"]), int(about["users"])
    topic, profiles = _topics(layout, split) if needs.topics else (None, None)
    known = split if part == "test" else split.filter(pl.col("part") != "test")
    table = store.read(layout.cases, CASES).filter(pl.col("part") == part)
    return Data(
        train=Interactions.of(event_columns(split.filter(pl.col("part") == "train")), items, topic, device),
        events=replace(Interactions.of(event_columns(known), items, topic, device), profiles=profiles),
        cases=Cases.of(case_columns(table), device),
        table=table,
        catalog=_catalog(views(layout), items, needs.views, 0 if topic is None else topic.shape[1], device),
        users=users,
        part_E=torch.from_numpy((known["part"] == part).arg_true().to_numpy().astype(np.int64)).to(device),
    )


def read_catalog(layout: Layout, needs: Needs, items: int, device: str) -> Catalog:
    """The items alone, as `load` gives them."""
    topics = store.read(layout.topic_items, TOPIC_ITEMS).schema["share"].size if needs.topics else 0  # type: ignore[attr-defined]
    return _catalog(views(layout), items, needs.views, topics, device)


def missing_cases(layout: Layout) -> str:
    """Why there are no validation cases, for those who miss them."""
    why = store.meta(layout.split).get("no_valid_cases", "the protocol leaves none to rank")
    return f"{layout.cases}: {why}"


def _topics(layout: Layout, split: pl.DataFrame) -> tuple[np.ndarray, ProfileSource]:
    """The profile right after each event, by event number; row 0 is padding. And what they were made of."""
    items = store.read(layout.topic_items, TOPIC_ITEMS)
    if items.height == 0:
        why = store.meta(layout.topic_items).get("why", "set contents.<content>.topics.method to make them")
        raise Lacking(f"the model needs topics and {layout.topic_items} is empty; {why}")
    about = store.meta(layout.topic_history)
    made_of = profile_arrays(split, store.read(layout.topic_history, TOPIC_HISTORY), items, about["window"])
    after = profile.profiles(*made_of, about["decay"])
    both = np.concatenate([np.zeros((1, after.shape[1]), after.dtype), after])
    return both, ProfileSource(*made_of, about["decay"])


def _catalog(
    paths: dict[View, Path], items: int, views: frozenset[View], topics: int = 0, device: str = "cpu"
) -> Catalog:
    """Read the asked views.

    Raises:
        Lacking: the table of a view is empty because its stage was skipped; names the setting to change.
    """
    pooled: dict[str, Tensor] = {}
    ragged: dict[str, Ragged] = {}
    for view in sorted(views - {"categories"}):
        table = {"words": WORDS, "regions": REGIONS, "topics": TOPIC_ITEMS}.get(view, VECTORS)
        column = {"words": "word", "regions": "region", "topics": "share"}.get(view, "vector")
        frame = _view(paths[view], table, column, items)
        if frame.height == 0:
            raise Lacking(f"no view {view!r} in {paths[view]}: {why_empty(view, store.meta(paths[view]))}")
        if table in (VECTORS, TOPIC_ITEMS):
            value = vectors(frame[column])
            _finite(value, np.arange(frame.height + 1), frame["item"], view, paths[view])
            full = np.zeros((items + 1, value.shape[1]), dtype=value.dtype)
            full[frame["item"].to_numpy()] = value
            pooled[view] = torch.from_numpy(full).float().to(device)
        else:
            value, offset = ragged_column(frame[column])
            _finite(value, offset, frame["item"], view, paths[view])
            lengths = np.zeros(items + 1, dtype=np.int64)
            lengths[frame["item"].to_numpy()] = np.diff(offset)
            whole = np.concatenate([[0], np.cumsum(lengths)])
            ragged[view] = Ragged(torch.from_numpy(np.array(value)).to(device), torch.from_numpy(whole).to(device))
    tree = _categories(paths["categories"], items, device) if "categories" in views else None
    return Catalog(items, pooled, ragged, topics, tree)


def _finite(value_XD: np.ndarray, offset: np.ndarray, item: pl.Series, view: View, path: Path) -> None:
    """Every number must be one; rows offset[i] to offset[i + 1] are of item i.

    Raises:
        ValueError: names the table, the view and the item.
    """
    for first in range(0, len(value_XD), ROWS):
        whole_R = np.isfinite(value_XD[first : first + ROWS]).all(1)
        if not whole_R.all():
            place = first + int(whole_R.argmin())
            code = item[int(np.searchsorted(offset, place, "right")) - 1]
            raise ValueError(f"{path}: the {view} of item {code} has a number that is not finite: make the table anew")


def _view(path: Path, table: Table, column: str, items: int) -> pl.DataFrame:
    frame = store.read(path, table, ["item", column])
    highest = int(frame["item"].max() or 0)  # type: ignore[arg-type]
    if highest > items:
        raise ValueError(f"{path}: item {highest} is beyond the {items} items of the events: run `dvc repro` again")
    return frame


def _categories(path: Path, items: int, device: str) -> Categories:
    found = Categories.of(*category_paths(store.read(path, ITEMS, ["item", "categories"])), items, device)
    if not found.names:
        raise Lacking(f"no view 'categories' in {path}: this data came without; set the model's features to none")
    return found


def topic_profiles(
    events: pl.DataFrame,
    history: pl.DataFrame,
    items: pl.DataFrame,
    decay: float,
    window: str,
    dtype: DTypeLike = np.float32,
    compiled: bool = True,
) -> NDArray[np.floating]:
    """The topic profile right after each event [E, T], rows in the order of `events` (by user, then position).

    Events without times: each event is a window of its own.

    Args:
        events: user, item, time of a split table. history, items: topic tables; an item without a row counts nothing.

    Raises:
        ValueError: no topics, tables of different widths, a time that goes back within a user, times only in part.
    """
    events_4E, past_HT, share_NT = profile_arrays(events, history, items, window)
    return profile.profiles(events_4E, past_HT, share_NT, decay, dtype, compiled)
