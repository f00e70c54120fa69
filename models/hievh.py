"""HieVH: ratings from factors that know the categories of items and how those are related (Sun, Yang, Zhang and Bozzon,
AAAI 2017). A RECONSTRUCTION: the paper's equations could not be read; what follows was made from its abstract.

rating = m + b_u + b_j + p_u · q~_j, q~_j = q_j + sum over levels l of w_l f_{c_l(j)} (vertical: the chain of an item's
categories from the leaf up to below the root; w a softmax over levels, one for the data; the mean over chains). Lowered
is the sum over ratings of (r - rating)^2 + penalty (|p|^2 + |q|^2 + the |f|^2 of the item's categories + biases), and
horizontally alpha (sum of s+ |f_a - f_b|^2 + sum of s- max(0, margin - |f_a - f_b|^2)) over siblings and cousins, s+ =
max(0, ln lift) of categories that the same people take (complementary), s- = max(0, -ln lift) (alternative).

**Departs from the paper:** it may in all but the idea. The lift of two categories is (both + 1) / (expected + 1)
people, left out where both + expected is below 5. A category's parent is the one most often before it; roots are
siblings. Steps are taken a rating at a time as in `mf`, which it is without categories; those of the relations after
each epoch, in parts so small that none overshoots. An item without a rating has the factors of its categories alone.
`epochs` and `penalty` may be lists: validation chooses by the lowest RMSE.
"""

import math
from typing import Literal, final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.categories import Categories
from engine.training.choices import combinations
from engine.training.contract import Explainer, Factored, Rater, Tuned, Weights
from engine.training.interactions import Interactions
from engine.training.needs import Needs, Settings, View
from models.blocks.category_pass import pass_over
from models.blocks.chosen import Chosen
from models.blocks.descent import Ratings, drawn_seed, unless_rated
from models.blocks.kinship import Chains, drawn_together, relations
from models.blocks.shared_settings import Counts, Dim, Penalties


class Config(Settings):
    """Width, categories, and the steps."""

    dim: Dim = 50
    categories: Literal["tree", "none"] = Field("tree", description="whether items know theirs; none: biased mf")
    alpha: float = Field(0.01, ge=0, description="weight of the relations of siblings and cousins")
    margin: float = Field(1.0, ge=0, description="squared distance at which alternatives are far enough apart")
    epochs: Counts = Field((20, 40, 80), description="passes over the ratings; or a list to choose from")
    penalty: Penalties = Field(
        (0.05, 0.1, 0.15), description="weight of squares, once a rating; or a list to choose from"
    )
    rate: float = Field(0.005, gt=0, description="of the steps")
    deviation: float = Field(0.1, gt=0, description="of the first factors")

    @property
    def choices(self) -> list[dict[str, float]]:
        """Combinations of the settings that may be lists."""
        return combinations(epochs=self.epochs, penalty=self.penalty)

    @property
    def needs(self) -> Needs:
        views: frozenset[View] = frozenset({"categories"} if self.categories == "tree" else ())
        return Needs(predicts="rating", views=views)


def build(config: Config, catalog: Catalog, users: int) -> "HieVH":
    """The model, not yet solved."""
    empty = Categories((), torch.zeros(0, 1, dtype=torch.int64), torch.zeros(catalog.items + 2, dtype=torch.int64))
    return HieVH(config, catalog.categories if config.categories == "tree" else empty, catalog.items, users)


@final
class HieVH(Chosen, Tuned, Rater, Factored, Explainer):
    """The bias of a person or an item is the last column of its row (E = dim + 1); level_L are w's logits."""

    mean: Tensor
    user_UE: Tensor
    item_NE: Tensor
    category_CD: Tensor
    level_L: Tensor
    first_XD: Tensor
    first_CD: Tensor

    def __init__(self, config: Config, tree: Categories, items: int, users: int):
        super().__init__()
        self.config, self.tree, self.chains = config, tree, Chains.of(tree)
        dim, count = config.dim, len(tree.names)
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("user_UE", torch.zeros(users + 1, dim + 1))
        self.register_buffer("item_NE", torch.zeros(items + 1, dim + 1))
        self.register_buffer("category_CD", torch.zeros(count, dim))
        self.register_buffer("level_L", torch.zeros(tree.path_ZD.shape[1]))
        first_XD = torch.randn(users + items + 2, dim) * config.deviation
        self.register_buffer("first_XD", first_XD, persistent=False)
        self.seed = drawn_seed()
        self.register_buffer("first_CD", torch.randn(count, dim) * config.deviation, persistent=False)
        self.offer(config.choices)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def solve(self, train: Interactions) -> None:
        ratings, dim = Ratings.of(train), self.config.dim
        first_XE, people = F.pad(self.first_XD.float().cpu(), (0, 1)), len(self.user_UE)
        user_UE, item_NE = first_XE[:people].clone(), first_XE[people:].clone()
        category_CD, level_L = self.first_CD.float().cpu().clone(), torch.zeros(len(self.level_L), dtype=torch.float32)
        related = relations(self.tree, train) if len(self.tree.names) and self.config.alpha else None
        tables = tuple(table.numpy() for table in (user_UE, item_NE, category_CD, level_L))
        chains = tuple(part.numpy() for part in vars(self.chains).values())
        how = (np.float32(self.config.rate), np.float32(self.chosen["penalty"]), ratings.mean)
        for order_E in ratings.orders(int(self.chosen["epochs"]), self.seed):
            pass_over(order_E, (ratings.user_E, ratings.item_E, ratings.rating_E), chains, tables, how)
            if related is not None:
                self._relate(category_CD, related)
        self.mean.fill_(float(ratings.mean))
        self.user_UE.copy_(unless_rated(user_UE, ratings.user_E, torch.zeros(dim + 1)))
        self.item_NE.copy_(unless_rated(item_NE, ratings.item_E, torch.zeros(dim + 1)))
        self.category_CD.copy_(category_CD)
        self.level_L.copy_(level_L)

    def rate(self, batch: Batch, item_B: Tensor) -> Tensor:
        return self.score(batch, item_B[:, None])[:, 0]

    def query(self, batch: Batch) -> Tensor:
        user_BE = self.user_UE[batch.user_B]
        return torch.cat([user_BE[:, :-1], torch.ones_like(user_BE[:, :1]), self.mean + user_BE[:, -1:]], 1)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        """q~ and b of some items, and 1."""
        item_U = torch.arange(len(self.item_NE), device=self.item_NE.device) if item_U is None else item_U
        part_UMD, _, _ = self._parts(item_U)
        item_UE = self.item_NE[item_U] + F.pad(part_UMD.sum(1), (0, 1))
        return torch.cat([item_UE, torch.ones_like(item_UE[:, :1])], 1)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """What each category of the asked item adds to its rating; the rest are biases and the item's own factors."""
        if not len(self.tree.names):
            return []
        part_BMD, category_BM, valid_BM = self._parts(item_B)
        value_BM = torch.einsum("bd,bmd->bm", self.user_UE[batch.user_B, :-1], part_BMD)
        return [Weights(value_BM, "category", "signed", faithful=True, valid=valid_BM, about=item_B, part=category_BM)]

    def scores_without(self, batch: Batch, item_B: Tensor) -> Weights:
        """As if the item were not of one category, in whatever chains that stands."""
        part_BMD, category_BM, valid_BM = self._parts(item_B)
        same_BMM = (category_BM[:, :, None] == category_BM[:, None]).to(part_BMD)
        lost_BM = torch.einsum("bd,bmd,bmk->bk", self.user_UE[batch.user_B, :-1], part_BMD, same_BMM)
        score_BM = self.score(batch, item_B[:, None]) - lost_BM
        return Weights(score_BM, "category", "signed", True, valid_BM, item_B, category_BM)

    def _parts(self, item_U: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """w_l f_c of the categories of some items, part_UMD, with the categories' numbers (from 1) and where any is."""
        offset_N, category_X, level_X, share_X = (part.to(item_U.device) for part in vars(self.chains).values())
        start_U, count_U = offset_N[item_U], offset_N.diff()[item_U]
        step_M = torch.arange(int(count_U.max()) if len(count_U) else 0, device=item_U.device)
        valid_UM = step_M < count_U[:, None]
        place_UM = (start_U[:, None] + step_M) * valid_UM
        if not len(category_X):
            return self.item_NE.new_zeros(len(item_U), 0, self.config.dim), place_UM, valid_UM
        weight_UM = self.level_L.softmax(0)[level_X[place_UM]] * share_X[place_UM].to(self.level_L) * valid_UM
        number_UM = (category_X[place_UM] + 1) * valid_UM
        return weight_UM[..., None] * self.category_CD[category_X[place_UM]], number_UM, valid_UM

    def _relate(self, category_CD: Tensor, related: tuple[Tensor, Tensor, Tensor]) -> None:
        """A step of the relations, in parts that move no category by more than half of what would be too far."""
        pull_C = torch.zeros(len(category_CD)).index_add_(0, torch.cat(related[:2]), related[2].abs().repeat(2))
        step = self.config.rate * self.config.alpha
        parts = max(math.ceil(4 * step * float(pull_C.max())), 1)
        for _ in range(parts):
            category_CD -= step / parts * drawn_together(category_CD, related, self.config.margin)
