"""What every world is: acts, views, the cut into parts, and what one who knows the rule expects of each case."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.training.cases import Cases
from engine.training.catalog import Catalog
from engine.training.interactions import Interactions

VIEWS = ("image", "text")
VALID, TEST = 3, 8  # of each person's last acts
ALIKE = 1e-12  # chances that differ by less are one

Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """What a model is selected by, or tested on: training events, all events, the part's cases and their places."""

    train: Interactions
    events: Interactions
    cases: Cases
    part_E: Tensor


@runtime_checkable
class Rule(Protocol):
    """What follows from what, in a world."""

    def knows(self, item_UL: Codes, catalog: Catalog) -> Numbers:
        """chance_ULN of every item as each act of each person, to one who knows the rule, sees the catalog's views and
        has seen the acts before; column 0 is padding.
        """
        ...

    def causes(self, item_UL: Codes, catalog: Catalog) -> Flags:
        """cause_ULM: which earlier acts m made each act l likelier than another."""
        ...


@runtime_checkable
class RatingRule(Protocol):
    """What ratings follow from, in a world of ratings."""

    def expects(self, item_UL: Codes, rating_UL: Numbers, catalog: Catalog) -> Numbers:
        """expected_UL of each rating to one who knows the rule and the items' kinds and has seen the ratings of all
        moments before.
        """
        ...

    def causes(self, item_UL: Codes, catalog: Catalog) -> Flags:
        """cause_ULM: which earlier ratings m tell of each rating l."""
        ...


@dataclass(frozen=True)
class Made:
    """A world drawn from a seed: everyone's acts, what is known of the items, the rule, and ratings where there are
    some: then everyone's act l is of moment l.
    """

    item_UL: Codes
    catalog: Catalog
    rule: Rule | RatingRule
    rating_UL: Numbers | None = None

    @property
    def people(self) -> int:
        return len(self.item_UL)

    @property
    def told(self) -> list[NDArray[Any]]:
        """All that models are told of it."""
        if self.rating_UL is None:
            return [self.item_UL, *(self.catalog.vector(view).numpy() for view in VIEWS)]
        return [self.item_UL, self.rating_UL, self.catalog.categories.path_ZD.numpy()]

    def part(self, name: str) -> Part:
        """`valid` or `test`. Everyone's last acts are the test, those before them validation, all others training."""
        people, length = self.item_UL.shape
        stop = length - (TEST if name == "valid" else 0)
        start = stop - (VALID if name == "valid" else TEST)
        train, events = self._first(length - TEST - VALID), self._first(stop)
        user_C = np.repeat(np.arange(1, people + 1), stop - start)
        position_C = np.tile(np.arange(start, stop), people)
        target_C = self.item_UL[:, start:stop].ravel()
        cases = Cases.of({"user": user_C, "position": position_C, "target": target_C})
        return Part(train, events, cases, events.offset_U[cases.user_C] + cases.position_C)

    def _first(self, length: int) -> Interactions:
        """Everyone's first acts."""
        people = len(self.item_UL)
        columns = {
            "user": np.repeat(np.arange(1, people + 1), length),
            "item": self.item_UL[:, :length].ravel(),
            "event": np.arange(1, people * length + 1),
        }
        if self.rating_UL is not None:
            rating_E = self.rating_UL[:, :length].ravel().astype(np.float32)
            columns |= {"time": np.tile(np.arange(length), people), "rating": rating_E}
        return Interactions.of(columns, self.catalog.items)

    def causes(self) -> Flags:
        """cause_ULM: which earlier acts each act hangs on. None where it was no likelier, to one who knows the rule,
        than any item.
        """
        cause_ULM = self.rule.causes(self.item_UL, self.catalog) & earlier(self.item_UL.shape[1])
        if isinstance(self.rule, RatingRule):
            return cause_ULM
        chance_ULN = self.rule.knows(self.item_UL, self.catalog)
        own_UL1 = np.take_along_axis(chance_ULN, self.item_UL[:, :, None], 2)
        return cause_ULM & (own_UL1 > 1 / self.catalog.items + ALIKE)

    def best(self, catalog: Catalog | None = None) -> Numbers:
        """What one who knows the rule comes to at each test case: the rank of its target, ties by lot, or the squared
        error of its rating. By another catalog where one is given.
        """
        catalog = catalog or self.catalog
        if isinstance(self.rule, RatingRule):
            assert self.rating_UL is not None
            over_UL = self.rule.expects(self.item_UL, self.rating_UL, catalog) - self.rating_UL
            squared_C: Numbers = np.square(over_UL[:, -TEST:]).ravel()
            return squared_C
        chance_ULN = self.rule.knows(self.item_UL, catalog)[:, -TEST:, 1:]
        own_UL1 = np.take_along_axis(chance_ULN, self.item_UL[:, -TEST:, None] - 1, 2)
        greater_UL = (chance_ULN > own_UL1 + ALIKE).sum(2)
        ties_UL = (np.abs(chance_ULN - own_UL1) <= ALIKE).sum(2) - 1
        rank_UL: Numbers = 1.0 + greater_UL + np.random.default_rng(1).integers(0, ties_UL + 1)
        return rank_UL.ravel()


def shuffled(catalog: Catalog, views: Sequence[str], seed: int) -> Catalog:
    """The catalog with each of some views changing hands among the items that have it."""
    for place, name in enumerate(views):
        catalog = catalog.knocked(name, "shuffled", seed + place)
    return catalog


BLIND = ("views shuffled", lambda catalog, seed: shuffled(catalog, VIEWS, seed))


@dataclass(frozen=True)
class Row:
    """A line of a world's table."""

    model: str
    settings: dict[str, Any]
    batch_size: int = 64


@dataclass(frozen=True)
class World:
    """How a world is drawn from a seed, the rows of its table, and which row should be better than which."""

    made: Callable[[int], Made]
    rows: dict[str, Row]
    claims: Sequence[tuple[str, str]]
    rates: Sequence[float] = (0.01, 0.004)
    rated: bool = False  # its cases are ratings
    blind: tuple[str, Callable[[Catalog, int], Catalog]] = BLIND  # the oracle that reads another catalog


def earlier(acts: int) -> Flags:
    """[L, M]: whether act m comes before act l."""
    return np.tri(acts, k=-1, dtype=bool)


def view(value_ND: Numbers) -> Tensor:
    """Rows of items as a view of a catalog, before them the zeros of padding."""
    return torch.from_numpy(np.concatenate([np.zeros((1, value_ND.shape[1])), value_ND]).astype(np.float32))


def nearest(view_ND: Tensor, prototype_KD: Numbers) -> Codes:
    """Which prototype each vector is nearest to; of padding too."""
    distance_NK = np.square(view_ND.double().numpy()[:, None] - prototype_KD[None]).sum(2)
    found: Codes = distance_NK.argmin(1)
    return found


def drawn(chance_UN: Numbers, random: np.random.Generator) -> Codes:
    """One item a row, by its chances."""
    last = chance_UN.shape[1] - 1
    found: Codes = (chance_UN.cumsum(1) < random.random((len(chance_UN), 1))).sum(1).clip(1, last)
    return found


def mixed(parts: Sequence[tuple[NDArray[np.bool_], float]]) -> Numbers:
    """chance_UN: of each part with its share one of the items that are wanted there, each as likely; with what is left,
    or where a part wants none, any item.
    """
    people, columns = parts[0][0].shape
    found, left_U1 = np.zeros((people, columns)), np.ones((people, 1))
    for wanted_UN, share in parts:
        wanted_UN = wanted_UN & (np.arange(columns) > 0)
        count_U1 = wanted_UN.sum(1, keepdims=True)
        share_U1 = np.where(count_U1 > 0, share, 0.0)
        found += share_U1 * wanted_UN / np.maximum(count_U1, 1)
        left_U1 = left_U1 - share_U1
    found[:, 1:] += left_U1 / (columns - 1)
    return found
