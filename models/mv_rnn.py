"""MV-RNN: a recurrence over items as rows of numbers beside what they show and say.

Cui, Wu, Liu, Zhong, Wang: MV-RNN: a multi-view recurrent neural network for sequential recommendation. TKDE 2020.
p = [x, E f, F g] (Con.); p = [x, m] with m = E f + F g (Fus.); in MV-RNN itself m is made of pictures f and texts g
of which each is missing by chance, and E^T m, F^T m shall give back what they were (3mDAE). h = LSTM(p), as wide as p;
or one LSTM on x and one on the rest (`units: 2`). score = h . p; loss = softplus(-h (p - q)) + `reconstruction` times
||f - E^T m||² + ||g - F^T m||².

**Departs from the paper:** corruption is drawn, as in the authors' code; nothing is marginalised. It is drawn in
training for each event of a history and once a step for each distinct candidate; what is given back is taken once for
each distinct item of the histories and of the drawn ones that has the view, as a mean over channels, since a sum over
positions hangs on their number (the code counts it once for each live row). The first event is no target: before it h
is zero and the loss a constant. Vectors are standardised over the catalog; any pooled ones. LSTMs have biases. Adam
in steps of many rows, not plain SGD on four people; `weight_decay` is on all matrices. Both losses are learnt together,
as in the paper; `pretraining` epochs of the second alone may come first (ours). `objective` may be a softmax instead
of the paper's `bpr`.
"""

from typing import Literal, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Factored, Phase, Phased, Weights
from engine.training.needs import Needs, Settings, View
from models.blocks.objective import DRAWN, SHARED, against
from models.blocks.pooled import Items, dimmed, spread
from models.blocks.shared_settings import Dim, Dropout, Length, Negatives, Shared

Fusion = Literal["concatenation", "addition", "denoising"]


class Config(Settings):
    """Con. is `fusion: concatenation`, Fus. `addition`, MV-RNN `denoising`; an LSTM on rows alone is `views: []`."""

    dim: Dim = 64
    length: Length = 50
    views: tuple[Literal["image", "text"], ...] = Field(("image", "text"), description="what is read beside the row")
    fusion: Fusion = Field("denoising", description="of the views; denoising: added, and to be given back")
    units: int = Field(1, ge=1, le=2, description="LSTMs: one, or one on rows and one on views")
    corruption: float = Field(0.1, ge=0, lt=1, description="chance that a view of an item is missing, in training")
    reconstruction: float = Field(0.001, ge=0, description="weight of what is given back, beside the next item's loss")
    pretraining: int = Field(0, ge=0, description="epochs that first learn to give back alone; 0: none, as the paper")
    dropout: Dropout = 0.2
    objective: Literal["bpr", "full", "chunked", "sampled"] = Field("sampled", description="bpr, or a softmax")
    negatives: Negatives = 1
    shared: Shared = 512

    @model_validator(mode="after")
    def _reads_what_it_names(self) -> "Config":
        if not self.views and self.units == 2:
            raise ValueError("units: 2 reads views apart from rows, and views is []; set units to 1, or name a view")
        if self.pretraining and not (self.views and self.fusion == "denoising"):
            raise ValueError("pretraining learns to give views back: it needs fusion: denoising and a view")
        return self

    @property
    def needs(self) -> Needs:
        return Needs(
            length=self.length,
            negatives=self.negatives if self.objective in DRAWN else 0,
            shared=self.shared if self.objective in SHARED else 0,
            views=frozenset[View](self.views),
        )


def build(config: Config, catalog: Catalog, users: int) -> "MVRNN":
    """One LSTM as wide as an item, or one on its views and one on its row."""
    dim, views = config.dim, len(config.views)
    seen = dim * (views if config.fusion == "concatenation" else min(views, 1))
    widths = [seen + dim] if config.units == 1 else [seen, dim]
    return MVRNN(config, Items(catalog, config.views, dim), widths)


@final
class MVRNN(Phased, Factored, Explainer):
    """An item's parts are in the order of `views`, then the row."""

    def __init__(self, config: Config, items: Items, widths: list[int]):
        super().__init__()
        self.config, self.items, self.widths = config, items, widths
        self.units = nn.ModuleList(nn.LSTM(width, width, batch_first=True) for width in widths)
        self.dropout = nn.Dropout(config.dropout)
        self.giving_back = False

    @property
    def needs(self) -> Needs:
        return self.config.needs

    @property
    def phases(self) -> list[Phase]:
        first = [Phase("denoising", self.config.pretraining, selected=False)] if self.config.pretraining else []
        return [*first, Phase("recommending")]

    def enter(self, phase: str) -> None:
        self.giving_back = phase == "denoising"

    def states(self, batch: Batch) -> Tensor:
        """What is scored after each event, state_BLE, as wide as an item. One of presence 0 is a step too, on zeros."""
        item_U, where_BL = torch.unique(batch.item_BL, return_inverse=True)
        part = [self.dropout(F.embedding(where_BL, part_UD)) for part_UD in self.items(item_U)[0]]
        item_BLE = self._joined(dimmed(batch, self._corrupted(part), self.config.views))
        read = zip(self.units, torch.split(item_BLE, self.widths, -1), strict=True)
        state_BLE: Tensor = self.dropout(torch.cat([unit(item_BLX)[0] for unit, item_BLX in read], -1))
        return state_BLE

    def _corrupted(self, part: list[Tensor]) -> list[Tensor]:
        """Each view of each place missing by chance, in training."""
        if self.config.fusion != "denoising" or not self.training:
            return part
        *view, row = part
        kept = [torch.rand(v.shape[:-1], device=v.device) >= self.config.corruption for v in view]
        return [*(v * k[..., None] for v, k in zip(view, kept, strict=True)), row]

    def _joined(self, part: list[Tensor]) -> Tensor:
        *view, row = part
        if view and self.config.fusion != "concatenation":
            view = [torch.stack(view).sum(0)]
        return torch.cat([*view, row], -1)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self._joined(self._corrupted(self.items(item_U)[0]))

    def query(self, batch: Batch) -> Tensor:
        return batch.last(self.states(batch))

    def loss(self, batch: Batch) -> Tensor:
        if self.giving_back:
            return self._missed(batch)
        choice = against(self.config.objective, self.states(batch), self.keys, batch)
        denoises = self.config.views and self.config.fusion == "denoising"
        return choice + self.config.reconstruction * self._missed(batch) if denoises else choice

    def _missed(self, batch: Batch) -> Tensor:
        """How far what is given back is from what was there, each distinct item once, summed over views."""
        item_X = batch.item_BL.flatten()  # padding has no view to miss
        if batch.negative_BLK is not None and batch.target_BL is not None:
            item_X = torch.cat([item_X, batch.negative_BLK[batch.target_BL > 0].flatten()])
        item_U = torch.unique(item_X)
        *view, _ = self._corrupted(self.items(item_U)[0])
        code_UD = torch.stack(view).sum(0)
        return torch.stack([part.missed(item_U, code_UD) for part in self.items.views]).sum()  # type: ignore[operator]

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """The score in its parts picture, text and row, which sum to it."""
        state_BE = self.query(batch)
        part, there = self.items(item_B)
        views = len(self.config.views)
        *seen, row_BD = torch.split(state_BE, self.config.dim, 1)
        goal = [*(seen * views if self.config.fusion != "concatenation" else seen), row_BD]
        score_BV = torch.stack([(s_BD * p_BD).sum(1) for s_BD, p_BD in zip(goal, part, strict=True)], 1)
        known_BV = spread(torch.stack(there, 1), self.config.views)
        return [Weights(spread(score_BV, self.config.views), "view", "signed", True, known_BV, item_B)]
