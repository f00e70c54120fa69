"""Caser: convolutions over the vectors of a person's last items, beside a vector of the person.

Tang, Wang: Personalized Top-N Sequential Recommendation via Convolutional Sequence Embedding. WSDM 2018.

The last `window` items are a picture of window x dim. `horizontal` filters of each height read some items in a row:
relu, and the most over where they lie. `vertical` ones weigh the items by their age: no activation. z = relu(W
drop([vertical; horizontal]) + c); score = W2[i] · [z; P_u] + b2[i]. Each position learns its next `targets` items (the
paper's T).

**Departs from the paper:** every position of a row is learnt from in one pass, its window cut there, so that each
filter runs over a row once; a row's first events have a window that zeros fill, as the authors' code has for short
histories alone. Padding is zeros that nothing learns, and is never ranked (in their code it is a row like others). At a
row's last events fewer than `targets` follow. Of `bce` the mean is over targets, each with its `negatives` (their code:
means of positives and of negatives; the paper: sums). E and W2 start with a spread of dim^-1/2 (their code: 1/dim, as
P_u here, which leaves the filters next to nothing to read beside P_u). A softmax in place of `bce` (`objective`), and
`person: false`, which leaves P_u out, are ours. Biases start at popularity (`models.blocks.popular_start`), ours too.
"""

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Factored, Prepared, Weights
from engine.training.interactions import Interactions
from engine.training.needs import Needs, Settings
from models.blocks.objective import DRAWN, against
from models.blocks.popular_start import start_at_popularity
from models.blocks.shared_settings import Dim, Dropout, Length, Negatives, Shared


class Config(Settings):
    """The filters, and what they learn by."""

    dim: Dim = 50
    window: int = Field(5, ge=1, description="last items that are read (the paper's L)")
    targets: int = Field(1, ge=1, description="next items that each position learns (the paper's T)")
    horizontal: int = Field(16, ge=0, description="filters of each height from 1 to the window; 0: none")
    vertical: int = Field(4, ge=0, description="filters over the ages of items; 0: none")
    person: bool = Field(True, description="whether a person has a vector")
    length: Length = 50
    dropout: Dropout = 0.5
    objective: Literal["bce", "bpr", "full", "chunked", "sampled"] = Field(
        "bce",
        description="against `negatives`, or a softmax over all items (full; chunked: in less memory) or `shared`",
    )
    negatives: Negatives = 3
    shared: Shared = 2048

    @property
    def needs(self) -> Needs:
        return Needs(
            max(self.length, self.window),
            negatives=self.negatives if self.objective in DRAWN else 0,
            shared=self.shared if self.objective == "sampled" else 0,
        )


def build(config: Config, catalog: Catalog, users: int) -> "Caser":
    """The filters that there are.

    Raises:
        ValueError: there are none.
    """
    if not config.horizontal and not config.vertical:
        raise ValueError("models.caser: horizontal and vertical are both 0, so that nothing reads the history")
    return Caser(config, catalog.items, users)


@final
class Caser(Prepared, Factored, Explainer):
    """An event of presence 0 keeps its place, with zeros in it."""

    def __init__(self, config: Config, items: int, users: int):
        super().__init__()
        self.config = config
        dim, spread = config.dim, config.dim**-0.5
        self.embedding = nn.Embedding(items + 1, dim, padding_idx=0)
        nn.init.normal_(self.embedding.weight[1:], std=spread)
        heights = range(1, config.window + 1) if config.horizontal else ()
        self.rows = nn.ModuleList(nn.Conv1d(dim, config.horizontal, height) for height in heights)
        self.ages = nn.Conv1d(1, config.vertical, config.window) if config.vertical else None
        self.dense = nn.Linear(config.vertical * dim + config.horizontal * len(heights), dim)
        nn.init.xavier_uniform_(self.dense.weight)
        self.person_UD = nn.Parameter(torch.randn(users + 1, dim) / dim) if config.person else None
        self.output_NE = nn.Parameter(torch.randn(items + 1, dim * (1 + config.person)) * spread)
        self.bias_N = nn.Parameter(torch.zeros(items + 1))
        self.dropout = nn.Dropout(config.dropout)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def prepare(self, train: Interactions) -> None:
        start_at_popularity(self.bias_N, train, self.config.objective, self.config.negatives)

    def states(self, batch: Batch) -> Tensor:
        """[z; P_u; 1] after each event, state_BLF."""
        value_BDL = self._read(batch)
        parts = [self.dropout(part) for part in self._filtered(value_BDL)]
        state_BLE = F.relu(self.dense(torch.cat(parts, 2)))
        found = [state_BLE]
        if self.person_UD is not None:
            found.append(self.person_UD[batch.user_B][:, None].expand_as(state_BLE))
        return torch.cat([*found, torch.ones_like(state_BLE[..., :1])], 2)

    def _read(self, batch: Batch) -> Tensor:
        """The items' vectors [B, D, window - 1 + L], zeros before the first."""
        value_BLD: Tensor = batch.present(self.embedding(batch.item_BL))
        return F.pad(value_BLD.transpose(1, 2), (self.config.window - 1, 0))

    def _filtered(self, value_BDW: Tensor) -> list[Tensor]:
        """What the filters make of the window that ends at each event: the vertical ones, then heights, [B, L, …]."""
        window, found = self.config.window, []
        if self.ages is not None:
            flat_X1W = value_BDW.flatten(0, 1)[:, None]
            aged_BDVL = self.ages(flat_X1W).unflatten(0, value_BDW.shape[:2])
            found.append(aged_BDVL.permute(0, 3, 2, 1).flatten(2))
        for height, row in enumerate(self.rows, 1):
            most_BFL = row(value_BDW).unfold(2, window - height + 1, 1).amax(3)  # equal ones share its gradient
            found.append(F.relu(most_BFL).transpose(1, 2))
        return found

    def loss(self, batch: Batch) -> Tensor:
        if batch.target_BL is None:
            raise ValueError("a batch without targets has no loss")
        state_BLF, times = self.states(batch), self.config.targets
        later = [F.pad(batch.target_BL[:, step:], (0, step)) for step in range(min(times, state_BLF.shape[1]))]
        wide = batch.but(target_BL=torch.cat(later))
        if batch.negative_BLK is not None:
            wide = wide.but(negative_BLK=batch.negative_BLK.repeat(len(later), 1, 1))
        return against(self.config.objective, state_BLF.repeat(len(later), 1, 1), self.keys, wide)

    def query(self, batch: Batch) -> Tensor:
        state_BF = batch.last(self.states(batch))
        if self.person_UD is not None:  # who has done nothing is still known
            state_BF = torch.cat([state_BF[:, : self.config.dim], self.person_UD[batch.user_B], state_BF[:, -1:]], 1)
        return torch.cat([state_BF[:, :-1], torch.ones_like(state_BF[:, -1:])], 1)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        key_NF = torch.cat([self.output_NE, self.bias_N[:, None]], 1)
        return key_NF if item_U is None else key_NF[item_U]

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """Where the horizontal filters fired most in the last window; what each gave is spread over what it lay on."""
        last_B1 = batch.length_B[:, None]
        step_L = torch.arange(batch.item_BL.shape[1], device=item_B.device)
        valid_BL = batch.valid_BL & (step_L >= last_B1 - self.config.window)
        fired_BL = torch.zeros_like(valid_BL, dtype=self.bias_N.dtype)
        value_BDW, place_BW = self._read(batch), last_B1 + torch.arange(self.config.window, device=item_B.device) - 1
        near_BDW = value_BDW.gather(2, place_BW.clamp(min=0)[:, None].expand(-1, value_BDW.shape[1], -1))
        for height, row in enumerate(self.rows, 1):
            most_BF, at_BF = F.relu(row(near_BDW)).max(2)
            for over in range(height):  # the item at the window's place at + over
                step_BF = at_BF + over + last_B1 - self.config.window
                there_BF = most_BF / height * (step_BF >= 0)
                fired_BL = fired_BL.scatter_add(1, step_BF.clamp(min=0), there_BF)
        fired_BL = (fired_BL + torch.finfo(fired_BL.dtype).eps) * valid_BL  # where none fired: even
        share_BL = fired_BL / fired_BL.sum(1, keepdim=True).clamp(min=torch.finfo(fired_BL.dtype).tiny)
        found = Weights(share_BL, "history", "share", faithful=False, valid=valid_BL, name="activation")
        return [found] if self.rows else []
