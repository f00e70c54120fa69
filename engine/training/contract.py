"""What a model can be asked. The class line of a model lists its abilities; the engine and the laws choose by it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from engine.training.batch import Batch
from engine.training.interactions import Interactions
from engine.training.needs import Needs


@dataclass(frozen=True)
class Weights:
    """One reason of the scores of one item a row.

    `value`: the last axis runs over the parts that are weighed (over "word_region" the last two, words then regions);
    `valid`, of the same shape, is False on padding. `about`, of the shape of the leading axes, names the items whose
    words, regions or views are weighed (0 padding): about_B the asked items, about_BL those of the history (over
    "topic": at whose events the profile is weighed [B, L, T]). It is
    None where the parts are the history's events [B, L] or the topics [B, T] themselves. `part`, of the shape of
    `value`, gives the parts' own codes where the batch does not: the users in an asked item's history, its categories.
    "gate" and "item_gate" are the gates of the two histories' steps, or the shares of their events in each view, which
    the weights over them were made from.
    `faithful`: this very score was computed from these very weights. `name`: what the weights are called where their
    kind alone does not say it (a share is mostly attention, a gate a gate, a signed weight a contribution).
    """

    value: Tensor
    over: Literal[
        "history", "item_history", "word", "region", "word_region", "topic", "view", "category", "gate", "item_gate"
    ]
    kind: Literal["share", "gate", "signed"]
    faithful: bool
    valid: Tensor
    about: Tensor | None = None
    part: Tensor | None = None
    name: str = ""


class Recommender(nn.Module, ABC):
    """A model that scores candidates."""

    @property
    @abstractmethod
    def needs(self) -> Needs:
        """What batches and the catalog must hold."""

    @abstractmethod
    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        """Scores score_BK of candidates after each row's last event; a candidate's does not depend on the others."""


class CatalogScorer(Recommender):
    """A model that scores every item at once."""

    @abstractmethod
    def score_all(self, batch: Batch) -> Tensor:
        """Scores score_BN, N = items + 1; column i agrees with `score` of item i, column 0 is padding."""


class Factored(CatalogScorer):
    """A catalog scorer whose scores are inner products, so that ranks are counted in cache-sized blocks."""

    @abstractmethod
    def query(self, batch: Batch) -> Tensor:
        """One vector a row, query_BD."""

    @abstractmethod
    def keys(self, item_U: Tensor | None = None) -> Tensor:
        """One vector an item: key_UD of some items, or of all (None: U = items + 1)."""

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        """Inner products; the vector of each distinct item is made once."""
        item_U, place_BK = torch.unique(item_BK, return_inverse=True)
        return torch.einsum("bd,bkd->bk", self.query(batch), self.keys(item_U)[place_BK])

    def score_all(self, batch: Batch) -> Tensor:
        """Inner products with all."""
        return self.query(batch) @ self.keys().T


class Learner(Recommender):
    """A model that learns by gradient descent."""

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """A scalar: the mean over the batch's targets (where `target_BL` > 0)."""


@dataclass(frozen=True)
class Phase:
    """A part of a model's training, with an optimiser of its own.

    `epochs`: at most; None: as `train` says. `selected`: validation chooses its best epoch and ends it by `patience`;
    else it runs to its end and its last epoch is kept. `lr` of its own, or None.
    """

    name: str
    epochs: int | None = None
    selected: bool = True
    lr: float | None = None


class Phased(Learner):
    """A learner whose training has several phases, each going on from the state in which the one before ended.

    `needs`, `loss` and `score` are those of the phase that was entered; a new model is in its last.
    """

    @property
    @abstractmethod
    def phases(self) -> list[Phase]:
        """The phases in their order, at least one; the last one is what the model ranks with."""

    @abstractmethod
    def enter(self, phase: str) -> None:
        """Learn and score by a phase from now on; what it starts from is taken over from the one before here."""


class Prepared(Learner):
    """A learner that makes something of the training events before it learns: a graph, counts.

    `fit` calls `prepare` once, before the first phase, also when a killed run goes on. What it makes is kept in
    buffers, so that the weights carry it and a restored model needs no events. A buffer whose size hangs on the events
    takes its size from the weights that are loaded: `models.blocks.incidence` shows how.
    """

    @abstractmethod
    def prepare(self, train: Interactions) -> None:
        """Set the buffers; the same events give the same."""


class Solver(Recommender):
    """A model that is solved for: counting, least squares, sampling."""

    @abstractmethod
    def solve(self, train: Interactions) -> None:
        """Set the parameters or buffers from the training interactions."""


class Tuned(Solver):
    """A solver with settings that are chosen on validation; `fit` solves with each choice and keeps the best.

    What is chosen is kept in a buffer, so that the weights carry it. Until `choose` is called it is the first choice.
    """

    @property
    @abstractmethod
    def choices(self) -> list[dict[str, float]]:
        """The settings to try, at least one; the first of equals is kept."""

    @property
    @abstractmethod
    def chosen(self) -> dict[str, float]:
        """The settings that solving and scoring go by."""

    @abstractmethod
    def choose(self, choice: dict[str, float]) -> None:
        """Go by one of `choices` from now on; `solve` has to be called again."""


class Rater(Recommender):
    """A model that predicts ratings."""

    @abstractmethod
    def rate(self, batch: Batch, item_B: Tensor) -> Tensor:
        """Predicted rating_B of one item a row; not clipped."""


class Explainer(ABC):
    """A model that can give the reasons of its scores."""

    @abstractmethod
    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        """Reasons of the score of one item a row."""
