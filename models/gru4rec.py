"""GRU4Rec: a recurrence over the items a person acted on (Hidasi et al., ICLR 2016; BPR-max: Hidasi and Karatzoglou,
CIKM 2018).

x_t = drop(E[i_t]); h_t = GRU(x_t, h_{t-1}); score = drop(h_t) . W[i] + b[i], where W is E if `tied`.

**Departs from the paper:** gradients flow through whole histories (windows of `length`, every position a target)
instead of one step at a time over parallel sessions: for histories of people rather than short sessions the authors'
own notes call this what matters. A dropped state is what is scored, not what is carried. Negatives are the batch's
shared draws alone (the paper adds the other targets of the batch), and one that is the target itself is left out.
Adam instead of Adagrad. The recurrence starts as torch starts it (the authors: Glorot). Biases start at popularity
(`models.blocks.popular_start`), ours.
"""

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Factored, Prepared
from engine.training.interactions import Interactions
from engine.training.needs import Needs
from models.blocks.objective import Rivals, compare
from models.blocks.popular_start import start_at_popularity
from models.blocks.shared_settings import Dim, Dropout, Length


class Config(Rivals):
    """The recurrence and what it learns by."""

    dim: Dim = 128
    layers: int = Field(1, ge=1, description="recurrent layers")
    length: Length = 50
    dropout: Dropout = 0.3
    tied: bool = Field(True, description="whether items are scored with the vectors that they are read with")
    objective: Literal["full", "chunked", "sampled", "bpr_max", "bce", "gbce"] = Field(
        "chunked",
        description="softmax over all items (full; chunked: the same in less memory) or over `shared` ones, BPR-max "
        "over these; bce, gbce: over negatives",
    )
    penalty: float = Field(1.0, ge=0, description="weight of the squared scores of negatives in BPR-max")
    elu: float = Field(0.5, ge=0, description="where scores below zero level off in BPR-max; 0: nowhere")

    @property
    def needs(self) -> Needs:
        return self.draws(self.objective, self.length)


def build(config: Config, catalog: Catalog, users: int) -> "GRU4Rec":
    """Its embeddings are also its output where `tied`."""
    return GRU4Rec(config, catalog.items)


@final
class GRU4Rec(Prepared, Factored):
    """The output's bias is folded into queries (a 1) and keys."""

    def __init__(self, config: Config, items: int):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(items + 1, config.dim, padding_idx=0)
        nn.init.normal_(self.embedding.weight[1:], std=config.dim**-0.5)
        self.output_ND = self.embedding.weight if config.tied else nn.Parameter(self.embedding.weight.detach().clone())
        self.bias_N = nn.Parameter(torch.zeros(items + 1))
        between = config.dropout if config.layers > 1 else 0.0
        self.gru = nn.GRU(config.dim, config.dim, config.layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(config.dropout)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def prepare(self, train: Interactions) -> None:
        start_at_popularity(self.bias_N, train, self.config.objective, self.config.negatives)

    def states(self, batch: Batch) -> Tensor:
        """The state after each event, state_BLE, its last column 1. One of presence 0 is a step too, on zeros."""
        state_BLD, _ = self.gru(batch.present(self.dropout(self.embedding(batch.item_BL))))
        return F.pad(self.dropout(state_BLD), (0, 1), value=1.0)

    def loss(self, batch: Batch) -> Tensor:
        if self.config.objective != "bpr_max":
            return compare(self.config.objective, self.states(batch), self.keys(), batch, self.config)
        if batch.target_BL is None:
            raise ValueError("a batch without targets has no loss")
        asked_BL = batch.target_BL > 0
        return self._bpr_max(self.states(batch)[asked_BL], batch.target_BL[asked_BL], batch)

    def _bpr_max(self, state_PE: Tensor, target_P: Tensor, batch: Batch) -> Tensor:
        """-log of the mean chance, weighted by softmax over the negatives, that the target beats a negative."""
        if batch.shared_S is None:
            raise ValueError("BPR-max compares with shared items; the batch has none")
        key_NE = self.keys()
        own_P1 = (state_PE * key_NE[target_P]).sum(-1, keepdim=True).float()
        other_PS = (state_PE @ key_NE[batch.shared_S].T).float()
        if self.config.elu:
            own_P1, other_PS = F.elu(own_P1, self.config.elu), F.elu(other_PS, self.config.elu)
        hit_PS = batch.shared_S == target_P[:, None]
        weight_PS = other_PS.masked_fill(hit_PS, -torch.inf).log_softmax(1)
        beaten_P = (weight_PS + F.logsigmoid(own_P1 - other_PS)).logsumexp(1)
        return (self.config.penalty * (weight_PS.exp() * other_PS**2).sum(1) - beaten_P).mean()

    def query(self, batch: Batch) -> Tensor:
        state_BE = batch.last(self.states(batch))
        return torch.cat([state_BE[:, :-1], torch.ones_like(state_BE[:, -1:])], 1)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        key_NE = torch.cat([self.output_ND, self.bias_N[:, None]], 1)
        return key_NE if item_U is None else key_NE[item_U]
