"""Words of the next item, of a model that reads no history, held against known causes."""

from dataclasses import replace

import polars as pl
import pytest
import torch

from engine.tables import schemas
from engine.training.catalog import Catalog
from engine.training.source import Data
from stages.explain.cause_hits import cause_hits
from stages.explain.hits import Hits
from stages.explain.known_causes import KnownCauses
from tests.engine.evaluation.test_history_erasure import ITEMS, cases, events
from tests.engine.evaluation.test_item_erasure import USERS, Telling, table


def hits_of(model: Telling) -> Hits:
    """The true cause of each act is the word that brings its item most, over the mean word."""
    asked = replace(cases(), target_C=torch.arange(USERS) % (ITEMS - 2) + 2)
    parts = model.parts
    told = Telling(parts).explain(events().before(asked.user_C, asked.position_C, model.needs), asked.target_C)[0]
    best_B = told.value.masked_fill(~told.valid, -torch.inf).argmax(1).tolist()
    truth = pl.DataFrame(
        {
            "user": asked.user_C.tolist(),
            "position": asked.position_C.tolist(),
            "item": asked.target_C.tolist(),
            "cause": ["lasting"] * USERS,
            "earlier": [[]] * USERS,
            "topic": ["sea"] * USERS,
            "words": [[f"word{best}"] for best in best_B],
            "object": [None] * USERS,
            "box": [None] * USERS,
        },
        schema=dict(schemas.TRUTH.columns),
    )
    lengths = parts.offset_N.diff().tolist()
    words = {"item": range(ITEMS + 1), "token": [[f"word{place}" for place in range(length)] for length in lengths]}
    causes = KnownCauses.of(truth, pl.DataFrame(words), pl.DataFrame({"item": [], "box": []}))
    catalog = Catalog(ITEMS, ragged={"words": parts})
    data = Data(events(), events(), asked, pl.DataFrame(), catalog, USERS, torch.arange(1))
    return cause_hits(model, data, asked, causes, {"gradient": {"history", "word"}})


def test_leaving_a_word_out_finds_the_true_one_where_own_weights_lie() -> None:
    found = hits_of(Telling(table(), -1.0)).table()["next_word"]
    assert (found["leave_one_out"][0], found["own_signed"][0]) == (1, 0)
    assert found["leave_one_out"][2] == found["own_signed"][2] == found["chance"][2] > 20
    assert found["chance"][0] == pytest.approx(0.25, abs=0.1)
