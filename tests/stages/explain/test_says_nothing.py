"""Which rankings are told to say nothing."""

import numpy as np
import pytest

from engine.evaluation.claims import RankingTests
from stages.explain.claims import section

CASES = 60


def ranked(area: float, redrawn: float = 0.0) -> RankingTests:
    """A ranking whose erasure takes so much, beside random acts that take .5."""
    rng = np.random.default_rng(1)

    def around(mean: float) -> np.ndarray:
        return mean + 0.1 * rng.standard_normal(CASES)

    own = {"comprehensiveness": around(area), "redrawn": np.full(CASES, redrawn)}
    return RankingTests(np.arange(CASES), {"own_share": own, "random": {"comprehensiveness": around(0.5)}})


@pytest.mark.parametrize(
    ("area", "redrawn", "nothing"),
    [(0.8, 0.0, 0.0), (0.5, 0.0, 1.0), (0.2, 0.0, 1.0), (-0.2, 0.0, 1.0), (0.8, 0.9, 1.0)],
    ids=["more than at random", "as much", "surely less", "the score rises", "the same of redrawn parameters"],
)
def test_a_ranking_speaks_where_erasing_by_it_does_more_than_at_random(
    area: float, redrawn: float, nothing: float
) -> None:
    found = section(ranked(area, redrawn), seed=1)["own_share"]
    assert found["says_nothing"] == nothing
    assert (found["p_random"] < 0.05) == (area != 0.5)
