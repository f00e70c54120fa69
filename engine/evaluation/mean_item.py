"""The mean item in the place of an act's: what a model makes of items of the catalogue, in the mean, where acts are."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.evaluation.erasure import select_rows
from engine.evaluation.question import Question, log_probability
from engine.training.batch import Batch
from engine.training.presence import Presence

ROWS = 64  # of acts, at the times of those asked about, with items dealt out evenly in their places


@dataclass(frozen=True)
class MeanItem:
    """Rows of acts, and after them `ROWS` of other items, whose mean stands for acts that are not there. row_R: for
    which of the rows asked about each stands.
    """

    batch: Batch
    row_R: Tensor

    @staticmethod
    def beside(batch: Batch, items: int) -> "MeanItem":
        """Each item as often as any other, give or take once, dealt out by a seed of its own. A row has an act."""
        rows, device = len(batch.item_BL), batch.item_BL.device
        acting_R = batch.valid_BL.any(1).nonzero()[:, 0]
        more_R = acting_R[torch.arange(ROWS, device=device) % len(acting_R)]
        row_R = torch.cat([torch.arange(rows, device=device), more_R])
        wide = select_rows(batch, row_R)
        other_RL = wide.valid_BL & (torch.arange(len(row_R), device=device) >= rows)[:, None]
        count, generator = int(other_RL.sum()), torch.Generator().manual_seed(items)
        item_X = torch.cat([torch.randperm(items, generator=generator) for _ in range(-(-count // items))])
        item_RL = wide.item_BL.masked_scatter(other_RL, item_X[:count].to(device) + 1)
        return MeanItem(wide.but(item_BL=item_RL, reference_BL=other_RL), row_R)

    def within(self, presence_BL: Tensor) -> Batch:
        """With presences of the acts asked about; what is not there of one is the mean item's."""
        ones_RL = presence_BL.new_ones(len(self.row_R) - len(presence_BL), presence_BL.shape[1])
        there = self.batch.dimmed(Presence(presence_BL=torch.cat([presence_BL, ones_RL])))
        return self.batch.but(**vars(there))

    def log_probability(self, asked: Question, presence_BL: Tensor) -> Tensor:
        """As of `influence`, value_B of the rows asked about."""
        among_RK = None if asked.among_BK is None else asked.among_BK[self.row_R]
        item_R, rows = asked.item_B[self.row_R], len(asked.item_B)
        return log_probability(asked.model, self.within(presence_BL), item_R, among_RK)[:rows]


@torch.no_grad()
def makes_vectors(asked: Question) -> bool:
    """Whether the model makes a vector of an act, in whose place another can stand; False where acts are counted (EASE,
    IRIS), or there are none. Found by the mean of no events, which is no number.
    """
    batch = asked.batch
    nothing = Presence(
        presence_BL=torch.zeros_like(batch.item_BL, dtype=torch.float32), reference_BL=torch.zeros_like(batch.valid_BL)
    )
    value_B = log_probability(asked.model, batch.but(**vars(batch.dimmed(nothing))), asked.item_B, asked.among_BK)
    return bool(value_B.isnan().any() and batch.valid_BL.any())


def slope_from_mean(asked: Question, steps: int) -> Tensor:
    """The mean slope_BL of the log-probability by each act's presence on the way from the mean item to the act's own:
    integrated gradients (Sundararajan et al. 2017) whose baseline is the mean item.
    """
    batch = asked.batch
    mean, total_BL = MeanItem.beside(batch, asked.catalog.items), torch.zeros_like(batch.item_BL, dtype=torch.float32)
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        for step in range(steps):
            level_BL = torch.where(batch.valid_BL, (step + 0.5) / steps, 1.0).requires_grad_()
            value_B = mean.log_probability(asked, level_BL)
            total_BL = total_BL + torch.autograd.grad(value_B.sum(), level_BL, materialize_grads=True)[0] / steps
    return (total_BL * batch.valid_BL).detach()
