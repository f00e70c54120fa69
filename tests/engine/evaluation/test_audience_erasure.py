"""Rankings of what others did to an item, and of acts, where it is known how each moves a rating."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from engine.evaluation.audience_erasure import examine_audience
from engine.evaluation.claims import RankingTests, examine
from engine.evaluation.history_erasure import best_items, history_erasures, scores
from engine.tables.arrays import event_columns
from engine.training.batch import Batch
from engine.training.cases import Cases
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Rater, Weights
from engine.training.interactions import Interactions
from engine.training.needs import Needs

ITEMS, USERS, ACTS, LAST = 12, 40, 9, 8
ALL = ("gradient", "integrated", "leave_one_out", "shapley")


def events() -> Interactions:
    """Every item was acted on by many, of whom the last 8 before a moment are read."""
    draw = np.random.default_rng(2)
    items = np.concatenate([draw.permutation(ITEMS)[:ACTS] + 1 for _ in range(USERS)])
    user = np.repeat(np.arange(1, USERS + 1), ACTS)
    hour = np.tile(np.arange(ACTS), USERS) * USERS + draw.integers(0, USERS, USERS * ACTS)
    frame = pl.DataFrame(
        {
            "user": pl.Series(user, dtype=pl.UInt32),
            "item": pl.Series(items, dtype=pl.UInt32),
            "rating": pl.Series(draw.integers(1, 6, len(user)), dtype=pl.Float32),
            "time": [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=int(h)) for h in hour],
        },
        schema_overrides={"time": pl.Datetime("us", "UTC")},
    )
    return Interactions.of(event_columns(frame), ITEMS)


def cases() -> Cases:
    """The last act of everyone."""
    known, user_C = events(), torch.arange(1, USERS + 1)
    position_C = torch.full((USERS,), ACTS - 1)
    return Cases(user_C, position_C, known.item_E[known.offset_U[user_C] + position_C])


class Heard(Rater, Explainer):
    """A rating is the sum of what each of the last people to act on the item brings to it, and each act of the person,
    up or down. Its gates are how much that is, or the contrary (`lies`).
    """

    def __init__(self, lies: bool = False, predicts: str = "rating", last: int = LAST) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.gain_U = nn.Parameter(torch.randn(USERS + 1, generator=generator))
        self.taste_N = nn.Parameter(torch.randn(ITEMS + 1, generator=generator))
        self.lies, self.predicts, self.last = lies, predicts, last

    @property
    def needs(self) -> Needs:
        return Needs(length=ACTS, item_length=self.last, predicts=self.predicts)  # type: ignore[arg-type]

    def heard(self, batch: Batch, item_BK: Tensor) -> tuple[Tensor, Tensor]:
        """What each of the last people brings, gain_BKM, and valid_BKM."""
        assert batch.audience is not None
        assert batch.now_B is not None
        now_BK = batch.now_B[:, None].expand_as(item_BK).contiguous()
        start_BK, stop_BK = batch.audience.cut(item_BK.contiguous(), now_BK, self.last)
        place_BKM = start_BK[..., None] + torch.arange(self.last)
        valid_BKM = place_BKM < stop_BK[..., None]
        gain_BKM = self.gain_U[batch.audience.user_E[place_BKM * valid_BKM]] * valid_BKM
        if batch.audience_presence_BKM is not None:
            gain_BKM = gain_BKM * batch.audience_presence_BKM
        return gain_BKM, valid_BKM

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        own_BL1 = batch.present((self.taste_N[batch.item_BL] * batch.valid_BL)[..., None])
        return self.heard(batch, item_BK)[0].sum(-1) + own_BL1.sum((1, 2))[:, None]

    def rate(self, batch: Batch, item_B: Tensor) -> Tensor:
        return self.score(batch, item_B[:, None])[:, 0]

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        gain_BKM, valid_BKM = self.heard(batch, item_B[:, None])
        size_BM, size_BL = gain_BKM[:, 0].detach().abs(), self.taste_N[batch.item_BL].detach().abs()
        told_BM, told_BL = (4 - size_BM, 4 - size_BL) if self.lies else (size_BM, size_BL)
        return [
            Weights(told_BL, "history", "gate", False, batch.valid_BL),
            Weights(told_BM, "item_history", "gate", False, valid_BKM[:, 0], item_B),
            Weights(1 / (1 + told_BL), "gate", "gate", False, batch.valid_BL),
            Weights(1 / (1 + told_BM), "item_gate", "gate", False, valid_BKM[:, 0], item_B),
        ]


NAMES = ["own_gate", "own_step_gate", "gradient", "integrated", "leave_one_out", "newest", "random"]


def others(model: Heard, seed: int = 1) -> RankingTests:
    found = examine_audience(model, (events(), Catalog(ITEMS)), cases(), "kept", ALL, seed)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def honest() -> RankingTests:
    return others(Heard())


def area(tests: RankingTests, name: str, measure: str = "comprehensiveness") -> float:
    return float(tests.found[name][measure].mean())


def last_ones(row: int) -> list[int]:
    """Who acted last on what came next, before the moment, by a plain loop; times are whole and users' events apart."""
    known, asked = events(), cases()
    assert known.time_E is not None
    place = int(known.offset_U[row + 1]) + ACTS - 1
    before = [e for e in range(len(known)) if known.item_E[e] == asked.target_C[row]]
    before = sorted((e for e in before if known.time_E[e] < known.time_E[place]), key=lambda e: int(known.time_E[e]))
    return [int(known.user_E[e]) for e in before][-LAST:]


def test_gates_that_say_what_others_bring_beat_what_knows_nothing_and_lies_are_found_out(honest: RankingTests) -> None:
    assert list(honest.found)[:5] == NAMES[:5]
    assert set(honest.found) == set(NAMES)
    for good in ("own_gate", "gradient", "integrated", "leave_one_out"):
        for blind in ("newest", "random", "own_step_gate"):
            assert area(honest, good) > area(honest, blind) + 0.1, "what brings the rating down counts as what lifts it"
    liar = others(Heard(lies=True))
    assert area(liar, "own_gate") < area(liar, "random") - 0.1


def test_without_the_heaviest_act_a_rating_moves_as_by_hand_and_no_older_one_comes_in(honest: RankingTests) -> None:
    gain_U, known = Heard().gain_U.detach().double(), events()
    assert known.rating_E is not None
    unit = float(known.rating_E.double().std(correction=0))
    signs = set()
    for row in range(12):
        people = last_ones(row)
        assert len(people) == LAST
        gain = sorted((float(gain_U[u]) for u in people), key=abs)
        signs.add(gain[-1] > 0)
        for name in ("own_gate", "leave_one_out"):
            assert honest.found[name]["gone_1"][row] == pytest.approx(abs(gain[-1]) / unit, abs=1e-5)
            assert honest.found[name]["lightest_one"][row] == pytest.approx(abs(gain[0]) / unit, abs=1e-5)
            assert honest.found[name]["gone_50"][row] == pytest.approx(abs(sum(gain[-4:])) / unit, abs=1e-5)
            assert honest.found[name]["kept_1"][row] == pytest.approx(abs(sum(gain[:-1])) / unit, abs=1e-5)
        assert honest.found["newest"]["gone_1"][row] == pytest.approx(abs(float(gain_U[people[-1]])) / unit, abs=1e-5)
    assert signs == {True, False}


def test_a_rating_has_no_rank_and_an_act_silenced_is_one_that_was_not_where_acts_add_up(honest: RankingTests) -> None:
    for measures in honest.found.values():
        assert measures["silenced"] == pytest.approx(measures["gone_10"], abs=1e-5)
        for measure in ("rank", "necessity", "sufficiency_of_few", "deciding"):
            assert np.isnan(measures[measure]).all()


def test_rankings_are_held_against_redrawn_parameters_and_against_one_act_less(honest: RankingTests) -> None:
    for name in ("own_gate", "leave_one_out", "newest"):
        assert honest.found[name]["nearby"].tolist() == pytest.approx([1.0] * USERS)
    assert honest.found["newest"]["redrawn"].tolist() == pytest.approx([1.0] * USERS)
    for name in ("own_gate", "gradient", "leave_one_out", "random"):
        assert abs(honest.found[name]["redrawn"].mean()) < 0.3
    assert abs(honest.found["random"]["nearby"].mean()) < 0.3


def test_of_a_model_of_items_the_score_falls_and_the_others_stay() -> None:
    model = Heard(predicts="item")
    found = others(model)
    known, asked = events(), cases()
    batch = known.before(asked.user_C, asked.position_C, model.needs)
    item_B = best_items(model, known, asked, 1, "kept")[0][:, 0]
    score_BN = scores(model, batch, ITEMS)[:, 1:].detach().double()
    gain_BM = model.heard(batch, item_B[:, None])[0][:, 0].detach().double()
    unit_B = score_BN.std(1)
    top_B = gain_BM.max(1).values
    # the mean over the catalogue falls by a twelfth of it
    fall_B = top_B * (1 - 1 / ITEMS) / unit_B
    assert found.found["leave_one_out"]["gone_1"] == pytest.approx(fall_B.numpy(), abs=1e-5)
    own_B = score_BN.gather(1, item_B[:, None] - 1)[:, 0] - top_B
    second_B = score_BN.scatter(1, item_B[:, None] - 1, -torch.inf).max(1).values
    assert found.found["leave_one_out"]["necessity"].tolist() == (own_B <= second_B).double().tolist()
    assert found.found["leave_one_out"]["deciding"].min() >= 1
    assert area(found, "integrated") > area(found, "random") + 0.1


def test_acts_of_the_person_are_ranked_by_the_gates_too_and_move_the_rating_of_what_came_next() -> None:
    model, known = Heard(), events()
    assert known.rating_E is not None
    found = examine(model, (known, Catalog(ITEMS)), cases(), "kept", ("gradient", "leave_one_out"), 1)
    assert found is not None
    assert list(found.found) == ["own_gate", "own_step_gate", "gradient", "leave_one_out", "newest", "random"]
    taste_N, unit = model.taste_N.detach().double(), float(known.rating_E.double().std(correction=0))
    for row in range(12):
        first = int(known.offset_U[row + 1])
        taste = sorted((float(taste_N[known.item_E[e]]) for e in range(first, first + ACTS - 1)), key=abs)
        for name in ("own_gate", "gradient", "leave_one_out"):
            assert found.found[name]["gone_1"][row] == pytest.approx(abs(taste[-1]) / unit, abs=1e-5)
        assert found.found["own_step_gate"]["gone_1"][row] == pytest.approx(abs(taste[0]) / unit, abs=1e-5)
    assert np.isnan(found.found["own_gate"]["rank"]).all()
    assert history_erasures(model, known, cases(), "kept", 1, 1) is None


def test_where_nothing_of_others_is_read_or_one_act_alone_there_is_nothing_to_test(honest: RankingTests) -> None:
    assert examine_audience(Heard(last=1), (events(), Catalog(ITEMS)), cases(), "kept", ALL, 1) is None
    assert examine_audience(Heard(last=0), (events(), Catalog(ITEMS)), cases(), "kept", ALL, 1) is None
    again = others(Heard())
    assert again.found["random"]["gone_1"].tolist() == honest.found["random"]["gone_1"].tolist()
