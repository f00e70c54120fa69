"""Attentive item similarity: how much each thing that a person has done speaks for a target (FISM, NAIS, IRIS).

score of j = n^-alpha · sum over the n past items i other than j of a_ij (p_i · q_j) [+ b_j], with
a_ij = exp(l_ij) / (sum over i of exp(l_ij))^beta. In logs a_ij = exp(l_ij - beta · logsumexp(l_j)), which no size of
the logits can break; since beta < 1 the weights do not sum to 1, and grow by exp(x (1 - beta)) where all logits grow
by x. Without attention (None) the weights are even, n^-beta: that is FISM with the exponent alpha + beta, whose scores
are made of sums over the history, not of pairs. `Halves` without a width are the same, pair by pair. With
recency (ours) l_ij gains by how new i is, as `recency` says.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from engine.training.contract import Weights
from models.blocks import pairwise, pairwise_product, recency, user_sum
from models.blocks.asked import LEAST, Asked

CELLS = {"cpu": 1 << 20, "cuda": 1 << 26}  # of [rows, targets, past, width] at a time


@dataclass(frozen=True)
class Halves:
    """l_ij = out · relu(past_i + target_j): the first layer's two halves, made once an item (its bias in one)."""

    past_NA: Tensor
    target_NA: Tensor
    out_A: Tensor

    @staticmethod
    def even(like_ND: Tensor) -> "Halves":
        """Without a width: l_ij = 0 of all pairs."""
        none_N0 = like_ND.new_zeros(len(like_ND), 0)
        return Halves(none_N0, none_N0, like_ND.new_zeros(0))


@dataclass(frozen=True)
class Product:
    """l_ij = out · relu(mix (p_i * q_j) + shift)."""

    mix_AD: Tensor
    shift_A: Tensor
    out_A: Tensor


@dataclass(frozen=True)
class Items:
    """Every item as something done (p) and as a target (q), what weighs it, and its bias where it has one.

    recency_P: what an event's logit gains by its age; for even weights beside it there is `Halves.even`.
    """

    past_ND: Tensor
    target_ND: Tensor
    attention: Halves | Product | None
    bias_N: Tensor | None = None
    recency_P: Tensor | None = None

    def __post_init__(self) -> None:
        if self.attention is None and self.recency_P is not None:
            raise ValueError("recency raises logits, and there are none: give it Halves.even")


def met(items: Items, asked: Asked) -> tuple[Tensor, Tensor]:
    """logit_BTL, the l_ij, and similar_BTL, the p_i · q_j, of all pairs."""
    past_BLD, target_BTD, attention = items.past_ND[asked.item_BL], items.target_ND[asked.target_BT], items.attention
    if isinstance(attention, Halves):
        past_BLA = attention.past_NA[asked.item_BL] if asked.past_BLA is None else asked.past_BLA
        target_BTA = attention.target_NA[asked.target_BT]
        logit_BTL = (past_BLA[:, None] + target_BTA[:, :, None]).relu_() @ attention.out_A
    elif isinstance(attention, Product):
        mixed_BTAD = target_BTD[:, :, None] * attention.mix_AD  # so that a pair costs a product, not an array of D
        met_BTAL = mixed_BTAD @ past_BLD.transpose(1, 2)[:, None] + attention.shift_A[:, None]
        logit_BTL = attention.out_A @ met_BTAL.relu_()
    else:
        logit_BTL = past_BLD.new_zeros(*asked.target_BT.shape, asked.item_BL.shape[1])
    return logit_BTL, target_BTD @ past_BLD.transpose(1, 2)


def relevance(items: Items, asked: Asked, beta: float) -> tuple[Tensor, Tensor]:
    """weight_BTL, the a_ij (0 where an event does not count), and similar_BTL, the p_i · q_j."""
    logit_BTL, similar_BTL = met(items, asked)
    if items.recency_P is not None:
        logit_BTL = logit_BTL + recency.gains(items.recency_P, asked)
    kept_BTL = asked.kept_BTL()
    logit_BTL = logit_BTL.masked_fill(~kept_BTL, torch.finfo(logit_BTL.dtype).min)
    if asked.presence_BL is not None:
        return _dimmed(logit_BTL, kept_BTL * asked.presence_BL[:, None], beta), similar_BTL
    whole_BT1 = logit_BTL.logsumexp(-1, keepdim=True) if logit_BTL.shape[-1] else logit_BTL.sum(-1, keepdim=True)
    weight_BTL = torch.exp((logit_BTL - beta * whole_BT1).masked_fill(~kept_BTL, -torch.inf))
    return weight_BTL, similar_BTL


def _dimmed(logit_BTL: Tensor, presence_BTL: Tensor, beta: float) -> Tensor:
    """a_ij = m_i exp(l_ij) / (sum over i of m_i exp(l_ij))^beta, with the presences m."""
    most_BT1 = logit_BTL.detach().amax(-1, keepdim=True) if logit_BTL.shape[-1] else logit_BTL.sum(-1, keepdim=True)
    part_BTL = presence_BTL * torch.exp(logit_BTL - most_BT1)
    return part_BTL * torch.exp((1 - beta) * most_BT1) * part_BTL.sum(-1, keepdim=True).clamp(min=LEAST) ** -beta


def contributions(items: Items, asked: Asked, alpha: float, beta: float) -> tuple[Tensor, Tensor]:
    """share_BTL, each event's part of the weights of its target, and signed_BTL: their sum and the bias are the score.

    Both are 0 where an event does not count.
    """
    weight_BTL, similar_BTL = relevance(items, asked, beta)
    count_BT1 = asked.count_BT1()
    total_BT1 = weight_BTL.sum(-1, keepdim=True)
    share_BTL = weight_BTL / total_BT1.clamp(min=torch.finfo(total_BT1.dtype).tiny)
    return share_BTL, weight_BTL * similar_BTL * count_BT1.to(weight_BTL.dtype) ** -alpha


def scores(items: Items, asked: Asked, alpha: float, beta: float) -> Tensor:
    """score_BT. Of even weights by sums; else, where nothing is to be learnt, on a CPU in 32 bits, by a compiled loop
    that holds no [B, T, L]; else some targets at a time, which are computed again for gradients.
    """
    bias_N = items.bias_N
    if items.attention is None:
        return user_sum.scores(items.past_ND, items.target_ND, bias_N, asked, alpha + beta)
    if _loops(items, asked) and not torch.is_grad_enabled():
        if isinstance(items.attention, Product):
            return pairwise_product.scores(_product(items), asked.where, (alpha, beta))
        return pairwise.scores(_flat(items), asked.where, (alpha, beta))
    width = max(items.attention.out_A.numel(), _recency(items).numel(), 1)
    targets = max(min(CELLS[asked.item_BL.device.type] // max(asked.item_BL.numel() * width, 1), asked.near()), 1)

    def some(part: Asked) -> Tensor:
        return contributions(items, part, alpha, beta)[1].sum(-1)

    parts = list(asked.parts(targets))
    again = torch.is_grad_enabled() and len(parts) > 1
    found = [checkpoint(some, part, use_reentrant=False) if again else some(part) for part in parts]
    score_BT = torch.cat(found, 1)
    return score_BT if bias_N is None else score_BT + bias_N[asked.target_BT] * (asked.target_BT > 0)


def log_loss(items: Items, asked: Asked, label_BT: Tensor, alpha: float, beta: float) -> Tensor:
    """The mean over positives of the log loss of each and of the negatives beside it (from logits, never clipped).

    On a CPU in 32 bits the compiled loop takes loss and gradients in one pass over the pairs.
    """
    each = 1 / label_BT.sum().clamp(min=1)
    if items.attention is None:
        even = (items.past_ND, items.target_ND, items.bias_N)
        return user_sum.log_loss(*even, asked, label_BT, alpha + beta) * each
    if _loops(items, asked):
        if isinstance(items.attention, Product):
            return pairwise_product.log_loss(_product(items), asked.where, label_BT, (alpha, beta), float(each))
        return pairwise.log_loss(_flat(items), asked.where, label_BT, (alpha, beta), float(each))
    loss_BT = F.binary_cross_entropy_with_logits(scores(items, asked, alpha, beta), label_BT, reduction="none")
    return (loss_BT * (asked.target_BT > 0)).sum() * each


def reasons(items: Items, asked: Asked, alpha: float, beta: float) -> list[Weights]:
    """What each event adds to the score of one target a row (signed; their sum and the bias are the score) and its
    interest relevance.
    """
    share_B1L, signed_B1L = contributions(items, asked, alpha, beta)
    valid_BL = asked.kept_BTL()[:, 0]
    signed = Weights(signed_B1L[:, 0], "history", "signed", faithful=True, valid=valid_BL)
    return [signed, Weights(share_B1L[:, 0], "history", "share", True, valid_BL, name="relevance")]


def _loops(items: Items, asked: Asked) -> bool:
    """Whether a compiled loop can do it; none knows of presences."""
    if items.attention is None or asked.presence_BL is not None or asked.past_BLA is not None:
        return False
    tables = [items.past_ND, items.target_ND, items.attention.out_A]
    return all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tables)


def _flat(items: Items) -> pairwise.Tables:
    assert isinstance(items.attention, Halves)
    halves = items.attention
    return items.past_ND, items.target_ND, halves.past_NA, halves.target_NA, halves.out_A, _bias(items), _recency(items)


def _product(items: Items) -> pairwise.Tables:
    assert isinstance(items.attention, Product)
    of = items.attention
    return items.past_ND, items.target_ND, of.mix_AD, of.shift_A, of.out_A, _bias(items), _recency(items)


def _bias(items: Items) -> Tensor:
    return items.past_ND.new_zeros(len(items.past_ND)) if items.bias_N is None else items.bias_N


def _recency(items: Items) -> Tensor:
    return items.past_ND.new_zeros(0) if items.recency_P is None else items.recency_P
