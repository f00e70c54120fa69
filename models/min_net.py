"""MIN: pictures and texts told in each other's terms, item by item and along the sequence.

Han, Wang, Niu: Multimodal interactive network for sequential recommendation. JCST 38(4), 2023. v^ = V2T(v),
t^ = T2V(t); each of row, v^, t^ attends to its own past, then the picture's states ask the text's and those the
picture's; score = e^hybrid . [e, v^, t^] (eq. 1); loss = next item (eq. 2) + alpha L_i + beta L_ss (eq. 3).

**Departs from the paper:** V2T(v) is to be the text and T2V(t) the picture, as the names, the prose and figure 2 say;
the printed loss, each giving back its own input, is `translation: own`. v^ and t^ enter the sequences. A candidate is
its row, v^ and t^: its hybrid vector (eq. 1) is only defined inside a sequence, where it would have seen itself. L_s is
a log-likelihood and is subtracted. Attention is causal and includes the event itself; slots count from the first event
of a row. W^q, W^k, W^v are of each sequence and each direction, not shared as printed. `inner` puts attention in
blocks with residuals and a feed-forward layer, which the paper's settings have and its equations have not (0). L_ss
corrupts the partner with that of another item of the batch (as printed the pair stays a true one), softplus(f) for
f = dot / sqrt(d); `form: printed` is softplus(f - 1). L_i and L_ss are means, L_i over channels too, once for each
distinct item that has both views. Negatives are drawn by popularity to 0.75 once a batch (`bce_popular`), or uniformly
for each target among what the person has not chosen (`bce`); `objective` may be a softmax instead. With one view
nothing is crossed or translated and its own states stand in; a missing view is zero, a 1 in products, and is not
attended to. Texts come as pooled vectors, not through a GRU of the model's own.
"""

from collections.abc import Callable
from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.tables.settings import Record
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Factored, Learner, Weights
from engine.training.needs import Needs, Settings, View
from models.blocks import crossing
from models.blocks.objective import DRAWN, SHARED, against
from models.blocks.pooled import Items, dimmed, spread
from models.blocks.shared_settings import Dim, Dropout, Length, Negatives, Shared
from models.blocks.translation import AsGiven, Translation

Views = tuple[Literal["image"], Literal["text"]] | tuple[Literal["image", "text"]] | tuple[()]
Sequence = Literal["attention", "parallel_lstm", "mixed_lstm", "last"]
Objective = Literal["bce_popular", "bce", "full", "chunked", "sampled"]


class Auxiliary(Record):
    """The losses beside that of the next item."""

    translation: float = Field(0.1, ge=0, description="weight of L_i (alpha)")
    contrast: float = Field(0.1, ge=0, description="weight of L_ss (beta)")
    form: Literal["logistic", "printed"] = Field("logistic", description="of L_ss: softplus(f), or f - 1 as printed")
    detach: bool = Field(False, description="whether L_i leaves what is translated to where it is")


class Config(Settings):
    """MIN-i is `translation: none`, MIN-s `sequence: last`, MIN-v `views: [text]`, MIN-t `[image]`, MIN-dot `fusion:
    product`. `bce` weighs each of its negatives 1, `bce_popular` the mean of its shared items `negatives`.
    """

    dim: Dim = 64
    inner: int = Field(64, ge=0, description="width of a block's feed-forward layer; 0: attention alone, as printed")
    length: Length = 50
    dropout: Dropout = 0.1
    views: Views = Field(("image", "text"), description="what is read beside the row; picture first")
    translation: Literal["cross", "own", "none"] = Field("cross", description="of a view; own: as printed, to itself")
    sequence: Sequence = Field("attention", description="how the past is read; last: the last item alone")
    fusion: Literal["concatenation", "sum", "product"] = Field("concatenation", description="of an item's parts")
    objective: Objective = Field("sampled", description="bce and bce_popular: over drawn items; else softmax")
    negatives: Negatives = 4
    shared: Shared = 512
    auxiliary: Auxiliary = Field(Auxiliary(), description="the losses of translation and contrast")

    @property
    def needs(self) -> Needs:
        return Needs(
            length=self.length,
            negatives=self.negatives if self.objective in DRAWN else 0,
            shared=self.shared if self.objective in SHARED else 0,
            views=frozenset[View](self.views),
        )


def build(config: Config, catalog: Catalog, users: int) -> "MIN":
    """The variant that the settings name."""
    views, dim = len(config.views), config.dim
    sequences: dict[str, Callable[[], nn.Module]] = {
        "attention": lambda: crossing.SelfAndCross(views, dim, config.length, config.inner, config.dropout),
        "parallel_lstm": lambda: crossing.ParallelLSTM(views, dim),
        "mixed_lstm": lambda: crossing.MixedLSTM(views, dim),
        "last": crossing.LastItem,
    }
    told = views == 2 and config.translation != "none"
    translation = Translation(dim, config.translation == "cross", config.auxiliary.detach) if told else AsGiven()
    return MIN(config, Items(catalog, config.views, dim), translation, sequences[config.sequence]())


@final
class MIN(Learner, Factored, Explainer):
    """Parts of items and of states are in the order picture, text, row."""

    def __init__(self, config: Config, items: Items, translation: nn.Module, sequence: nn.Module):
        super().__init__()
        self.config, self.items, self.translation, self.sequence = config, items, translation, sequence
        self.dropout = nn.Dropout(config.dropout)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def _told(self, item_U: Tensor | None) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """part_UD and there_U of items as they enter sequences and are scored, and L_i over them."""
        (*view, row_UD), there = self.items(item_U)
        view, missed = self.translation(view, there[:-1])
        return [*view, row_UD], there, missed

    def _met(self, batch: Batch) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """part_BLD and there_BL of the histories' events, and L_i over the items."""
        item_U, where_BL = torch.unique(batch.item_BL, return_inverse=True)
        part, there, missed = self._told(item_U)
        met = dimmed(batch, [self.dropout(F.embedding(where_BL, p)) for p in part], self.config.views)
        return met, [t[where_BL] for t in there], missed

    def _fused(self, part: list[Tensor], there: list[Tensor]) -> Tensor:
        if self.config.fusion == "product":
            return torch.stack([p.where(t[..., None], 1.0) for p, t in zip(part, there, strict=True)]).prod(0)
        return torch.cat(part, -1) if self.config.fusion == "concatenation" else torch.stack(part).sum(0)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        part, there, _ = self._told(item_U)
        return self._fused(part, there) * there[-1][:, None]

    def states(self, batch: Batch) -> Tensor:
        """What is scored after each event, state_BLE. One of presence 0 keeps its slot, and is still attended to."""
        part, there, _ = self._met(batch)
        return self._fused(*self.sequence(part, there))

    def loss(self, batch: Batch) -> Tensor:
        part, there, missed = self._met(batch)
        state, seen = self.sequence(part, there)
        weight = self.config.auxiliary
        choice = against(
            self.config.objective, self._fused(state, seen), self.keys, batch, weight=self.config.negatives
        )
        return choice + weight.translation * missed + weight.contrast * self._contrast(batch, state, seen)

    def _contrast(self, batch: Batch, state: list[Tensor], seen: list[Tensor]) -> Tensor:
        """L_ss: the row's states know their own partners from those of other items in the batch, summed over views."""
        valid_BL, total = batch.valid_BL, state[-1].new_zeros(())
        item_P, (*partner, anchor_PD) = batch.item_BL[valid_BL], [s[valid_BL] for s in state]
        if self.config.sequence == "mixed_lstm" or len(item_P) < 2:
            return total
        other_P = (torch.arange(len(item_P), device=item_P.device) + self._turn(len(item_P))) % len(item_P)
        margin = 1.0 if self.config.auxiliary.form == "printed" else 0.0
        for partner_PD, seen_BL in zip(partner, seen, strict=False):
            has_P = seen_BL[valid_BL]
            own_P, false_P = ((anchor_PD * p).sum(1) / p.shape[1] ** 0.5 for p in (partner_PD, partner_PD[other_P]))
            differ_P = has_P & has_P[other_P] & (item_P != item_P[other_P])
            true = (F.softplus(-own_P) * has_P).sum() / has_P.sum().clamp(min=1)
            total = total + true + (F.softplus(false_P - margin) * differ_P).sum() / differ_P.sum().clamp(min=1)
        return total

    def _turn(self, positions: int) -> int:
        return int(torch.randint(1, positions, ()))

    def query(self, batch: Batch) -> Tensor:
        return batch.last(self.states(batch))

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """The score in its parts picture, text and row; and in those of the history's events, or what attends to them.

        Where attention is all there is (`inner: 0`) the events' parts sum to the score too; else only shares are told,
        through both attentions and as their mean over the parts, and they are not the whole of how the score came.
        Beside them what is attended to in each sequence, of pictures, texts and rows (figure 7).
        """
        part, there, _ = self._met(batch)
        key, known, _ = self._told(item_B)
        summed = self.config.fusion == "sum"
        goal = [torch.stack(key).sum(0)] * len(key) if summed else key
        found = []
        if self.config.fusion != "product":
            state = [batch.last(s) for s in self.sequence(part, there)[0]]
            state = [torch.stack(state).sum(0)] * len(key) if summed else state
            score_BV = torch.stack([(s_BD * k_BD).sum(1) for s_BD, k_BD in zip(state, key, strict=True)], 1)
            views, known_BV = self.config.views, torch.stack(known, 1)
            found = [Weights(spread(score_BV, views), "view", "signed", True, spread(known_BV, views), item_B)]
        traced = self.sequence.traced(part, there, (batch.length_B - 1).clamp(min=0))  # type: ignore[operator]
        if not traced or not batch.item_BL.shape[1]:
            return found
        sequences = crossing.of_sequences(traced, there, batch.item_BL, self.config.views)
        return found + self._history(batch, traced, goal) + sequences

    def _history(self, batch: Batch, traced: list[crossing.Traced], goal: list[Tensor]) -> list[Weights]:
        valid_BL = batch.valid_BL
        if self.config.inner or self.config.fusion == "product":
            share_BL = torch.stack([t.share_BL for t in traced]).sum(0) * valid_BL
            share_BL = share_BL / share_BL.sum(1, keepdim=True).clamp(min=1e-12)
            return [Weights(share_BL, "history", "share", False, valid_BL)]
        score = [
            t.share_BL * torch.einsum("bld,bd->bl", t.value_BLD, g_BD) for t, g_BD in zip(traced, goal, strict=True)
        ]
        return [Weights(torch.stack(score).sum(0) * valid_BL, "history", "signed", True, valid_BL)]
