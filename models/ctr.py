"""CTR: items are what they are about, and what people make of them (Collaborative Topic Regression; Wang, Blei 2011).

v_j = theta_j + eps_j, where theta_j are the topic shares of the item's text; r_uj ~ u_u . v_j with confidence a where u
chose j and b elsewhere. The sum of c (r - u . v)^2 / 2, of lambda_u |u|^2 / 2 and of lambda_v |v - theta|^2 / 2 is made
smaller by solving for all users, then for all items, in turns, from v = theta. A score is u . v; an item that nobody
chose is its theta.

**Departs from the paper:** theta are the shares that the `topics` stage gives, from topics fitted on what was done in
training, where the paper fits LDA on the items' texts; they stand still, as in the authors' code unless it is asked for
more, and are not smoothed once more. An item without a text has theta = 0, and starts from small numbers. As in the
authors' code all pairs are those of users and items with an event. A pair counts once. `item_ridge` (lambda_v) may be
a list, of which validation chooses.
"""

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
from models.blocks import least_squares
from models.blocks.chosen import Chosen

LEAST = 15  # turns at least, as in the authors' code

Ridge = Annotated[float, Field(gt=0)]


class Config(Settings):
    """As wide as there are topics: `contents.<content>.topics.count`."""

    observed: float = Field(1.0, gt=0, description="a, the confidence in what was chosen")
    others: float = Field(0.01, ge=0, description="b, the confidence in what was not")
    user_ridge: Ridge = Field(0.01, description="lambda_u, how strongly users are drawn to zero")
    item_ridge: Ridge | Annotated[tuple[Ridge, ...], Field(min_length=1)] = Field(
        (1, 10, 100, 1000), description="lambda_v, how strongly items are drawn to their topics; or a list"
    )
    turns: int = Field(50, ge=1, description="of solving for users and for items, at most")
    enough: float = Field(1e-4, ge=0, description="share of the objective that a turn must gain, after the 15th")

    @property
    def choices(self) -> list[dict[str, float]]:
        """The ridges to try."""
        return combinations(item_ridge=self.item_ridge)

    @property
    def needs(self) -> Needs:
        return Needs(views=frozenset({"topics"}))


def build(config: Config, catalog: Catalog, users: int) -> "CTR":
    """The model, not yet solved."""
    return CTR(config, catalog.vector("topics"), users)


@final
class CTR(Chosen, Tuned, Factored, Explainer):
    """Users and items live among the topics; a user without an event is zero."""

    theta_NT: Tensor
    user_UT: Tensor
    item_NT: Tensor

    def __init__(self, config: Config, theta_NT: Tensor, users: int):
        super().__init__()
        self.config = config
        self.register_buffer("theta_NT", theta_NT, persistent=False)
        self.register_buffer("user_UT", torch.zeros(users + 1, theta_NT.shape[1]))
        self.register_buffer("item_NT", theta_NT.clone())
        self.offer(config.choices)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def solve(self, train: Interactions) -> None:
        config, ridge = self.config, self.chosen["item_ridge"]
        weights, theta_NT = (config.observed, config.others), self.theta_NT.double()
        pair_P2 = torch.unique(torch.stack([train.user_E, train.item_E], 1), dim=0)
        user_P, item_P = pair_P2.unbind(1)
        by_item_P = item_P.argsort(stable=True)
        offset_U, offset_N = (_offsets(i, n) for i, n in ((user_P, len(self.user_UT)), (item_P, len(theta_NT))))
        chosen_N1 = (offset_N.diff() > 0)[:, None]
        plain_N1 = chosen_N1 & (theta_NT == 0).all(1, keepdim=True)
        user_UT = self.user_UT.double().zero_()
        drawn_NT = torch.rand(theta_NT.shape, dtype=theta_NT.dtype).to(theta_NT)  # alike on a card and on a processor
        item_NT = theta_NT + plain_N1 * drawn_NT / theta_NT.shape[1]
        before = torch.inf
        for turn in range(1, config.turns + 1):
            fixed_NT = item_NT * chosen_N1  # all pairs are of those that have an event
            user_UT = least_squares.rows(fixed_NT, item_P, offset_U, weights, config.user_ridge, user_UT * 0)
            item_NT = least_squares.rows(user_UT, user_P[by_item_P], offset_N, weights, ridge, theta_NT)
            cost = float(self.objective(user_UT, item_NT * chosen_N1, theta_NT * chosen_N1, pair_P2))
            if turn >= LEAST and before - cost < config.enough * abs(before):
                break
            before = cost
        self.user_UT.copy_(user_UT)
        self.item_NT.copy_(item_NT)

    def objective(self, user_UT: Tensor, item_NT: Tensor, theta_NT: Tensor, pair_P2: Tensor) -> Tensor:
        """What solving makes smaller."""
        weights = self.config.observed, self.config.others
        user_P, item_P = pair_P2.unbind(1)
        error = least_squares.error(user_UT, item_NT, user_P, item_P, weights)
        apart = self.chosen["item_ridge"] * (item_NT - theta_NT).square().sum()
        return error + (self.config.user_ridge * user_UT.square().sum() + apart) / 2

    def query(self, batch: Batch) -> Tensor:
        return self.user_UT[batch.user_B]

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.item_NT if item_U is None else self.item_NT[item_U]

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each topic adds to the score, u times v; the sum is the score."""
        value_BT = self.query(batch) * self.keys(item_B)
        return [Weights(value_BT, "topic", "signed", True, torch.ones_like(value_BT, dtype=torch.bool))]

    def scores_without(self, batch: Batch, item_B: Tensor) -> Weights:
        """With the mean item's share of one topic, of those that the text has more of; eps stays."""
        over_BT = self.theta_NT[item_B] - self.theta_NT[1:].mean(0)
        score_BT = self.score(batch, item_B[:, None]) - self.query(batch) * over_BT
        return Weights(score_BT, "topic", "signed", True, over_BT > 0)


def _offsets(owner_P: Tensor, owners: int) -> Tensor:
    """offset [owners + 1] of pairs by owner."""
    count = torch.bincount(owner_P, minlength=owners)
    return torch.nn.functional.pad(count.cumsum(0), (1, 0))
