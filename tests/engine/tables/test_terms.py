"""What words are worth naming."""

import polars as pl

from engine.tables.terms import terms


def words(*texts: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"item": range(1, len(texts) + 1), "token": texts}, schema={"item": pl.UInt32, "token": pl.List(pl.String)}
    )


def test_what_stands_everywhere_is_short_or_no_word_is_not_named() -> None:
    rest = [["the", "filler"] for _ in range(17)]
    named, term_X = terms(words(["The", "Pupil", "ox", "1984", "pupil"], [], ["the", "試験", "don't", "--"], *rest))
    assert named == ["", "don't", "pupil", "試験"]
    number = [named.index(word) if word in named else 0 for word in ("the", "pupil", "ox", "1984", "pupil")]
    assert term_X.tolist() == [*number, 0, 3, 1, 0, *[0, 0] * 17]
    assert number == [0, 2, 0, 0, 2], "upper and lower case are one word, and an item without words takes no place"


def test_a_table_without_words_has_none() -> None:
    named, term_X = terms(words([], []))
    assert named == [""]
    assert term_X.tolist() == []
