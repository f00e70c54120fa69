"""What the lists are like that people would be shown, whether or not they hit (docs/protocols.md has the formulas)."""

import numpy as np
import polars as pl
import torch

from engine.evaluation.top import top
from engine.measures import lists
from engine.tables import store
from engine.tables.arrays import category_paths, vectors
from engine.tables.layout import Layout
from engine.tables.schemas import ITEMS, VECTORS
from engine.training.cases import Seen
from engine.training.contract import Recommender
from engine.training.interactions import Interactions
from engine.training.source import Data

LONG = 10  # items a list


def readings(model: Recommender, data: Data, seen: Seen, layout: Layout) -> dict[str, float]:
    """Means over one list a person, as of their last test case; nothing where there are no cases, nor of a measure
    that no list has.
    """
    last = data.table.group_by("user", maintain_order=True).agg(pl.col("position").max())
    if not last.height:
        return {}
    device = data.train.item_E.device
    user_C, position_C = (torch.from_numpy(last[name].to_numpy().astype(np.int64)) for name in ("user", "position"))
    found, _ = top(model, user_C.to(device), position_C.to(device), data.events, LONG, seen)
    item_CK, items = found.cpu().numpy(), data.train.items
    people_N, people = _people(data.train)
    kinds: dict[str, float | np.ndarray] = {
        "coverage": lists.coverage(item_CK, items),
        "gini": lists.gini(item_CK, items),
        "novelty": lists.novelty(item_CK, people_N, people),
        "popularity": lists.popularity(item_CK, people_N),
        "cold": lists.cold(item_CK, people_N),
        **_diversity(item_CK, items, layout),
    }
    known = {
        name: value[~np.isnan(value)] for name, value in zip(kinds, map(np.atleast_1d, kinds.values()), strict=True)
    }
    return {f"{name}@{LONG}": float(value.mean()) for name, value in known.items() if len(value)}


def _people(train: Interactions) -> tuple[np.ndarray, int]:
    """How many people had each item in training, [N + 1], and how many there are."""
    pair = torch.unique(train.user_E * (train.items + 1) + train.item_E).cpu().numpy()
    return np.bincount(pair % (train.items + 1), minlength=train.items + 1), len(np.unique(pair // (train.items + 1)))


def _diversity(item_CK: np.ndarray, items: int, layout: Layout) -> dict[str, np.ndarray]:
    """By each table that the data have: categories, pictures, texts."""
    found = {}
    item, paths = category_paths(store.read(layout.items, ITEMS, ["item", "categories"]))
    names = {name: place for place, name in enumerate(sorted({step for path in paths for step in path}))}
    if names:
        member_NG = np.zeros((items + 1, len(names)), dtype=bool)
        for one, path in zip(item, paths, strict=True):
            member_NG[one, [names[step] for step in path]] = True
        found["diversity_categories"] = lists.category_diversity(item_CK, member_NG)
    for view, table in (("image", layout.image), ("text", layout.text)):
        frame = store.read(table, VECTORS, ["item", "vector"]) if table.exists() else pl.DataFrame()
        if frame.height:
            value = vectors(frame["vector"])
            vector_ND = np.zeros((items + 1, value.shape[1]), dtype=np.float32)
            vector_ND[frame["item"].to_numpy()] = value
            found[f"diversity_{view}"] = lists.feature_diversity(item_CK, vector_ND)
    return found
