"""JRL: people and items have a vector a view, and what was chosen foretells all of them (Zhang et al., CIKM 2017).

Per view v: e_u^v and e_i^v. Text: both foretell the words of the item, -ln s(e . w + b_w) - sum over drawn words of
ln s(-e . w' - b_w'). Picture: a decoder g that both share is to hit its vector, 1/2 |g(e) - f_i|^2. Joint: the views
one after the other, score = e_u . e_i + b_i, learnt from what was chosen and what was drawn. All are added up. `apart`
is eJRL: a joint term a view, so that further views can be added later.

**Departs from the paper:** there are no reviews: a person's words are those of the items that they chose. A word is its
given vector through one layer, which makes w and b_w, where the authors learn a row a word; so drawn words are uniform
over the texts, shared by a step and weighed as `noise` of them. `text: vector` reads the text's one vector as pictures
are read. Given vectors are standardised and the picture's loss is a mean over its channels, else it drowned the rest.
`joint: bpr` is pairwise, which the paper says; `nce`, which the authors' code has, draws items by popularity for the
step. There is one joint term a purchase, not one a word; views are read for the first `read` purchases of a step, which
are any. b_i is in the ranking as in the learning (in the code only in learning). The view of ratings is left out, as in
MAHN's and MIN's tables. Vectors start near zero, not at it; squared rows are penalised as in bpr_mf.
"""

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.batch import Batch
from engine.training.catalog import Catalog, Ragged
from engine.training.contract import Explainer, Factored, Learner, Weights
from engine.training.needs import Needs, Settings, View
from models.blocks.foretold import Decoder
from models.blocks.pooled import spread
from models.blocks.ragged import Standard
from models.blocks.shared_settings import Dim, Negatives, Shared
from models.blocks.triples import bpr

DRAWN = 64  # words that are drawn for a step


class Config(Settings):
    """`dim` is the width of each view."""

    dim: Dim = 32
    views: tuple[Literal["image", "text"], ...] = Field(("image", "text"), min_length=1, description="what is foretold")
    text: Literal["words", "vector"] = Field("words", description="what is foretold of a text")
    joint: Literal["bpr", "nce"] = Field("bpr", description="pairwise, or each choice against items drawn for the step")
    apart: bool = Field(False, description="whether each view has a joint term of its own (eJRL)")
    hidden: int = Field(128, ge=1, description="width inside the decoder; the authors' is half of both ends' sum")
    picture: float = Field(1.0, ge=0, description="weight of the picture's loss (and of the text's vector's)")
    said: float = Field(1.0, ge=0, description="weight of the words' loss")
    words: int = Field(5, ge=1, description="words of an item that are foretold for each purchase read")
    noise: float = Field(5.0, gt=0, description="how many drawn words, or items with nce, each true one weighs against")
    read: int = Field(256, ge=1, description="purchases of a step whose pictures and words are foretold")
    regularisation: float = Field(0.01, ge=0, description="weight of half the squared rows of each purchase; 0: none")
    negatives: Negatives = 1
    shared: Shared = 64

    @property
    def needs(self) -> Needs:
        pairwise = self.joint == "bpr"
        read: dict[str, View] = {"image": "image", "text": "words" if self.text == "words" else "text"}
        return Needs(
            negatives=self.negatives if pairwise else 0,
            shared=0 if pairwise else self.shared,
            views=frozenset(read[view] for view in self.views),
        )


def build(config: Config, catalog: Catalog, users: int) -> "JRL":
    """A reader of each view."""

    def reader(view: str) -> nn.Module:
        if view == "text" and config.text == "words":
            return Words(catalog.ragged("words"), config)
        of: View = "image" if view == "image" else "text"
        return Decoder(catalog, of, (config.dim, config.hidden), config.picture)

    return JRL(config, nn.ModuleList(reader(view) for view in config.views), catalog.items, users)


class Words(nn.Module):
    """w and b_w of each given word; b_w is the last column."""

    def __init__(self, ragged: Ragged, config: Config):
        super().__init__()
        self.ragged, self.config = ragged, config
        self.standard = Standard(ragged.value_XD)
        self.dense = nn.Linear(ragged.value_XD.shape[1], config.dim + 1, bias=False)

    def made(self, place_X: Tensor) -> Tensor:
        """word_XE at some places of the texts."""
        given_XC = self.ragged.value_XD.index_select(0, place_X).to(self.dense.weight.dtype)
        return self.standard.into(self.dense, given_XC)

    def forward(self, vector_SD: Tensor, item_S: Tensor) -> Tensor:
        """The loss of foretelling some words of items from vectors, its mean over rows that have words."""
        start_S, length_S = self.ragged.offset_N[item_S], self.ragged.offset_N.diff()[item_S]
        told_S = length_S > 0
        start_P1, length_P1 = start_S[told_S, None], length_S[told_S, None]
        vector_PE = F.pad(vector_SD[told_S], (0, 1), value=1.0)
        share_PW = torch.rand(len(start_P1), self.config.words, device=item_S.device)
        place_PW = start_P1 + (share_PW * length_P1).long().minimum(length_P1 - 1)
        true_PWE = self.made(place_PW.flatten()).unflatten(0, place_PW.shape)  # type: ignore[no-untyped-call]
        drawn_ME = self.made(torch.randint(len(self.ragged.value_XD), (DRAWN,), device=item_S.device))
        hit_P = F.softplus(-torch.einsum("pe,pwe->pw", vector_PE, true_PWE)).mean(1)
        missed_P = self.config.noise * F.softplus(vector_PE @ drawn_ME.T).mean(1)
        return self.config.said * (hit_P + missed_P).sum() / max(len(hit_P), 1)


@final
class JRL(Learner, Factored, Explainer):
    """Views lie side by side in the order of `views`; the last column of an item's row is b_i."""

    def __init__(self, config: Config, readers: nn.ModuleList, items: int, users: int):
        super().__init__()
        self.config, self.readers = config, readers
        wide = config.dim * len(config.views)
        self.user_UD = nn.Parameter(torch.randn(users + 1, wide) * 0.01)
        self.item_NE = nn.Parameter(F.pad(torch.randn(items + 1, wide) * 0.01, (0, 1)))

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def loss(self, batch: Batch) -> Tensor:
        if batch.target_BL is None:
            raise ValueError("a batch without targets has no loss")
        own_B, read = batch.target_BL[:, 0], slice(self.config.read)
        total = self._joint(batch, own_B)
        user_VSD = self._views(F.embedding(batch.user_B[read], self.user_UD))
        item_VSD = self._views(F.embedding(own_B[read], self.item_NE)[:, :-1])
        for reader, user_SD, item_SD in zip(self.readers, user_VSD, item_VSD, strict=True):
            total = total + reader(user_SD, own_B[read]) + reader(item_SD, own_B[read])
        return total

    def _joint(self, batch: Batch, own_B: Tensor) -> Tensor:
        """The joint term, or with `apart` the sum of each view's, which all have the items' bias."""
        item_ND, bias_N1 = self.item_NE[:, :-1], self.item_NE[:, -1:]
        users, items = list[Tensor]([self.user_UD]), [item_ND]
        if self.config.apart:
            users, items = self._views(self.user_UD), self._views(item_ND)
        by, found = self.config.regularisation, []
        for user_UD, item_NE in zip(users, (torch.cat([part, bias_N1], 1) for part in items), strict=True):
            if self.config.joint == "bpr":
                if batch.negative_BLK is None:
                    raise ValueError("joint: bpr compares with drawn items; the batch has none")
                found.append(bpr(user_UD.contiguous(), item_NE, batch.user_B, own_B, batch.negative_BLK[:, 0], by))
            else:
                if batch.shared_S is None:
                    raise ValueError("joint: nce compares with shared items; the batch has none")
                user_BD, own_BE = F.embedding(batch.user_B, user_UD), F.embedding(own_B, item_NE)
                query_BE = F.pad(user_BD, (0, 1), value=1.0)
                other_BS = F.softplus(query_BE @ item_NE[batch.shared_S].T) * (batch.shared_S != own_B[:, None])
                squares = user_BD.square().sum(1) + own_BE.square().sum(1)
                hit_B = F.softplus(-(query_BE * own_BE).sum(1))
                found.append((hit_B + self.config.noise * other_BS.mean(1) + by / 2 * squares).mean())
        return torch.stack(found).sum()

    def _views(self, wide_XD: Tensor) -> list[Tensor]:
        return list(wide_XD.chunk(len(self.config.views), 1))

    def query(self, batch: Batch) -> Tensor:
        return F.pad(self.user_UD[batch.user_B], (0, 1), value=1.0)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        return self.item_NE if item_U is None else self.item_NE[item_U]

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """The score in its views and b_i (as the row), which sum to it; how far each of the item's words is foretold
        from the person, which is no part of it.
        """
        user_VBD, item_BE = self._views(self.user_UD[batch.user_B]), self.item_NE[item_B]
        part = [(u * i).sum(1) for u, i in zip(user_VBD, self._views(item_BE[:, :-1]), strict=True)]
        value_BV = torch.stack([*part, item_BE[:, -1]], 1)
        there_BV = spread(torch.ones_like(value_BV, dtype=torch.bool), self.config.views)
        found = [Weights(spread(value_BV, self.config.views), "view", "signed", True, there_BV, item_B)]
        for reader, user_BD in zip(self.readers, user_VBD, strict=True):
            if isinstance(reader, Words):
                given_BNC, valid_BN = reader.ragged.rows(item_B)
                word_BNE = reader.standard.into(reader.dense, given_BNC.to(user_BD.dtype))
                told_BN = torch.einsum("be,bne->bn", F.pad(user_BD, (0, 1), value=1.0), word_BNE) * valid_BN
                found.append(Weights(told_BN, "word", "signed", False, valid_BN, item_B))
        return found

    def scores_without(self, batch: Batch, item_B: Tensor) -> Weights:
        """With the mean item's vector of a view. Not faithful: the score reads what was learnt of the view, not it."""
        over_BD = self.user_UD[batch.user_B] * (self.item_NE[item_B] - self.item_NE[1:].mean(0))[:, :-1]
        score_BV = self.score(batch, item_B[:, None]) - torch.stack([v.sum(1) for v in self._views(over_BD)], 1)
        number_V = [("image", "text").index(view) + 1 for view in self.config.views]
        number_BV = torch.tensor(number_V, device=item_B.device).expand_as(score_BV)
        return Weights(score_BV, "view", "signed", False, number_BV > 0, item_B, number_BV)
