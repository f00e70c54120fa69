"""Item similarity of even weights by the sum of a history's vectors: as many steps as targets, not as pairs (FISM).

score of j after n events = ((sum of their p) - c p_j) · q_j · (n - c)^-power + b_j, where c of the events are j itself.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from models.blocks import user_sum_loop
from models.blocks.asked import Asked

CELLS = 1 << 24  # of [rows, targets, width] at a time
NONE = 1e-5  # so little presence is as none: what is left of a sum that should be 0 is rounding


def scores(past_ND: Tensor, target_ND: Tensor, bias_N: Tensor | None, asked: Asked, power: float) -> Tensor:
    """score_BT, 0 where nothing is asked.

    On a CPU in 32 bits by a compiled loop, with its gradients, where events have no presence.
    """
    if _loops(past_ND, asked):
        bias_N = past_ND.new_zeros(len(past_ND)) if bias_N is None else bias_N
        return user_sum_loop.scores((past_ND, target_ND, bias_N), asked.where, power)
    targets = max(CELLS // max(len(asked.item_BL) * past_ND.shape[1], 1), 1)
    score_BT = torch.cat([_some(past_ND, target_ND, part, power) for part in asked.parts(targets)], 1)
    return score_BT if bias_N is None else score_BT + bias_N[asked.target_BT] * (asked.target_BT > 0)


def score_all(past_ND: Tensor, target_ND: Tensor, bias_N: Tensor | None, asked: Asked, power: float) -> Tensor:
    """score_BN of all items after all that each row of `asked` holds (its targets are not read); 0 of padding."""
    there_BL = _there(asked, past_ND)
    count_B1 = there_BL.sum(1, keepdim=True)
    sum_BD = F.embedding_bag(asked.item_BL, past_ND, mode="sum", per_sample_weights=there_BL)
    bias_1N = past_ND.new_zeros(1, len(past_ND)) if bias_N is None else bias_N[None]
    if not torch.is_grad_enabled():  # as if the history held none of the targets; then those that it holds
        score_BN = torch.addmm(bias_1N, _shared(sum_BD, count_B1, power), target_ND.T)
        score_BN[:, 0] = 0
        seen_BL = asked.item_BL.new_full(asked.item_BL.shape, asked.item_BL.shape[1])
        held = replace(asked, target_BT=asked.item_BL, seen_BT=seen_BL)
        return score_BN.scatter_(1, asked.item_BL, scores(past_ND, target_ND, bias_N, held, power))
    own_BN = there_BL.new_zeros(len(there_BL), len(past_ND)).scatter_add(1, asked.item_BL, there_BL)
    like_BN = sum_BD @ target_ND.T - own_BN * (past_ND * target_ND).sum(1)
    score_BN = _shared(like_BN, count_B1 - own_BN, power) + bias_1N
    return score_BN * (torch.arange(len(past_ND), device=score_BN.device) > 0)


def log_loss(
    past_ND: Tensor, target_ND: Tensor, bias_N: Tensor | None, asked: Asked, label_BT: Tensor, power: float
) -> Tensor:
    """The sum of the log losses of what is asked; on a CPU in 32 bits loss and gradients in one pass."""
    if _loops(past_ND, asked):
        bias_N = past_ND.new_zeros(len(past_ND)) if bias_N is None else bias_N
        return user_sum_loop.log_loss((past_ND, target_ND, bias_N), asked.where, label_BT, power)
    score_BT = scores(past_ND, target_ND, bias_N, asked, power)
    loss_BT = F.binary_cross_entropy_with_logits(score_BT, label_BT, reduction="none")
    return (loss_BT * (asked.target_BT > 0)).sum()


def _loops(past_ND: Tensor, asked: Asked) -> bool:
    """Whether a compiled loop can do it; none knows of presences."""
    return asked.presence_BL is None and past_ND.device.type == "cpu" and past_ND.dtype == torch.float32


def _there(asked: Asked, like: Tensor) -> Tensor:
    """The presence of each event [B, L]."""
    there_BL = (asked.item_BL > 0).to(like.dtype)
    return there_BL if asked.presence_BL is None else there_BL * asked.presence_BL


def _shared(like: Tensor, count: Tensor, power: float) -> Tensor:
    """like · count^-power, and 0 where there is nothing."""
    share = count.clamp(min=NONE) ** -power if power else torch.ones_like(count)
    return like * share * (count > NONE)


def _some(past_ND: Tensor, target_ND: Tensor, asked: Asked, power: float) -> Tensor:
    """The scores written out, without biases."""
    there_BL = _there(asked, past_ND)
    first_BT, seen_BT = (edge_BT.clamp(max=asked.item_BL.shape[1]) for edge_BT in asked.where[2:])
    row_B1 = torch.arange(len(seen_BT), device=seen_BT.device)[:, None]
    run_BLD = F.pad((past_ND[asked.item_BL] * there_BL[..., None]).cumsum(1), (0, 0, 1, 0))
    count_BL = F.pad(there_BL.cumsum(1), (1, 0))
    own_BT = _own(asked, there_BL, (first_BT, seen_BT), len(past_ND))
    sum_BTD = run_BLD[row_B1, seen_BT] - own_BT[..., None] * past_ND[asked.target_BT]
    count_BT = count_BL[row_B1, seen_BT] - own_BT
    if asked.first_BT is not None:
        sum_BTD, count_BT = sum_BTD - run_BLD[row_B1, first_BT], count_BT - count_BL[row_B1, first_BT]
    like_BT = (sum_BTD * target_ND[asked.target_BT]).sum(-1)
    return _shared(like_BT, count_BT, power) * (asked.target_BT > 0)


def _own(asked: Asked, there_BL: Tensor, edges: tuple[Tensor, Tensor], items: int) -> Tensor:
    """How much of a row's events between two edges is each target itself, by a search among (row, item, step)."""
    rows, span = there_BL.shape
    row_B1 = torch.arange(rows, device=there_BL.device)[:, None]
    key_BL = (row_B1 * items + asked.item_BL) * (span + 1) + torch.arange(span, device=there_BL.device)
    key_E, order_E = key_BL.flatten().sort()
    run_E = F.pad(there_BL.flatten()[order_E].cumsum(0), (1, 0))
    base_BT = (row_B1 * items + asked.target_BT) * (span + 1)
    first_BT, seen_BT = (run_E[torch.searchsorted(key_E, base_BT + edge_BT)] for edge_BT in edges)
    return seen_BT - first_BT
