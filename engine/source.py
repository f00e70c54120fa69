"""The tables of a data set as the tensors that a model is given: training events, all events, cases, catalog."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from engine import store
from engine.batch import Interactions
from engine.catalog import Catalog
from engine.contract import Needs, View
from engine.profile import profiles
from engine.rank import Cases
from engine.tables import CASES, SPLIT, TOPIC_HISTORY, TOPIC_ITEMS


@dataclass(frozen=True)
class Source:
    """Where a data set's tables lie."""

    split: Path
    cases: Path
    regions: Path
    image: Path
    text: Path
    words: Path
    history: Path
    topics: Path
    items: Path

    @property
    def views(self) -> dict[View, Path]:
        """The feature tables by view."""
        features: dict[View, Path] = {"regions": self.regions, "image": self.image, "text": self.text}
        return features | {"words": self.words, "categories": self.items}

    def digest(self, needs: Needs, *more: str) -> str:
        """A name for all that a model learns from: the tables that it reads and what else is given."""
        read = [self.split, self.cases, *(self.views[view] for view in sorted(needs.views))]
        read += [self.history, self.topics] if needs.topics else []
        sha = hashlib.sha256("\0".join(more).encode())
        for path in read:
            with path.open("rb") as file:
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


def load(source: Source, needs: Needs, part: str, device: str) -> Data:
    """What a model needs to be trained (part "valid": test events are not read into it) or tested (part "test").

    Raises:
        KeyError: a view or the topics that the model needs were not made; names the setting to change.
    """
    split = store.read(source.split, SPLIT).with_row_index("event", offset=1)
    about = store.meta(source.split)
    items, users = int(about["items"]), int(about["users"])
    topic = _topics(source, split) if needs.topics else None
    known = split if part == "test" else split.filter(pl.col("part") != "test")
    table = store.read(source.cases, CASES).filter(pl.col("part") == part)
    views: frozenset[View] = needs.views
    return Data(
        train=Interactions.of(split.filter(pl.col("part") == "train"), items, topic, device),
        events=Interactions.of(known, items, topic, device),
        cases=Cases.of(table, device),
        table=table,
        catalog=Catalog.load(source.views, items, views, 0 if topic is None else topic.shape[1], device),
        users=users,
        part_E=torch.from_numpy((known["part"] == part).arg_true().to_numpy().astype(np.int64)).to(device),
    )


def _topics(source: Source, split: pl.DataFrame) -> np.ndarray:
    """The profile right after each event, by event number; row 0 is padding."""
    items = store.read(source.topics, TOPIC_ITEMS)
    if items.height == 0:
        raise KeyError(f"the model needs topics and {source.topics} is empty; set topics.method to make them")
    about = store.meta(source.history)
    after = profiles(split, store.read(source.history, TOPIC_HISTORY), items, about["decay"], about["window"])
    return np.concatenate([np.zeros((1, after.shape[1]), after.dtype), after])
