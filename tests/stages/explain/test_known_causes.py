"""Whether what weighs most is a true cause, on cases done by hand; pictures in the page."""

import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from engine.evaluation.readings import LEADING
from engine.features.pictures.pictures import FORMATS
from engine.tables import schemas
from stages.explain.hits import Hits
from stages.explain.known_causes import KnownCauses, covered, fitted_topics
from stages.explain.posters import poster


def causes() -> KnownCauses:
    truth = pl.DataFrame(
        {
            "user": [1, 1, 1],
            "position": [0, 1, 2],
            "item": [5, 6, 7],
            "cause": ["lasting", "visual", "accident"],
            "earlier": [[], [5], None],
            "topic": ["sea", None, None],
            "words": [["Storm"], None, None],
            "object": [None, "anchor", None],
            "box": [None, [0.0, 0.0, 0.5, 0.6], None],
        },
        schema=dict(schemas.TRUTH.columns) | {"box": pl.Array(pl.Float32, 4)},
    )
    words = pl.DataFrame({"item": [5, 6], "token": [["a", "STORM", "sea"], ["storm"]], "span": [None, None]})
    boxes = [[[0.0, 0.0, 0.5, 0.5], [0.5, 0.0, 1.0, 0.5], [0.0, 0.5, 0.5, 1.0]]]
    topics = pl.DataFrame(
        {"topic": [1, 1, 2, 2, 3], "rank": [1, 2, 1, 2, 1], "word": ["storm", "rome", "storm", "wave", "rome"]},
        schema_overrides=dict(schemas.TOPIC_WORDS.columns),
    ).with_columns(weight=pl.Series([0.1, 0.8, 0.2, 0.3, 0.9]))
    return KnownCauses.of(truth, words, pl.DataFrame({"item": [6], "box": boxes}), topics)


def test_true_words_are_those_of_this_person_and_item_whatever_their_case() -> None:
    assert causes().true_words(1, 0, 5).tolist() == [False, True, False]
    assert causes().true_words(2, 0, 5).tolist() == [False] * 3
    assert causes().true_words(1, 1, 6).tolist() == [False]
    assert causes().true_words(1, 0, 99).tolist() == []


def test_true_regions_are_covered_by_half_at_least() -> None:
    # the box reaches a tenth of the way into the third region, by a fifth of its height
    assert causes().true_regions(1, 1, 6).tolist() == [True, False, False]
    assert causes().true_regions(1, 0, 5).tolist() == []
    boxes = np.array([[0.0, 0.0, 0.5, 0.5], [0.25, 0.0, 0.75, 0.5], [0.0, 0.4, 0.5, 0.8]])
    assert covered(boxes, np.array([0.0, 0.0, 0.5, 0.6])).tolist() == pytest.approx([1.0, 0.5, 0.5])


def test_a_theme_is_the_fitted_topic_in_which_its_words_weigh_most() -> None:
    assert causes().topics == {"sea": 1}
    assert causes().true_topic(1, 0, 3).tolist() == [False, True, False]
    assert causes().true_topic(1, 1, 3).tolist() == causes().true_topic(3, 1, 3).tolist() == [False] * 3
    none = pl.DataFrame(schema=dict(schemas.TOPIC_WORDS.columns))
    truth = pl.DataFrame(schema=dict(schemas.TRUTH.columns))
    assert fitted_topics(truth, none) == {}


def test_an_act_is_for_the_picture_or_for_the_text() -> None:
    assert causes().true_views(1, 0, 5).tolist() == [False, True]
    assert causes().true_views(1, 1, 6).tolist() == [True, False]
    assert causes().true_views(1, 2, 7).tolist() == [False, False], "by accident"


def test_what_led_to_an_act_is_empty_where_nothing_did() -> None:
    assert causes().earlier(1, 1) == [5]
    assert causes().earlier(1, 2) == causes().earlier(3, 1) == []


@pytest.mark.parametrize("kind", ["PNG", "GIF", "JPEG"])
def test_a_picture_is_drawn_anew_small_and_as_webp(kind: str) -> None:
    assert kind in FORMATS
    buffer = io.BytesIO()
    Image.new("RGB", (600, 900), "red").save(buffer, kind)
    found = poster(buffer.getvalue(), 100)
    assert (found.width, found.height) == (100, 150)
    assert found.uri.startswith("data:image/webp;base64,")
    assert len(found.uri) < 4000


def test_a_very_tall_picture_is_bounded_and_a_broken_one_says_why() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (50, 5000), "red").save(buffer, "PNG")
    assert poster(buffer.getvalue(), 100).height == 200
    broken = poster(buffer.getvalue()[:60], 100)
    assert broken.uri == ""
    assert broken.missing.startswith("picture not readable: ")


def test_each_reading_is_held_against_what_knows_nothing_and_the_leading_one_against_all() -> None:
    hits = Hits()
    true_P, valid_P = np.array([True, False, False]), np.ones(3, dtype=bool)
    good, bad = np.array([3.0, 2, 1]), np.array([1.0, 2, 3])
    for user in range(20):
        values = {"own_share": bad, "gradient": bad if user % 2 else good, LEADING: good, "newest": bad}
        hits.note("history", user, values, (true_P, valid_P))
    p = hits.tests("history", 1)
    assert {one for one, _ in p} == {"own_share", "gradient", LEADING}
    assert {other for one, other in p if one == "gradient"} == {"chance", "newest", "own_share"}
    assert {other for one, other in p if one == LEADING} == {"chance", "newest", "own_share", "gradient"}
    assert p[LEADING, "gradient"] < 0.05
    assert p["own_share", "newest"] == 1
