"""Sentences take titles and words from what was found."""

import torch

from engine.evaluation.cause import Causes
from engine.evaluation.wording import Wording


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
