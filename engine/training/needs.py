"""What a batch and a catalog must hold for a model, and the settings that say so."""

from dataclasses import dataclass, field
from typing import Literal

from engine.tables.settings import Record

View = Literal["image", "text", "words", "regions", "categories", "topics"]


@dataclass(frozen=True)
class Needs:
    """What a batch and a catalog must hold for a model.

    `length`: events of history in a row (0: none, a row is a user). `window`: those of a row that is learnt from, where
    a target reads fewer of them than the row holds (0: `length`). `negatives`: items drawn for each target.
    `shared`: items drawn once for a whole batch by popularity to the power `shared_power` (0: uniformly), with the log
    of their expected counts. `views`: tables of the catalog.
    `ahead`: how many events after a position its target lies (0: the event itself, for models that learn from sets).
    `pairs`: a row to learn from is one event with its user's history before it (else windows with a target at every
    position). `item_length`: events in the history of an asked item, cut strictly before the row's moment, as its
    user's history then is too. `ratings`: histories carry ratings. `predicts`: what the loss is of, and what
    selects. `leak`: the histories of a pair that is learnt from are whole, itself and what came later included.
    `now`: the moment that a row is asked at.
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
    now: bool = False
    ratings: bool = False
    predicts: Literal["item", "rating"] = "item"
    leak: bool = False
    shared_power: float = 0.75
    window: int = 0

    @property
    def span(self) -> int:
        """Events of a row that is learnt from."""
        return self.window or self.length


class Settings(Record):
    """A model's section of params.yaml; each model's `Config` extends it."""

    @property
    def needs(self) -> Needs:
        """What this setting of the model has to be given."""
        return Needs()
