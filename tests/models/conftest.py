"""What the laws share."""

import numpy as np
import pytest

from tests.models.world import World


@pytest.fixture(scope="session")
def world() -> World:
    """Twelve users with 3 to 10 events over 15 items, in no order; item 2 has no picture and no words."""
    generator = np.random.default_rng(7)
    return World([generator.integers(1, 16, n).tolist() for n in [3, 10, 5, 4, 7, 9, 3, 6, 8, 5, 4, 10]], 15)
