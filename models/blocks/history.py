"""Attentive item similarity: how much each thing that a person has done speaks for a target (FISM, NAIS, IRIS).

score of j = n^-alpha · sum over the n past items i other than j of a_ij (p_i · q_j) [+ b_j], with
a_ij = exp(l_ij) / (sum over i of exp(l_ij))^beta. In logs a_ij = exp(l_ij - beta · logsumexp(l_j)), which no size of
the logits can break; since beta < 1 the weights do not sum to 1, and grow by exp(x (1 - beta)) where all logits grow
by x. `Halves` without a width is no attention: weights n^-beta, which is FISM with the exponent alpha + beta.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.contract import Weights
from models.blocks import pairwise

CELLS = {"cpu": 1 << 20, "cuda": 1 << 26}  # of [rows, targets, past, width] at a time

LEAST = 1e-12  # of what is divided by


@dataclass(frozen=True)
class Halves:
    """l_ij = out · relu(past_i + target_j): the first layer's two halves, made once an item (its bias in one)."""

    past_NA: Tensor
    target_NA: Tensor
    out_A: Tensor


@dataclass(frozen=True)
class Product:
    """l_ij = out · relu(mix (p_i * q_j) + shift)."""

    mix_AD: Tensor
    shift_A: Tensor
    out_A: Tensor


@dataclass(frozen=True)
class Items:
    """Every item as something done (p) and as a target (q), what weighs it, and its bias where it has one."""

    past_ND: Tensor
    target_ND: Tensor
    attention: Halves | Product
    bias_N: Tensor | None = None


@dataclass(frozen=True)
class Asked:
    """Targets of each row (0: none, which scores 0); of its events the first seen_BT count, but never the target.

    An event counts by its presence_BL (None: 1): 0 is as if it had not been. past_BLA: the events' halves, where they
    are not those of their items.
    """

    item_BL: Tensor
    target_BT: Tensor
    seen_BT: Tensor
    presence_BL: Tensor | None = None
    past_BLA: Tensor | None = None

    @staticmethod
    def after(batch: Batch, item_BK: Tensor, past_BLA: Tensor | None = None) -> "Asked":
        """Candidates after all that a row holds."""
        seen_BK = batch.length_B[:, None].expand_as(item_BK)
        return Asked(batch.item_BL, item_BK, seen_BK, batch.presence_BL, past_BLA)

    @staticmethod
    def learnt(batch: Batch, others: bool) -> tuple["Asked", Tensor]:
        """Each position's target and its negatives, with label_BT: after the events up to it, or beside all others.

        Raises:
            ValueError: the batch has no targets or nothing was drawn for them.
        """
        if batch.target_BL is None or batch.negative_BLK is None:
            raise ValueError("the log loss compares targets with drawn items; the batch has none")
        own_BL1 = batch.target_BL[..., None]
        target_BLK = torch.cat([own_BL1, batch.negative_BLK * (own_BL1 > 0)], 2)
        step_L = torch.arange(1, target_BLK.shape[1] + 1, device=target_BLK.device)
        seen_BL = batch.length_B[:, None].expand_as(batch.item_BL) if others else step_L.expand_as(batch.item_BL)
        label_BLK = torch.zeros_like(target_BLK, dtype=torch.float32)
        label_BLK[..., 0] = (batch.target_BL > 0).float()
        seen_BT = seen_BL[..., None].expand_as(target_BLK).flatten(1)
        return Asked(batch.item_BL, target_BLK.flatten(1), seen_BT, batch.presence_BL), label_BLK.flatten(1)

    def kept_BTL(self) -> Tensor:
        """Which events count for which target."""
        step_L = torch.arange(self.item_BL.shape[1], device=self.item_BL.device)
        early_BTL = (step_L < self.seen_BT[..., None]) & (self.item_BL > 0)[:, None]
        return early_BTL & (self.item_BL[:, None] != self.target_BT[..., None]) & (self.target_BT > 0)[..., None]

    def count_BT1(self) -> Tensor:
        """How many events count for each target, by their presence; where there are none, a number above 0."""
        if self.presence_BL is None:
            return self.kept_BTL().sum(-1, keepdim=True).clamp(min=1)
        return (self.kept_BTL() * self.presence_BL[:, None]).sum(-1, keepdim=True).clamp(min=LEAST)

    def parts(self, targets: int) -> Iterator["Asked"]:
        """The same, some targets at a time."""
        for first in range(0, max(self.target_BT.shape[1], 1), targets):
            some = slice(first, first + targets)
            yield replace(self, target_BT=self.target_BT[:, some], seen_BT=self.seen_BT[:, some])


def relevance(items: Items, asked: Asked, beta: float) -> tuple[Tensor, Tensor]:
    """weight_BTL, the a_ij (0 where an event does not count), and similar_BTL, the p_i · q_j."""
    past_BLD, target_BTD = items.past_ND[asked.item_BL], items.target_ND[asked.target_BT]
    kept_BTL, attention = asked.kept_BTL(), items.attention
    if isinstance(attention, Halves):
        past_BLA = attention.past_NA[asked.item_BL] if asked.past_BLA is None else asked.past_BLA
        target_BTA = attention.target_NA[asked.target_BT]
        logit_BTL = F.relu(past_BLA[:, None] + target_BTA[:, :, None]) @ attention.out_A
    else:
        met_BTLD = past_BLD[:, None] * target_BTD[:, :, None]
        logit_BTL = F.relu(F.linear(met_BTLD, attention.mix_AD, attention.shift_A)) @ attention.out_A
    logit_BTL = logit_BTL.masked_fill(~kept_BTL, torch.finfo(logit_BTL.dtype).min)
    if asked.presence_BL is not None:
        return _dimmed(logit_BTL, kept_BTL * asked.presence_BL[:, None], beta), target_BTD @ past_BLD.transpose(1, 2)
    whole_BT1 = logit_BTL.logsumexp(-1, keepdim=True) if logit_BTL.shape[-1] else logit_BTL.sum(-1, keepdim=True)
    weight_BTL = torch.exp((logit_BTL - beta * whole_BT1).masked_fill(~kept_BTL, -torch.inf))
    return weight_BTL, target_BTD @ past_BLD.transpose(1, 2)


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
    """score_BT. On a CPU in 32 bits, where nothing is to be learnt, by a compiled loop that holds no [B, T, L]."""
    if _loops(items, asked) and not torch.is_grad_enabled():
        return pairwise.scores(_flat(items), (asked.item_BL, asked.target_BT, asked.seen_BT), (alpha, beta))
    width = items.past_ND.shape[1] if isinstance(items.attention, Product) else len(items.attention.out_A)
    a_target = max(asked.item_BL.numel() * max(width, 1), 1)
    found = [
        contributions(items, part, alpha, beta)[1].sum(-1)
        for part in asked.parts(max(CELLS[asked.item_BL.device.type] // a_target, 1))
    ]
    score_BT = torch.cat(found, 1)
    return score_BT if items.bias_N is None else score_BT + items.bias_N[asked.target_BT] * (asked.target_BT > 0)


def log_loss(items: Items, asked: Asked, label_BT: Tensor, alpha: float, beta: float) -> Tensor:
    """The mean over positives of the log loss of each and of the negatives beside it (from logits, never clipped).

    On a CPU in 32 bits the compiled loop takes loss and gradients in one pass over the pairs.
    """
    each = 1 / label_BT.sum().clamp(min=1)
    if _loops(items, asked):
        where = (asked.item_BL, asked.target_BT, asked.seen_BT)
        return pairwise.log_loss(_flat(items), where, label_BT, (alpha, beta), float(each))
    loss_BT = F.binary_cross_entropy_with_logits(scores(items, asked, alpha, beta), label_BT, reduction="none")
    return (loss_BT * (asked.target_BT > 0)).sum() * each


def reasons(items: Items, asked: Asked, alpha: float, beta: float) -> list[Weights]:
    """What each event adds to the score of one target a row (signed; their sum and the bias are the score) and its
    interest relevance.
    """
    share_B1L, signed_B1L = contributions(items, asked, alpha, beta)
    valid_BL = asked.kept_BTL()[:, 0]
    signed = Weights(signed_B1L[:, 0], "history", "signed", faithful=True, valid=valid_BL)
    return [signed, Weights(share_B1L[:, 0], "history", "share", faithful=True, valid=valid_BL)]


def _loops(items: Items, asked: Asked) -> bool:
    """Whether a compiled loop can do it; none knows of presences."""
    if asked.presence_BL is not None or asked.past_BLA is not None:
        return False
    tables = [items.past_ND, items.target_ND, items.attention.out_A]
    plain = all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tables)
    return plain and isinstance(items.attention, Halves)


def _flat(items: Items) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    assert isinstance(items.attention, Halves)
    bias_N = items.past_ND.new_zeros(len(items.past_ND)) if items.bias_N is None else items.bias_N
    halves = items.attention
    return items.past_ND, items.target_ND, halves.past_NA, halves.target_NA, halves.out_A, bias_N
