"""EASE and ItemKNN: equations by hand, what a history counts, what is solved anew, what is kept."""

from typing import Any

import pytest
import torch
from torch import Tensor

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.catalog import Catalog
from engine.training.contract import Explainer, Tuned
from engine.training.interactions import Interactions
from models.blocks import past
from models.blocks.pairs import Pairs
from models.ease import EASE
from models.item_knn import ItemKNN
from tests.models.world import World

HISTORIES = [[1, 2, 3], [2, 1], [1, 4, 1], [3, 2]]  # somebody had item 1 twice
X = torch.tensor([[1.0, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 1], [0, 1, 1, 0]])


def solved(name: str, histories: list[list[int]] = HISTORIES, **settings: Any) -> Any:
    model = models.build(Choice(name=name, settings=settings), Catalog(4), len(histories))
    assert isinstance(model, Tuned)
    model.solve(World(histories, 4).interactions())
    return model


def rows(*histories: list[int], presence: Tensor | None = None) -> Batch:
    wide = max(map(len, histories))
    item_BL = torch.tensor([history + [0] * (wide - len(history)) for history in histories])
    user_B = torch.zeros(len(histories), dtype=torch.int64)  # nobody of training
    return Batch(user_B, item_BL, (item_BL > 0).sum(1), item_BL, presence_BL=presence)


def test_pairs_are_counted_once_from_either_side() -> None:
    events = World(HISTORIES, 4).interactions()
    pairs = Pairs.of(events.user_E, events.item_E, events.users, 4)
    count_IN = torch.full((4, 5), 9.0).numpy()
    pairs.shared(1, count_IN)
    assert torch.equal(torch.from_numpy(count_IN)[:, 1:], X.T @ X)
    assert not count_IN[:, 0].any()
    assert pairs.count_N.tolist() == [0, 3, 3, 2, 1]
    later_IN = torch.zeros(2, 5).numpy()
    pairs.shared(3, later_IN)
    assert (later_IN == count_IN[2:]).all()


def test_ease_by_hand() -> None:
    """The least squares themselves: each column regressed on the other columns."""
    model = solved("ease", penalty=2.0, length=9)
    weight_MM = torch.zeros(4, 4)
    for j in range(4):
        other = [i for i in range(4) if i != j]
        gram = X[:, other].T @ X[:, other] + 2 * torch.eye(3)
        weight_MM[other, j] = torch.linalg.solve(gram, X[:, other].T @ X[:, j])
    torch.testing.assert_close(model.matrix_MM, weight_MM)
    score_BN = model.score_all(rows([1, 3], [4]))
    torch.testing.assert_close(score_BN[:, 1:], torch.stack([weight_MM[0] + weight_MM[2], weight_MM[3]]))


def test_ease_weighs_no_more_items_than_it_may() -> None:
    """Items 1 and 2 were chosen most: the others are as if nobody had chosen them, in training and in a history."""
    model = solved("ease", penalty=2.0, length=9, items=2)
    assert model.matrix_MM.shape == (2, 2)
    # 3 people each had items 1 and 2, 2 both: one regressed on the other, 2 / (3 + 2)
    torch.testing.assert_close(model.matrix_MM, torch.tensor([[0.0, 0.4], [0.4, 0.0]]))
    torch.testing.assert_close(
        model.score_all(rows([1, 3], [4])), torch.tensor([[0.0, 0, 0.4, 0, 0], [0.0, 0, 0, 0, 0]])
    )


def test_ease_with_a_penalty_that_32_bits_cannot_solve_for_is_refused() -> None:
    with pytest.raises(ValueError, match=r"penalty 1e-30 is too small to solve for in 32 bits: take a larger one"):
        solved("ease", [[1, 2]] * 4, penalty=1e-30)  # two items that are never apart


def test_item_knn_by_hand() -> None:
    model = solved("item_knn", shrink=1.0, neighbours=4, length=9)
    root3, root6 = 3**0.5, 6**0.5
    alike = {(1, 2): 2 / (3 + 1), (1, 3): 1 / (root6 + 1), (1, 4): 1 / (root3 + 1), (2, 3): 2 / (root6 + 1)}
    found = model.score_all(rows([1, 3]))[0]
    expected = [0, alike[1, 3], alike[1, 2] + alike[2, 3], alike[1, 3], alike[1, 4]]
    assert found.tolist() == pytest.approx(expected)


def test_item_knn_keeps_each_targets_most_alike() -> None:
    """Without shrinkage item 4 is most like 1, item 1 most like 2: 1 speaks for 4, but 4 not for 1."""
    model = solved("item_knn", shrink=0.0, neighbours=1, length=9)
    one, four = model.score_all(rows([1], [4]))
    assert one[4].item() == pytest.approx(1 / 3**0.5)
    assert not four.any()


def test_the_last_item_alone_is_a_setting() -> None:
    for name in ("ease", "item_knn"):
        alone, whole = solved(name, length=1), solved(name, length=9)
        torch.testing.assert_close(alone.score_all(rows([3, 4, 1])), whole.score_all(rows([1])))
        assert alone.needs.length == 1


def test_an_item_counts_once_however_often_it_was_had() -> None:
    batch = rows([2, 1, 2, 3], [2, 2, 2, 0])
    assert past.weights(batch, 9).tolist() == [[0.5, 1, 0.5, 1], [pytest.approx(1 / 3)] * 3 + [0]]
    assert past.weights(batch, 2).tolist() == [[0, 0, 1, 1], [0, 0.5, 0.5, 0]]
    there_BL = torch.tensor([[1.0, 1, 0, 0.5], [0, 0, 0, 1]])
    assert past.weights(batch.but(presence_BL=there_BL), 2).tolist() == [[0, 1, 0, 0.5], [0, 0, 0, 0]]


@pytest.mark.parametrize("name", ["ease", "item_knn"])
def test_rows_that_go_on_from_each_other_score_as_alone(name: str) -> None:
    """The compiled loop adds what is new to the row before; and the same as torch does it."""
    generator = torch.Generator().manual_seed(1)
    histories = World([torch.randint(1, 31, (20,), generator=generator).tolist() for _ in range(9)], 30)
    model = models.build(Choice(name=name, settings={"length": 12}), histories.catalog, 9)
    assert isinstance(model, EASE | ItemKNN)
    events = histories.interactions()
    model.solve(events)
    user_B, position_B = torch.arange(1, 10).repeat_interleave(20), torch.arange(20).repeat(9)
    batch = events.before(user_B, position_B, model.needs)
    alone = [model.score_all(events.before(user_B[[b]], position_B[[b]], model.needs)) for b in range(len(user_B))]
    score_BN = model.score_all(batch)
    torch.testing.assert_close(score_BN, torch.cat(alone), rtol=1e-5, atol=1e-6)
    learnt = model.score_all(batch.but(presence_BL=torch.ones(batch.item_BL.shape, requires_grad=True)))
    assert learnt.requires_grad
    torch.testing.assert_close(score_BN, learnt.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["ease", "item_knn"])
def test_what_events_add_is_the_score(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    world = World([torch.randint(1, 31, (20,), generator=generator).tolist() for _ in range(9)], 30)
    model: Any = models.build(Choice(name=name, settings={"length": 12}), world.catalog, 9)
    assert isinstance(model, Explainer)
    model.solve(world.interactions(1))
    batch = world.interactions().before(torch.arange(1, 10), torch.full((9,), 19), model.needs)
    for item in (3, 17):
        item_B = torch.full((9,), item)
        (reason,) = model.explain(batch, item_B)
        score_B = model.score(batch, item_B[:, None])[:, 0]
        assert score_B.abs().sum() > 0
        torch.testing.assert_close(reason.value.sum(1), score_B)


@pytest.mark.parametrize(("name", "other"), [("ease", {"penalty": 9.0}), ("item_knn", {"shrink": 9.0})])
def test_only_another_matrix_is_solved_for(name: str, other: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    lists = {key: [1.0, value] for key, value in other.items()}
    settings: dict[str, Any] = lists | ({"neighbours": 4} if name == "item_knn" else {})
    model = solved(name, length=[1, 9], **settings)
    events, plain = World(HISTORIES, 4).interactions(), Pairs.of
    counted: list[int] = []

    def counting(*given: Any) -> Pairs:
        counted.append(1)
        return plain(*given)

    monkeypatch.setattr(Pairs, "of", staticmethod(counting))

    def solve(train: Interactions, choice: dict[str, float]) -> int:
        model.choose(choice)
        model.solve(train)
        found, counted[:] = len(counted), []
        return found

    first, longer, stronger = model.choices[0], model.choices[1], model.choices[2]
    assert [solve(events, choice) for choice in (first, longer, stronger, stronger)] == [1, 0, 1, 0]
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    fewer = World(HISTORIES[:3], 4).interactions()
    assert solve(fewer, stronger) == 1
    model.load_state_dict(kept)  # as after the best of several trials
    assert solve(fewer, stronger) == 1
    assert solve(events, stronger) == 1
    torch.testing.assert_close(model.state_dict(), kept)
