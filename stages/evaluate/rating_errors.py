"""The errors of predicted ratings, one an event, and their means: of all, and of warm and cold events."""

from typing import Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor

from engine.evaluation.rate import Errors, rates
from engine.measures.rating import rmse
from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import ERRORS
from engine.training.contract import Rater, Recommender
from engine.training.source import Data

Cold = Literal["kept", "dropped"]
FEW = 3  # training events; a person or an item with fewer is cold


def readings(model: Recommender, data: Data, cold: Cold, layout: Layout) -> dict[str, float]:
    """RMSE and MAE of what counts, RMSE of warm and of cold events beside each other; nothing of a model that was not
    fitted to ratings. The errors that count are kept, for tests over events.

    Raises:
        ValueError: cold events are dropped and no other is there.
    """
    if not (isinstance(model, Rater) and rates(model)):
        store.write(pl.DataFrame(schema=dict(ERRORS.columns)), layout.errors, ERRORS)
        return {}
    table = _table(model, data)
    parts = {"warm": table.filter(~pl.col("cold")), "cold": table.filter("cold")}
    counted = table if cold == "kept" else parts["warm"]
    if not counted.height:
        raise ValueError(
            f"evaluate.cold: dropped leaves nothing of {table.height} test ratings: each is by a person or of an item "
            f"with under {FEW} training events. cold: kept would do"
        )
    store.write(counted, layout.errors, ERRORS)
    found = {"rmse": rmse(counted["squared"]), "mae": float(counted["absolute"].to_numpy().mean())}
    found |= {f"rmse_{name}": rmse(part["squared"]) for name, part in parts.items() if part.height}
    return found | {"ratings": counted.height} | {f"ratings_{name}": part.height for name, part in parts.items()}


def _table(model: Rater, data: Data) -> pl.DataFrame:
    errors = Errors.of(model, data.train, data.events, data.part_E)
    user_E, item_E = data.events.user_E[data.part_E], data.events.item_E[data.part_E]
    cold_E = _few(data.train.user_E, user_E) | _few(data.train.item_E, item_E)
    columns = {
        "user": _array(user_E),
        "position": _array(data.part_E - data.events.offset_U[user_E]),
        "item": _array(item_E),
        "squared": errors.squared_E,
        "absolute": errors.absolute_E,
        "cold": _array(cold_E),
    }
    return pl.DataFrame(columns).cast(dict(ERRORS.columns)).sort("user", "position")  # type: ignore[arg-type]


def _few(train_E: Tensor, asked_E: Tensor) -> Tensor:
    """Whether each asked code has few training events."""
    most = int(torch.cat([train_E, asked_E]).max()) + 1
    return torch.bincount(train_E, minlength=most)[asked_E] < FEW


def _array(value_E: Tensor) -> np.ndarray:
    found: np.ndarray = value_E.cpu().numpy()
    return found
