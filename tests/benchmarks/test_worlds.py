"""The made worlds are what they say, and each system wins by what its world was made for."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.worlds import __main__ as command
from benchmarks.worlds import causes, gates, iarn, iris, mahn, min_net, trial
from benchmarks.worlds.made import TEST, VALID, VIEWS, Made, Numbers, Row, Rule, World, shuffled
from benchmarks.worlds.table import outcomes, readings, verdicts
from benchmarks.worlds.trial import Trained, cell, kept
from engine.evaluation.question import Question
from engine.evaluation.readings import read
from engine.measures.ranking import ndcg
from engine.measures.significance import t_test
from models.mahn import MAHN
from stages.explain.hits import Hits

SHAPES = {
    "mahn": mahn.Shape(people=300),
    "min_net": min_net.Shape(people=400),
    "iris": iris.Shape(people=400, acts=40, together=1),
}
RATE = {"mahn": 0.02, "min_net": 0.006, "iris": 0.02}
MADE = {"mahn": mahn.made, "min_net": min_net.made, "iris": iris.made}
LOST = [("mahn", "no views"), ("min_net", "MIN-i: no translation"), ("iris", "fism")]  # what each was made to show
LEFT = {"mahn": 0.15, "min_net": 0.2, "iris": 0.8}  # of the oracle, at most, to one who sees shuffled views


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
    assert gain(world.best()) > 4 * chance
    assert gain(world.best(shuffled(world.catalog, VIEWS, 1))) < LEFT[name] * gain(world.best())


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
    assert isinstance(world.rule, Rule)
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
    found = [ndcg(cell(small(name), rows[row], 1, RATE[name]).found, 10) for row in (name, worse)]
    verdict = t_test(*found)
    assert verdict.difference > 0
    assert verdict.p < 0.01


def test_an_act_speaks_for_its_colour_in_its_theme_alone() -> None:
    world = small("iris")
    assert isinstance(world.rule, iris.Rule)
    theme_N, colour_N = world.rule.themes(world.catalog), world.rule.colour_N
    np.testing.assert_array_equal(np.bincount(theme_N[1:]), [10] * 8)
    chance_N = world.rule.knows(world.item_UL, world.catalog)[0, 1]
    first = world.item_UL[0, 0]
    there_N, alike_N = theme_N == theme_N[first], colour_N == colour_N[first]
    likely = 0.9 * 0.9 + 0.1 * 0.025  # the colour is the person's own with chance 0.9, and then chosen with 0.9
    for wanted_N, chance in (
        (there_N & alike_N, likely),
        (there_N & ~alike_N, (1 - likely) / 4),
        (~there_N & (theme_N >= 0), 1 / 5),
    ):
        np.testing.assert_allclose(chance_N[wanted_N], chance / 8 / 2)


def test_no_detail_and_no_word_tells_what_they_tell_together() -> None:
    world = iris.made(1, iris.Shape(seen=0, read=0, together=1, noise=0.0, each=200))
    assert isinstance(world.rule, iris.Rule)
    sign_N = 2.0 * world.rule.themes(world.catalog)[1:] - 1
    shown_N, said_N = (np.sign(world.catalog.vector(view)[1:, 0].numpy()) for view in VIEWS)
    assert abs(np.corrcoef(sign_N, shown_N)[0, 1]) < 0.1
    assert abs(np.corrcoef(sign_N, said_N)[0, 1]) < 0.1
    assert abs(np.corrcoef(sign_N, shown_N * said_N)[0, 1]) == pytest.approx(1)


def test_the_gates_let_pictures_through_where_an_act_leads_on() -> None:
    world = small("mahn")
    model, _ = trial.learnt(world, mahn.WORLD.rows["mahn"], 1, RATE["mahn"])
    assert isinstance(model, MAHN)
    own_ULX, state_ULD, passed_UL = gates.inside(model, world)
    leads_UL = gates.leads(world)
    assert passed_UL[leads_UL == 1].mean() > passed_UL[leads_UL == 0].mean() + 0.1
    assert gates.probed(state_ULD, leads_UL) > gates.probed(own_ULX, leads_UL) + 0.1


def drifting(seed: int = 1, **sizes: float) -> Made:
    return iarn.made(seed, iarn.Shape(**{"people": 60, "acts": 20, **sizes}))  # type: ignore[arg-type]


def expected(world: Made, rating_UL: Numbers | None = None) -> Numbers:
    assert isinstance(world.rule, iarn.Rule)
    assert world.rating_UL is not None
    return world.rule.expects(world.item_UL, world.rating_UL if rating_UL is None else rating_UL, world.catalog)


def squared(world: Made, guess_UL: Numbers) -> Numbers:
    assert world.rating_UL is not None
    return np.square(guess_UL - world.rating_UL)[:, -TEST:]


def test_a_seed_gives_the_same_ratings_again() -> None:
    one, again, other = drifting(), drifting(), drifting(2)
    assert one.rating_UL is not None
    np.testing.assert_array_equal(one.rating_UL, again.rating_UL)
    assert (one.rating_UL != other.rating_UL).all()


def test_ratings_are_drawn_as_spreads_and_shares_say() -> None:
    world = drifting(people=4000, acts=9, items=4000, taste_kept=0.5, standing_kept=0.0, taste=1.0)
    assert world.rating_UL is not None
    over_UL = world.rating_UL - iarn.MIDDLE
    kind_UL = world.catalog.categories.path_ZD[:, 0].numpy()[world.item_UL - 1]
    together = [over_UL[:, 0] * over_UL[:, step] for step in range(3)]
    alike = [kind_UL[:, 0] == kind_UL[:, step] for step in range(3)]
    assert together[0].mean() == pytest.approx(1 + 0.4**2 + 0.3**2, abs=0.1)
    assert together[1][alike[1]].mean() == pytest.approx(0.5, abs=0.12)
    assert together[2][alike[2]].mean() == pytest.approx(0.25, abs=0.12)
    assert together[1][~alike[1]].mean() == pytest.approx(0, abs=0.12)  # a taste tells of its own kind alone


def test_who_knows_how_ratings_drift_expects_what_follows() -> None:
    """Nobody who takes every act for telling comes near."""
    world = drifting(people=300, taste_kept=1.0, standing_kept=1.0)
    blind = world.best(iarn.kinds(["one"] * world.catalog.items))
    chance = squared(world, np.full(world.item_UL.shape, iarn.MIDDLE))
    assert 0.3**2 < world.best().mean() < 0.25 * chance.mean()  # the noise is left
    assert blind.mean() > 0.5 * chance.mean()


def test_where_nothing_drifts_what_was_rated_is_known() -> None:
    still = drifting(noise=0.001, taste_kept=1.0, standing=0.0)
    again_UL = np.array([[item in row[:step] for step, item in enumerate(row)] for row in still.item_UL])
    assert still.rating_UL is not None
    np.testing.assert_allclose(expected(still)[again_UL], still.rating_UL[again_UL], atol=0.01)


def test_an_expected_rating_is_of_moments_before() -> None:
    world, step = drifting(), 6
    assert world.rating_UL is not None
    changed_UL = world.rating_UL.copy()
    changed_UL[:, step:] += 1
    before, after = expected(world), expected(world, changed_UL)
    np.testing.assert_array_equal(before[:, : step + 1], after[:, : step + 1])
    assert (np.abs(before[:, step + 1] - after[:, step + 1]) > 0.01).any()


def test_parts_of_a_world_of_ratings_carry_moments_and_ratings() -> None:
    world = drifting()
    assert world.rating_UL is not None
    test = world.part("test")
    np.testing.assert_allclose(test.events.rated(test.part_E), world.rating_UL[:, -TEST:].ravel(), atol=1e-6)
    assert test.events.time_E is not None
    assert torch.equal(test.events.time_E[test.part_E], test.cases.position_C)
    assert test.train.rating_E is not None
    learnt_UL = world.rating_UL[:, : len(test.train) // world.people]
    assert learnt_UL.shape[1] == world.rating_UL.shape[1] - VALID - TEST
    np.testing.assert_allclose(test.train.rating_E, learnt_UL.ravel(), atol=1e-6, err_msg="ratings of its own acts")


def test_iarn_errs_less_than_tagm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trial.BUDGET, "epochs", 10)
    world, rows = iarn.made(1), iarn.WORLD.rows
    interacting, own = (cell(world, rows[row], 1, 0.02) for row in ("iarn", "TAGM"))
    verdict = t_test(own.found, interacting.found)
    assert verdict.difference > 0
    assert verdict.p < 0.01


def test_of_ratings_smaller_squared_errors_are_better() -> None:
    rows = {"a": cells([0.1] * 30 + [0.2] * 34), "b": cells([1.0] * 30 + [1.2] * 34)}
    better, worse = outcomes(rows, [("a", "b"), ("b", "a")], rated=True)
    assert better.whole.difference == pytest.approx((30 * 0.9 + 34 * 1.0) / 64)
    assert (better.says, worse.says) == ("holds in each seed", "does not hold; 0 of 1 alone")
    table = readings(rows, {"oracle": [np.full(64, 0.04)]}, rated=True).splitlines()
    assert table[0].startswith("| row | RMSE | by seed | of the oracle |")
    assert table[2].startswith("| oracle | 0.2000 | 0.2000 | 1.000 |")
    assert table[-1].startswith("| b | 1.0518 | 1.0518 | 5.259 |")
    assert len({line.count("|") for line in table}) == 1


def cells(*places: list[float], capped: bool = False) -> list[Trained]:
    return [Trained(0.0, place, 0.01, 9, 1, 1.0, capped) for place in places]


def test_a_claim_is_tested_over_the_same_cases_of_every_seed() -> None:
    good, bad = [1.0] * 60 + [20.0] * 4, [20.0] * 60 + [1.0] * 4
    rows = {"a": cells(good, good), "b": cells(bad, bad), "c": cells(good, bad)}
    over_b, over_a, over_c = outcomes(rows, [("a", "b"), ("b", "a"), ("a", "c")])
    assert over_b.whole.cases == 128
    assert over_b.whole.difference == pytest.approx(56 / 64)
    assert over_b.whole.low < 56 / 64 < over_b.whole.high
    assert (over_b.whole.low > 0.7, over_c.whole.high < 0.6) == (True, True)
    assert over_b.whole.interval in verdicts([over_b, over_a]).splitlines()[2]
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


def item_of(traits: tuple[NDArray[np.int64], ...], *wanted: int) -> int:
    """The first item with these traits."""
    fits_N = np.all([trait_N == one for trait_N, one in zip(traits, wanted, strict=True)], axis=0)
    assert fits_N[1:].any()
    return int(fits_N[1:].argmax()) + 1


def test_in_mahns_world_an_act_hangs_on_the_one_that_led_on_and_on_the_mood() -> None:
    world = mahn.made(1, mahn.Shape(people=1, acts=2, items=4000))
    rule = world.rule
    assert isinstance(rule, mahn.Rule)
    traits, dark = rule.traits(world.catalog), 0
    acts = [
        (3, mahn.BRIGHT, mahn.NONE),  # bright is the mood before any text: leads on to chapter 4
        (9, mahn.BRIGHT, dark),  # says dark, and is bright: stops
        (4, dark, mahn.NONE),  # of the chapter that was to come, and of the mood: leads on to 5
        (7, mahn.BRIGHT, mahn.NONE),  # stops
        (5, mahn.BRIGHT, mahn.NONE),  # of the chapter to come, not of the mood
        (11, dark, mahn.NONE),  # any
    ]
    item_UL = np.array([[item_of(traits, *act) for act in acts]])
    found = Made(item_UL, world.catalog, rule).causes()[0]
    expected = [set(), set(), {0, 1}, set(), {2}, set()]
    assert [set(np.flatnonzero(row).tolist()) for row in found] == expected


def test_in_the_other_worlds_an_act_hangs_on_what_the_rule_asks() -> None:
    """min_net: the act before the last; iris: the acts of its theme and colour; iarn: the ratings of its kind."""
    for world in (small("min_net"), small("iris"), drifting()):
        found = world.causes()
        acts = world.item_UL.shape[1]
        assert not (found & ~np.tri(acts, k=-1, dtype=bool)).any()
        for person in range(3):
            for act in range(acts):
                assert set(np.flatnonzero(found[person, act])) in ({*wanted(world, person, act)}, set())
        assert found[:, -1].any(1).mean() > (0.99 if isinstance(world.rule, iarn.Rule) else 0.4)


def wanted(world: Made, person: int, act: int) -> list[int]:
    """The causes, one earlier act after another."""
    item_L, rule = world.item_UL[person], world.rule
    if isinstance(rule, iarn.Rule):
        return [other for other in range(act) if item_L[other] % 3 == item_L[act] % 3]
    if isinstance(rule, min_net.Rule):
        return [act - 2] if act >= 2 else []
    assert isinstance(rule, iris.Rule)
    theme_N = rule.themes(world.catalog)
    same = [theme_N[item_L[other]] == theme_N[item_L[act]] for other in range(act)]
    return [m for m in range(act) if same[m] and rule.colour_N[item_L[m]] == rule.colour_N[item_L[act]]]


def test_readings_find_the_act_before_the_last_and_the_newest_never_is_it() -> None:
    world, seed, hits = small("min_net"), 1, Hits()
    model, _ = trial.learnt(world, min_net.WORLD.rows["min_net"], seed, RATE["min_net"])
    part = world.part("test")
    some = causes.drawn(part.cases, 300, seed)
    causes.found_causes(world, part, some, model, ("gradient", "integrated", "leave_one_out"), hits, seed)
    found = hits.table()["history"]
    assert found["newest"][0] == 0
    assert found["chance"][0] == pytest.approx(1 / 12, abs=0.01)
    assert 150 < found["chance"][2] <= 300
    for reading in ("integrated", "leave_one_out"):
        assert found[reading][0] > 0.3
        assert hits.tests("history", seed)[reading, "chance"] < 0.01


def test_of_ratings_the_size_of_a_weight_counts() -> None:
    """A low past rating lowers what is expected: it tells as much as a high one."""
    world = drifting(people=40)
    model, _ = trial.learnt(world, Row("iarn", iarn.SAME, 128), 1, 0.02)
    part = world.part("test")
    batch = part.events.before(part.cases.user_C[:20], part.cases.position_C[:20], model.needs)
    question = Question(model, batch, part.cases.target_C[:20], world.catalog)
    weights = dict(causes.weighed(model, question, ("gradient",)))
    assert (weights["gradient"] >= 0).all()
    assert (read(question, "gradient", ("history",))[0].value < 0).any()
