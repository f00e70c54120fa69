"""Blanking words of the history through the table that a model holds."""

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.evaluation.erasure import blanked
from engine.evaluation.part_erasure import part_erasures
from engine.training.batch import Batch
from engine.training.catalog import Ragged
from engine.training.contract import CatalogScorer, Explainer, Weights
from engine.training.needs import Needs
from tests.engine.evaluation.test_history_erasure import ITEMS, LENGTH, Sum, cases, events

WORDS = 5


def table() -> Ragged:
    generator = torch.Generator().manual_seed(4)
    lengths = torch.tensor([0, *[n % WORDS + 1 for n in range(ITEMS)]])
    offset = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    return Ragged(torch.rand(int(lengths.sum()), ITEMS + 1, generator=generator), offset)


class Reader(CatalogScorer, Explainer):
    """A score is the sum of what the history's words give to an item; each word's weight is what it gives."""

    def __init__(self, parts: Ragged, sign: float = 1.0):
        super().__init__()
        self.parts, self.sign = parts, sign

    @property
    def needs(self) -> Needs:
        return Needs(length=LENGTH, views=frozenset(["words"]))

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)

    def score_all(self, batch: Batch) -> Tensor:
        given_XPN, _ = self.parts.rows(batch.item_BL.flatten())
        return given_XPN.sum(1).view(*batch.item_BL.shape, -1).sum(1)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        given_XPN, valid_XP = self.parts.rows(batch.item_BL.flatten())
        own_XP = given_XPN.gather(
            2, item_B.repeat_interleave(batch.item_BL.shape[1])[:, None, None].expand(-1, given_XPN.shape[1], 1)
        )[..., 0]
        shape = (*batch.item_BL.shape, -1)
        return [Weights(self.sign * own_XP.view(shape), "word", "signed", True, valid_XP.view(shape), batch.item_BL)]


def probed(sign: float = 1.0, over: str = "word") -> dict[str, np.ndarray] | None:
    parts = table()
    return part_erasures(Reader(parts, sign), events(), cases(), "excluded", parts, over, 1)  # type: ignore[arg-type]


def test_places_are_blank_within_the_block_alone_even_when_it_fails() -> None:
    parts = table()
    before = parts.value_XD.clone()
    with blanked(parts, torch.tensor([3, 7, 3])):
        assert not parts.value_XD[[3, 7]].any()
        assert torch.equal(parts.value_XD[4:7], before[4:7])
    assert torch.equal(parts.value_XD, before)
    with pytest.raises(RuntimeError), blanked(parts, torch.tensor([0])):
        raise RuntimeError
    assert torch.equal(parts.value_XD, before)


def test_blanking_the_heaviest_words_costs_most_and_lies_are_found_out() -> None:
    honest, liar = probed(), probed(-1.0)
    assert honest is not None
    assert liar is not None
    assert honest["heaviest"].mean() > honest["random"].mean() > honest["lightest"].mean()
    assert liar["heaviest"].mean() < liar["random"].mean() < liar["lightest"].mean()
    assert len(honest["heaviest"]) == 40


def test_what_is_not_weighed_inside_the_history_is_not_probed() -> None:
    assert probed(over="region") is None
    assert part_erasures(Sum(), events(), cases(), "excluded", table(), "word", 1) is None


def test_the_same_seed_blanks_the_same() -> None:
    first, again = probed(), probed()
    assert first is not None
    assert again is not None
    assert first["random"].tolist() == again["random"].tolist()
