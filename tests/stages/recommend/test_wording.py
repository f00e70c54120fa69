"""What words are worth naming, and whose they are."""

import polars as pl
import torch

from engine.evaluation.cause import Causes
from engine.evaluation.wide_cause import WideCauses
from engine.tables.domain_words import DomainWords
from stages.recommend.wording import Boxes, Wording, categories_of, terms, topics_of

FILMS = DomainWords(item="film", items="films", picture="poster", text="plot", act="watched")


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
    wording = Wording(["", "Heat", "The Exam"], ["", "exam", "pupil"], None, FILMS)
    yes, no = torch.tensor([True, False, False]), torch.tensor([False, False, False])
    found = Causes(
        place_B=torch.tensor([0, 1, -1]),
        term_BW=torch.tensor([[0, 0], [2, 1], [1, 0]]),
        acts_BW=torch.tensor([[0, 0], [1, 4], [1, 0]]),
        picture_B=yes,
        text_B=no,
        region_B=torch.tensor([-1, -1, -1]),
        wide=WideCauses.none(torch.tensor([1, 1, 1])),
    )
    assert wording.sentences(found, torch.tensor([[1, 2], [1, 2], [1, 2]]), torch.tensor([1, 1, 1])) == [
        "because of Heat, for its poster",
        "because of The Exam, for its words “pupil” and “exam”",
        None,
    ]


def test_what_is_wider_is_said_in_the_place_of_the_act_and_a_region_by_its_box() -> None:
    boxes = Boxes(pl.DataFrame({"item": [2, 1], "box": [[[0.0] * 4], [[0.0, 0.0, 1, 1], [0.7, 0.0, 1.0, 0.2]]]}))
    wording = Wording(
        ["", "Heat", "The Exam"], [""], None, FILMS, ["", "noir"], torch.tensor([0, 0, 1]), {3: "pupil, exam"}, boxes
    )
    none_B, none_BW = torch.zeros(4, dtype=torch.bool), torch.zeros(4, 2, dtype=torch.long)
    found = Causes(
        place_B=torch.zeros(4, dtype=torch.long),
        term_BW=none_BW,
        acts_BW=none_BW,
        picture_B=~none_B,
        text_B=none_B,
        region_B=torch.ones(4, dtype=torch.long),
        wide=WideCauses(
            torch.tensor([3, 0, 0, 0]), torch.tensor([0, 5, 0, 0]), torch.tensor([False, False, True, False])
        ),
    )
    assert wording.sentences(found, torch.ones(4, 1, dtype=torch.long), torch.full((4,), 2)) == [
        "because you keep coming back to “pupil, exam”",
        "because of 5 films of “noir” that you watched",
        "because of others who watched this film",
        "because of Heat, for the upper right of its poster",
    ]
    assert (wording.nameable.topics, wording.nameable.regions) == (True, True)


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
