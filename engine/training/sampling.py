"""Negatives and windows, drawn on the device by a seeded generator."""

from collections.abc import Iterator

import torch
from torch import Tensor

from engine.training.batch import Batch
from engine.training.interactions import Interactions

POOL = 16  # steps' worth of windows that are sorted by length together
CELLS = 2**26  # a table of all pairs is looked up at once, a longer one is searched in


def windows_of(train: Interactions, length: int, ahead: int = 1) -> int:
    """How many windows an epoch has."""
    inputs_U = (train.offset_U.diff() - ahead).clamp(min=0)
    return int(((inputs_U + length - 1) // length).sum())


def windows(train: Interactions, length: int, generator: torch.Generator, ahead: int = 1) -> tuple[Tensor, Tensor]:
    """Cut every user's events into windows of at most `length` inputs, as few as can be, with random borders.

    Each event but a user's first `ahead` is a target in exactly one window. Gives start_W, stop_W in random order: the
    inputs [start, stop), whose targets are `ahead` later.
    """
    device = train.item_E.device
    inputs_U = (train.offset_U.diff() - ahead).clamp(min=0)
    count_U = (inputs_U + length - 1) // length
    least_U = inputs_U - (count_U - 1).clamp(min=0) * length  # what the first window must take at least
    free_U = torch.where(count_U > 1, length - least_U + 1, 1)
    first_U = least_U + (torch.rand(len(inputs_U), generator=generator).to(device) * free_U).long()
    user_W = torch.repeat_interleave(torch.arange(len(count_U), device=device), count_U)
    number_W = torch.arange(len(user_W), device=device) - (count_U.cumsum(0) - count_U)[user_W]
    stop_W = torch.minimum(first_U[user_W] + number_W * length, inputs_U[user_W])
    start_W = (first_U[user_W] + (number_W - 1) * length).clamp(min=0)
    base_W = train.offset_U[user_W]
    order_W = torch.randperm(len(user_W), generator=generator).to(device)
    return (base_W + start_W)[order_W], (base_W + stop_W)[order_W]


def batches(
    train: Interactions, length: int, rows: int, generator: torch.Generator, ahead: int = 1
) -> Iterator[tuple[Tensor, Tensor]]:
    """The windows of an epoch, start_B and stop_B, `rows` at a time on average.

    Windows alike in length go together, so that little is padding, in steps of about as many targets each, so that
    every target weighs the same; which ones meet, and the order of the steps, are random.
    """
    start_W, stop_W = windows(train, length, generator, ahead)
    size_W = stop_W - start_W
    pool_W = torch.arange(len(size_W), device=size_W.device) // (rows * POOL)
    order_W = torch.argsort(pool_W * (length + 1) + size_W, stable=True)
    before_W = size_W[order_W].cumsum(0) - size_W[order_W]
    steps = -(-len(size_W) // rows)
    step_W = before_W * steps // max(int(size_W.sum()), 1)
    parts = torch.split(order_W, torch.bincount(step_W, minlength=steps).tolist())
    for step in torch.randperm(steps, generator=generator).tolist():
        if len(parts[step]):
            yield start_W[parts[step]], stop_W[parts[step]]


class Negatives:
    """Items drawn uniformly that a user has not acted on in training; test items are never used to exclude."""

    def __init__(self, train: Interactions):
        self.items = train.items
        self.key_E = torch.unique(train.user_E * (train.items + 1) + train.item_E)
        self.known: Tensor | None = None
        if (cells := (train.users + 1) * (train.items + 1)) <= CELLS:
            self.known = torch.zeros(cells, dtype=torch.bool, device=self.key_E.device)
            self.known[self.key_E] = True

    def draw(self, user_B: Tensor, shape: tuple[int, ...], generator: torch.Generator, rounds: int = 8) -> Tensor:
        """item_B… uniform over 1..items, redrawn where the user has it; after `rounds` what is left stays."""
        user_X = user_B.view(-1, *[1] * (len(shape) - 1)).expand(shape).reshape(-1)
        drawn_X = self._uniform(len(user_X), generator).to(user_B.device)
        place_X = self.has(user_X, drawn_X).nonzero()[:, 0]
        for _ in range(rounds):
            if not len(place_X):
                break
            drawn_X[place_X] = self._uniform(len(place_X), generator).to(user_B.device)
            place_X = place_X[self.has(user_X[place_X], drawn_X[place_X])]
        return drawn_X.view(shape)

    def has(self, user: Tensor, item: Tensor) -> Tensor:
        """Whether each user acted on each item in training."""
        key = user * (self.items + 1) + item
        if self.known is not None:
            return self.known[key]
        place = torch.searchsorted(self.key_E, key).clamp(max=len(self.key_E) - 1)
        found: Tensor = self.key_E[place] == key
        return found

    def _uniform(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randint(1, self.items + 1, (count,), generator=generator)


class Shared:
    """Items drawn once for a batch by popularity to a power, with the log of their expected counts (logQ)."""

    def __init__(self, train: Interactions, power: float = 0.75):
        count_N = torch.bincount(train.item_E, minlength=train.items + 1).double()
        weight_N = count_N**power
        weight_N[0] = 0
        self.share_N = weight_N / weight_N.sum()

    def draw(self, batch: Batch, count: int, generator: torch.Generator) -> Batch:
        """The batch with `count` shared items and their log expected counts."""
        item_S = torch.multinomial(self.share_N.cpu(), count, replacement=True, generator=generator)
        device = batch.user_B.device
        expected_S = (self.share_N.cpu()[item_S] * count).log().float()
        return batch.but(shared_S=item_S.to(device), expected_S=expected_S.to(device))
