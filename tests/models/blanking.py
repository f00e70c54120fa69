"""A catalog some of whose words or regions say nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from engine.training.catalog import Ragged


@contextmanager
def blanked(parts: Ragged, place_X: Tensor) -> Iterator[None]:
    """Within the block the vectors at some places of the flat table are zero, for all who hold the table."""
    place_X = torch.unique(place_X)
    kept_XD = parts.value_XD[place_X].clone()
    parts.value_XD[place_X] = 0
    try:
        yield
    finally:
        parts.value_XD[place_X] = kept_XD
