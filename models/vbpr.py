"""VBPR: matrix factorisation that also likes what things look like (He and McAuley, AAAI 2016).

score = b_i + g_u . g_i + t_u . (E f_i) + c . f_i, where f_i are the item's given vectors; for each training pair (u, i)
and drawn item j the loss is softplus(-(score_ui - score_uj)). `space: shared` has one user vector for both spaces,
g_u . (g_i + E f_i): with neither bias and `loss: log` that is the form of AMR (Tang et al., TKDE 2019), which the IRIS
paper took for VBPR.

**Departs from the paper:** epochs, steps and draws are bpr_mf's, and without `views` it is bpr_mf, number for number. f
is the picture's vector of any backbone, the text's, or both one after the other, each channel standardised over the
catalogue and divided by the root of their number, where the authors divide by one constant; an item without a picture
has a zero row, so the mean picture. Everything starts near zero (theirs: uniform in [0, 1]), c and the items' biases at
zero. `regularisation` is half the squared rows of each triple, the same for chosen and drawn items (theirs: a tenth for
drawn ones); `features` half the squares of E and c, all of them at every step. `loss: log` is the log loss of each pair
and of the items drawn for it.
"""

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Factored, Learner, Weights
from engine.training.needs import Needs, Settings, View
from models.blocks.pooled import PooledView, spread
from models.blocks.shared_settings import Dim, Negatives
from models.blocks.triples import bpr

START = 0.01  # the spread of all that meets, as bpr_mf's


class Config(Settings):
    """Of AMR: `space: shared, item_bias: false, visual_bias: false, loss: log, negatives: 4`."""

    dim: Dim = 64
    visual: int = Field(32, ge=1, description="width of t_u and E f_i; with space: shared they are as wide as the rows")
    views: tuple[Literal["image", "text"], ...] = Field(("image",), description="what f is made of; none: bpr_mf")
    space: Literal["separate", "shared"] = Field(
        "separate", description="a user vector for each space, or one for both"
    )
    item_bias: bool = Field(True, description="whether there is b_i")
    visual_bias: bool = Field(True, description="whether there is c")
    loss: Literal["bpr", "log"] = Field("bpr", description="pairwise, or the log loss of each pair and drawn item")
    negatives: Negatives = 1
    regularisation: float = Field(0.01, ge=0, description="weight of half the squared rows of each triple; 0: none")
    features: float = Field(0.0, ge=0, description="weight of half the squares of E and c; 0: none")

    @property
    def width(self) -> int:
        """Of E f."""
        return self.visual if self.space == "separate" else self.dim

    @property
    def needs(self) -> Needs:
        return Needs(negatives=self.negatives, views=frozenset[View](self.views))


def build(config: Config, catalog: Catalog, users: int) -> "VBPR":
    """What bpr_mf has too is drawn first, and alike."""
    return VBPR(config, catalog, users)


@final
class VBPR(Learner, Factored, Explainer):
    """The last row of a view's layer is its part of c; the item's bias, where there is one, the last of its row."""

    def __init__(self, config: Config, catalog: Catalog, users: int):
        super().__init__()
        self.config, bias = config, int(config.visual_bias)
        self.user_UD = nn.Parameter(torch.randn(users + 1, config.dim) * START)
        rows = [
            torch.randn(catalog.items + 1, config.dim) * START,
            torch.zeros(catalog.items + 1, int(config.item_bias)),
        ]
        self.item_NE = nn.Parameter(torch.cat(rows, 1))
        own = config.space == "separate" and config.views
        self.taste_UK = nn.Parameter(torch.randn(users + 1, config.visual) * START) if own else None
        self.views = nn.ModuleList(PooledView(catalog, view, config.width + bias) for view in config.views)
        for weight_KC in self.views.parameters():
            nn.init.normal_(weight_KC, std=START)
            nn.init.zeros_(weight_KC[config.width :])

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def loss(self, batch: Batch) -> Tensor:
        if batch.target_BL is None or batch.negative_BLK is None:
            raise ValueError("VBPR compares targets with drawn items; the batch has none")
        own_B, other_BK = batch.target_BL[:, 0], batch.negative_BLK[:, 0]
        by, pairwise = self.config.regularisation, self.config.loss == "bpr"
        if pairwise and self.config.item_bias and not self.views:
            return bpr(self.user_UD, self.item_NE, batch.user_B, own_B, other_BK, by)
        item_U, place = torch.unique(torch.cat([own_B, other_BK.flatten()]), return_inverse=True)
        row_B = torch.arange(len(own_B), device=own_B.device)
        user_BX, key_UE = self._user(batch.user_B), self.keys(item_U)
        own_place, other_place = place[: len(own_B)], place[len(own_B) :].view_as(other_BK)
        if pairwise:
            choice = bpr(user_BX, key_UE, row_B, own_place, other_place, 0.0)
        else:
            query_BE = F.pad(user_BX, (0, 1), value=1.0)
            own_score_B = (query_BE * F.embedding(own_place, key_UE)).sum(1)
            other_score_BK = torch.einsum("be,bke->bk", query_BE, F.embedding(other_place, key_UE))
            choice = (F.softplus(-own_score_B) + F.softplus(other_score_BK).sum(1)).mean()
        square_U = F.embedding(item_U, self.item_NE).square().sum(1)
        squares = user_BX.square().sum(1).mean() + square_U[own_place].mean() + square_U[other_place].mean()
        shared = sum((weight.square().sum() for weight in self.views.parameters()), torch.zeros(()))
        return choice + by / 2 * squares + self.config.features / 2 * shared

    def query(self, batch: Batch) -> Tensor:
        return F.pad(self._user(batch.user_B), (0, 1), value=1.0)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        row_UE = self.item_NE if item_U is None else F.embedding(item_U, self.item_NE)
        row_UD, bias_UX = row_UE.tensor_split([self.config.dim], 1)
        if not self.views:
            return torch.cat([row_UD, bias_UX.sum(1, keepdim=True)], 1)
        first_UX, *others = [self._seen(view, item_U) for view in self.views]
        seen_UK, shown_UX = sum(others, start=first_UX).tensor_split([self.config.width], 1)
        rows = [row_UD + seen_UK] if self.taste_UK is None else [row_UD, seen_UK]
        return torch.cat([*rows, (bias_UX.sum(1) + shown_UX.sum(1))[:, None]], 1)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """The score in its parts picture, text and row (with the bias), which sum to it."""
        user_BX = self._user(batch.user_B)
        row_BD, bias_BX = F.embedding(item_B, self.item_NE).tensor_split([self.config.dim], 1)
        part, there = [], []
        for view in self.views:
            seen_BK, shown_BX = self._seen(view, item_B).tensor_split([self.config.width], 1)
            part.append((user_BX[:, -self.config.width :] * seen_BK).sum(1) + shown_BX.sum(1))
            there.append(view.present_N[item_B])  # type: ignore[index]
        row_B = (user_BX[:, : self.config.dim] * row_BD).sum(1) + bias_BX.sum(1)
        valid_BV = spread(torch.stack([*there, item_B > 0], 1), self.config.views)
        value_BV = spread(torch.stack([*part, row_B], 1), self.config.views) * valid_BV
        return [Weights(value_BV, "view", "signed", True, valid_BV, item_B)]

    def scores_without(self, batch: Batch, item_B: Tensor) -> Weights:
        """With the mean picture, or the mean text: zero as it is standardised, as where an item has none."""
        (whole,) = self.explain(batch, item_B)
        score_BV = self.score(batch, item_B[:, None]) - whole.value
        valid_BV = whole.valid * torch.tensor([True, True, False], device=item_B.device)  # the row has no name
        return Weights(score_BV, "view", "signed", True, valid_BV, item_B)

    def _user(self, user_B: Tensor) -> Tensor:
        """[g_u, t_u], or the one vector of both."""
        tables = [table for table in (self.user_UD, self.taste_UK) if table is not None]
        return torch.cat([F.embedding(user_B, table) for table in tables], 1)

    def _seen(self, view: nn.Module, item_U: Tensor | None) -> Tensor:
        """A view's part of E f and of c . f, of some items or of all, where f is about as long however wide it is: else
        a step of Adam, alike for each weight, would move the score the more, the wider the vectors are.
        """
        seen_UX: Tensor = view(item_U)[0]
        return seen_UX * view.dense.in_features**-0.5  # type: ignore[operator, union-attr]
