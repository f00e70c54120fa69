"""A model whose parameters know nothing: what a reason of it still says, it does not say of what was learnt."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from engine.training.contract import Recommender, Solver

CHOICES = "chosen_S"  # what validation chose is a setting, not learnt
FEW = ("view", "category")  # two or three parts, of which one deal would put the same first by chance


def deals(over: str) -> int:
    """How many deals a ranking of such parts is held against, in the mean."""
    return 8 if over in FEW else 1


def least(over: str) -> int:
    """How many parts an order has to have that is compared: the correlation of two is 1 or -1."""
    return 2 if over in FEW else 3


@contextmanager
def redrawn(model: Recommender, seed: int) -> Iterator[None]:
    """Within the block each parameter's values other than 0 are dealt out anew among their places (the randomised
    parameters of Adebayo et al. 2018, in the spread that they have); of a solver, what it solved for too.
    """
    generator = torch.Generator().manual_seed(seed)
    learnt = dict(model.named_parameters())
    if isinstance(model, Solver):
        learnt |= {name: value for name, value in model.state_dict().items() if _solved(name, value)}
    kept = {name: value.detach().clone() for name, value in learnt.items()}
    try:
        with torch.no_grad():
            for value in learnt.values():
                _deal(value, generator)
        yield
    finally:
        with torch.no_grad():
            for name, value in learnt.items():
                value.copy_(kept[name])


def _solved(name: str, value: Tensor) -> bool:
    return value.is_floating_point() and name.rpartition(".")[2] != CHOICES


def _deal(value: Tensor, generator: torch.Generator) -> None:
    place_X = value.flatten().nonzero()[:, 0]
    order_X = torch.randperm(len(place_X), generator=generator).to(value.device)
    flat = value.flatten()
    flat[place_X] = flat[place_X[order_X]]
    value.copy_(flat.view_as(value))
