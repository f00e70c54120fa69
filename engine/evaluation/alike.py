"""Rows that read the same history: a model reads it once, whatever number of items is asked of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.evaluation.erasure import select_rows
from engine.evaluation.rate import rates
from engine.training.batch import Batch
from engine.training.contract import CatalogScorer, Recommender, Weights


@dataclass(frozen=True)
class Alike:
    """`first_U`: the first row of each history; `place_B`: each row's history, counted from 0."""

    first_U: Tensor
    place_B: Tensor

    @staticmethod
    def of(model: Recommender, batch: Batch, same_B: Tensor | None) -> "Alike":
        """By the numbers in `same_B` (None: each row its own), where the model scores the catalog from a history alone;
        else each row by itself.
        """
        row_B = torch.arange(len(batch.length_B), device=batch.length_B.device)
        if same_B is None or not isinstance(model, CatalogScorer) or rates(model) or batch.audience is not None:
            return Alike(row_B, row_B)
        number_U, place_B = torch.unique(same_B, return_inverse=True)
        first_U = torch.full_like(number_U, len(row_B)).scatter_reduce(0, place_B, row_B, "amin")
        return Alike(first_U, place_B)

    @property
    def each(self) -> bool:
        """Whether there is nothing to share."""
        return len(self.first_U) == len(self.place_B)

    def once(self, batch: Batch) -> Batch:
        """A row a history."""
        return batch if self.each else select_rows(batch, self.first_U)

    def spread(self, one: Weights, value_B: Tensor) -> Weights:
        """Weights with a row a history as weights with a row an item."""
        if self.each:
            return replace(one, value=value_B * one.valid)
        about, part = (None if of is None else of[self.place_B] for of in (one.about, one.part))
        valid = one.valid[self.place_B]
        return replace(one, value=value_B * valid, valid=valid, about=about, part=part)

    def slopes(self, value_B: Tensor, by: list[Tensor]) -> list[Tensor]:
        """The derivative of each row's value by what its history was given, a row an item."""
        if self.each:
            return list(torch.autograd.grad(value_B.sum(), by, materialize_grads=True))
        found = [torch.zeros_like(one)[self.place_B] for one in by]
        for row_R in turns(self.place_B):
            some = torch.autograd.grad(value_B[row_R].sum(), by, retain_graph=True, materialize_grads=True)
            for whole, part in zip(found, some, strict=True):
                whole[row_R] = part[self.place_B[row_R]]
        return found


def turns(number_B: Tensor) -> Iterator[Tensor]:
    """The rows, each once, in sets that hold no number twice, by number: row_R."""
    order_B = number_B.argsort(stable=True)
    sorted_B = number_B[order_B]
    step_B = torch.arange(len(order_B), device=order_B.device)
    turn_B = step_B - torch.searchsorted(sorted_B, sorted_B)
    for turn in range(int(turn_B.max()) + 1 if len(turn_B) else 0):
        yield order_B[turn_B == turn]
