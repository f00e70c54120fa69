"""SASRec: causal self-attention over the items a person acted on (Kang and McAuley, ICDM 2018).

x_t = drop(sqrt(D) E[i_t] + P[t]); `blocks` of attention and a feed-forward layer; score = LN(x_t) . E[i].

**Departs from the paper:** slots are counted from the first event of a row (rows are padded on the right), not from
the end of a row padded on the left. So the state after t events is the same whether later events follow, as in
training, or not, as in ranking, and one pass trains every prefix. Blocks are Pre-LN with an output projection
(`norm: pre`); the authors' code (LN on queries only, residual over it, no projection) is `norm: official`. The loss
is a softmax over the catalogue unless `objective: bce` (the paper's) or `gbce` (gSASRec: Petrov and Macdonald, RecSys
2023, with some 256 `negatives`) is asked.
"""

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Factored, Learner, Weights
from engine.training.needs import Needs
from models.blocks.objective import Rivals, compare
from models.blocks.transformer import BLOCKS, Block, Layers


class Config(Layers, Rivals):
    """The transformer and what it learns by."""

    norm: Literal["pre", "official"] = Field("pre", description="Pre-LN blocks, or those of the authors' code")
    objective: Literal["full", "chunked", "sampled", "bce", "gbce"] = Field(
        "chunked", description="full, chunked, sampled: softmax; bce, gbce: over negatives"
    )

    @property
    def needs(self) -> Needs:
        return self.draws(self.objective, self.length)


def build(config: Config, catalog: Catalog, users: int) -> "SASRec":
    """The encoder by `norm`; the embeddings are also the output."""
    return SASRec(config, catalog.items, [BLOCKS[config.norm](config) for _ in range(config.blocks)])


@final
class SASRec(Learner, Factored, Explainer):
    """Attention is shown as it is, never as the reason: residuals carry what it does not weigh."""

    def __init__(self, config: Config, items: int, blocks: list[Block]):
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(items + 1, config.dim, padding_idx=0)
        nn.init.trunc_normal_(self.embedding.weight[1:], std=0.02)
        self.slot_LD = nn.Parameter(torch.randn(config.length, config.dim) * 0.02 * max(config.dim / 64, 1) ** 0.5)
        self.blocks = nn.ModuleList(blocks)
        self.norm, self.dropout = nn.LayerNorm(config.dim), nn.Dropout(config.dropout)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def states(self, batch: Batch) -> Tensor:
        """The state after each event, state_BLD. One of presence 0 keeps its slot, and its share of attention."""
        state_BLD: Tensor = self.norm(self._through(batch, len(self.blocks)))
        return state_BLD

    def _through(self, batch: Batch, blocks: int) -> Tensor:
        item_BLD = batch.present(self.embedding(batch.item_BL) * self.config.dim**0.5)
        state_BLD: Tensor = self.dropout(item_BLD + self.slot_LD[: item_BLD.shape[1]])
        for block in self.blocks[:blocks]:
            state_BLD = block(state_BLD)
        return state_BLD

    def loss(self, batch: Batch) -> Tensor:
        return compare(self.config.objective, self.states(batch), self.keys(), batch, self.config)

    def query(self, batch: Batch) -> Tensor:
        return batch.last(self.states(batch))

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.embedding.weight if item_U is None else self.embedding(item_U)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """How much the last state attends to each event in the last block."""
        shares = self.blocks[-1].shares  # of either block
        share_BL = batch.last(shares(self._through(batch, len(self.blocks) - 1)))  # type: ignore[operator]
        return [Weights(share_BL, "history", "share", faithful=False, valid=batch.valid_BL)]
