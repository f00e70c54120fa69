"""What each word of the asked item does to its score, of models in which that is known."""

from collections.abc import Callable

import pytest
import torch

from engine.evaluation.item_parts import ItemsWithout, item_influence, leaving_parts_out, log_probability_lost
from engine.evaluation.question import Question
from engine.training.catalog import Catalog, Ragged
from engine.training.contract import CatalogScorer
from tests.engine.evaluation.test_history_erasure import ITEMS, cases, events
from tests.engine.evaluation.test_item_erasure import USERS, Remembering, Taste, Telling, table


def question(model: CatalogScorer, parts: Ragged, item_B: torch.Tensor | None = None) -> Question:
    """Of items of several rows, with none and up to seven words."""
    item_B = torch.arange(2, 2 + USERS) % 11 + 1 if item_B is None else item_B
    batch = events().before(cases().user_C, cases().position_C, model.needs)
    return Question(model, batch, item_B, Catalog(ITEMS, ragged={"words": parts}))


def test_leaving_each_word_out_takes_what_it_brings_over_the_mean_word() -> None:
    parts = table()
    before, model = parts.value_XD.clone(), Telling(parts, -1.0)
    asked = question(model, parts)
    own, found = model.explain(asked.batch, asked.item_B)[0], leaving_parts_out(asked, "word")
    torch.testing.assert_close(found.value, -own.value.float(), atol=1e-5, rtol=0)
    assert (found.kind, found.over, found.faithful) == ("signed", "word", False)
    assert torch.equal(found.valid, own.valid)
    assert float(found.value.abs().max()) > 0.1
    assert torch.equal(parts.value_XD, before)


@pytest.mark.parametrize("kind", [Taste, Remembering])
def test_the_influence_is_what_the_log_probability_loses(kind: Callable[[Ragged], CatalogScorer]) -> None:
    """By the whole softmax over the catalogue, in which the asked item alone is changed by hand."""
    parts = table()
    model = kind(parts)
    had = events().before(cases().user_C, cases().position_C, Remembering.needs).item_BL
    new_B = torch.tensor([next(n for n in range(ITEMS, 0, -1) if n not in had_L) for had_L in had.tolist()])
    asked = question(model, parts, new_B)
    (found,) = item_influence(asked)
    score_BN = model.score_all(asked.batch).detach().double()[:, 1:]
    mean_D = parts.value_XD.mean(0)
    for row in range(0, USERS, 7):
        item = int(asked.item_B[row])
        user_D = model.user_UD[asked.batch.user_B[row]].detach()  # type: ignore[operator]
        for place, word_D in enumerate(parts.value_XD[parts.offset_N[item] : parts.offset_N[item + 1]]):
            changed_N = score_BN[row].clone()
            changed_N[item - 1] -= ((word_D - mean_D) @ user_D).double()
            lost = score_BN[row].log_softmax(0)[item - 1] - changed_N.log_softmax(0)[item - 1]
            assert float(found.value[row, place]) == pytest.approx(float(lost), abs=1e-4)
    assert not bool(found.value[~found.valid].any())


def test_a_score_that_no_word_changes_has_no_influence_of_words() -> None:
    class Deaf(Taste):
        def score_all(self, batch):  # type: ignore[no-untyped-def]
            return self.user_UD[batch.user_B][:, :1] * torch.arange(ITEMS + 1)

    parts = table()
    assert item_influence(question(Deaf(parts), parts)) == []


def test_rows_of_one_item_are_asked_together_where_they_lose_the_same_word() -> None:
    class Counting(Taste):
        asked = 0

        def score(self, batch, item_BK):  # type: ignore[no-untyped-def]
            self.asked += 1
            return super().score(batch, item_BK)

    parts = table()
    model = Counting(parts)
    items = ItemsWithout(question(model, parts, torch.full((USERS,), 4)), "word")
    model.asked = 0
    items.each()
    assert model.asked == int(parts.offset_N[5] - parts.offset_N[4]) == 3, "a score a word, not one a word and person"


def test_rows_of_one_item_that_lose_other_words_do_not_disturb_each_other() -> None:
    parts = table()
    model = Taste(parts)
    items = ItemsWithout(question(model, parts, torch.full((USERS,), 8)), "word")
    each_BP = items.each()
    gone_BP = torch.nn.functional.one_hot(torch.arange(USERS) % 7, 7).bool()
    torch.testing.assert_close(items.falls(gone_BP), each_BP[gone_BP], atol=1e-6, rtol=0)
    assert len(each_BP[gone_BP].unique()) > 7


def test_of_what_is_all_but_sure_a_fall_takes_little_and_of_what_is_unlikely_all_of_it() -> None:
    whole_B = torch.tensor([0.999999, 1e-6, 0.5], dtype=torch.double).log()
    lost_B = log_probability_lost(whole_B, torch.full((3,), 2.0, dtype=torch.double))
    assert lost_B.tolist() == pytest.approx(
        [6.4e-06, 2.0, 2.0 + torch.tensor(0.5 + 0.5 * 0.1353353).log().item()], rel=1e-2
    )
