"""DREAM: a recurrence over what a person chose, scored by the vectors that it reads (Yu et al., SIGIR 2016).

h_t = f(X b_t + R h_{t-1}), b_t the pooled vectors of the t-th basket; score = h_t · E[i]. Loss: `bpr`, softplus of how
much each item drawn uniformly (`negatives`) outscores the next one; or a softmax over all items (`full`, `chunked`), or
over shared ones (`sampled`), so that a recurrence's gain and a loss's can be told apart.

`cell`: `sigmoid` is the paper's f, `tanh` and `relu` are those of the one known port (relu its default), `gru` what
later papers compare with under this name.

**Departs from the paper:** every basket is one event, so that pooling is the identity: logs of films and pins have no
baskets. Steps have torch's biases. The sigmoid is torch's tanh in other units, σ(x) = (1 + tanh(x/2))/2, from a state
of 0: X and R are then 2 and 4 times what is learnt. What is dropped (`dropout`) are the vectors that are read, the
states between layers and those that are scored; a dropped state is scored, not carried. Negatives are never what the
person has had (the port's may be). The paper's penalty on all weights is `train.weight_decay`. The default loss is the
`sampled` softmax, by which the same recurrence ranks far better; `bpr` is the paper's.
"""

from typing import Literal, final

from pydantic import Field
from torch import Tensor, nn

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Factored, Learner
from engine.training.needs import Needs, Settings
from models.blocks.objective import DRAWN, against
from models.blocks.shared_settings import Dim, Dropout, Length, Negatives, Shared


class Config(Settings):
    """The recurrence and what it learns by."""

    dim: Dim = 128
    cell: Literal["gru", "sigmoid", "tanh", "relu"] = Field("gru", description="a step of the recurrence")
    layers: int = Field(1, ge=1, description="recurrent layers")
    length: Length = 50
    dropout: Dropout = 0.3
    objective: Literal["bpr", "full", "chunked", "sampled"] = Field(
        "sampled",
        description="against `negatives`, or a softmax over all items (full; chunked: in less memory) or `shared`",
    )
    negatives: Negatives = 1
    shared: Shared = 2048

    @property
    def needs(self) -> Needs:
        return Needs(
            self.length,
            negatives=self.negatives if self.objective in DRAWN else 0,
            shared=self.shared if self.objective == "sampled" else 0,
        )


def build(config: Config, catalog: Catalog, users: int) -> "DREAM":
    """The recurrence by `cell`."""
    between = config.dropout if config.layers > 1 else 0.0
    width = (config.dim, config.dim, config.layers)
    if config.cell == "gru":
        return DREAM(config, catalog.items, nn.GRU(*width, batch_first=True, dropout=between))
    nonlinearity = "relu" if config.cell == "relu" else "tanh"
    return DREAM(config, catalog.items, nn.RNN(*width, nonlinearity, batch_first=True, dropout=between))


@final
class DREAM(Learner, Factored):
    """The vectors that are read are those that score."""

    def __init__(self, config: Config, items: int, cell: nn.GRU | nn.RNN):
        super().__init__()
        self.config, self.cell = config, cell
        self.embedding = nn.Embedding(items + 1, config.dim, padding_idx=0)
        nn.init.uniform_(self.embedding.weight[1:], -0.1, 0.1)
        self.dropout = nn.Dropout(config.dropout)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def states(self, batch: Batch) -> Tensor:
        """The state after each event, state_BLD. One of presence 0 is a step too, on zeros."""
        value_BLD = batch.present(self.dropout(self.embedding(batch.item_BL)))
        if self.config.cell != "sigmoid":
            state_BLD: Tensor = self.cell(value_BLD)[0]
        else:
            zero_YBD = value_BLD.new_full((self.config.layers, len(value_BLD), self.config.dim), -1.0)
            state_BLD = (1 + self.cell(value_BLD, zero_YBD)[0]) / 2
        dropped_BLD: Tensor = self.dropout(state_BLD)
        return dropped_BLD

    def loss(self, batch: Batch) -> Tensor:
        return against(self.config.objective, self.states(batch), self.keys, batch)

    def query(self, batch: Batch) -> Tensor:
        return batch.last(self.states(batch))

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.embedding.weight if item_U is None else self.embedding(item_U)
