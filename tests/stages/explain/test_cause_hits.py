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
from tests.engine.evaluation.test_history_erasure import ITEMS, LENGTH, cases, events
from tests.engine.evaluation.test_item_erasure import USERS, Telling, table
from tests.engine.evaluation.test_parts_of_acts import TOPICS, Followed, Follower, Scorer, Seer

NO_TOPICS = pl.DataFrame(schema=dict(schemas.TOPIC_WORDS.columns))


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
    causes = KnownCauses.of(truth, pl.DataFrame(words), pl.DataFrame({"item": [], "box": []}), NO_TOPICS)
    catalog = Catalog(ITEMS, ragged={"words": parts})
    data = Data(events(), events(), asked, pl.DataFrame(), catalog, USERS, torch.arange(1))
    return cause_hits(model, data, asked, causes, {"gradient": {"history", "word"}})


def test_leaving_a_word_out_finds_the_true_one_where_own_weights_lie() -> None:
    found = hits_of(Telling(table(), -1.0)).table()["next_word"]
    assert (found["leave_one_out"][0], found["own_signed"][0]) == (1, 0)
    assert found["leave_one_out"][2] == found["own_signed"][2] == found["chance"][2] > 20
    assert found["chance"][0] == pytest.approx(0.25, abs=0.1)


def known_hits(model: Scorer, column: str) -> Hits:
    """The true topic of each next act is the one that gives it most; each act was for the view that gives least."""
    asked = replace(cases(), target_C=torch.arange(USERS) % (ITEMS - 2) + 2)
    every = Followed(**vars(events()))
    batch = every.before(asked.user_C, asked.position_C, model.needs)
    own = type(model)().explain(batch, asked.target_C)[0].value
    rows = []
    for row, (user, position) in enumerate(zip(asked.user_C.tolist(), asked.position_C.tolist(), strict=True)):
        acts = batch.item_BL[row].tolist()
        theme = f"theme{int(own[row].argmax())}" if column == "topic" else None
        rows.append((user, position, int(asked.target_C[row]), "lasting", acts, theme, None, None, None))
        for act, item in enumerate(acts if column == "view" else ()):
            seen = bool(own[row, act].argmin() == 0)
            place = position - len(acts) + act
            rows.append(
                (user, place, item, "x", [], None, None if seen else ["a"], None, [0, 0, 1, 1] if seen else None)
            )
    columns = dict(schemas.TRUTH.columns) | {"box": pl.Array(pl.Float32, 4)}
    themes = [(0, 0, 0, "x", [], f"theme{topic}", [f"word{topic}"], None, None) for topic in range(TOPICS)]
    truth = pl.DataFrame([*rows, *themes], schema=columns, orient="row")
    words = [f"word{topic}" for topic in range(TOPICS)]
    fitted = pl.DataFrame({"topic": range(1, TOPICS + 1), "word": words, "weight": [1.0] * TOPICS})
    nothing = (pl.DataFrame({"item": [], "token": []}), pl.DataFrame({"item": [], "box": []}))
    catalog = Catalog(ITEMS, {view: torch.ones(ITEMS + 1, 1) for view in ("image", "text")}, topics=TOPICS)
    data = Data(every, every, asked, pl.DataFrame(), catalog, USERS, torch.arange(1))
    return cause_hits(model, data, asked, KnownCauses.of(truth, *nothing, fitted), {"gradient": {"topic", "view"}})


def test_the_heaviest_topic_of_a_reading_is_held_against_the_theme_that_led_to_the_act() -> None:
    honest, liar = (known_hits(Follower(sign), "topic").table()["topic"] for sign in (1.0, -1.0))
    assert (honest["own_signed"][0], liar["own_signed"][0]) == (1, 0)
    assert honest["gradient"][0] > 0.5, "of the log-probability, in which other items count too"
    assert honest["chance"][0] == pytest.approx(1 / TOPICS)
    assert honest["own_signed"][2] == USERS


def test_of_each_act_the_view_is_asked_for_which_it_was() -> None:
    honest, contrary = (known_hits(Seer(sign), "view").table()["view"] for sign in (1.0, -1.0))
    assert (honest["own_signed"][0], contrary["own_signed"][0]) == (0, 1)
    assert honest["chance"] == (0.5, 0.0, USERS * LENGTH)
    assert honest["gradient"][0] < 0.5
