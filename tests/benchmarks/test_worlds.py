"""The made worlds are what they say, and each system wins by what its world was made for."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.worlds import __main__ as command
from benchmarks.worlds import gates, mahn, min_net, trial
from benchmarks.worlds.made import TEST, VALID, Made, Row, World, shuffled
from benchmarks.worlds.table import outcomes
from benchmarks.worlds.trial import Trained, cell, kept
from engine.measures.ranking import ndcg
from engine.measures.significance import t_test
from models.mahn import MAHN

VIEWS = ("image", "text")
SHAPES = {"mahn": mahn.Shape(people=300), "min_net": min_net.Shape(people=400)}
RATE = {"mahn": 0.02, "min_net": 0.006}
MADE = {"mahn": mahn.made, "min_net": min_net.made}
LOST = [("mahn", "no views"), ("min_net", "MIN-i: no translation")]  # what each world was made to show


def small(name: str, seed: int = 1) -> Made:
    made: Made = MADE[name](seed, SHAPES[name])  # type: ignore[operator]
    return made


def gain(ranks: object) -> float:
    return float(ndcg(ranks, 10).mean())  # type: ignore[arg-type]


@pytest.fixture(params=list(MADE))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_who_knows_the_rule_beats_chance_by_far_and_needs_the_views(name: str) -> None:
    world = small(name)
    chance = gain(np.random.default_rng(1).integers(1, world.catalog.items + 1, world.people * TEST))
    assert gain(world.best()) > 8 * chance
    assert gain(world.best(shuffled(world.catalog, VIEWS, 1))) < 3 * chance


def test_a_seed_gives_the_same_world_again(name: str) -> None:
    one, again, other = small(name), small(name), small(name, 2)
    np.testing.assert_array_equal(one.item_UL, again.item_UL)
    for view in VIEWS:
        torch.testing.assert_close(one.catalog.vector(view), again.catalog.vector(view), rtol=0, atol=0)
    assert (one.item_UL != other.item_UL).mean() > 0.9


def test_who_knows_the_rule_does_not_know_what_comes(name: str) -> None:
    world, step = small(name), 6
    changed_UL = world.item_UL.copy()
    changed_UL[:, step:] = world.item_UL[::-1, step:]
    before, after = (world.rule.knows(item_UL, world.catalog) for item_UL in (world.item_UL, changed_UL))
    np.testing.assert_array_equal(before[:, : step + 1], after[:, : step + 1])
    assert (before[:, step + 2 :] != after[:, step + 2 :]).any()
    np.testing.assert_allclose(before.sum(2), 1, atol=1e-9)
    assert not before[:, :, 0].any()


def test_parts_are_apart(name: str) -> None:
    world = small(name)
    valid, test, acts = world.part("valid"), world.part("test"), world.item_UL.shape[1]
    assert len(valid.train) == len(test.train) == world.people * (acts - VALID - TEST)
    assert len(valid.events) == world.people * (acts - TEST)  # no test act is in what selects
    assert len(valid.cases) == world.people * VALID
    assert len(test.cases) == world.people * TEST
    for part, first in ((valid, acts - VALID - TEST), (test, acts - TEST)):
        assert torch.equal(part.events.item_E[part.part_E], part.cases.target_C)
        assert int(part.cases.position_C.min()) == first


@pytest.mark.parametrize(("name", "worse"), LOST)
def test_the_system_wins_by_what_its_world_was_made_for(name: str, worse: str) -> None:
    rows = command.WORLDS[name].rows
    found = [ndcg(cell(small(name), rows[row], 1, RATE[name]).place, 10) for row in (name, worse)]
    verdict = t_test(*found)
    assert verdict.difference > 0
    assert verdict.p < 0.01


def test_the_gates_let_pictures_through_where_an_act_leads_on() -> None:
    world = small("mahn")
    model, _ = trial.learnt(world, mahn.WORLD.rows["mahn"], 1, RATE["mahn"])
    assert isinstance(model, MAHN)
    own_ULX, state_ULD, passed_UL = gates.inside(model, world)
    leads_UL = gates.leads(world)
    assert passed_UL[leads_UL == 1].mean() > passed_UL[leads_UL == 0].mean() + 0.1
    assert gates.probed(state_ULD, leads_UL) > gates.probed(own_ULX, leads_UL) + 0.1


def cells(*places: list[float], capped: bool = False) -> list[Trained]:
    return [Trained(0.0, place, 0.01, 9, 1, 1.0, capped) for place in places]


def test_a_claim_is_tested_over_the_same_cases_of_every_seed() -> None:
    good, bad = [1.0] * 60 + [20.0] * 4, [20.0] * 60 + [1.0] * 4
    rows = {"a": cells(good, good), "b": cells(bad, bad), "c": cells(good, bad)}
    over_b, over_a, over_c = outcomes(rows, [("a", "b"), ("b", "a"), ("a", "c")])
    assert over_b.whole.cases == 128
    assert over_b.whole.difference == pytest.approx(56 / 64)
    assert over_b.says == "holds in each seed"
    assert over_a.says == "does not hold; 0 of 2 alone"
    assert over_c.says == "holds over the seeds together; 1 of 2 alone"
    assert over_c.seeds[0] == (0.0, 1.0)


def test_more_claims_ask_for_smaller_p() -> None:
    rows = {"a": cells([1.0] * 7 + [20.0] * 13), "b": cells([20.0] * 20)}
    alone, among = outcomes(rows, [("a", "b")])[0], outcomes(rows, [("a", "b")] * 3)[0]
    assert among.p == pytest.approx(3 * alone.p)
    assert (alone.says, among.says) == ("holds in each seed", "does not hold; 0 of 1 alone")


def test_a_row_that_ended_at_its_cap_enters_no_test() -> None:
    rows = {"a": cells([1.0] * 30), "b": cells([1.0] * 3 + [20.0] * 27, capped=True)}
    assert outcomes(rows, [("a", "b")])[0].says == "not tested: a row ended at its cap"


def test_a_cell_is_trained_once_and_known_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world, row = mahn.made(1, mahn.Shape(people=20, items=40, acts=14)), Row("popularity", {})
    first = kept(world, row, 1, 0.01, tmp_path)
    monkeypatch.setattr(trial, "cell", lambda *given: pytest.fail("trained again"))
    assert kept(world, row, 1, 0.01, tmp_path) == first
    with pytest.raises(pytest.fail.Exception):
        kept(mahn.made(2, mahn.Shape(people=20, items=40, acts=14)), row, 1, 0.01, tmp_path)  # another world


def test_the_command_prints_rows_oracle_and_claims(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"mahn": mahn.WORLD.rows["mahn"], "popularity": Row("popularity", {})}
    tiny = World(lambda seed: mahn.made(seed, mahn.Shape(people=20, items=40, acts=14)), rows, [("mahn", "popularity")])
    monkeypatch.setitem(command.WORLDS, "mahn", tiny)
    monkeypatch.setitem(trial.BUDGET, "epochs", 2)
    command.main(["mahn", "--seeds", "1", "2", "--out", str(tmp_path)])
    said = capsys.readouterr().out
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in said.splitlines() if line.startswith("| ")}
    assert {"oracle", "oracle, views shuffled", "mahn (cap)", "popularity"} <= lines.keys()
    assert lines["mahn over popularity"].endswith("not tested: a row ended at its cap |")
    assert lines["oracle"].count("|") == lines["popularity"].count("|")
    assert len(list((tmp_path / "mahn").iterdir())) == 2 * (2 + 1)  # two rates for what learns
