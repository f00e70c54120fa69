"""Weights of one history as readings: parts with their labels, the acts by their place in the history."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.training.catalog import Catalog
from engine.training.contract import Weights
from serving.answers import Part, Reading
from serving.labels import Labels
from serving.names import Names

VIEWS = ("picture", "text", "row")  # in the order in which models weigh them
ACTS, OTHERS = ("history", "gate"), ("item_history", "item_gate")


@dataclass(frozen=True)
class Reader:
    """Names the parts of weights after one history; the acts that the model reads are item_L, at place_L in it."""

    names: Names
    labels: Labels
    catalog: Catalog
    item_L: list[int]
    place_L: list[int]

    def reading(self, weights: Weights) -> Reading:
        """One row of weights, padding left out. Of pairs of word and region each region is kept, with its best word."""
        value, valid, word_of = weights.value, weights.valid, None
        if weights.over == "word_region" and valid.any():  # an item without words has no best one
            value, word_of = value.masked_fill(~valid, -torch.inf).max(dim=-2)
            valid = valid.any(dim=-2)
        parts = []
        for at in valid[0].nonzero().tolist():
            number = at[-1] + 1 if weights.part is None else int(weights.part[(0, *at)])
            best = number if word_of is None else int(word_of[(0, *at)]) + 1
            parts.append(self._part(weights, at, number, best, float(value[(0, *at)])))
        return Reading(weights.over, weights.kind, weights.faithful, tuple(parts), weights.name)

    def _part(self, weights: Weights, at: list[int], number: int, word: int, weight: float) -> Part:
        """`number`: of the part, from 1; `word`: of the word that labels it."""
        if weights.over in ACTS:
            item = self.names.item(self.item_L[at[0]])
            return Part(item.title, weight, self.place_L[at[0]], item.item)
        place, code = self._whose(weights.about, at)
        item_id = self.names.item(code).item if code else None
        if weights.over == "topic":
            return Part(self.labels.topic(number), weight, place, item_id, number)
        if weights.over in OTHERS:
            return Part(self.names.person(number), weight, place, item_id)
        if weights.over == "category":
            return Part(self.catalog.categories.names[number - 1], weight, place, item_id, number)
        label = {"word": _word, "word_region": _word, "region": _region, "view": _view}[weights.over]
        box = self._box(code, number) if weights.over in ("region", "word_region") else None
        return Part(label(self.labels, code, word), weight, place, item_id, number, box)

    def _whose(self, about: Tensor | None, at: list[int]) -> tuple[int | None, int]:
        """The place of the act whose item is weighed inside (None: the asked item), and that item's code."""
        if about is None:
            return None, 0
        if about.ndim == 1:
            return None, int(about[0])
        return self.place_L[at[0]], int(about[0, at[0]])

    def _box(self, code: int, number: int) -> tuple[float, ...] | None:
        boxes = self.labels.boxes(code)
        return tuple(boxes[number - 1]) if number <= len(boxes) else None


Label = Callable[[Labels, int, int], str]


def _word(labels: Labels, code: int, number: int) -> str:
    words = labels.words(code)
    return words[number - 1] if number <= len(words) else f"word {number}"


def _region(labels: Labels, code: int, number: int) -> str:
    return f"region {number}"


def _view(labels: Labels, code: int, number: int) -> str:
    return VIEWS[number - 1]
