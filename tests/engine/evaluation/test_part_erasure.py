"""Rankings of the words inside the acts, of a model in which each word gives to each item what is known."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.evaluation.claims import RankingTests
from engine.evaluation.history_erasure import best_items
from engine.evaluation.part_erasure import ACTS, examine_left_out, examine_parts
from engine.evaluation.parts_of_acts import PartsOfActs
from engine.evaluation.probe import probes
from engine.evaluation.question import Question
from engine.evaluation.readings import LEADING, read
from engine.training.batch import Batch
from engine.training.catalog import Catalog, Ragged
from engine.training.contract import CatalogScorer, Explainer, Weights
from engine.training.needs import Needs
from tests.engine.evaluation.test_history_erasure import ITEMS, LENGTH, Sum, cases, events

WORDS = 5


def table() -> Ragged:
    generator = torch.Generator().manual_seed(4)
    lengths = torch.tensor([0, *[n % WORDS + 1 for n in range(ITEMS)]])
    offset = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    return Ragged(torch.rand(int(lengths.sum()), ITEMS + 1, generator=generator), offset)


class Reader(CatalogScorer):
    """A score is the sum of what the history's words give to an item, each by its place in the text."""

    needs = Needs(length=LENGTH, views=frozenset(["words"]))

    def __init__(self, parts: Ragged) -> None:
        super().__init__()
        self.parts = parts
        self.gain_P = nn.Parameter(torch.tensor([0.2, 0.6, 1.0, 1.4, 1.8]))

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)

    def score_all(self, batch: Batch) -> Tensor:
        given_XPN, _ = self.parts.rows(batch.item_BL.flatten())
        given_BLPN = given_XPN.view(*batch.item_BL.shape, *given_XPN.shape[1:])
        if batch.part_presence:
            given_BLPN = given_BLPN * batch.part_presence["words"][..., : given_BLPN.shape[2], None]
        return (given_BLPN * self.gain_P[: given_BLPN.shape[2], None]).sum((1, 2))


class Telling(Reader, Explainer):
    """Its own weights are what each word gives, or the contrary (`sign`), of all but the last `hidden` words."""

    def __init__(self, parts: Ragged, sign: float = 1.0, hidden: int = 0) -> None:
        super().__init__(parts)
        self.sign, self.hidden = sign, hidden

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        given_XPN, valid_XP = self.parts.rows(batch.item_BL.flatten())
        rows, length = batch.item_BL.shape
        own_XP = given_XPN.gather(2, item_B.repeat_interleave(length)[:, None, None].expand(-1, given_XPN.shape[1], 1))
        shape, keep = (rows, length, -1), WORDS - self.hidden
        value, valid = (
            self.sign * (own_XP[..., 0] * self.gain_P).view(shape)[..., :keep],
            valid_XP.view(shape)[..., :keep],
        )
        return [Weights(value.detach(), "word", "signed", True, valid, batch.item_BL)]


def examined(model: CatalogScorer, parts: Ragged, seed: int = 1) -> RankingTests:
    world = (events(), Catalog(ITEMS, ragged={"words": parts}))
    found = examine_parts(model, world, cases(), "excluded", ("gradient", "integrated", "shapley"), "word", seed)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def honest() -> RankingTests:
    parts = table()
    return examined(Telling(parts), parts)


def test_silencing_the_heaviest_words_costs_most_and_lies_are_found_out(honest: RankingTests) -> None:
    parts = table()
    liar = examined(Telling(parts, -1.0), parts).found
    assert list(honest.found) == ["own_signed", "gradient", "integrated", "random"]
    mean = {name: {m: np.nanmean(v) for m, v in measures.items()} for name, measures in honest.found.items()}
    for good in ("own_signed", "gradient", "integrated"):
        assert mean[good]["comprehensiveness"] > mean["random"]["comprehensiveness"] + 0.1
        assert mean[good]["sufficiency"] < mean["random"]["sufficiency"] - 0.1
        assert mean[good]["heaviest_one"] > mean["random"]["heaviest_one"] > mean[good]["lightest_one"]
        assert mean[good]["rank"] > mean["random"]["rank"]
    assert liar["own_signed"]["comprehensiveness"].mean() < liar["random"]["comprehensiveness"].mean() - 0.1
    assert len(honest.user_C) == 40


def test_a_model_without_weights_of_its_own_is_tested_by_the_readings() -> None:
    parts = table()
    found = examined(Reader(parts), parts).found
    assert list(found) == ["gradient", "integrated", "random"]
    assert found["integrated"]["comprehensiveness"].mean() > found["random"]["comprehensiveness"].mean() + 0.1


def test_one_word_of_each_act_is_silenced_as_by_hand(honest: RankingTests) -> None:
    parts, asked = table(), cases()
    model = Telling(parts)
    item_B = best_items(model, events(), asked, 1, "excluded")[0][:, 0]
    batch = events().before(asked.user_C, asked.position_C, model.needs)
    for row in range(3):
        score_N = model.score_all(batch)[row, 1:].detach().double()
        less_N = score_N.clone()
        for item in batch.item_BL[row].tolist():
            given_PN = parts.value_XD[int(parts.offset_N[item]) : int(parts.offset_N[item + 1])]
            given_PN = (given_PN * model.gain_P[: len(given_PN), None]).detach()
            if len(given_PN) > 1:  # one word alone leaves nothing to choose
                less_N -= given_PN[given_PN[:, item_B[row]].argmax()][1:]
        at = int(item_B[row]) - 1
        fall = (score_N[at] - score_N.mean() - less_N[at] + less_N.mean()) / score_N.std()
        assert honest.found["own_signed"]["heaviest_one"][row] == pytest.approx(float(fall), abs=1e-4)


def test_all_rankings_choose_among_what_all_of_them_weigh() -> None:
    parts = table()
    world = (events(), Catalog(ITEMS, ragged={"words": parts}))
    two = examined(Telling(parts, hidden=3), parts).found
    for name, measures in examined(Reader(parts), parts).found.items():
        assert two[name]["gone_50"].tolist() == two[name]["gone_1"].tolist(), "of two words a half is one"
        assert measures["gone_50"].tolist() != measures["gone_1"].tolist()
    one = examine_parts(Telling(parts, hidden=4), world, cases(), "excluded", ("gradient",), "word", 1)
    assert one is None, "of one word there is nothing to choose"


def test_what_stays_under_redrawn_parameters_is_seen(honest: RankingTests) -> None:
    model = Telling(table())
    torch.nn.init.ones_(model.gain_P)  # dealt out anew they are as they were
    same = examined(model, model.parts).found
    deals = [examined(Telling(parts), parts, seed).found for seed, parts in enumerate([table()] * 4)]
    for name in ("own_signed", "integrated"):
        assert np.nanmean(same[name]["redrawn"]) == pytest.approx(1)
        assert min(np.nanmean(found[name]["redrawn"]) for found in deals) < 0.9
    assert abs(np.nanmean(honest.found["random"]["redrawn"])) < 0.3


def test_where_the_model_reads_none_there_is_nothing_to_test() -> None:
    parts = table()
    world = (events(), Catalog(ITEMS, ragged={"words": parts}))
    assert examine_parts(Telling(parts), world, cases(), "excluded", ("gradient",), "region", 1) is None
    assert examine_parts(Sum(), world, cases(), "excluded", ("gradient",), "word", 1) is None
    single = Ragged(torch.ones(ITEMS, ITEMS + 1), torch.tensor([0, 0, *range(1, ITEMS + 1)]))
    alone = (events(), Catalog(ITEMS, ragged={"words": single}))
    assert examine_parts(Reader(single), alone, cases(), "excluded", ("gradient",), "word", 1) is None


def test_the_same_seed_finds_the_same_and_the_model_is_as_before(honest: RankingTests) -> None:
    parts = table()
    model = Telling(parts)
    kept = model.gain_P.detach().clone()
    again = examined(model, parts)
    assert torch.equal(model.gain_P, kept)
    assert again.found["random"]["gone_1"].tolist() == honest.found["random"]["gone_1"].tolist()
    assert examined(model, parts, 2).found["random"]["gone_1"].tolist() != again.found["random"]["gone_1"].tolist()


def test_words_of_the_heaviest_acts_are_left_out_one_by_one() -> None:
    """By hand: the acts by the leading reading, in each the word whose silence takes most from the log-probability."""
    parts, asked = table(), cases()
    model, world = Telling(parts), (events(), Catalog(ITEMS, ragged={"words": parts}))
    found = examine_left_out(model, world, asked, "excluded", ("leave_one_out", "integrated"), "word", 1)
    assert found is not None
    assert list(found.found) == ["own_signed", "leave_one_out", "integrated", "random"]
    item_B = best_items(model, events(), asked, 1, "excluded")[0][:, 0]
    batch = events().before(asked.user_C, asked.position_C, model.needs)
    question = Question(model, batch, item_B, world[1])
    act_BL = read(question, LEADING, ("history",))[0].value
    (left_out,) = read(question, "leave_one_out", ("word",))
    value_BLP = left_out.value.masked_fill(~left_out.valid, -torch.inf)
    given_BLPN = parts.rows(batch.item_BL.flatten())[0].view(*batch.item_BL.shape, -1, ITEMS + 1)
    given_BLPN = (given_BLPN * model.gain_P[: given_BLPN.shape[2], None]).detach().double()
    length = parts.offset_N.diff()
    for row in range(8):
        less_N = torch.zeros(ITEMS + 1, dtype=torch.double)
        heavy = act_BL[row].argsort(descending=True)[:ACTS].tolist()
        chosen = [place for place in heavy if length[batch.item_BL[row, place]] > 1]
        assert (row + 1 in found.user_C) == bool(chosen), "acts of one word leave nothing to choose"
        if not chosen:
            continue
        for place in chosen:
            less_N += given_BLPN[row, place, value_BLP[row, place].argmax()]
        score_N, at = given_BLPN[row].sum((0, 1))[1:], int(item_B[row]) - 1
        fall = (less_N[1:][at] - less_N[1:].mean()) / score_N.std()
        at_row = found.user_C.tolist().index(row + 1)
        assert found.found["leave_one_out"]["heaviest_one"][at_row] == pytest.approx(float(fall), abs=1e-4)
    for name in ("own_signed", "leave_one_out"):
        assert np.nanmean(found.found[name]["nearby"]) > 0.9, "the same acts, where another is not there"
        assert found.found[name]["comprehensiveness"].mean() > found.found["random"]["comprehensiveness"].mean() + 0.1
    assert examine_left_out(model, world, asked, "excluded", ("integrated",), "word", 1) is None, "it is not asked for"
    assert examine_left_out(model, world, asked, "excluded", ("leave_one_out",), "region", 1) is None


def test_where_another_act_is_gone_it_is_the_same_acts_whose_words_are_asked_about() -> None:
    parts = table()
    model, world = Telling(parts), (events(), Catalog(ITEMS, ragged={"words": parts}))
    (probe,) = probes(model, world[0], cases(), "excluded", "few", 1)
    of = PartsOfActs.of_heaviest(probe, world[1], "word", ACTS)
    assert of.acts_BL is not None
    assert of.acts_BL.sum(1).tolist() == [ACTS] * 40
    _, near_BLP, order_BL = of.nearby(("gradient",), WORDS, np.random.default_rng(1))
    row, place = near_BLP.any(2).nonzero()
    assert of.acts_BL.numpy()[row, order_BL[row, place]].all()
    assert ACTS * 40 * 0.6 < len(row) < ACTS * 40
