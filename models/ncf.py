"""NCF: GMF, MLP and NeuMF, a network in place of the inner product of a person's and an item's vectors.

He, Liao, Zhang, Nie, Hu, Chua: Neural Collaborative Filtering. WWW 2017.

GMF: logit = h · (p_u * q_i) + c. MLP: x_0 = [p'_u; q'_i], x_l = relu(W_l x_{l-1} + b_l), logit = h' · x_L + c'. NeuMF
(`towers: both`): the two towers, each on vectors of its own, logit = h · (p * q) + h' · x_L + c + c'. `dim` is F, the
predictive factors: the width of GMF and of the last layer; each layer before is twice as wide. Log loss of each
positive and of the `negatives` drawn beside it. With `pretraining` GMF and MLP are learnt first, each in a phase of its
own; NeuMF goes on from both, with half of each logit.

**Departs from the paper:** widths are those of the authors' code (F = 8, three layers: vectors of 32, 64 to 32 to 16 to
8), twice those of the paper's text. NeuMF after pre-training is learnt by the engine's Adam at a lower rate
(`after_lr`), where the paper takes plain SGD. GMF's vectors start with a spread of 0.1 (the paper: 0.01): else what it
gives to NeuMF would start a hundredth as loud as the tower beside it. The best epoch is chosen on validation (the
authors' code: on test). `dropout` is ours, of the vectors and of each layer's input, 0 as in the paper.
"""

import itertools
from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import CatalogScorer, Phase, Phased
from engine.training.needs import Needs, Settings
from models.blocks.shared_settings import Dim, Dropout, Negatives

PAIRS = 1 << 16  # scored at a time: a layer's values stay in a processor's cache


class Config(Settings):
    """GMF is `towers: gmf`, MLP `mlp`, NeuMF `both`."""

    towers: Literal["gmf", "mlp", "both"] = Field("both", description="GMF, MLP, or NeuMF, which has both")
    dim: Dim = 16
    layers: int = Field(3, ge=1, le=6, description="layers of the tower; each is half as wide as the one before")
    negatives: Negatives = 4
    dropout: Dropout = 0.0
    pretraining: bool = Field(True, description="with both towers: whether each is learnt alone first")
    after_lr: float = Field(1e-4, gt=0, description="learning rate of NeuMF after pre-training")

    @property
    def needs(self) -> Needs:
        return Needs(negatives=self.negatives)


def build(config: Config, catalog: Catalog, users: int) -> "NCF":
    """The towers that the settings name."""
    gmf = GMF(config, catalog.items, users) if config.towers != "mlp" else None
    mlp = MLP(config, catalog.items, users) if config.towers != "gmf" else None
    return NCF(config, {name: tower for name, tower in (("gmf", gmf), ("mlp", mlp)) if tower is not None})


class GMF(nn.Module):
    """h · (p_u * q_i) + c."""

    def __init__(self, config: Config, items: int, users: int):
        super().__init__()
        self.user_UD = nn.Parameter(torch.randn(users + 1, config.dim) * 0.1)
        self.item_ND = nn.Parameter(torch.randn(items + 1, config.dim) * 0.1)
        self.out = nn.Linear(config.dim, 1)
        self.dropout = nn.Dropout(config.dropout)
        _lecun(self.out)

    def forward(self, user_B: Tensor, item_BK: Tensor) -> Tensor:
        """The logit of each pair, score_BK."""
        query_BD = self.dropout(F.embedding(user_B, self.user_UD)) * self.out.weight
        return torch.einsum("bd,bkd->bk", query_BD, self.dropout(F.embedding(item_BK, self.item_ND))) + self.out.bias

    def all(self, user_B: Tensor) -> Tensor:
        """score_BN."""
        score_BN: Tensor = (self.user_UD[user_B] * self.out.weight) @ self.item_ND.T + self.out.bias
        return score_BN


class MLP(nn.Module):
    """h' · x_L + c'. The first layer is a sum of what it makes of the person and of the item."""

    def __init__(self, config: Config, items: int, users: int):
        super().__init__()
        width = [config.dim * 2**n for n in range(config.layers, -1, -1)]
        self.user_UE = nn.Parameter(torch.randn(users + 1, width[1]) * 0.01)
        self.item_NE = nn.Parameter(torch.randn(items + 1, width[1]) * 0.01)
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(width))
        self.out = nn.Linear(config.dim, 1)
        self.dropout = nn.Dropout(config.dropout)
        for layer in self.layers:
            nn.init.xavier_uniform_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        _lecun(self.out)

    def halves(self, user_X: Tensor, item_X: Tensor) -> tuple[Tensor, Tensor]:
        """What the first layer makes of people, and of items."""
        of_user_FE, of_item_FE = self.layers[0].weight.chunk(2, 1)  # type: ignore[operator]
        user_XF = F.linear(self.dropout(F.embedding(user_X, self.user_UE)), of_user_FE, self.layers[0].bias)  # type: ignore[arg-type]
        return user_XF, F.linear(self.dropout(F.embedding(item_X, self.item_NE)), of_item_FE)

    def after(self, first: Tensor) -> Tensor:
        """The logit of what the first layer gave, of any leading shape."""
        value = F.relu(first)
        for layer in self.layers[1:]:
            value = F.relu(layer(self.dropout(value)))
        logit: Tensor = self.out(self.dropout(value))[..., 0]
        return logit

    def forward(self, user_B: Tensor, item_BK: Tensor) -> Tensor:
        """The logit of each pair, score_BK."""
        user_BF, item_BKF = self.halves(user_B, item_BK)
        return self.after(user_BF[:, None] + item_BKF)

    def all(self, user_B: Tensor) -> Tensor:
        """score_BN, a few pairs at a time."""
        user_BF, item_NF = self.halves(user_B, torch.arange(len(self.item_NE), device=user_B.device))
        rows = max(PAIRS // len(item_NF), 1)
        return torch.cat([self.after(part_CF[:, None] + item_NF) for part_CF in torch.split(user_BF, rows)])


@final
class NCF(Phased, CatalogScorer):
    """A person who was not there in training has a vector that nothing has moved."""

    def __init__(self, config: Config, towers: dict[str, GMF | MLP]):
        super().__init__()
        self.config = config
        self.towers = nn.ModuleDict(towers)
        self.phase = self.phases[-1].name

    @property
    def needs(self) -> Needs:
        return self.config.needs

    @property
    def phases(self) -> list[Phase]:
        if self.config.towers != "both" or not self.config.pretraining:
            return [Phase(self.config.towers)]
        return [Phase("gmf"), Phase("mlp"), Phase("both", lr=self.config.after_lr)]

    def enter(self, phase: str) -> None:
        """NeuMF after its towers takes half of each one's logit."""
        if phase == "both" and self.phase != "both":
            with torch.no_grad():
                for tower in self.towers.values():
                    tower.out.weight *= 0.5  # type: ignore[union-attr, operator]
                    tower.out.bias *= 0.5  # type: ignore[union-attr, operator]
        self.phase = phase

    def loss(self, batch: Batch) -> Tensor:
        if batch.target_BL is None or batch.negative_BLK is None:
            raise ValueError("the log loss compares targets with drawn items; the batch has none")
        item_BK = torch.cat([batch.target_BL[:, :1], batch.negative_BLK[:, 0]], 1)
        score_BK = self.score(batch, item_BK)
        return (F.softplus(-score_BK[:, 0]) + F.softplus(score_BK[:, 1:]).sum(1)).mean()

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return torch.stack([tower(batch.user_B, item_BK) for tower in self._heard()]).sum(0)

    def score_all(self, batch: Batch) -> Tensor:
        user_U, place_B = torch.unique(batch.user_B, return_inverse=True)  # a person's cases are all alike
        score_UN = torch.stack([tower.all(user_U) for tower in self._heard()]).sum(0)  # type: ignore[operator]
        return score_UN[place_B]

    def _heard(self) -> list[nn.Module]:
        return [tower for name, tower in self.towers.items() if self.phase in (name, "both")]


def _lecun(layer: nn.Linear) -> None:
    """Uniform with a variance of 1 / inputs, its bias 0."""
    nn.init.uniform_(layer.weight, -((3 / layer.in_features) ** 0.5), (3 / layer.in_features) ** 0.5)
    nn.init.zeros_(layer.bias)
