"""What the tables call categories and topics."""

import polars as pl

from engine.tables.naming import categories_of, topics_of


def test_a_category_is_the_end_of_the_first_path_and_one_of_most_items_is_not_named() -> None:
    paths = [[["film", "noir"], ["film", "war"]], [["film", "war"]], [], [["all"]], [["all"]], [["all"]], [["all"]]]
    names, number_N = categories_of(
        pl.DataFrame({"categories": paths}, schema={"categories": pl.List(pl.List(pl.String))})
    )
    assert names == ["", "noir", "war"]
    assert number_N.tolist() == [0, 1, 2, 0, 0, 0, 0, 0]


def test_a_topic_is_called_by_its_first_words() -> None:
    rows = {"topic": [2, 1, 1, 1, 1], "rank": [1, 2, 1, 3, 4], "word": ["sea", "exam", "pupil", "school", "desk"]}
    assert topics_of(pl.DataFrame(rows)) == {1: "pupil, exam, school", 2: "sea"}
