"""Attentive item similarity of every item: two items meet once, in however many histories one of them is.

As a_ij = e_ij / (sum over i of e_ij)^beta with e_ij = exp(l_ij), the score of j is made of two sums over a history: of
e_ij, and of e_ij (p_i · q_j). What an event gains by its age is the same for all targets. `history` says the rest.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from models.blocks import history, recency, user_sum
from models.blocks.asked import LEAST, Asked
from models.blocks.history import Items

CELLS = {"cpu": 1 << 21, "cuda": 1 << 26}  # of [targets, past, width] at a time
WIDE = {torch.float32: 60.0, torch.float64: 600.0}  # so far apart the logits of a target still add up


@dataclass(frozen=True)
class Held:
    """What some histories hold: the distinct events U, the place among them and the presence of each event.

    `asked` has one row, of all of U; events of one item are one, unless they have halves of their own. weight_BL: the
    presence, times e to what its age gains an event less `most`, from which no gain is further than `spread`.
    """

    asked: Asked
    place_BL: Tensor
    there_BL: Tensor
    weight_BL: Tensor
    most: Tensor
    spread: Tensor

    @staticmethod
    def by(asked: Asked, items: Items) -> "Held":
        """Of `asked`, whose targets are not read."""
        there_BL = (asked.item_BL > 0).to(items.past_ND.dtype)
        if asked.presence_BL is not None:
            there_BL = there_BL * asked.presence_BL
        item_U, place_BL = torch.unique(asked.item_BL, return_inverse=True)
        past_1UA = None
        if asked.past_BLA is not None:
            item_U, past_1UA = asked.item_BL.flatten(), asked.past_BLA.flatten(0, 1)[None]
            place_BL = torch.arange(len(item_U), device=item_U.device).view_as(asked.item_BL)
        once = Asked(item_U[None], asked.target_BT[:0], asked.seen_BT[:0], past_BLA=past_1UA)
        if items.recency_P is None:
            none = there_BL.new_zeros(())
            return Held(once, place_BL, there_BL, there_BL, none, none)
        gain_BL = recency.gains(items.recency_P, replace(asked, seen_BT=asked.events_B1))[:, 0]
        least, most = items.recency_P.detach().aminmax()
        return Held(once, place_BL, there_BL, there_BL * torch.exp(gain_BL - most), most, most - least)


def scores(items: Items, asked: Asked, alpha: float, beta: float) -> Tensor:
    """score_BN of all items after all that each row of `asked` holds (its targets are not read); 0 of padding.

    Some targets at a time, which are computed again for gradients. Of even logits, where nothing is to be learnt, by
    one sum a row.
    """
    if items.attention is None:
        return user_sum.score_all(items.past_ND, items.target_ND, items.bias_N, asked, alpha + beta)
    if not len(asked.item_BL):
        return items.past_ND.new_zeros(0, len(items.past_ND))
    held = Held.by(asked, items)
    if not (items.attention.out_A.numel() or torch.is_grad_enabled()) and held.spread <= WIDE[held.weight_BL.dtype]:
        return _even(items, asked, held, (alpha, beta))
    cells = max(held.asked.item_BL.numel() * max(items.attention.out_A.numel(), 1), 1)

    def some(item_T: Tensor) -> Tensor:
        score_BT = _sums(items, held, item_T, beta)
        if score_BT is None:
            return _pairs(replace(items, bias_N=None), asked, item_T, alpha, beta)
        return score_BT if share_BN is None else score_BT * share_BN[:, item_T]

    share_BN = _count(asked, held, len(items.past_ND)) ** -alpha if alpha else None
    item_N = torch.arange(len(items.past_ND), device=asked.item_BL.device)
    parts = torch.split(item_N, max(CELLS[item_N.device.type] // cells, 1))
    again = torch.is_grad_enabled() and len(parts) > 1
    score_BN = torch.cat([checkpoint(some, part, use_reentrant=False) if again else some(part) for part in parts], 1)
    return (score_BN if items.bias_N is None else score_BN + items.bias_N) * (item_N > 0)


def _sums(items: Items, held: Held, item_T: Tensor, beta: float) -> Tensor | None:
    """score_BT but for the history's size; None where logits are so far apart that they do not add up."""
    logit_1TU, similar_1TU = history.met(items, replace(held.asked, target_BT=item_T[None]))
    logit_TU = logit_1TU[0].to(items.past_ND.dtype)
    least_T1, most_T1 = (edge[:, None] for edge in logit_TU.detach().aminmax(dim=1))
    if not (most_T1 - least_T1 + held.spread <= WIDE[logit_TU.dtype]).all():
        return None
    weight_TU = torch.exp(logit_TU - most_T1) * (held.asked.item_BL != item_T[:, None])
    both_UX = torch.cat([weight_TU, weight_TU * similar_1TU[0]]).T.contiguous()
    sum_BX = F.embedding_bag(held.place_BL, both_UX, mode="sum", per_sample_weights=held.weight_BL)
    total_BT, product_BT = sum_BX.chunk(2, 1)
    total_BT = total_BT.masked_fill(total_BT == 0, 1)  # nothing counts: the product is 0 too
    return product_BT * total_BT**-beta * torch.exp((1 - beta) * (most_T1[:, 0] + held.most))


def _even(items: Items, asked: Asked, held: Held, powers: tuple[float, float]) -> Tensor:
    """score_BN as if the rows held none of the targets; then those that they hold, pair by pair."""
    alpha, beta = powers
    total_B1 = held.weight_BL.sum(1, keepdim=True)
    share_B1 = total_B1.masked_fill(total_B1 == 0, 1) ** -beta * torch.exp((1 - beta) * held.most)
    share_B1 = share_B1 * held.there_BL.sum(1, keepdim=True).clamp(min=LEAST) ** -alpha
    sum_BD = F.embedding_bag(asked.item_BL, items.past_ND, mode="sum", per_sample_weights=held.weight_BL)
    bias_N = items.past_ND.new_zeros(()) if items.bias_N is None else items.bias_N
    score_BN = torch.addmm(bias_N, sum_BD * share_B1, items.target_ND.T)
    score_BN[:, 0] = 0
    own = replace(asked, target_BT=asked.item_BL, seen_BT=asked.events_B1.expand_as(asked.item_BL))
    return score_BN.scatter_(1, asked.item_BL, history.scores(items, own, alpha, beta))


def _pairs(items: Items, asked: Asked, item_T: Tensor, alpha: float, beta: float) -> Tensor:
    """The same with the history's size, each pair by itself."""
    target_BT = item_T.expand(len(asked.item_BL), -1)
    seen_BT = asked.events_B1.expand_as(target_BT)
    return history.scores(items, replace(asked, target_BT=target_BT, seen_BT=seen_BT), alpha, beta)


def _count(asked: Asked, held: Held, items: int) -> Tensor:
    """count_BN: how many events count for each item, by their presence; where there are none, a number above 0."""
    own_BN = held.there_BL.new_zeros(len(held.there_BL), items).scatter_add(1, asked.item_BL, held.there_BL)
    least = 1.0 if asked.presence_BL is None else LEAST
    return (held.there_BL.sum(1, keepdim=True) - own_BN).clamp(min=least)
