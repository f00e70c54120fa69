"""Model and cases to ranks: counted, never sorted, in blocks that stay in the processor's cache."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.evaluation import counting
from engine.evaluation.scores import Factors, blocks, finite, left_out, within
from engine.training.batch import Batch
from engine.training.cases import Cases, Seen, by_length
from engine.training.contract import CatalogScorer, Factored, Recommender
from engine.training.interactions import Interactions

CASES = 1024  # rows of a block of scores
ROUNDING = 4 * torch.finfo(torch.float32).eps  # of a product of vectors, whose order of summing differs


@dataclass(frozen=True)
class Counts:
    """For each case: rivals that score more than the target, as much, and all rivals (int64 arrays)."""

    greater: np.ndarray
    ties: np.ndarray
    others: np.ndarray


@torch.no_grad()
def rank(
    model: Recommender,
    cases: Cases,
    events: Interactions,
    seen: Seen = "excluded",
    rows: int = CASES,
    ranked: Callable[[int], object] = int,
) -> Counts:
    """Rank every case's target among its candidates, or all items; `ranked` is told how many more are done.

    Raises:
        FloatingPointError: a score is not a number.
    """
    model.eval()
    keys = model.keys() if isinstance(model, Factored) and cases.candidate_CK is None else None
    count_3C = torch.zeros(3, len(cases), dtype=torch.int64, device=cases.user_C.device)
    for part in by_length(cases.position_C, model.needs.length, rows):
        batch = events.before(cases.user_C[part], cases.position_C[part], model.needs)
        target_B = cases.target_C[part]
        if cases.candidate_CK is not None:
            counts = _among(model, batch, target_B, cases.candidate_CK[part])
        else:
            known = left_out(events, cases.user_C[part], cases.position_C[part], target_B, seen)
            counts = _all(model, batch, target_B, known, events.items, keys)
        count_3C[:, part] = torch.stack(counts)
        ranked(len(part))
    return Counts(*count_3C.cpu().numpy())


def _among(model: Recommender, batch: Batch, target_B: Tensor, item_BK: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    score_BK = model.score(batch, torch.cat([target_B[:, None], item_BK], dim=1)).float()
    finite(score_BK)
    rival_BK = (item_BK > 0) & (item_BK != target_B[:, None])
    own_B1, other_BK = score_BK[:, :1], score_BK[:, 1:]
    return ((other_BK > own_B1) & rival_BK).sum(1), ((other_BK == own_B1) & rival_BK).sum(1), rival_BK.sum(1)


def _all(
    model: Recommender, batch: Batch, target_B: Tensor, known: tuple[Tensor, Tensor], items: int, keys: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    factors = (model.query(batch), keys) if isinstance(model, Factored) and keys is not None else None
    own_B, slack_B, parts = _own(model, batch, target_B, factors, blocks(model, batch, items, factors))
    finite(own_B)
    greater_B, ties_B = torch.zeros_like(target_B), torch.zeros_like(target_B)
    for first, score_BN in parts:
        score_BN[within(known, first, score_BN.shape[1])] = -torch.inf
        above_B, same_B = counting.counts(score_BN, own_B, slack_B)
        greater_B += above_B
        ties_B += same_B
    return greater_B, ties_B, items - torch.bincount(known[0], minlength=len(target_B))


def _own(
    model: Recommender, batch: Batch, target_B: Tensor, factors: Factors | None, parts: Iterator[tuple[int, Tensor]]
) -> tuple[Tensor, Tensor, Iterator[tuple[int, Tensor]]]:
    """Each target's score, how far rounding may move it, and the blocks, of which it may have been read."""
    if factors is not None:
        query_BD, key_BD = factors[0], factors[1][target_B]
        slack_B = ROUNDING * query_BD.float().norm(dim=1) * key_BD.float().norm(dim=1)
        return (query_BD * key_BD).sum(1).float(), slack_B, parts
    if isinstance(model, CatalogScorer):
        whole = next(parts)
        own_B = whole[1].gather(1, target_B[:, None] - 1)[:, 0]
        return own_B, torch.zeros_like(own_B), iter([whole])
    own_B = model.score(batch, target_B[:, None]).float()[:, 0]
    return own_B, ROUNDING * own_B.abs(), parts  # alone or in a block, a pair's score differs in its last bits
