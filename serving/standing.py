"""Where items stand after some histories: all scores, without what is left out."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.evaluation.scores import blocks, finite
from engine.training.batch import Batch
from engine.training.contract import Factored, Recommender


@dataclass(frozen=True)
class Standing:
    """Of one item after each history [B]: its rank from 1 (of equals the lower code comes first), its score, and how
    far it lies above what stands last among the first `top` others, or below.
    """

    rank_B: Tensor
    score_B: Tensor
    margin_B: Tensor


@torch.no_grad()
def standing(
    model: Recommender, batch: Batch, known: tuple[Tensor, Tensor], item: int, items: int, top: int
) -> Standing:
    """`known`: pairs (row, item) that are left out; the asked item itself is not."""
    score_BN = all_scores(model, batch, items)
    own_B = score_BN[:, item].clone()
    score_BN[known] = -torch.inf
    score_BN[:, item] = -torch.inf
    above_B = (score_BN[:, 1:] > own_B[:, None]).sum(1) + (score_BN[:, 1:item] == own_B[:, None]).sum(1)
    last_B = score_BN[:, 1:].topk(min(top, items - 1), dim=1).values[:, -1] if items > 1 else own_B
    return Standing(1 + above_B, own_B, own_B - last_B)


@torch.no_grad()
def all_scores(model: Recommender, batch: Batch, items: int) -> Tensor:
    """score_BN, column 0 (padding) -inf.

    Raises:
        FloatingPointError: a score is not a number.
    """
    factors = (model.query(batch), model.keys()) if isinstance(model, Factored) else None
    parts = [score_BN.clone() for score_BN in _finite(blocks(model, batch, items, factors))]
    return torch.cat([parts[0].new_full((len(batch.user_B), 1), -torch.inf), *parts], 1)


def _finite(parts: Iterator[tuple[int, Tensor]]) -> Iterator[Tensor]:
    for _, score_BN in parts:
        finite(score_BN)
        yield score_BN
