"""Models that are solved for by steps: a rate that is far too high ends in words, not in weights of no number."""

from pathlib import Path

import pytest

import models
from engine.tables.settings import Choice
from engine.training.fit import fit
from tests.models.variants import TINY
from tests.models.world import World, train


@pytest.mark.parametrize("name", ["mf", "timesvd", "hievh"])
def test_a_rate_far_too_high_ends_in_words(name: str, world: World, tmp_path: Path) -> None:
    choice = Choice(name=name, settings=TINY[name] | {"rate": 10_000.0})
    model = models.build(choice, world.catalog, world.users)
    with pytest.raises(FloatingPointError, match="not finite: a lower rate or a higher penalty would do"):
        fit(model, world.interactions(1), lambda: 0.0, train(1), 1, tmp_path / "run.pt")
