"""What a training on a data set learns from, in few words."""

import hashlib
import json
from pathlib import Path

import polars as pl

from engine.tables import store
from engine.tables.arrays import vectors
from engine.tables.layout import Layout
from engine.tables.schemas import ITEMS, SPLIT, TOPIC_ITEMS, USERS
from engine.training.needs import Needs
from engine.training.source import views
from engine.training.weights import TrainedOn


def trained_on(layout: Layout, needs: Needs, tested: bool = False) -> TrainedOn:
    """As the tables say now; with the training events where it is `tested` on the others of the same split."""
    paths, made = views(layout), sorted(needs.views - {"categories"})
    return TrainedOn(
        protocol=layout.protocol,
        views={view: store.meta(paths[view]) for view in made},
        people=_people(layout.users),
        items=_items(layout.items, ["categories"] if "categories" in needs.views else []),
        topics=_topics(layout.topic_items) if needs.topics or "topics" in needs.views else "",
        events=_events(layout.split) if tested else "",
    )


def _people(path: Path) -> str:
    raw = store.read(path, USERS, ["user", "raw"]).sort("user")["raw"]
    return hashlib.sha256("\0".join(raw).encode()).hexdigest()[:32]


def _items(path: Path, more: list[str]) -> str:
    rows = store.read(path, ITEMS, ["item", "raw", *more]).sort("item").rows()
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:32]


def _topics(path: Path) -> str:
    rows = store.read(path, TOPIC_ITEMS, ["item", "share"]).sort("item")
    both = rows["item"].to_numpy().tobytes() + vectors(rows["share"]).tobytes()
    return hashlib.sha256(both).hexdigest()[:32]


def _events(path: Path) -> str:
    train = store.read(path, SPLIT, ["user", "position", "item", "part"]).filter(pl.col("part") == "train")
    pairs = train.select("user", "item").to_numpy()
    return hashlib.sha256(pairs.tobytes()).hexdigest()[:32]
