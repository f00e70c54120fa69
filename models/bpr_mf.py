"""BPR-MF: matrix factorisation that orders a user's items before others (Rendle et al., UAI 2009).

score = p_u . q_i + b_i; for each training pair (u, i) and drawn item j the loss is softplus(-(score_ui - score_uj)).

**Departs from the paper:** an epoch visits every training pair once, in random order, instead of drawing pairs with
replacement; steps are taken by the engine's optimiser on batches. The paper's regularisation is kept: half of
`regularisation` times the squared rows of each triple (it differs from weight decay, which touches every row at every
step). User bias and mean cancel and are left out. Pairs are drawn uniformly (not users).
"""

from typing import final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Factored, Learner
from engine.training.needs import Needs, Settings
from models.blocks.shared_settings import Dim, Negatives
from models.blocks.triples import bpr


class Config(Settings):
    """Width, draws and the paper's penalty."""

    dim: Dim = 64
    negatives: Negatives = 1
    regularisation: float = Field(0.01, ge=0, description="weight of half the squared rows of each triple; 0: none")

    @property
    def needs(self) -> Needs:
        return Needs(negatives=self.negatives)


def build(config: Config, catalog: Catalog, users: int) -> "BPRMF":
    """Factors near zero: the first loss is ln 2."""
    return BPRMF(config, catalog.items, users)


@final
class BPRMF(Learner, Factored):
    """The item's bias is the last column of its row, so that one gather fetches both."""

    def __init__(self, config: Config, items: int, users: int):
        super().__init__()
        self.config = config
        self.user_UD = nn.Parameter(torch.randn(users + 1, config.dim) * 0.01)
        self.item_NE = nn.Parameter(
            torch.cat([torch.randn(items + 1, config.dim) * 0.01, torch.zeros(items + 1, 1)], 1)
        )

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def loss(self, batch: Batch) -> Tensor:
        if batch.target_BL is None or batch.negative_BLK is None:
            raise ValueError("BPR compares targets with drawn items; the batch has none")
        own_B, other_BK = batch.target_BL[:, 0], batch.negative_BLK[:, 0]
        return bpr(self.user_UD, self.item_NE, batch.user_B, own_B, other_BK, self.config.regularisation)

    def query(self, batch: Batch) -> Tensor:
        return F.pad(self.user_UD[batch.user_B], (0, 1), value=1.0)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.item_NE if item_U is None else self.item_NE[item_U]
