"""S3-Rec: a transformer that is first taught what belongs together, then what comes next (Zhou et al., CIKM 2020).

Pre-training sees rows from both sides and has four goals: AAP (what attributes a seen event's item has), MIP (which
item was masked), MAP (what attributes it has), SP (which segment was cut out). score(a, h) = (W h) . a for each; the
goals are weighed and summed over a row, and learnt as the mean over rows. Then the same network is fine-tuned as SASRec
is (`norm: post`): causal, the next item at every position. Without pre-training it is that SASRec, number for number.

**Departs from the paper:** attributes are the categories of an item (all steps of their paths); an item without any
teaches no attribute. Of each window one prefix, drawn anew each epoch, is pre-trained on, not all of them; the authors'
code sums over rows. MIP and SP compare raw scores (`contrast: logistic`); the authors' code puts them through a sigmoid
first (`printed`), which leaves weak gradients. Another segment comes from anywhere in the batch, in the same slots. The
mask is no item and never drawn as a negative. Slots are counted from a row's first event. Fine-tuning learns by a
softmax over the catalogue unless `objective: bce` (the paper's) is asked. Pre-training runs to its end; the paper chose
its epoch by the result.
"""

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.tables.settings import Record
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.categories import Categories
from engine.training.contract import Explainer, Factored, Phase, Phased, Weights
from engine.training.needs import Needs, View
from models.blocks.cloze import prefixes, segments
from models.blocks.objective import Rivals, compare
from models.blocks.transformer import Encoder, Layers, embedded, stacked


class Before(Record):
    """What is taught before the next item is; the weights are those of the paper's sums."""

    epochs: int = Field(
        100, ge=0, description="epochs of pre-training; 0, or no weights: none, which makes a SASRec of it"
    )
    lr: float = Field(0.001, gt=0, description="learning rate of pre-training")
    mask: float = Field(0.2, ge=0, lt=1, description="chance of an event to be masked; a row's last one always is")
    aap: float = Field(0.2, ge=0, description="weight of the attributes of events that are seen")
    mip: float = Field(1.0, ge=0, description="weight of masked items")
    map: float = Field(1.0, ge=0, description="weight of the attributes of masked items")
    sp: float = Field(0.5, ge=0, description="weight of segments")
    contrast: Literal["logistic", "printed"] = Field(
        "logistic", description="of MIP and SP: on scores, or on their sigmoids as in the authors' code"
    )

    @property
    def teaches(self) -> bool:
        """Whether there is anything to it: epochs, and a goal with a weight."""
        return bool(self.epochs and (self.aap or self.mip or self.map or self.sp))


class Config(Layers, Rivals):
    """The transformer, what it is taught first and what it then learns by."""

    pretraining: Before = Field(Before(), description="what is taught before the next item is")
    objective: Literal["full", "chunked", "sampled", "bce", "gbce"] = Field(
        "chunked", description="full, chunked, sampled: softmax; bce, gbce: over negatives"
    )

    @property
    def needs(self) -> Needs:
        views = frozenset[View](["categories"] if self.pretraining.teaches else [])
        return self.draws(self.objective, self.length, views=views)


def build(config: Config, catalog: Catalog, users: int) -> "S3Rec":
    """SASRec's parts in SASRec's order; what only pre-training has comes after them."""
    blocks = stacked(config, "post")
    embedding = embedded(catalog.items, config.dim)
    encoder = Encoder(config, blocks, "post")
    goals = Goals(catalog.categories, config) if config.pretraining.teaches else None
    return S3Rec(config, embedding, encoder, goals)


class Goals(nn.Module):
    """What only pre-training has: the mask, a vector an attribute, and a map from states for each goal."""

    def __init__(self, categories: Categories, config: Config):
        super().__init__()
        self.categories, self.settings = categories, config.pretraining
        self.mask_D = nn.Parameter(torch.randn(config.dim) * 0.02)
        asked = [name for name in ("aap", "mip", "map", "sp") if getattr(self.settings, name)]
        if "aap" in asked or "map" in asked:
            self.attribute_CD = nn.Parameter(torch.randn(len(categories.names), config.dim) * 0.02)
        self.maps = nn.ModuleDict({name: nn.Linear(config.dim, config.dim) for name in asked})

    def attributes(self, goal: str, state_PD: Tensor, item_P: Tensor) -> Tensor:
        """Binary cross-entropy of all attributes of some positions' items, summed."""
        item_U, where_P = torch.unique(item_P, return_inverse=True)
        path_YD, row_Y = self.categories.rows(item_U)
        has_UC = state_PD.new_zeros(len(item_U), len(self.attribute_CD) + 1)
        has_UC[row_Y[:, None].expand_as(path_YD), path_YD] = 1.0
        known_P = has_UC[:, 1:].any(1)[where_P]
        logit_PC = self.maps[goal](state_PD[known_P]) @ self.attribute_CD.T
        return F.binary_cross_entropy_with_logits(logit_PC, has_UC[where_P[known_P], 1:], reduction="sum")

    def contrast(self, goal: str, state_PD: Tensor, own_PD: Tensor, other_PD: Tensor) -> Tensor:
        """How much another scores beside what belongs there, summed."""
        mapped_PD = self.maps[goal](state_PD)
        own_P, other_P = (mapped_PD * own_PD).sum(1), (mapped_PD * other_PD).sum(1)
        if self.settings.contrast == "printed":
            own_P, other_P = own_P.sigmoid(), other_P.sigmoid()
        return F.softplus(other_P - own_P).sum()


@final
class S3Rec(Phased, Factored, Explainer):
    """Attention is shown as it is, never as the reason: residuals carry what it does not weigh."""

    def __init__(self, config: Config, embedding: nn.Embedding, encoder: Encoder, goals: Goals | None):
        super().__init__()
        self.config, self.embedding, self.encoder = config, embedding, encoder
        self.goals, self.phase = goals, "fine-tuning"

    @property
    def phases(self) -> list[Phase]:
        """Pre-training is not selected: what it is good for shows after fine-tuning alone."""
        before = self.config.pretraining
        first = Phase("pre-training", epochs=before.epochs, selected=False, lr=before.lr)
        return [*([first] if self.goals is not None else []), Phase("fine-tuning")]

    def enter(self, phase: str) -> None:
        """The parameters go on as they are."""
        self.phase = phase

    @property
    def needs(self) -> Needs:
        needs = self.config.needs
        if self.phase == "fine-tuning":
            return needs
        return Needs(length=needs.length, ahead=0, negatives=1, views=needs.views)

    def states(self, batch: Batch) -> Tensor:
        """The state after each event, state_BLD. One of presence 0 keeps its slot, and its share of attention."""
        state_BLD: Tensor = self.encoder(batch.present(self.embedding(batch.item_BL)))
        return state_BLD

    def loss(self, batch: Batch) -> Tensor:
        if self.phase == "fine-tuning" or self.goals is None:
            return compare(self.config.objective, self.states(batch), self.keys(), batch, self.config)
        return self._taught(batch, self.goals)

    def _taught(self, batch: Batch, goals: Goals) -> Tensor:
        """The four goals of a prefix of each row, their weighed sums over the rows' number."""
        weight = goals.settings
        batch, hidden_BL = prefixes(batch, weight.mask)
        if batch.negative_BLK is None:
            raise ValueError("pre-training compares with drawn items; the batch has none")
        item_BL, valid_BL = batch.item_BL, batch.valid_BL
        masked_BLD = torch.where(hidden_BL[..., None], goals.mask_D, self.embedding(item_BL))
        state_BLD = self.encoder(masked_BLD, valid_BL)
        total = self._segments(batch, goals) * weight.sp if weight.sp else state_BLD.new_zeros(())
        if weight.aap:
            seen_BL = valid_BL & ~hidden_BL
            total = total + weight.aap * goals.attributes("aap", state_BLD[seen_BL], item_BL[seen_BL])
        if weight.map:
            total = total + weight.map * goals.attributes("map", state_BLD[hidden_BL], item_BL[hidden_BL])
        if weight.mip:
            own_PD, other_PD = self.embedding(item_BL[hidden_BL]), self.embedding(batch.negative_BLK[..., 0][hidden_BL])
            total = total + weight.mip * goals.contrast("mip", state_BLD[hidden_BL], own_PD, other_PD)
        return total / max(len(item_BL), 1)

    def _segments(self, batch: Batch, goals: Goals) -> Tensor:
        """SP: what surrounds a segment is nearer to it than to another that stands in the same slots."""
        inside_BL, foreign_BL = segments(batch)
        mask_D, valid_BL = goals.mask_D, batch.valid_BL
        item_BLD, inside_BL1 = self.embedding(batch.item_BL), inside_BL[..., None]
        around_BLD = torch.where(inside_BL1, mask_D, item_BLD)
        own_BLD = torch.where(inside_BL1, item_BLD, mask_D)
        other_BLD = torch.where(inside_BL1, self.embedding(foreign_BL), mask_D)
        row_R = inside_BL.any(1).nonzero()[:, 0]
        read = torch.cat([part_BLD[row_R] for part_BLD in (around_BLD, own_BLD, other_BLD)])
        state_XLD = self.encoder(read, valid_BL[row_R].repeat(3, 1))
        last_R = (batch.length_B[row_R] - 1).repeat(3)
        state_XD = state_XLD[torch.arange(len(last_R), device=last_R.device), last_R]
        return goals.contrast("sp", *state_XD.chunk(3))

    def query(self, batch: Batch) -> Tensor:
        return batch.last(self.states(batch))

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.embedding.weight if item_U is None else self.embedding(item_U)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """How much the last state attends to each event in the last block."""
        share_BL = batch.last(self.encoder.shares(batch.present(self.embedding(batch.item_BL))))
        return [Weights(share_BL, "history", "share", faithful=False, valid=batch.valid_BL)]
