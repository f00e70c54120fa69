"""The first items against a plain sort, for each ability that a model may have."""

import pytest
import torch

from engine.evaluation.rank import rank
from engine.evaluation.scores import left_out
from engine.evaluation.top import top, top_of
from engine.tables.arrays import event_columns
from engine.training.cases import Cases
from engine.training.contract import Recommender
from engine.training.interactions import Interactions
from tests.engine.evaluation.test_rank import ITEMS, Asked, Dot, Whole, split

HISTORIES = [[1, 2, 3], [5000, 4, 4], [7, 8, 9, 10]]


def models(key_ND: torch.Tensor) -> list[Recommender]:
    dot = Dot(key_ND)
    return [dot, Whole(dot), Asked(dot)]


@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize("seen", ["excluded", "kept"])
@pytest.mark.parametrize("rows", [1024, 2])
def test_the_first_are_those_of_a_plain_sort_ties_by_code(
    kind: int, seen: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where people of like length, not neighbours, are read together."""
    monkeypatch.setattr("engine.evaluation.top.ROWS", rows)
    generator = torch.Generator().manual_seed(1)
    key_ND = torch.randint(-3, 4, (ITEMS + 1, 2), generator=generator).float()  # whole numbers: many ties
    key_ND[0] = 0
    model, events = models(key_ND)[kind], Interactions.of(event_columns(split(HISTORIES)), ITEMS)
    user_C, position_C = torch.tensor([1, 2, 3]), torch.tensor([3, 2, 4])
    item_CK, score_CK = top(model, user_C, position_C, events, 40, seen)  # type: ignore[arg-type]
    for row, history in enumerate(HISTORIES):
        past = history[: int(position_C[row])]
        score_N = key_ND @ key_ND[past[-3:]].sum(0)
        left = [i for i in range(1, ITEMS + 1) if seen == "kept" or i not in past]
        expected = sorted(left, key=lambda i: (-float(score_N[i]), i))[:40]
        assert item_CK[row].tolist() == expected
        assert score_CK[row].tolist() == score_N[expected].tolist()


def test_the_first_have_the_ranks_that_they_are_given() -> None:
    key_ND = torch.randn(ITEMS + 1, 3, generator=torch.Generator().manual_seed(2))
    model, events = Dot(key_ND), Interactions.of(event_columns(split(HISTORIES)), ITEMS)
    user_C, position_C = torch.tensor([1, 2, 3]), torch.tensor([3, 2, 4])
    item_CK, _ = top(model, user_C, position_C, events, 5)
    for place in range(5):
        counts = rank(model, Cases(user_C, position_C, item_CK[:, place]), events)
        assert (counts.greater == place).all()


def test_where_fewer_are_left_the_rest_is_empty() -> None:
    events = Interactions.of(event_columns(split([[1, 2, 3, 4], [5]])), 6)
    item_CK, score_CK = top(Dot(torch.ones(7, 2)), torch.tensor([1, 2]), torch.tensor([4, 1]), events, 4)
    assert item_CK.tolist() == [[5, 6, 0, 0], [1, 2, 3, 4]]
    assert (score_CK[0, 2:] == -torch.inf).all()
    none, _ = top(Dot(torch.ones(7, 2)), torch.tensor([]).long(), torch.tensor([]).long(), events, 4)
    assert none.shape == (0, 4)


def test_a_score_that_is_no_number_is_refused() -> None:
    events = Interactions.of(event_columns(split([[1, 2, 3]])), 6)
    with pytest.raises(FloatingPointError, match="not a finite number"):
        top(Dot(torch.full((7, 2), torch.nan)), torch.tensor([1]), torch.tensor([2]), events, 2)


@pytest.mark.parametrize("kind", range(3))
def test_a_batch_may_be_ranked_as_it_is_without_whatever_is_named(kind: int) -> None:
    key_ND = torch.randn(ITEMS + 1, 3, generator=torch.Generator().manual_seed(4))
    model, events = models(key_ND)[kind], Interactions.of(event_columns(split(HISTORIES)), ITEMS)
    user_C, position_C = torch.tensor([1, 2, 3]), torch.tensor([3, 2, 4])
    batch = events.before(user_C, position_C, model.needs)
    known = left_out(events, user_C, position_C, None, "excluded")
    item_CK, score_CK = top(model, user_C, position_C, events, 6)
    found_CK, value_CK = top_of(model, batch, known, ITEMS, 6)
    assert torch.equal(found_CK, item_CK)
    assert torch.equal(value_CK, score_CK)
    best_C = item_CK[:, 0]
    row, item = torch.cat([known[0], torch.arange(3)]), torch.cat([known[1], best_C])
    order = item.argsort(stable=True)
    without_CK, _ = top_of(model, batch, (row[order], item[order]), ITEMS, 5)
    assert torch.equal(without_CK, item_CK[:, 1:])
