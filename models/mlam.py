"""MLAM: what in a story, and in a picture, draws this person to it (Hu, Jian, Cao and Chen, IJCAI 2018).

At each level a set of vectors x_k becomes one: tanh(W [sum of p_k x_k ; sum of g_k x_k] + b), the weights p a softmax
of isr(x_k . e_u; 1) with a vector of the person for the level, g one of isr(x_k . w + b; a), alike for everyone; isr(l;
a) = l / sqrt(1 + a l^2) keeps every logit within 1 / sqrt(a), so no weight is more than exp(2 / sqrt(a)) times another.
Words become sentences, sentences the text; regions the picture, which stands for the paper's cast as in Ante-RNN's
tables. score = e_u . [picture ; text]. Loss: softplus(-(score_ui - score_uj)), or max(0, margin - ...).

**Departs from the paper:** read from the authors' code, the paper's text was not at hand; `bounds` are the a that the
Ante-RNN paper gives (1, 4 and 2 for picture, word and sentence), for the weights alike for everyone; the code has 4, 64
and 16. Given words and regions are standardised and made `dim` wide by a layer first (regions with a tanh), and all
levels are as wide. The catalogue keeps no ends of sentences: one is `sentence` words in a row. `row` (ours) gives an
item a vector of its own beside what it says and shows: the actors that the cast level learns are one by name, regions
are none. `pretrain`: so many epochs of the picture (and row) first, as the authors train the cast level. The loss is
the logistic one, by which Ante-RNN's tables train their rivals, unless `loss: hinge` (the authors' script's) is asked.
"""

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from engine.tables.settings import Record
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import CatalogScorer, Explainer, Phase, Phased, Weights
from engine.training.needs import Needs, Settings, View
from models.blocks.attraction import Level, Picture, Story
from models.blocks.pooled import spread
from models.blocks.shared_settings import Dim, Dropout, Negatives

CELLS = {"cpu": 1 << 22, "cuda": 1 << 26}  # numbers that a step of scoring holds


class Bounds(Record):
    """Of a level's logits that are alike for everyone: 1 / sqrt of these."""

    image: float = Field(1.0, ge=0, description="of the logits of regions; 0: a plain softmax")
    word: float = Field(4.0, ge=0, description="of the logits of words")
    sentence: float = Field(2.0, ge=0, description="of the logits of sentences")
    personal: float = Field(1.0, ge=0, description="of every level's logits by person")


class Config(Settings):
    """Text and picture, or one of them."""

    dim: Dim = 32
    views: tuple[Literal["image", "text"], ...] = Field(
        ("image", "text"), min_length=1, description="what is read of an item"
    )
    sentence: int = Field(16, ge=0, description="words of a sentence; 0: a text is one")
    row: bool = Field(True, description="whether an item has a vector of its own beside what is read")
    bounds: Bounds = Field(Bounds(), description="how far apart weights can be")
    loss: Literal["logistic", "hinge"] = Field("logistic", description="of how far what was chosen is ahead")
    margin: float = Field(20.0, gt=0, description="of the hinge")
    negatives: Negatives = 1
    dropout: Dropout = 0.2
    pretrain: int = Field(0, ge=0, description="epochs of the picture (and row) before the whole")
    regularisation: float = Field(1e-6, ge=0, description="weight of the squares of all that is of persons")

    @property
    def needs(self) -> Needs:
        read: dict[str, View] = {"image": "regions", "text": "words"}
        return Needs(negatives=self.negatives, views=frozenset(read[view] for view in self.views))


def build(config: Config, catalog: Catalog, users: int) -> "MLAM":
    """A reader of each view, with its levels."""

    def level(bound: float) -> Level:
        return Level(config.dim, users, (config.bounds.personal, bound), config.dropout)

    def reader(view: str) -> nn.Module:
        if view == "image":
            return Picture(catalog.ragged("regions"), level(config.bounds.image))
        sentences = level(config.bounds.sentence) if config.sentence else None
        return Story(catalog.ragged("words"), level(config.bounds.word), sentences, config.sentence)

    return MLAM(config, [reader(view) for view in config.views], catalog.items, users)


@final
class MLAM(Phased, CatalogScorer, Explainer):
    """Parts of an item in the order of `views`, then its row; persons have a vector a part to score with."""

    def __init__(self, config: Config, readers: list[nn.Module], items: int, users: int):
        super().__init__()
        self.config, self.phase = config, "whole"
        self.readers = nn.ModuleList(readers)
        self.row_ND = nn.Parameter(torch.randn(items + 1, config.dim) * 0.1) if config.row else None
        parts = len(config.views) + int(config.row)
        self.user_UE = nn.Parameter(torch.randn(users + 1, parts * config.dim) * 0.1)

    @property
    def phases(self) -> list[Phase]:
        first = self.config.pretrain and set(self.config.views) == {"image", "text"}
        return [*([Phase("picture", self.config.pretrain, selected=False)] if first else []), Phase("whole")]

    def enter(self, phase: str) -> None:
        self.phase = phase

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def loss(self, batch: Batch) -> Tensor:
        if batch.target_BL is None or batch.negative_BLK is None:
            raise ValueError("MLAM compares targets with drawn items; the batch has none")
        score_BK = self.score(batch, torch.cat([batch.target_BL, batch.negative_BLK[:, 0]], 1))
        behind_BK = score_BK[:, 1:] - score_BK[:, :1]
        each_BK = F.softplus(behind_BK) if self.config.loss == "logistic" else F.relu(self.config.margin + behind_BK)
        persons = [self.user_UE, *(m.user_UD for m in self.modules() if isinstance(m, Level))]
        return each_BK.mean() + self.config.regularisation * torch.stack([p.square().sum() for p in persons]).sum()

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        user_P, item_P = batch.user_B[:, None].expand_as(item_BK).flatten(), item_BK.flatten()
        longest = int(self._counts[item_P].max()) if len(item_P) else 1
        rows = max(CELLS[item_P.device.type] // (self.config.dim * longest), 1)
        found = [
            self._added(user_C[None], item_C).sum(-1)[0]
            for user_C, item_C in zip(torch.split(user_P, rows), torch.split(item_P, rows), strict=True)
        ]
        return torch.cat(found).view_as(item_BK) if found else item_BK.float()

    def score_all(self, batch: Batch) -> Tensor:
        user_Q, place_B = torch.unique(batch.user_B, return_inverse=True)
        count_N = self._counts
        order_N = count_N.argsort(stable=True)  # items of like length together, so that no step is wider than its own
        size = max(CELLS[user_Q.device.type] // (max(len(user_Q), 1) * max(self.config.dim, int(count_N.max()))), 1)
        parts = [self._added(user_Q[:, None], item_I).sum(-1) for item_I in torch.split(order_N, size)]
        return torch.cat(parts, 1)[:, order_N.argsort()][place_B]

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """How the score falls into picture, text and row; which words and regions draw the person.

        Weights within `bounds` are never far apart: hold them against even ones.
        """
        added_BP = self._added(batch.user_B[None], item_B)[0]
        names: tuple[Literal["image", "text"], ...] = self.config.views
        seen, found = [], []
        for name, reader in zip(names, self.readers, strict=True):
            _, share_QIX, valid_IX = reader(batch.user_B[None], item_B)
            over: Literal["region", "word"] = "region" if name == "image" else "word"
            found.append(Weights(share_QIX[0], over, "share", True, valid_IX, item_B))
            seen.append(valid_IX.any(1))
        value_BP = added_BP if self.row_ND is not None else F.pad(added_BP, (0, 1))
        row_B = torch.full_like(item_B, self.row_ND is not None, dtype=torch.bool)
        valid_BV = spread(torch.stack([*seen, row_B], 1), names)
        return [Weights(spread(value_BP, names), "view", "signed", True, valid_BV, item_B), *found]

    def _added(self, user_QI: Tensor, item_I: Tensor) -> Tensor:
        """What each part adds to the scores of items I by persons, added_QIP; user_QI is [1, I] or [Q, 1]."""
        score_QIE = F.embedding(user_QI, self.user_UE)
        wide = score_QIE.shape[2] // self.config.dim
        asked, found = score_QIE.chunk(wide, 2), []
        for name, reader, asked_QID in zip(self.config.views, self.readers, asked, strict=False):
            if self.phase == "whole" or name == "image":
                found.append((asked_QID * reader(user_QI, item_I)[0]).sum(-1))
        if self.row_ND is not None:
            found.append((asked[-1] * F.embedding(item_I, self.row_ND)).sum(-1))
        return torch.stack(found, -1)

    @property
    def _counts(self) -> Tensor:
        """count_N: the most words or regions of each item, one at least."""
        counts = [reader.ragged.offset_N.diff() for reader in self.readers]  # type: ignore[union-attr, operator]
        return torch.stack(counts).amax(0).clamp(min=1)
