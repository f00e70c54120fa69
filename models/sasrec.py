"""SASRec: causal self-attention over the items a person acted on (Kang and McAuley, ICDM 2018).

x_t = drop(sqrt(D) E[i_t] + P[t]); `blocks` of attention and a feed-forward layer; score = LN(x_t) . E[i].

**Departs from the paper:** slots are counted from the first event of a row (rows are padded on the right), not from
the end of a row padded on the left. So the state after t events is the same whether later events follow, as in
training, or not, as in ranking, and one pass trains every prefix. Blocks are Pre-LN with an output projection
(`norm: pre`); the authors' code (LN on queries only, residual over it, no projection) is `norm: official`; `norm: post`
is the SASRec that S3-Rec is compared with: x_t = drop(LN(E[i_t] + P[t])), then BERT's blocks. The loss is a softmax
over the catalogue unless `objective: bce` (the paper's) or `gbce` (gSASRec: Petrov and Macdonald, RecSys 2023, with
some 256 `negatives`) is asked.
"""

from typing import Literal, final

from pydantic import Field
from torch import Tensor

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Factored, Learner, Weights
from engine.training.needs import Needs
from models.blocks.objective import Rivals, compare
from models.blocks.transformer import Block, Encoder, Layers, embedded, stacked


class Config(Layers, Rivals):
    """The transformer and what it learns by."""

    norm: Literal["pre", "official", "post"] = Field(
        "pre", description="Pre-LN blocks; those of the authors' code; BERT's, which S3-Rec's baseline has"
    )
    objective: Literal["full", "chunked", "sampled", "bce", "gbce"] = Field(
        "chunked", description="full, chunked, sampled: softmax; bce, gbce: over negatives"
    )

    @property
    def needs(self) -> Needs:
        return self.draws(self.objective, self.length)


def build(config: Config, catalog: Catalog, users: int) -> "SASRec":
    """The encoder by `norm`; the embeddings are also the output."""
    return SASRec(config, catalog.items, stacked(config, config.norm))


@final
class SASRec(Learner, Factored, Explainer):
    """Attention is shown as it is, never as the reason: residuals carry what it does not weigh."""

    def __init__(self, config: Config, items: int, blocks: list[Block]):
        super().__init__()
        self.config = config
        self.embedding = embedded(items, config.dim)
        self.encoder = Encoder(config, blocks, config.norm)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def states(self, batch: Batch) -> Tensor:
        """The state after each event, state_BLD. One of presence 0 keeps its slot, and its share of attention."""
        state_BLD: Tensor = self.encoder(batch.present(self.embedding(batch.item_BL)))
        return state_BLD

    def loss(self, batch: Batch) -> Tensor:
        return compare(self.config.objective, self.states(batch), self.keys(), batch, self.config)

    def query(self, batch: Batch) -> Tensor:
        return batch.last(self.states(batch))

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.embedding.weight if item_U is None else self.embedding(item_U)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """How much the last state attends to each event in the last block."""
        share_BL = batch.last(self.encoder.shares(batch.present(self.embedding(batch.item_BL))))
        return [Weights(share_BL, "history", "share", faithful=False, valid=batch.valid_BL)]
