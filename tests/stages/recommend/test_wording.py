"""What words are worth naming, and whose they are."""

import polars as pl
import torch

from engine.evaluation.cause import Causes
from stages.recommend.wording import Wording, terms


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


def test_sentences_take_titles_and_words_by_number() -> None:
    wording = Wording(["", "Heat", "The Exam"], ["", "exam", "pupil"], None, "poster")
    yes, no = torch.tensor([True, False, False]), torch.tensor([False, False, False])
    found = Causes(
        place_B=torch.tensor([0, 1, -1]),
        term_BW=torch.tensor([[0, 0], [2, 1], [1, 0]]),
        acts_BW=torch.tensor([[0, 0], [1, 4], [1, 0]]),
        picture_B=yes,
        text_B=no,
    )
    assert wording.sentences(found, torch.tensor([[1, 2], [1, 2], [1, 2]])) == [
        "because of Heat, for its poster",
        "because of The Exam, for its words “pupil” and “exam”",
        None,
    ]
