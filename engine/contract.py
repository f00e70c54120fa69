"""What a model can be asked. The class line of a model lists its abilities; the engine and the laws choose by it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from engine.params import Record

if TYPE_CHECKING:
    from engine.batch import Batch, Interactions

View = Literal["image", "text", "words", "regions", "categories"]


@dataclass(frozen=True)
class Needs:
    """What a batch and a catalog must hold for a model.

    `length`: events of history in a row (0: none, a row is a user). `negatives`: items drawn for each target.
    `shared`: items drawn once for a whole batch, with their log expected counts. `views`: tables of the catalog.
    `ahead`: how many events after a position its target lies (0: the event itself, for models that learn from sets).
    `pairs`: a row to learn from is one event with its user's history before it (else windows with a target at every
    position). `item_length`: events in the history of an asked item, cut strictly before the row's moment, as its
    user's history then is too. `ratings`: histories carry ratings. `predicts`: what the loss is of, and what
    selects. `leak`: the histories of a pair that is learnt from are whole, itself and what came later included.
    """

    length: int = 0
    negatives: int = 0
    shared: int = 0
    views: frozenset[View] = field(default_factory=frozenset)
    topics: bool = False
    times: bool = False
    ahead: int = 1
    pairs: bool = False
    item_length: int = 0
    ratings: bool = False
    predicts: Literal["item", "rating"] = "item"
    leak: bool = False


class Settings(Record):
    """A model's section of params.yaml; each model's `Config` extends it."""

    @property
    def needs(self) -> Needs:
        """What this setting of the model has to be given."""
        return Needs()


@dataclass(frozen=True)
class Weights:
    """One reason of the scores of one item a row.

    `value`: the last axis runs over the parts that are weighed (over "word_region" the last two, words then regions);
    `valid`, of the same shape, is False on padding. `about`, of the shape of the leading axes, names the items whose
    words, regions or views are weighed (0 padding): about_B the asked items, about_BL those of the history. It is
    None where the parts are the history's events [B, L] or the topics [B, T] themselves. `part`, of the shape of
    `value`, gives the parts' own codes where the batch does not: the users in an asked item's history.
    "gate" and "item_gate" are the gates of the two histories' steps, which the weights over them were made from.
    `faithful`: this very score was computed from these very weights.
    """

    value: Tensor
    over: Literal["history", "item_history", "word", "region", "word_region", "topic", "view", "gate", "item_gate"]
    kind: Literal["share", "gate", "signed"]
    faithful: bool
    valid: Tensor
    about: Tensor | None = None
    part: Tensor | None = None


class Recommender(nn.Module, ABC):
    """A model that scores candidates."""

    @property
    @abstractmethod
    def needs(self) -> Needs:
        """What batches and the catalog must hold."""

    @abstractmethod
    def score(self, batch: "Batch", item_BK: Tensor) -> Tensor:
        """Scores score_BK of candidates after each row's last event; a candidate's does not depend on the others."""


class CatalogScorer(Recommender):
    """A model that scores every item at once."""

    @abstractmethod
    def score_all(self, batch: "Batch") -> Tensor:
        """Scores score_BN, N = items + 1; column i agrees with `score` of item i, column 0 is padding."""


class Factored(CatalogScorer):
    """A catalog scorer whose scores are inner products, so that ranks are counted in cache-sized blocks."""

    @abstractmethod
    def query(self, batch: "Batch") -> Tensor:
        """One vector a row, query_BD."""

    @abstractmethod
    def keys(self, item_U: Tensor | None = None) -> Tensor:
        """One vector an item: key_UD of some items, or of all (None: U = items + 1)."""

    def score(self, batch: "Batch", item_BK: Tensor) -> Tensor:
        """Inner products; the vector of each distinct item is made once."""
        item_U, place_BK = torch.unique(item_BK, return_inverse=True)
        return torch.einsum("bd,bkd->bk", self.query(batch), self.keys(item_U)[place_BK])

    def score_all(self, batch: "Batch") -> Tensor:
        """Inner products with all."""
        return self.query(batch) @ self.keys().T


class Learner(Recommender):
    """A model that learns by gradient descent."""

    @abstractmethod
    def loss(self, batch: "Batch") -> Tensor:
        """A scalar: the mean over the batch's targets (where `target_BL` > 0)."""


class Solver(Recommender):
    """A model that is solved for: counting, least squares, sampling."""

    @abstractmethod
    def solve(self, train: "Interactions") -> None:
        """Set the parameters or buffers from the training interactions."""


class Rater(Recommender):
    """A model that predicts ratings."""

    @abstractmethod
    def rate(self, batch: "Batch", item_B: Tensor) -> Tensor:
        """Predicted rating_B of one item a row; not clipped."""


class Explainer(ABC):
    """A model that can give the reasons of its scores."""

    @abstractmethod
    def explain(self, batch: "Batch", item_B: Tensor) -> list[Weights]:
        """Reasons of the score of one item a row."""
