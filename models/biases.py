"""Biases: the mean rating, and how far a user and an item lie from it (Koren, Bell and Volinsky, Computer 2009, eq. 3).

rating = m + b_u + b_i, each bias the damped mean of what the others leave over: b_i = sum over its ratings of
(r - m - b_u) / (damping + count), then b_u likewise, `sweeps` times over.

**Departs from the paper:** solved by sweeps that damp by counts, not by gradient descent with a penalty. `of: none` is
the mean alone, `of: user` and `of: item` one side. With `person: history` b_u is the damped mean of (r - m - b_i) over
the last `length` ratings before the moment that is asked about, so that somebody who came after training has one too;
b_i stays what training gave. `length` and the dampings may be lists: validation chooses.
"""

from typing import Annotated, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.choices import combinations
from engine.training.contract import Factored, Rater, Tuned
from engine.training.interactions import Interactions
from engine.training.needs import Needs, Settings
from models.blocks.chosen import Chosen

Count = Annotated[int, Field(ge=1)]
Counts = Annotated[tuple[Count, ...], Field(min_length=1)]
Damping = Annotated[float, Field(ge=0)]
Dampings = Annotated[tuple[Damping, ...], Field(min_length=1)]


class Config(Settings):
    """Whose biases there are, and how much each is drawn to zero. Of lists validation chooses by the lowest RMSE."""

    of: Literal["both", "user", "item", "none"] = Field("both", description="whose biases; none: the mean alone")
    person: Literal["trained", "history"] = Field(
        "trained", description="a user's bias: of training, or of the ratings before the moment asked about"
    )
    length: Count | Counts = Field(
        200, description="last ratings that a user's bias is made of, with person: history; or a list to choose from"
    )
    user_damping: Damping | Dampings = Field(
        10, description="ratings at the mean that each user is given besides; or a list to choose from"
    )
    item_damping: Damping | Dampings = Field(
        10, description="ratings at the mean that each item is given besides; or a list to choose from"
    )
    sweeps: int = Field(15, ge=1, description="passes over items and users, in turn")

    @property
    def reads(self) -> bool:
        """Whether a user's bias comes from the history."""
        return self.person == "history" and self.of in ("both", "user")

    @property
    def choices(self) -> list[dict[str, float]]:
        """Combinations of the settings that act on a rating."""
        acting = {"length": self.reads, "user_damping": self.of != "item", "item_damping": self.of != "user"}
        names = [name for name, acts in acting.items() if acts and self.of != "none"]
        return combinations(**{name: getattr(self, name) for name in names})

    @property
    def needs(self) -> Needs:
        """Ratings to predict; a history only where a user's bias is made of it."""
        longest = int(max(choice.get("length", 0) for choice in self.choices))
        return Needs(length=longest, ratings=self.reads, predicts="rating")


def build(config: Config, catalog: Catalog, users: int) -> "Biases":
    """The model, not yet solved."""
    return Biases(config, catalog.items, users)


@final
class Biases(Chosen, Tuned, Rater, Factored):
    """Whoever has no rating to go by has no bias."""

    mean: Tensor
    user_U: Tensor
    item_N: Tensor

    def __init__(self, config: Config, items: int, users: int):
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("user_U", torch.zeros(users + 1))
        self.register_buffer("item_N", torch.zeros(items + 1))
        self.offer(config.choices)

    @property
    def needs(self) -> Needs:
        return self.config.needs

    def solve(self, train: Interactions) -> None:
        rating_E = train.rated(torch.arange(len(train), device=train.item_E.device)).double()
        over_E = rating_E - rating_E.mean()
        chosen = self.chosen
        user_U, item_N = self.user_U.double().zero_(), self.item_N.double().zero_()
        for _ in range(self.config.sweeps):
            if self.config.of in ("both", "item"):
                item_N = _damped(over_E - user_U[train.user_E], train.item_E, len(item_N), chosen["item_damping"])
            if self.config.of in ("both", "user"):
                user_U = _damped(over_E - item_N[train.item_E], train.user_E, len(user_U), chosen["user_damping"])
        self.mean.copy_(rating_E.mean())
        self.user_U.copy_(user_U)
        self.item_N.copy_(item_N)

    def rate(self, batch: Batch, item_B: Tensor) -> Tensor:
        return self.score(batch, item_B[:, None])[:, 0]

    def query(self, batch: Batch) -> Tensor:
        base_B = self.mean + (self._read(batch) if self.config.reads else self.user_U[batch.user_B])
        return torch.stack([base_B, torch.ones_like(base_B)], 1)

    def keys(self, item_U: Tensor | None = None) -> Tensor:
        own_U = self.item_N if item_U is None else self.item_N[item_U]
        return torch.stack([torch.ones_like(own_U), own_U], 1)

    def _read(self, batch: Batch) -> Tensor:
        """The damped mean of what the last ratings of a history leave over; one of presence 0 keeps its place in it."""
        if batch.rating_BL is None:
            raise ValueError("`person: history` reads the ratings of the history; the batch has none")
        chosen, step_L = self.chosen, torch.arange(batch.item_BL.shape[1], device=batch.item_BL.device)
        late_BL = step_L >= batch.length_B[:, None] - int(chosen["length"])
        weight_BL = (batch.valid_BL & late_BL).to(self.mean.dtype)
        if batch.presence_BL is not None:
            weight_BL = weight_BL * batch.presence_BL
        over_BL = (batch.rating_BL - self.mean - self.item_N[batch.item_BL]) * weight_BL
        return over_BL.sum(1) / (weight_BL.sum(1) + chosen["user_damping"]).clamp(min=1e-12)


def _damped(over_E: Tensor, owner_E: Tensor, owners: int, damping: float) -> Tensor:
    """The damped mean of each owner's values; zero for who has none."""
    total = torch.bincount(owner_E, weights=over_E, minlength=owners)
    count = torch.bincount(owner_E, minlength=owners)
    return total / (count + damping).clamp(min=1e-12)
