"""Weights as rows of a table."""

import torch

from engine.training.batch import Batch
from engine.training.contract import Weights
from stages.explain.reasons import _reason_rows


def test_pairs_of_items_without_words_are_no_rows() -> None:
    item_B = torch.tensor([3, 4])
    batch = Batch(
        user_B=torch.tensor([1, 2]),
        item_BL=torch.tensor([[1], [2]]),
        length_B=torch.tensor([1, 1]),
        event_BL=torch.tensor([[1], [2]]),
    )
    for words, rows in ((0, 0), (1, 6)):
        valid = torch.ones(2, words, 3, dtype=torch.bool)
        pairs = Weights(torch.ones(2, words, 3), "word_region", "share", False, valid, item_B)
        table = _reason_rows(pairs, batch, torch.zeros(2, 1, dtype=torch.int64), item_B, torch.ones(2), 1)
        assert table.height == rows
