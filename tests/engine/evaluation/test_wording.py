"""Sentences take titles, words, topics, categories and regions from what was found."""

from dataclasses import replace

import numpy as np
import polars as pl
import torch

from engine.evaluation.cause import Causes, nothing
from engine.evaluation.item_cause import ItemCauses
from engine.evaluation.own_part import PartCauses
from engine.evaluation.wide_cause import WideCauses
from engine.evaluation.wording import Wording
from engine.tables.domain_words import DomainWords
from engine.tables.names import Names
from engine.tables.naming import Boxes

FILMS = DomainWords(item="film", items="films", picture="poster", text="plot", act="watched")


def test_sentences_take_titles_and_words_by_number() -> None:
    wording = Wording(Names(["", "Heat", "The Exam"], ["", "exam", "pupil"]), FILMS)
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
    titles, numbers = ["", "Heat", "The Exam"], np.array([0, 0, 1])
    wording = Wording(Names(titles, [""], None, ["", "noir"], numbers, {3: "pupil, exam"}, boxes), FILMS)
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


def test_of_an_item_itself_its_words_or_a_region_of_its_picture_are_said() -> None:
    boxes = Boxes(pl.DataFrame({"item": [1], "box": [[[0.0, 0.0, 1.0, 1.0], [0.7, 0.0, 1.0, 0.2]]]}))
    wording = Wording(Names(["", "Heat"], ["", "exam", "pupil"], None, [""], None, {}, boxes), FILMS)
    item_B = torch.ones(5, dtype=torch.long)
    term_BW = torch.tensor([[2, 1], [1, 0], [0, 0], [0, 0], [0, 0]])
    found = replace(nothing(item_B), item=ItemCauses(term_BW, torch.tensor([-1, -1, 1, 0, -1])))
    assert wording.sentences(found, torch.zeros(5, 0, dtype=torch.long), item_B) == [
        "for its words “pupil” and “exam”",
        "for its word “exam”",
        "for the upper right of its poster",
        "for its poster",
        None,
    ]


def test_of_an_item_itself_a_whole_part_is_said_in_the_data_sets_own_words() -> None:
    wording = Wording(Names(["", "Heat"], topics={2: "pupil, exam"}), FILMS)

    def said(over: str, read: bool = True) -> list[str | None]:
        item_B = torch.ones(3, dtype=torch.long)
        part = PartCauses(over, torch.tensor([0, 1 if over != "topic" else 2, 2]), read, ("noir", "war"))
        item = ItemCauses(torch.zeros(3, 2, dtype=torch.long), torch.full((3,), -1), part)
        return wording.sentences(replace(nothing(item_B), item=item), torch.zeros(3, 0, dtype=torch.long), item_B)

    assert said("view") == [None, "for its poster", "for its plot"]
    assert said("view", read=False)[1:] == ["for what was learnt of its poster", "for what was learnt of its plot"]
    assert said("topic") == [None, *["because it is about “pupil, exam”"] * 2]
    kinds = ["because it is one of the films of “noir”", "because it is one of the films of “war”"]
    assert said("category") == [None, *kinds]
    assert said("item_history") == [None, *["because many have watched it"] * 2]
