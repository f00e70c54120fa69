"""Weights of the asked item's words, of a model in which each word brings its item what is known."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.evaluation.claims import RankingTests
from engine.evaluation.history_erasure import best_items
from engine.evaluation.item_erasure import examine_item
from engine.training.batch import Batch
from engine.training.catalog import Catalog, Ragged
from engine.training.contract import CatalogScorer, Explainer, Weights
from engine.training.needs import Needs
from tests.engine.evaluation.test_history_erasure import ITEMS, LENGTH, cases, events

USERS, WORDS = 40, 8


def table() -> Ragged:
    """Up to seven words an item; item 1 has none, some have one."""
    generator = torch.Generator().manual_seed(4)
    lengths = torch.tensor([0, *[n % WORDS for n in range(ITEMS)]])
    offset = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    return Ragged(torch.rand(int(lengths.sum()), 3, generator=generator), offset)


class Taste(CatalogScorer):
    """A score is what the item's words are to the person, each more or less, added up; no history is read."""

    needs = Needs(views=frozenset(["words"]))

    def __init__(self, parts: Ragged) -> None:
        super().__init__()
        self.parts = parts
        self.user_UD = nn.Parameter(torch.randn(USERS + 1, 3, generator=torch.Generator().manual_seed(6)))

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)

    def score_all(self, batch: Batch) -> Tensor:
        value_NPD, valid_NP = self.parts.rows(torch.arange(ITEMS + 1))
        return torch.einsum("npd,np,bd->bn", value_NPD, valid_NP.float(), self.user_UD[batch.user_B])


class Telling(Taste, Explainer):
    """Its own weights are what each word brings over the mean word, or the contrary."""

    def __init__(self, parts: Ragged, sign: float = 1.0) -> None:
        super().__init__(parts)
        self.sign = sign

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        value_BPD, valid_BP = self.parts.rows(item_B)
        over_BPD = value_BPD - self.parts.value_XD.mean(0)
        told_BP = self.sign * torch.einsum("bpd,bd->bp", over_BPD, self.user_UD[batch.user_B]) * valid_BP
        return [Weights(told_BP.detach(), "word", "signed", True, valid_BP, item_B)]


def examined(model: CatalogScorer, parts: Ragged, seed: int = 1) -> RankingTests | None:
    return examine_item(model, (events(), Catalog(ITEMS, ragged={"words": parts})), cases(), "excluded", "word", seed)


def known(model: CatalogScorer, parts: Ragged, seed: int = 1) -> RankingTests:
    found = examined(model, parts, seed)
    assert found is not None
    return found


def test_what_the_heaviest_words_bring_is_lost_and_lies_are_found_out() -> None:
    parts = table()
    honest, liar = known(Telling(parts), parts).found, known(Telling(parts, -1.0), parts).found
    assert set(honest) == {"own_signed", "random", "leave_one_out"}
    mean = {name: {m: v.mean() for m, v in measures.items()} for name, measures in honest.items()}
    for good in ("own_signed", "leave_one_out"):
        assert mean[good]["comprehensiveness"] > mean["random"]["comprehensiveness"] + 0.1
        assert mean[good]["sufficiency"] < mean["random"]["sufficiency"] - 0.1
        assert mean[good]["heaviest_one"] > mean["random"]["heaviest_one"] > mean[good]["lightest_one"]
        assert mean[good]["rank"] > mean["random"]["rank"]
    assert liar["own_signed"]["comprehensiveness"].mean() < liar["random"]["comprehensiveness"].mean() - 0.1
    np.testing.assert_allclose(honest["own_signed"]["gone_10"], honest["leave_one_out"]["gone_10"], atol=1e-5)


def test_one_word_is_the_mean_one_as_by_hand_and_the_table_is_put_back() -> None:
    parts, asked = table(), cases()
    before, model = parts.value_XD.clone(), Telling(parts)
    found = known(model, parts)
    assert torch.equal(parts.value_XD, before)
    item_B = best_items(model, events(), asked, 1, "excluded")[0][:, 0]
    rows = [row for row in range(USERS) if int(parts.offset_N.diff()[item_B[row]]) > 1]
    assert found.user_C.tolist() == asked.user_C[rows].tolist()
    score_BN = model.score_all(events().before(asked.user_C, asked.position_C, model.needs)).detach().double()[:, 1:]
    for place, row in enumerate(rows[:5]):
        words = slice(int(parts.offset_N[item_B[row]]), int(parts.offset_N[item_B[row] + 1]))
        user_D = model.user_UD[asked.user_C[row]].detach()
        gain = float(((parts.value_XD[words] - parts.value_XD.mean(0)) @ user_D).max())
        fall = gain * (1 - 1 / ITEMS) / float(score_BN[row].std())
        assert found.found["own_signed"]["heaviest_one"][place] == pytest.approx(fall, abs=1e-4)


class Remembering(Telling):
    """It reads the words of what was had, too, and repeats add up; of those nothing is gone."""

    needs = Needs(length=LENGTH, views=frozenset(["words"]))

    def score_all(self, batch: Batch) -> Tensor:
        value_XPD, _ = self.parts.rows(batch.item_BL.flatten())
        had_BD = value_XPD.sum(1).view(*batch.item_BL.shape, -1).sum(1)
        value_NPD, valid_NP = self.parts.rows(torch.arange(ITEMS + 1))
        return torch.einsum("npd,np,bd->bn", value_NPD, valid_NP.float(), self.user_UD[batch.user_B]) + 9 * had_BD.sum(
            1, keepdim=True
        )


def test_an_items_words_stay_where_other_people_had_it() -> None:
    parts = table()
    alone, found = known(Telling(parts), parts), known(Remembering(parts), parts)
    for name in ("own_signed", "leave_one_out"):
        np.testing.assert_allclose(found.found[name]["gone_20"], alone.found[name]["gone_20"], atol=1e-4)


def test_where_the_words_are_not_read_nothing_falls_and_nothing_is_said() -> None:
    class Deaf(Telling):
        asked = 0

        def score_all(self, batch: Batch) -> Tensor:
            return self.user_UD[batch.user_B][:, :1] * torch.arange(ITEMS + 1)

        def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
            self.asked += 1
            return super().score(batch, item_BK) + 1e-3  # pairs are added in another order than the catalogue

    parts = table()
    model = Deaf(parts)
    for measures in known(model, parts).found.values():
        assert np.abs(measures["comprehensiveness"]).max() == 0
        assert np.abs(measures["heaviest_one"]).max() == 0
    assert model.asked <= 2 * USERS, "whole and without all of them, not once a part"


def test_the_table_is_put_back_where_a_score_fails() -> None:
    class Failing(Telling):
        def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
            raise RuntimeError("no score")

    parts = table()
    before = parts.value_XD.clone()
    with pytest.raises(RuntimeError, match="no score"):
        examined(Failing(parts), parts)
    assert torch.equal(parts.value_XD, before)


def test_what_stays_under_redrawn_parameters_is_seen() -> None:
    parts = table()
    model = Telling(parts)
    with torch.no_grad():
        model.user_UD.copy_(torch.tensor([1.0, 1.0, 1.0]).expand(USERS + 1, 3))  # dealt out anew they are as they were
    assert np.nanmean(known(model, parts).found["own_signed"]["redrawn"]) == pytest.approx(1)
    assert np.nanmean(known(Telling(parts), parts).found["own_signed"]["redrawn"]) < 0.9
    assert np.isnan(known(Telling(parts), parts).found["random"]["redrawn"]).all()


def test_a_model_without_such_weights_is_not_asked() -> None:
    parts = table()
    assert examined(Taste(parts), parts) is None
    assert examine_item(Telling(parts), (events(), Catalog(ITEMS)), cases(), "excluded", "region", 1) is None


def test_items_of_one_word_leave_nothing_to_choose() -> None:
    offset_N = torch.cat([torch.zeros(2, dtype=torch.long), torch.arange(1, ITEMS + 1)])
    parts = Ragged(torch.rand(ITEMS, 3), offset_N)
    assert examined(Telling(parts), parts) is None
