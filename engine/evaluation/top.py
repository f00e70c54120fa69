"""The items that a model puts first, in bounded memory: a block of scores is merged into what led before."""

import torch
from torch import Tensor

from engine.evaluation.scores import blocks, finite, left_out, within
from engine.training.batch import Batch
from engine.training.cases import Seen, by_length
from engine.training.contract import Factored, Recommender
from engine.training.interactions import Interactions

ROWS = 1024  # people at a time


@torch.no_grad()
def top(
    model: Recommender, user_C: Tensor, position_C: Tensor, events: Interactions, count: int, seen: Seen = "excluded"
) -> tuple[Tensor, Tensor]:
    """item_CK and score_CK, best first, of what each user would be shown at a position of their history.

    Of equal scores the lower code comes first. Where fewer than `count` items are left, items are 0 and scores -inf.

    Raises:
        FloatingPointError: a score is not a number.
    """
    model.eval()
    keys = model.keys() if isinstance(model, Factored) else None
    item_CK = user_C.new_zeros(len(user_C), count)
    score_CK = torch.zeros(len(user_C), count, device=user_C.device)
    for part in by_length(position_C, model.needs.length, ROWS):
        user_B, position_B = user_C[part], position_C[part]
        batch = events.before(user_B, position_B, model.needs)
        known = left_out(events, user_B, position_B, None, seen)
        item_CK[part], score_CK[part] = top_of(model, batch, known, events.items, count, keys)
    return item_CK, score_CK


@torch.no_grad()
def top_of(
    model: Recommender, batch: Batch, known: tuple[Tensor, Tensor], items: int, count: int, keys: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The same after the histories of a batch, as they are: item_BK and score_BK of 1..items without those that are
    `known`, pairs (row, item) sorted by item. `keys`: those of a `Factored` model, where they are at hand.

    Raises:
        FloatingPointError: a score is not a number.
    """
    score_BK = torch.full((len(batch.user_B), count), -torch.inf, device=batch.user_B.device)
    item_BK = torch.zeros_like(score_BK, dtype=torch.int64)
    factors = None
    if isinstance(model, Factored):
        factors = (model.query(batch), model.keys() if keys is None else keys)
    for start, score_BN in blocks(model, batch, items, factors):
        finite(score_BN)
        score_BN[within(known, start, score_BN.shape[1])] = -torch.inf
        score_BK, item_BK = _merged(score_BK, item_BK, score_BN, start)
    return item_BK.masked_fill(score_BK == -torch.inf, 0), score_BK


def _merged(score_BK: Tensor, item_BK: Tensor, score_BN: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """The best of what led and of a block; the leaders stand first, so that a stable sort keeps them before equals."""
    count = score_BK.shape[1]
    value_BK, place_BK = _first(score_BN, min(count, score_BN.shape[1]))
    both_BM = torch.cat([score_BK, value_BK], 1)
    item_BM = torch.cat([item_BK, place_BK + start], 1)
    order_BM = both_BM.argsort(dim=1, descending=True, stable=True)[:, :count]
    return both_BM.gather(1, order_BM), item_BM.gather(1, order_BM)


def _first(score_BN: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest, of equals those that come first: what topk alone leaves open is decided where it matters."""
    value_BK, place_BK = score_BN.topk(count, dim=1)
    tied_B = (score_BN >= value_BK[:, -1:]).sum(1) > count  # the last has equals that were left out
    if tied_B.any():
        place_BK[tied_B] = _earliest(score_BN[tied_B], value_BK[tied_B, -1:], count)
    place_BK = place_BK.sort(dim=1).values
    found_BK = score_BN.gather(1, place_BK)
    order_BK = found_BK.argsort(dim=1, descending=True, stable=True)
    return found_BK.gather(1, order_BK), place_BK.gather(1, order_BK)


def _earliest(score_BN: Tensor, least_B1: Tensor, count: int) -> Tensor:
    """place_BK of all above the least that is kept, and of its equals the first ones, as many as there is room for."""
    above_BN, same_BN = score_BN > least_B1, score_BN == least_B1
    room_B1 = count - above_BN.sum(1, keepdim=True)
    kept_BN = above_BN | (same_BN & (same_BN.cumsum(1) <= room_B1))
    return kept_BN.nonzero()[:, 1].view(-1, count)
