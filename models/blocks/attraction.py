"""Sets of vectors that become one by what draws a person to them, and by what draws everyone (MLAM)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.training.catalog import Ragged
from models.blocks import masked
from models.blocks.ragged import LinearParts


def isr(logit: Tensor, bound: float) -> Tensor:
    """x / sqrt(1 + a x^2), within 1 / sqrt(a) of zero; a = 0 leaves it as it is."""
    return logit * torch.rsqrt(1 + bound * logit.square())


class Level(nn.Module):
    """Persons asked in pairs: of I sets each is asked by Q persons; with Q = 1 set i is asked by person i.

    The layer over both pools is taken apart, so that what is alike for everyone is made once a set.
    """

    def __init__(self, dim: int, users: int, bounds: tuple[float, float], dropout: float):
        super().__init__()
        self.own, self.alike = bounds
        self.user_UD = nn.Parameter(torch.randn(users + 1, dim) * 0.1)
        self.everyone = nn.Linear(dim, 1)
        self.of_own, self.of_alike = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim)
        for dense in (self.of_own, self.of_alike):
            nn.init.xavier_uniform_(dense.weight)
        self.dropout = nn.Dropout(dropout)

    def forward(self, value: Tensor, valid_IX: Tensor, user_QI: Tensor) -> tuple[Tensor, Tensor]:
        """vector_QID (zero of an empty set) and each person's share_QIX, of value [I, X, D] or [Q, I, X, D]."""
        some = "ixd" if value.ndim == 3 else "qixd"
        query_QID = F.embedding(user_QI, self.user_UD).expand(-1, len(valid_IX), -1)
        logit_QIX = torch.einsum(f"{some},qid->qix", value, query_QID)
        share_QIX = masked.softmax(isr(logit_QIX, self.own), valid_IX)
        alike_X = masked.softmax(isr(self.everyone(value)[..., 0], self.alike), valid_IX)
        own_QID = torch.einsum(f"qix,{some}->qid", share_QIX, value)
        alike_D = torch.einsum(f"{some[:-1]},{some}->{some[:-2]}d", alike_X, value)
        vector_QID = torch.tanh(self.of_own(self.dropout(own_QID)) + self.of_alike(self.dropout(alike_D)))
        return vector_QID * valid_IX.any(1)[:, None], share_QIX


class Picture(nn.Module):
    """Regions, through a layer with a tanh, to one vector."""

    def __init__(self, ragged: Ragged, level: Level):
        super().__init__()
        self.ragged = ragged
        self.parts = LinearParts(ragged, level.everyone.in_features)
        self.level = level

    def forward(self, user_QI: Tensor, item_I: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """vector_QID, each person's share_QIX of the regions, and valid_IX."""
        value_IXD, valid_IX = padded(self.parts, item_I)
        vector_QID, share_QIX = self.level(torch.tanh(value_IXD), valid_IX, user_QI)
        return vector_QID, share_QIX, valid_IX


class Story(nn.Module):
    """Words to sentences of `size` in a row, sentences to one vector; or words at once, where `sentences` is None."""

    def __init__(self, ragged: Ragged, words: Level, sentences: Level | None, size: int):
        super().__init__()
        self.ragged, self.size = ragged, size
        self.parts = LinearParts(ragged, words.everyone.in_features)
        self.words, self.sentences = words, sentences

    def forward(self, user_QI: Tensor, item_I: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """vector_QID, each person's share_QIX of the words (that of the sentence times that in it), and valid_IX."""
        value_IXD, valid_IX = padded(self.parts, item_I)
        if self.sentences is None:
            return *self.words(value_IXD, valid_IX, user_QI), valid_IX
        longest = valid_IX.shape[1]
        count, more = -(-longest // self.size), -longest % self.size
        value_JWD = F.pad(value_IXD, (0, 0, 0, more)).view(-1, self.size, value_IXD.shape[2])
        valid_JW = F.pad(valid_IX, (0, more)).view(-1, self.size)
        user_QJ = user_QI if user_QI.shape[1] == 1 else user_QI.repeat_interleave(count, 1)
        sentence_QJD, in_QJW = self.words(value_JWD, valid_JW, user_QJ)
        said_IS = valid_JW.any(1).view(-1, count)
        vector_QID, of_QIS = self.sentences(sentence_QJD.unflatten(1, said_IS.shape), said_IS, user_QI)
        share_QIX = (in_QJW.unflatten(1, said_IS.shape) * of_QIS[..., None]).flatten(2)
        return vector_QID, share_QIX[..., :longest], valid_IX


def padded(parts: LinearParts, item_I: Tensor) -> tuple[Tensor, Tensor]:
    """value_IXD and valid_IX of some items, each distinct one made once; at least one part wide."""
    item_U, place_I = torch.unique(item_I, return_inverse=True)
    made = parts(item_U)
    short = int(made.valid_UX.shape[1] == 0)
    value_UXD, valid_UX = F.pad(made.padded_UXD, (0, 0, 0, short)), F.pad(made.valid_UX, (0, short))
    return value_UXD.index_select(0, place_I), valid_UX.index_select(0, place_I)
