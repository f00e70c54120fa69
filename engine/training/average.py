"""The mean of a model's weights over the last part of its steps."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


class Average:
    """A running mean in which the last `share` of all steps so far weigh most (0: there is none, 1: all weigh alike).

    After step t the mean moves by 1 / (1 - share + share t) of the way to the weights: the polynomial-decay averaging
    of Shamir and Zhang (ICML 2013) with 1 + eta = 1 / share. The window grows with the run, so that one share suits
    runs of a hundred steps and of a million.
    """

    def __init__(self, model: nn.Module, share: float):
        self.share, self.steps = share, 0
        self.own = list(model.parameters()) if share else []
        self.mean = [weight.detach().clone() for weight in self.own]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after a step."""
        self.steps += 1
        part = 1 / (1 - self.share + self.share * self.steps)
        for mean, weight in zip(self.mean, self.own, strict=True):
            mean.lerp_(weight, part)

    @torch.no_grad()
    def take(self) -> None:
        """Make the mean the model's weights."""
        for mean, weight in zip(self.mean, self.own, strict=True):
            weight.copy_(mean)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """The mean as the model's weights for a while."""
        kept = [weight.detach().clone() for weight in self.own]
        self.take()
        try:
            yield
        finally:
            with torch.no_grad():
                for weight, before in zip(self.own, kept, strict=True):
                    weight.copy_(before)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"steps": self.steps, "mean": self.mean}

    @torch.no_grad()
    def resume(self, state: dict[str, Any]) -> None:
        """Go on from what a checkpoint kept."""
        self.steps = int(state["steps"])
        for mean, kept in zip(self.mean, state["mean"], strict=True):
            mean.copy_(kept)
