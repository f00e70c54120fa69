"""Rankings put to the test, of a model in which each act gives to each item what is known."""

import pytest
import torch
from torch import Tensor, nn

from engine.evaluation.claims import MOST, RankingTests, examine
from engine.evaluation.history_erasure import best_items, history_erasures
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import CatalogScorer, Explainer, Weights
from engine.training.needs import Needs
from tests.engine.evaluation.test_history_erasure import ITEMS, LENGTH, cases, events


class Gains(CatalogScorer, Explainer):
    """A score is the sum of what each act gives; its own weights say that, or something else."""

    def __init__(self, said: str = "gain") -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.said = said
        self.gain_NN = nn.Parameter(torch.rand(ITEMS + 1, ITEMS + 1, generator=generator))

    @property
    def needs(self) -> Needs:
        return Needs(length=LENGTH)

    def score_all(self, batch: Batch) -> Tensor:
        return batch.present(self.gain_NN[batch.item_BL] * batch.valid_BL[..., None]).sum(1)

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        value_BL = self.gain_NN[batch.item_BL, item_B[:, None]].detach()
        if self.said == "place":
            value_BL = torch.arange(batch.item_BL.shape[1]).expand_as(value_BL) / 10.0
        return [Weights(value_BL * batch.valid_BL, "history", "share", True, batch.valid_BL)]


def found(model: Gains, seed: int = 1) -> RankingTests:
    both = (events(), Catalog(ITEMS))
    asked = examine(model, both, cases(), "excluded", ("gradient", "leave_one_out"), seed)
    assert asked is not None
    return asked


@pytest.fixture(scope="module")
def honest() -> RankingTests:
    return found(Gains())


def test_weights_that_say_what_acts_give_beat_what_knows_nothing(honest: RankingTests) -> None:
    assert honest.user_C.tolist() == list(range(1, 41))
    assert list(honest.found) == ["own_share", "gradient", "leave_one_out", "newest", "random"]
    mean = {name: {m: v.mean() for m, v in measures.items()} for name, measures in honest.found.items()}
    for good in ("own_share", "gradient", "leave_one_out"):
        for blind in ("newest", "random"):
            assert mean[good]["comprehensiveness"] > mean[blind]["comprehensiveness"] + 0.1
            assert mean[good]["sufficiency"] < mean[blind]["sufficiency"] - 0.1
            assert mean[good]["rank"] > mean[blind]["rank"]
            assert mean[good]["deciding"] < mean[blind]["deciding"]
            assert mean[good]["necessity"] > mean[blind]["necessity"]
            for replacement in ("silenced", "another", "others_in_the_mean"):
                assert mean[good][replacement] > mean[blind][replacement]


def test_shares_are_those_of_the_case_and_the_areas_their_means(honest: RankingTests) -> None:
    own = honest.found["own_share"]
    shares = ("1", "5", "10", "20", "50")
    for way, area in (("gone", "comprehensiveness"), ("kept", "sufficiency")):
        curve = [own[f"{way}_{share}"] for share in shares]
        assert own[area] == pytest.approx(sum(curve) / 5)
    # of six acts a fifth is two and less is one
    assert own["gone_1"].tolist() == own["gone_10"].tolist() != own["gone_20"].tolist()
    assert (own["gone_50"] > own["gone_20"]).mean() > 0.9


def test_one_act_gone_is_as_history_erasures_counts_it(honest: RankingTests) -> None:
    erased = history_erasures(Gains(), events(), cases(), "excluded", 1, 1)
    assert erased is not None
    assert honest.found["own_share"]["gone_1"] == pytest.approx(erased.drop["heaviest"], abs=1e-6)
    assert honest.found["own_share"]["kept_1"] == pytest.approx(erased.drop["keep_heaviest"], abs=1e-6)
    assert honest.found["own_share"]["rank"] == pytest.approx(erased.rank["heaviest"])
    assert (honest.found["own_share"]["necessity"] == (erased.rank["heaviest"] > 1)).all()


def test_an_act_silenced_is_one_that_was_not_where_acts_add_up(honest: RankingTests) -> None:
    for measures in honest.found.values():
        assert measures["silenced"] == pytest.approx(measures["gone_10"], abs=1e-5)
        # of four draws: half the spread, but that the acts differ too
        assert measures["others_in_the_mean"].std() < 0.9 * measures["another"].std()


def test_how_many_decide_is_as_taking_one_after_another(honest: RankingTests) -> None:
    model, data, asked = Gains(), events(), cases()
    item_B = best_items(model, data, asked, 1, "excluded")[0][:, 0]
    batch = data.before(asked.user_C, asked.position_C, model.needs)
    for row in range(len(asked)):
        own_L = model.gain_NN[batch.item_BL[row], item_B[row]].detach()
        seen = data.item_E[int(data.offset_U[row + 1]) : int(data.offset_U[row + 1]) + 8]
        wanted = MOST + 1
        for count in range(1, LENGTH + 1):
            left = batch.item_BL[row][own_L.argsort(descending=True)[count:]]
            score_N = model.gain_NN[left].sum(0).detach()
            rival_N = score_N[1:].clone()
            rival_N[seen - 1] = -torch.inf
            if (rival_N >= score_N[item_B[row]]).sum() > 1:
                wanted = count
                break
        assert honest.found["own_share"]["deciding"][row] == wanted


def test_what_stays_under_redrawn_parameters_says_nothing_of_the_model(honest: RankingTests) -> None:
    place = found(Gains("place")).found
    for stays in (honest.found["newest"], place["own_share"]):
        assert stays["redrawn"] == pytest.approx(1)
    for name in ("own_share", "gradient", "leave_one_out", "random"):
        assert abs(honest.found[name]["redrawn"].mean()) < 0.3


def test_weights_of_the_acts_left_stay_where_acts_add_up(honest: RankingTests) -> None:
    assert honest.found["own_share"]["nearby"].tolist() == pytest.approx([1.0] * 40)
    assert honest.found["leave_one_out"]["nearby"].mean() > 0.9
    assert abs(honest.found["random"]["nearby"].mean()) < 0.4


def test_the_model_is_as_before_and_the_same_seed_finds_the_same(honest: RankingTests) -> None:
    model = Gains()
    kept = model.gain_NN.detach().clone()
    again = found(model)
    assert torch.equal(model.gain_NN, kept)
    for name, measures in honest.found.items():
        for measure, value_C in measures.items():
            assert again.found[name][measure].tolist() == value_C.tolist()
    assert found(model, 2).found["random"]["gone_1"].tolist() != again.found["random"]["gone_1"].tolist()


def test_who_did_less_than_two_things_is_left_out() -> None:
    both = (events(), Catalog(ITEMS))
    assert examine(Gains(), both, cases(position=1), "excluded", ("gradient",), 1) is None
    some = examine(Gains(), both, cases(position=2), "excluded", ("gradient",), 1)
    assert some is not None
    assert len(some.user_C) == 40
