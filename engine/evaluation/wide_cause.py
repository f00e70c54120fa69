"""What speaks for an item more than any act: a topic, acts of its own category, what others did to it. Checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.evaluation.taken_away import TakenAway
from engine.training.contract import Weights

SEVERAL = 3  # acts at least: fewer are no habit
STANDS_OUT = 0.5  # an act that makes so much of what its category does is named itself


@dataclass(frozen=True)
class WideCauses:
    """What outweighs each row's heaviest act, one of them at most. topic_B: the topic, from 1, 0 none; alike_B: how
    many acts are of the item's own category, 0 where that is not to be said; audience_B: what others did to the item.
    """

    topic_B: Tensor
    alike_B: Tensor
    audience_B: Tensor

    @staticmethod
    def none(item_B: Tensor) -> "WideCauses":
        """Nothing does."""
        return WideCauses(torch.zeros_like(item_B), torch.zeros_like(item_B), torch.zeros_like(item_B).bool())


def wide_causes(
    found: Mapping[Any, Weights], away: TakenAway, act_B: Tensor, category_N: Tensor | None = None
) -> WideCauses:
    """Of what weighs more than the heaviest act (act_B), the heaviest without which the item's log-probability falls.

    Weights are sums, in log-probability: a topic's over the acts, others' over what they did. Those of acts of the
    item's own category count where there are `SEVERAL`, and no act has the half of it. `found`: by what is weighed.
    """
    item_B, batch = away.asked.item_B, away.asked.batch
    none = WideCauses.none(item_B)
    weight_B3 = torch.full((len(act_B), 3), -torch.inf, dtype=act_B.dtype, device=act_B.device)
    topic_B, alike_BL = none.topic_B, torch.zeros_like(batch.valid_BL)
    if "topic" in found and found["topic"].value.shape[1]:
        weight_B3[:, 0], topic_B = found["topic"].value.sum(1).max(1)
    if category_N is not None:
        own_B1 = category_N[item_B][:, None]
        alike_BL = (category_N[batch.item_BL] == own_B1) & (own_B1 > 0) & batch.valid_BL
        sum_B = (found["history"].value * alike_BL).sum(1)
        habit_B = (alike_BL.sum(1) >= SEVERAL) & (act_B <= STANDS_OUT * sum_B)
        weight_B3[:, 1] = torch.where(habit_B, sum_B, -torch.inf)
    if "item_history" in found:
        weight_B3[:, 2] = found["item_history"].value.sum(1)
    weight_B3 = weight_B3.masked_fill(weight_B3 <= act_B.clamp(min=0)[:, None], -torch.inf)
    most_B, kind_B = weight_B3.max(1)
    said_B3 = (kind_B[:, None] == torch.arange(3, device=kind_B.device)) & (most_B > 0)[:, None]
    for kind, fall in enumerate((lambda: away.topic(topic_B), lambda: away.acts(alike_BL), away.audience)):
        if bool(said_B3[:, kind].any()):
            said_B3[:, kind] &= fall() > 0
    said_B = said_B3.long().T
    return WideCauses((topic_B + 1) * said_B[0], alike_BL.sum(1) * said_B[1], said_B3[:, 2])
