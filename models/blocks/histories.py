"""What a person did and who acted on an item, as vectors with ratings beside them, packed."""

import torch
from torch import Tensor, nn

from engine.training.audience import Audience
from engine.training.batch import Batch
from models.blocks.packed import Layout

MIDDLE, REACH = 3.0, 2.0  # the rating's channel counts from the middle of a scale to 5, to about 1


class Histories(nn.Module):
    """A vector an item and a user; `features` maps those of an item's users by the item's categories."""

    def __init__(self, items: int, users: int, dim: int, features: nn.Module, dropout: float):
        super().__init__()
        self.item_ND = nn.Parameter(torch.randn(items + 1, dim) * 0.1)
        self.user_UD = nn.Parameter(torch.randn(users + 1, dim) * 0.1)
        self.features, self.dropout = features, nn.Dropout(dropout)

    def of_users(self, batch: Batch) -> tuple[Tensor, Layout]:
        """What each row did, value_XE, with its rating where the batch has them. A step of presence 0 is zeros."""
        layout = Layout(batch.length_B)
        at = layout.row_X, layout.step_X
        rating_X = None if batch.rating_BL is None else batch.rating_BL[at]
        presence_X = None if batch.presence_BL is None else batch.presence_BL[at]
        return self._with(self.item_ND[batch.item_BL[at]], rating_X, presence_X), layout

    def asked(self, batch: Batch, item_BK: Tensor) -> tuple[Tensor, Tensor]:
        """The distinct histories of asked items, as (item, place after its last event), and which one a pair has."""
        if batch.now_B is None:
            raise ValueError("histories of items end at a row's moment; the batch has none")
        now_BK = batch.now_B[:, None].expand_as(item_BK).contiguous()
        stop_BK = known(batch).clock.before(item_BK.contiguous(), now_BK)
        pair_P2 = torch.stack([item_BK.flatten(), stop_BK.flatten()], 1)
        history_U2, where_P = torch.unique(pair_P2, dim=0, return_inverse=True)
        return history_U2, where_P

    def of_items(self, batch: Batch, history_U2: Tensor, limit: int) -> tuple[Tensor, Layout, Tensor]:
        """Who acted on each item last, value_XE, and their codes user_X.

        Where the batch gives the acts of others a presence, there is a history for each pair of row and asked item.
        """
        audience = known(batch)
        item_U, stop_U = history_U2.unbind(1)
        layout = Layout((stop_U - audience.clock.begin(item_U.contiguous())).clamp(max=limit))
        place_X = (stop_U - layout.length_B)[layout.row_X] + layout.step_X
        user_X = audience.user_E[place_X]
        mapped_XD = self.features(self.user_UD[user_X], layout.row_X, item_U)
        rating_E = None if batch.rating_BL is None else audience.rating_E
        presence_BKM = batch.audience_presence_BKM
        presence_X = None if presence_BKM is None else presence_BKM.flatten(0, 1)[layout.row_X, layout.step_X]
        return self._with(mapped_XD, None if rating_E is None else rating_E[place_X], presence_X), layout, user_X

    def _with(self, value_XD: Tensor, rating_X: Tensor | None, presence_X: Tensor | None) -> Tensor:
        value_XE: Tensor = self.dropout(value_XD)
        if rating_X is not None:
            value_XE = torch.cat([value_XE, ((rating_X - MIDDLE) / REACH)[:, None].to(value_XE.dtype)], 1)
        return value_XE if presence_X is None else value_XE * presence_X[:, None]


def known(batch: Batch) -> Audience:
    """Who acted on each item before.

    Raises:
        ValueError: the batch does not say.
    """
    if batch.audience is None:
        raise ValueError("the model reads who acted on an item before; the batch does not say")
    return batch.audience
