"""How near candidates lie to what a person has done, by vectors of skip-grams that stand still."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.contract import Weights

LEAST = 1e-12  # of what is divided by

Kind = Literal["foretold", "mean", "sum"]
Nearness = Annotated[
    Kind,
    Field(
        description="foretold: the mean log-probability that each past item gives; mean: the mean of the cosines with "
        "each; sum: the cosine with the sum of their vectors"
    ),
]


class Near(nn.Module):
    """past_ND and key_NE: what an item gives to a sum over the history, and what it is found by, where the last column
    (E = D + 1) is what it scores whatever the history.

    With skip-grams of u_i and v_j, whose draws have probability q_j, u_i · v_j + ln q_j is the logarithm of how likely
    j is where i is, but for a constant: `foretold` is its mean over the history, and so knows what is popular.
    """

    past_ND: Tensor
    key_NE: Tensor

    def __init__(self, items: int, dim: int, nearness: Kind):
        super().__init__()
        self.nearness = nearness
        self.register_buffer("past_ND", torch.zeros(items + 1, dim))
        self.register_buffer("key_NE", torch.zeros(items + 1, dim + 1))

    def put(self, in_ND: Tensor, out_ND: Tensor, known_N: Tensor, drawn_N: Tensor) -> None:
        """Take over both tables; drawn_N in proportion to the q_j.

        An item that nothing is known of lies at the mean of the others' vectors, or directions, and so has their mean
        cosine; as foretold it is as likely as the least likely one. Row 0, which is nobody, is 0.
        """
        known_N1, prior_N = known_N[:, None], torch.zeros(len(in_ND), 1)

        def filled(vector_ND: Tensor) -> Tensor:
            return torch.where(known_N1, vector_ND, vector_ND[known_N].sum(0) / known_N.sum().clamp(min=1))

        past_ND, key_ND = filled(in_ND), filled(F.normalize(in_ND, dim=1, eps=LEAST))
        if self.nearness == "mean":
            past_ND = key_ND
        if self.nearness == "foretold":
            least = float(drawn_N[drawn_N > 0].min()) if bool((drawn_N > 0).any()) else 1.0
            key_ND, prior_N = out_ND, drawn_N.clamp(min=least).log()[:, None]
        real_N1 = torch.arange(len(in_ND))[:, None] > 0
        self.past_ND.copy_(past_ND * real_N1)
        self.key_NE.copy_(torch.cat([key_ND, prior_N], 1) * real_N1)

    def query(self, batch: Batch) -> Tensor:
        """query_BE, whose product with a key is the score; an event of presence 0 is as one that never was."""
        return F.pad(self._scaled(batch).sum(1), (0, 1), value=1.0)

    def keys(self, item_U: Tensor | None) -> Tensor:
        """key_UE of some items, or of all."""
        return self.key_NE if item_U is None else F.embedding(item_U, self.key_NE)

    def reasons(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each event adds to the score of one candidate a row; with the last of its key they sum to it.

        As foretold, a mean of signed parts, the heaviest did not move the score most when erased: not faithful.
        """
        signed_BL = (self._scaled(batch) * self.keys(item_B)[:, None, :-1]).sum(2)
        return [Weights(signed_BL, "history", "signed", self.nearness != "foretold", batch.valid_BL)]

    def _scaled(self, batch: Batch) -> Tensor:
        """Each event's part of the query, part_BLD."""
        part_BLD = batch.present(F.embedding(batch.item_BL, self.past_ND))
        if self.nearness == "sum":
            length_B11: Tensor = torch.linalg.vector_norm(part_BLD.sum(1, keepdim=True), dim=2, keepdim=True)
            return part_BLD / length_B11.clamp(min=LEAST)
        there_BL = batch.valid_BL.to(part_BLD.dtype)
        if batch.presence_BL is not None and batch.reference_BL is None:  # what another stands for counts whole
            there_BL = there_BL * batch.presence_BL
        return part_BLD / there_BL.sum(1)[:, None, None].clamp(min=LEAST)
