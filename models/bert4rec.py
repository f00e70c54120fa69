"""BERT4Rec: items that were masked are guessed from both sides (Sun et al., CIKM 2019; trained long enough: Petrov and
Macdonald, RecSys 2022).

x_t = drop(LN(E[i_t] + P[t])); BERT's blocks over all events of the row; score = LN(GELU(W h + b)) . E[i] + b[i]. To
learn, a share `mask` of a row's events (at least one) is replaced by a vector of its own; in a share `last` of the rows
the last event alone is, as in ranking, where that vector follows the history.

**Departs from the paper:** masks are drawn anew at each step rather than ten times beforehand; windows of a long
history do not overlap, their borders change each epoch. Slots are counted from a row's last event, so that the mask
which ranks stands where the last event of every row that was learnt from stood (counted from the first, it would often
stand where none did); a row of `length` events gives up its oldest for it. Padding and mask are no outputs, so that
neither can be recommended. Validation items are not trained on. Adam with the engine's rate and no warm-up. An epoch
teaches a share `mask` of what SASRec's does, so that it takes several times as many: stopped early, it is undertrained.
Biases start at popularity (`models.blocks.popular_start`), ours.
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
from engine.training.needs import Needs
from models.blocks.cloze import masked
from models.blocks.objective import Rivals, compare
from models.blocks.popular_start import start_at_popularity
from models.blocks.transformer import Block, Encoder, Layers, embedded, stacked


class Config(Layers, Rivals):
    """The transformer, what it hides and what it learns by."""

    mask: float = Field(0.2, gt=0, le=1, description="share of a row's events that are masked to learn from")
    last: float = Field(0.1, ge=0, le=1, description="share of rows in which the last event alone is masked")
    objective: Literal["full", "chunked", "sampled", "bce", "gbce"] = Field(
        "chunked", description="full, chunked, sampled: softmax; bce, gbce: over negatives"
    )

    @property
    def needs(self) -> Needs:
        return self.draws(self.objective, self.length, ahead=0)


def build(config: Config, catalog: Catalog, users: int) -> "BERT4Rec":
    """The embeddings are also the output."""
    return BERT4Rec(config, catalog.items, stacked(config, "post"))


@final
class BERT4Rec(Prepared, Factored, Explainer):
    """The output's bias is folded into queries (a 1) and keys."""

    def __init__(self, config: Config, items: int, blocks: list[Block]):
        super().__init__()
        self.config, dim = config, config.dim
        self.embedding = embedded(items, dim)
        self.encoder = Encoder(config, blocks, "post")
        self.mask_D = nn.Parameter(torch.randn(dim) * 0.02)
        self.head = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.LayerNorm(dim))
        self.bias_N = nn.Parameter(torch.zeros(items + 1))

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def prepare(self, train: Interactions) -> None:
        start_at_popularity(self.bias_N, train, self.config.objective, self.config.negatives)

    def loss(self, batch: Batch) -> Tensor:
        masked_BL = masked(batch, self.config.mask, self.config.last)
        event_BLD = torch.where(masked_BL[..., None], self.mask_D, batch.present(self.embedding(batch.item_BL)))
        state_PD = self.encoder(event_BLD, batch.valid_BL, last=True)[masked_BL]
        asked = batch.but(target_BL=batch.item_BL[masked_BL][None])
        if batch.negative_BLK is not None:
            asked = asked.but(negative_BLK=batch.negative_BLK[masked_BL][None])
        return compare(self.config.objective, self._headed(state_PD)[None], self.keys(), asked, self.config)

    def _headed(self, state_XD: Tensor) -> Tensor:
        """What is multiplied with keys: the last column is 1."""
        return F.pad(self.head(state_XD), (0, 1), value=1.0)

    def query(self, batch: Batch) -> Tensor:
        """From the mask after each history. An event of presence 0 keeps its slot, and its share of attention."""
        event_BLD, place_B, _ = self._followed(batch)
        state_BLD = self.encoder(event_BLD, _until(event_BLD, place_B), last=True)
        return self._headed(state_BLD[torch.arange(len(place_B), device=place_B.device), place_B])

    def _followed(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """event_BLD with the mask after the last event, its place_B, and how many of the oldest gave way, gone_B."""
        event_BLD = F.pad(batch.present(self.embedding(batch.item_BL)), (0, 0, 0, 1))
        step_L = torch.arange(event_BLD.shape[1], device=event_BLD.device)
        event_BLD = torch.where((step_L == batch.length_B[:, None])[..., None], self.mask_D, event_BLD)
        gone_B = (batch.length_B + 1 - self.config.length).clamp(min=0)
        place_BL = (step_L[: self.config.length] + gone_B[:, None]).clamp(max=len(step_L) - 1)
        event_BLD = event_BLD.gather(1, place_BL[..., None].expand(-1, -1, event_BLD.shape[-1]))
        return event_BLD, batch.length_B - gone_B, gone_B

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        key_NE = torch.cat([self.embedding.weight, self.bias_N[:, None]], 1)
        return key_NE if item_U is None else key_NE[item_U]

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """How the mask's attention in the last block is shared among the events; its own share is left out."""
        event_BLD, place_B, gone_B = self._followed(batch)
        row_B = torch.arange(len(place_B), device=place_B.device)
        share_BL = self.encoder.shares(event_BLD, _until(event_BLD, place_B), last=True)[row_B, place_B]
        step_L = torch.arange(batch.item_BL.shape[1], device=place_B.device)
        valid_BL = batch.valid_BL & (step_L >= gone_B[:, None])
        share_BL = share_BL.gather(1, (step_L - gone_B[:, None]).clamp(min=0)) * valid_BL
        share_BL = share_BL / share_BL.sum(1, keepdim=True).clamp(min=torch.finfo(share_BL.dtype).tiny)
        return [Weights(share_BL, "history", "share", faithful=False, valid=valid_BL)]


def _until(event_BLD: Tensor, place_B: Tensor) -> Tensor:
    """True up to a place of each row, there_BL."""
    return torch.arange(event_BLD.shape[1], device=place_B.device) <= place_B[:, None]
