"""Model and cases to ranks: counted, never sorted, in blocks that stay in the processor's cache."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.evaluation import counting
from engine.training.batch import Batch, Interactions
from engine.training.cases import Cases, Seen
from engine.training.contract import CatalogScorer, Factored, Recommender

CASES, ITEMS = 1024, 2048  # a block of scores: 8 MiB
ROUNDING = 4 * torch.finfo(torch.float32).eps  # of a product of vectors, whose order of summing differs


@dataclass(frozen=True)
class Counts:
    """For each case: rivals that score more than the target, as much, and all rivals (int64 arrays)."""

    greater: np.ndarray
    ties: np.ndarray
    others: np.ndarray


@torch.no_grad()
def rank(model: Recommender, cases: Cases, events: Interactions, seen: Seen = "excluded", rows: int = CASES) -> Counts:
    """Rank every case's target among its candidates, or all items.

    Raises:
        FloatingPointError: a score is not a number.
    """
    model.eval()
    keys = model.keys() if isinstance(model, Factored) and cases.candidate_CK is None else None
    found = []
    for first in range(0, len(cases), rows):
        part = slice(first, first + rows)
        batch = events.before(cases.user_C[part], cases.position_C[part], model.needs)
        target_B = cases.target_C[part]
        if cases.candidate_CK is not None:
            counts = _among(model, batch, target_B, cases.candidate_CK[part])
        else:
            left_out = _left_out(events, cases.user_C[part], cases.position_C[part], target_B, seen)
            counts = _all(model, batch, target_B, left_out, events.items, keys)
        found.append(torch.stack(counts).cpu())
    greater, ties, others = torch.cat(found, dim=1).numpy() if found else np.zeros((3, 0), dtype=np.int64)
    return Counts(greater, ties, others)


def _among(model: Recommender, batch: Batch, target_B: Tensor, item_BK: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    score_BK = model.score(batch, torch.cat([target_B[:, None], item_BK], dim=1)).float()
    _finite(score_BK)
    rival_BK = (item_BK > 0) & (item_BK != target_B[:, None])
    own_B1, other_BK = score_BK[:, :1], score_BK[:, 1:]
    return ((other_BK > own_B1) & rival_BK).sum(1), ((other_BK == own_B1) & rival_BK).sum(1), rival_BK.sum(1)


def _left_out(
    events: Interactions, user_B: Tensor, position_B: Tensor, target_B: Tensor, seen: Seen
) -> tuple[Tensor, Tensor]:
    """Pairs (row, item), each once, that are no rivals of a target: itself, and what was seen before it."""
    row_B = torch.arange(len(user_B), device=user_B.device)
    row, item = row_B, target_B
    if seen == "excluded":
        row_E = torch.repeat_interleave(row_B, position_B)
        step_E = torch.arange(len(row_E), device=row_E.device) - (position_B.cumsum(0) - position_B)[row_E]
        row = torch.cat([row, row_E])
        item = torch.cat([item, events.item_E[events.offset_U[user_B][row_E] + step_E]])
    key = torch.unique(item * len(user_B) + row)
    return key % len(user_B), key // len(user_B)  # sorted by item, so that a block's pairs lie together


def _all(
    model: Recommender, batch: Batch, target_B: Tensor, left_out: tuple[Tensor, Tensor], items: int, keys: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    own_B, slack_B, blocks = _blocks(model, batch, target_B, items, keys)
    row, item = left_out
    greater_B = torch.zeros_like(target_B)
    ties_B = torch.zeros_like(target_B)
    _finite(own_B)
    for first, score_BN in blocks:
        low, high = torch.searchsorted(
            item, torch.tensor([first, first + score_BN.shape[1]], device=item.device)
        ).tolist()
        score_BN[row[low:high], item[low:high] - first] = -torch.inf
        above_B, same_B = counting.counts(score_BN, own_B, slack_B)
        greater_B += above_B
        ties_B += same_B
    others_B = items - torch.bincount(row, minlength=len(target_B))
    return greater_B, ties_B, others_B


def _blocks(
    model: Recommender, batch: Batch, target_B: Tensor, items: int, keys: Tensor | None
) -> tuple[Tensor, Tensor, Iterator[tuple[int, Tensor]]]:
    """Each target's score, how far rounding may move it, and (first item, score_BN) block by block over 1..items."""
    if isinstance(model, Factored) and keys is not None:
        query_BD, key_BD = model.query(batch), keys[target_B]
        own_B = (query_BD * key_BD).sum(1).float()
        slack_B = ROUNDING * query_BD.float().norm(dim=1) * key_BD.float().norm(dim=1)
        return own_B, slack_B, _products(query_BD, keys)
    if isinstance(model, CatalogScorer):
        score_BN = model.score_all(batch).float()
        own_B = score_BN.gather(1, target_B[:, None])[:, 0]
        return own_B, torch.zeros_like(own_B), iter([(1, score_BN[:, 1:].clone())])
    own_B = model.score(batch, target_B[:, None]).float()[:, 0]
    item_BN = torch.arange(items + 1, device=target_B.device).expand(len(target_B), -1)
    return (
        own_B,
        torch.zeros_like(own_B),
        (
            (first, model.score(batch, item_BN[:, first : first + ITEMS]).float())
            for first in range(1, items + 1, ITEMS)
        ),
    )


def _products(query_BD: Tensor, key_ND: Tensor) -> Iterator[tuple[int, Tensor]]:
    """(first item, score_BN) block by block, each written over the one before."""
    held = query_BD.new_empty(len(query_BD) * ITEMS)
    for first in range(1, len(key_ND), ITEMS):
        part_ND = key_ND[first : first + ITEMS]
        score_BN = held[: len(query_BD) * len(part_ND)].view(len(query_BD), len(part_ND))
        yield first, torch.mm(query_BD, part_ND.T, out=score_BN).float()


def _finite(score: Tensor) -> None:
    if not bool(torch.isfinite(score).all()):
        raise FloatingPointError(
            "a score is not a finite number: the model's weights have diverged; train with a lower lr"
        )
