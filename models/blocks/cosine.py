"""How near candidates lie to what a person has done: cosines of vectors that stand still."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.contract import Weights

LEAST = 1e-12  # of what is divided by

Nearness = Annotated[
    Literal["mean", "sum"],
    Field(description="the mean of the cosines with each past item, or the cosine with the sum of their vectors"),
]


class Near(nn.Module):
    """past_ND and key_ND: what an item gives to a sum over the history, and the direction that it is found by."""

    past_ND: Tensor
    key_ND: Tensor

    def __init__(self, items: int, dim: int, nearness: Literal["mean", "sum"]):
        super().__init__()
        self.nearness = nearness
        self.register_buffer("past_ND", torch.zeros(items + 1, dim))
        self.register_buffer("key_ND", torch.zeros(items + 1, dim))

    def put(self, vector_ND: Tensor, known_N: Tensor) -> None:
        """Take over vectors. An item that nothing is known of lies at the mean of the others' directions, and so
        scores their mean; row 0, which is nobody, is 0.
        """
        unit_ND = F.normalize(vector_ND, dim=1, eps=LEAST)
        count, known_N1 = known_N.sum().clamp(min=1), known_N[:, None]
        real_N1 = torch.arange(len(unit_ND), device=unit_ND.device)[:, None] > 0
        key_ND = torch.where(known_N1, unit_ND, unit_ND[known_N].sum(0) / count) * real_N1
        raw_ND = torch.where(known_N1, vector_ND, vector_ND[known_N].sum(0) / count) * real_N1
        self.key_ND.copy_(key_ND)
        self.past_ND.copy_(key_ND if self.nearness == "mean" else raw_ND)

    def query(self, batch: Batch) -> Tensor:
        """query_BD, whose product with a key is the score; an event of presence 0 is as one that never was."""
        return self._scaled(batch).sum(1)

    def keys(self, item_U: Tensor | None) -> Tensor:
        """key_UD of some items, or of all."""
        return self.key_ND if item_U is None else F.embedding(item_U, self.key_ND)

    def reasons(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each event adds to the score of one candidate a row; they sum to it."""
        signed_BL = (self._scaled(batch) * self.keys(item_B)[:, None]).sum(2)
        return [Weights(signed_BL, "history", "signed", True, batch.valid_BL)]

    def _scaled(self, batch: Batch) -> Tensor:
        """Each event's part of the query, part_BLD."""
        part_BLD = batch.present(F.embedding(batch.item_BL, self.past_ND))
        if self.nearness == "sum":
            return part_BLD / torch.linalg.vector_norm(part_BLD.sum(1, keepdim=True), dim=2, keepdim=True).clamp(
                min=LEAST
            )
        there_BL = batch.valid_BL.to(part_BLD.dtype)
        there_BL = there_BL if batch.presence_BL is None else there_BL * batch.presence_BL
        return part_BLD / there_BL.sum(1)[:, None, None].clamp(min=LEAST)
