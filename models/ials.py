"""iALS: matrix factorisation of all pairs of people and items at once (Hu, Koren and Volinsky, ICDM 2008), regularised
by frequency and tuned as in Rendle, Krichene, Zhang and Koren, "Revisiting the performance of iALS" (RecSys 2022).

sum over chosen (u, i) of (p_u · q_i - 1)^2 + unobserved · sum over all (u, i) of (p_u · q_i)^2 + penalty · (sum over u
of (n_u + unobserved N)^scaling |p_u|^2 + sum over i of (n_i + unobserved U)^scaling |q_i|^2), n what somebody or
something has in training, N items and U people; each side is solved for in turn, `sweeps` times: p_u = (sum of q q'
over what u chose + unobserved Q'Q + penalty (...)^scaling I)^-1 · sum of those q.

**Departs from the paper:** in when a person is solved for. There p_u is of training; here every score solves for it
from the history at hand with the same equation, so that it is up to date and needs nobody to have been there in
training. Of the history the last `length` events are read, each item once; one of presence 0 is as if it had never
been. Rows are solved for exactly in 32 bits (`blocks/ridge.py`), in the axes of Q'Q. Settings that are lists:
validation chooses.
"""

from collections.abc import Iterator
from typing import Annotated, final

import torch
from pydantic import Field
from torch import Tensor

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.choices import combinations
from engine.training.contract import Explainer, Factored, Tuned, Weights
from engine.training.interactions import Interactions
from engine.training.needs import Needs, Settings
from models.blocks import past, ridge
from models.blocks.chosen import Chosen
from models.blocks.pairs import Pairs
from models.blocks.shared_settings import Counts, Dim

Positive = Annotated[float, Field(gt=0)]
Positives = Positive | Annotated[tuple[Positive, ...], Field(min_length=1)]
CELLS = 1 << 26  # of [rows, history, width] at a time, where rows are solved for without compiled loops


class Config(Settings):
    """Width, weights, and how much of a history is read."""

    dim: Dim = 64
    unobserved: Positives = Field((0.03, 0.1, 0.3), description="weight of all pairs as none; or a list to choose from")
    penalty: Positives = Field((0.003, 0.03), description="of squared factors; or a list to choose from")
    scaling: float = Field(1.0, ge=0, le=1, description="how a penalty grows with frequency; 0: the same for all")
    sweeps: int = Field(12, ge=1, description="passes over people and items, in turn")
    deviation: float = Field(0.1, gt=0, description="of the first factors, times the root of dim")
    length: Counts = Field(
        (3, 10, 50, 10_000), description="events of history that are read, the last; or a list to choose from"
    )

    @property
    def choices(self) -> list[dict[str, float]]:
        """With one model after the other, so that each is solved for once."""
        return combinations(unobserved=self.unobserved, penalty=self.penalty, length=self.length)

    @property
    def needs(self) -> Needs:
        """As much history as any choice reads; what is learnt from is a set."""
        return Needs(length=int(max(choice["length"] for choice in self.choices)), ahead=0)


def build(config: Config, catalog: Catalog, users: int) -> "IALS":
    """The model, not yet solved."""
    return IALS(config, catalog.items)


@final
class IALS(Chosen, Tuned, Factored, Explainer):
    """item_ND holds Q in the axes of Q'Q, whose values are spread_D."""

    item_ND: Tensor
    spread_D: Tensor
    start_ND: Tensor

    def __init__(self, config: Config, items: int):
        super().__init__()
        self.config = config
        first_ND = torch.randn(items + 1, config.dim) * (config.deviation / config.dim**0.5)
        first_ND[0] = 0
        self.register_buffer("start_ND", first_ND, persistent=False)
        self.register_buffer("item_ND", torch.zeros(items + 1, config.dim))
        self.register_buffer("spread_D", torch.zeros(config.dim))
        self.offer(config.choices)
        self._solved = past.Solved()

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def solve(self, train: Interactions) -> None:
        """A choice of `length` alone solves nothing anew."""
        how = (self.chosen["unobserved"], self.chosen["penalty"])
        if self._solved.holds(train, how, self.item_ND):
            return
        pairs = Pairs.of(train.user_E, train.item_E, train.users, train.items)
        chosen, choosers = (
            ridge.Events.alike(*side) for side in ((pairs.offset_U, pairs.item_E), (pairs.offset_N, pairs.user_E))
        )
        item_ND = self.start_ND.float().cpu()
        for _ in range(self.config.sweeps):
            user_UD = self._side(chosen, item_ND, train.items)
            item_ND = self._side(choosers, user_UD, train.users)
        turned_ND, spread_D, _ = self._axes(item_ND)
        self.item_ND.copy_(turned_ND)
        self.spread_D.copy_(spread_D)
        self._solved.now(train, how, self.item_ND)

    def query(self, batch: Batch) -> Tensor:
        weight_BL = past.weights(batch, int(self.chosen["length"]), self.item_ND.dtype)
        if past.loops(weight_BL, self.item_ND):
            events = ridge.Events.padded(batch.item_BL, weight_BL)
            return ridge.solve(events, self.item_ND, self._all_pairs(), self._ridges(weight_BL))
        found = [torch.linalg.solve(*self._equations(*part)) for part in self._parts(batch.item_BL, weight_BL)]
        return torch.cat(found)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.item_ND if item_U is None else self.item_ND[item_U]

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each event that is read adds to the score; their sum is the score (Hu et al., section 5). The inverse in
        p_u, by which each is weighed, is of all of them.
        """
        weight_BL = past.weights(batch, int(self.chosen["length"]), self.item_ND.dtype)
        matrix_BDD = torch.cat([self._equations(*part)[0] for part in self._parts(batch.item_BL, weight_BL)])
        asked_BD = torch.linalg.solve(matrix_BDD, self.item_ND[item_B])
        value_BL = weight_BL * torch.einsum("bld,bd->bl", self.item_ND[batch.item_BL], asked_BD)
        return [Weights(value_BL, "history", "signed", faithful=True, valid=weight_BL > 0)]

    def _side(self, events: ridge.Events, other_ND: Tensor, others: int) -> Tensor:
        """One side from the other one, of which there are so many."""
        turned_ND, spread_D, axes_DD = self._axes(other_ND)
        count_R = torch.from_numpy(events.offset_R).diff().float()
        ridge_R = self._penalty(count_R, others)
        return ridge.solve(events, turned_ND, self.chosen["unobserved"] * spread_D, ridge_R) @ axes_DD.T

    def _penalty(self, count_R: Tensor, others: int) -> Tensor:
        return self.chosen["penalty"] * (count_R + self.chosen["unobserved"] * others) ** self.config.scaling

    def _axes(self, factor_ND: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Factors in the axes of the sum of their squares, that sum (a diagonal there), and the axes."""
        spread_D, axes_DD = torch.linalg.eigh((factor_ND.T @ factor_ND).double())
        return (factor_ND @ axes_DD.float()).contiguous(), spread_D.clamp(min=0).float(), axes_DD.float()

    def _all_pairs(self) -> Tensor:
        return self.chosen["unobserved"] * self.spread_D

    def _ridges(self, weight_BL: Tensor) -> Tensor:
        return self._penalty(weight_BL.sum(1), len(self.item_ND) - 1)

    def _equations(self, item_BL: Tensor, weight_BL: Tensor) -> tuple[Tensor, Tensor]:
        """The matrix and the right side of each row's factors."""
        item_BLD = self.item_ND[item_BL]
        weighed_BLD = item_BLD * weight_BL[..., None]
        base_BD = self._all_pairs() + self._ridges(weight_BL)[:, None]
        return torch.diag_embed(base_BD) + weighed_BLD.transpose(1, 2) @ item_BLD, weighed_BLD.sum(1)

    def _parts(self, item_BL: Tensor, weight_BL: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        rows = max(CELLS // max(item_BL.shape[1] * self.item_ND.shape[1], 1), 1)
        return zip(torch.split(item_BL, rows), torch.split(weight_BL, rows), strict=True)
