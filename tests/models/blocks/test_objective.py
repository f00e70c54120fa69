import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.training.batch import Batch
from models.blocks import objective
from models.blocks.objective import Rivals, against, compare

KEY_NE = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, -1.0], [2.0, 1.0], [-1.0, 0.25]])
STATE_BLE = torch.tensor([[[9.0, 9.0], [1.0, 2.0], [0.5, -0.5]]])


def batch(**changes: Tensor) -> Batch:
    """One row whose first event has no target; the others' are items 3 and 1."""
    item_BL = torch.tensor([[1, 2, 3]])
    whole = Batch(torch.tensor([1]), item_BL, torch.tensor([3]), item_BL, target_BL=torch.tensor([[0, 3, 1]]))
    return whole.but(**changes)


def encode(asked: list[Tensor | None]):  # type: ignore[no-untyped-def]
    def found(item_U: Tensor | None) -> Tensor:
        asked.append(item_U)
        return KEY_NE if item_U is None else KEY_NE[item_U]

    return found


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_bpr_by_hand() -> None:
    drawn = torch.tensor([[[3, 3], [1, 2], [2, 4]]])
    asked: list[Tensor | None] = []
    loss = against("bpr", STATE_BLE, encode(asked), batch(negative_BLK=drawn))
    # scores of 1..4: 1, -1.5, 4, -0.5 for the first target (3), 0.5, 0.75, 0.5, -0.625 for the second (1)
    expected = (softplus(1 - 4) + softplus(-1.5 - 4) + softplus(0.75 - 0.5) + softplus(-0.625 - 0.5)) / 4
    assert loss.item() == pytest.approx(expected)
    assert [a.tolist() for a in asked if a is not None] == [[1, 2, 3, 4]]


def test_bce_by_hand() -> None:
    drawn = torch.tensor([[[3, 3], [1, 2], [2, 4]]])
    loss = against("bce", STATE_BLE, encode([]), batch(negative_BLK=drawn))
    expected = softplus(-4) + softplus(1) + softplus(-1.5) + softplus(-0.5) + softplus(0.75) + softplus(-0.625)
    assert loss.item() == pytest.approx(expected / 2)


def test_bce_popular_by_hand() -> None:
    asked: list[Tensor | None] = []
    loss = against("bce_popular", STATE_BLE, encode(asked), batch(shared_S=torch.tensor([1, 4, 4])), weight=2.0)
    first = softplus(-4) + 2 * (softplus(1) + 2 * softplus(-0.5)) / 3
    second = softplus(-0.5) + 2 * softplus(-0.625)  # its target, 1, is not counted among the drawn
    assert loss.item() == pytest.approx((first + second) / 2)
    assert [a.tolist() for a in asked if a is not None] == [[1, 3, 4]]


@pytest.mark.parametrize("objective", ["full", "chunked", "sampled"])
def test_a_softmax_is_over_the_catalog(objective: str) -> None:
    everything = batch(shared_S=torch.tensor([4, 2, 1, 3]), expected_S=torch.zeros(4))
    loss = against(objective, STATE_BLE, encode([]), everything)
    expected = F.cross_entropy(STATE_BLE[0, 1:] @ KEY_NE[1:].T, torch.tensor([2, 0]))
    torch.testing.assert_close(loss, expected)


DRAWN_BLK = torch.tensor([[[3, 3], [1, 2], [2, 4]]])


@pytest.mark.parametrize("dense", [0, 1000])
def test_gbce_by_hand(dense: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objective, "DENSE", dense)
    beta = 1 - 0.6 * (1 - 2 / 3)  # two of the three others of four items are drawn
    others = softplus(1) + softplus(-1.5) + softplus(0.75) + softplus(-0.625)
    expected = (beta * (softplus(-4) + softplus(-0.5)) + others) / 3 / 2
    loss = compare("gbce", STATE_BLE, KEY_NE, batch(negative_BLK=DRAWN_BLK), Rivals(calibration=0.6))
    assert loss.item() == pytest.approx(expected)


def test_gbce_is_bce_without_calibration_or_where_all_are_drawn() -> None:
    few, all_others = (
        batch(negative_BLK=DRAWN_BLK),
        batch(negative_BLK=torch.tensor([[[1, 2, 4], [1, 2, 4], [2, 3, 4]]])),
    )
    for t, given, drawn in ((0.0, few, 2), (1.0, all_others, 3)):
        gbce = compare("gbce", STATE_BLE, KEY_NE, given, Rivals(calibration=t))
        torch.testing.assert_close((drawn + 1) * gbce, compare("bce", STATE_BLE, KEY_NE, given, Rivals()))
    assert compare("gbce", STATE_BLE, KEY_NE, few, Rivals(calibration=1.0)) < gbce


def test_a_softmax_cut_to_the_drawn_by_hand() -> None:
    drawn = batch(shared_S=torch.tensor([4, 1]), expected_S=torch.tensor([-1.0, 2.0]))
    first = math.log(math.exp(4) + math.exp(-0.5) + math.exp(1)) - 4
    second = math.log(math.exp(0.5) + math.exp(-0.625)) - 0.5  # its target, 1, is drawn: it is not counted twice
    loss = compare("sampled", STATE_BLE, KEY_NE, drawn, Rivals(logq=False))
    assert loss.item() == pytest.approx((first + second) / 2)


@pytest.mark.parametrize("name", ["full", "chunked", "sampled", "bce"])
def test_vectors_of_a_table_and_encoded_ones_cost_the_same(name: str) -> None:
    given = batch(negative_BLK=DRAWN_BLK, shared_S=torch.tensor([4, 1]), expected_S=torch.tensor([-1.0, 2.0]))
    torch.testing.assert_close(
        compare(name, STATE_BLE, KEY_NE, given, Rivals()), against(name, STATE_BLE, encode([]), given)
    )


def test_only_what_is_compared_is_asked_for() -> None:
    rivals = Rivals(shared=9, shared_power=0.5, negatives=4)
    asked = {name: rivals.draws(name, 7) for name in ("full", "chunked", "sampled", "bpr_max", "bce", "gbce")}
    assert {(n.length, n.shared_power) for n in asked.values()} == {(7, 0.5)}
    assert [n.shared for n in asked.values()] == [0, 0, 9, 9, 0, 0]
    assert [n.negatives for n in asked.values()] == [0, 0, 0, 0, 4, 4]
