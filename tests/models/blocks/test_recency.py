"""What acts gain by their age: by hand, in part of a row, and where acts are there in part."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor

from models.blocks import history, recency
from models.blocks.asked import Asked
from models.blocks.history import Items

GAIN_P = torch.tensor([5.0, 3.0, 2.0])


def asked(presence: list[float] | None = None) -> Asked:
    """A row of five events, asked about after four, two and none of them."""
    item_BL = torch.tensor([[3, 5, 3, 8, 1]])
    presence_BL = None if presence is None else torch.tensor([presence])
    return Asked(item_BL, torch.tensor([[9, 3, 7]]), torch.tensor([[4, 2, 0]]), presence_BL)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("presence", [None, [1.0] * 5])
def test_an_act_gains_by_how_many_lie_between_it_and_the_target(presence: list[float] | None) -> None:
    """Also where one of those is the target's own item; the last place is for all that are older."""
    gain_1TL = recency.gains(GAIN_P, asked(presence))
    assert gain_1TL.shape == (1, 3, 5)
    assert gain_1TL[0, 0, :4].tolist() == [2, 2, 3, 5]
    assert gain_1TL[0, 1, :2].tolist() == [3, 5]


def test_a_part_of_the_row_ages_as_the_whole() -> None:
    whole = replace(asked(), first_BT=torch.tensor([[2, 1, 0]]))
    part = whole.part(slice(0, 2))
    assert part.item_BL.tolist() == [[5, 3, 8]]
    gain_1TL = recency.gains(GAIN_P, part)
    assert gain_1TL[0, 0, 1:].tolist() == [3, 5]
    assert gain_1TL[0, 1, :1].tolist() == [5]


def test_an_act_of_presence_0_makes_no_other_older() -> None:
    gain_1TL = recency.gains(GAIN_P, asked([1.0, 1.0, 0.0, 1.0, 1.0]))
    assert gain_1TL[0, 0, [0, 1, 3]].tolist() == [2, 3, 5]


def test_acts_that_are_there_in_part_age_the_others_by_what_is_to_be_expected() -> None:
    """The mean over all that may be there, each by its presence; its slope at 1 is what an act's absence changes."""
    presence = [0.9, 0.2, 0.6, 0.5, 0.0]
    expected_L = torch.zeros(4)
    for there in product((0.0, 1.0), repeat=4):
        chance = 1.0
        for one, m in zip(there, presence, strict=False):
            chance *= m if one else 1 - m
        expected_L += chance * recency.gains(GAIN_P, asked([*there, 1.0]))[0, 0, :4]
    close(recency.gains(GAIN_P, asked(presence))[0, 0, :4], expected_L)
    ones_BL = torch.ones(1, 5, requires_grad=True)
    oldest = recency.gains(GAIN_P, replace(asked(), presence_BL=ones_BL))[0, 0, 1]
    (slope_BL,) = torch.autograd.grad(oldest, ones_BL)
    assert slope_BL.tolist() == [[0, 0, 2.0 - 3.0, 2.0 - 3.0, 0]]


def test_no_events_gain_nothing() -> None:
    none = Asked(*(torch.zeros(2, n, dtype=torch.long) for n in (0, 3, 3)))
    assert recency.gains(GAIN_P, none).shape == (2, 3, 0)
    assert recency.gains(GAIN_P, replace(none, presence_BL=torch.zeros(2, 0))).shape == (2, 3, 0)


def test_gains_without_logits_are_refused() -> None:
    with pytest.raises(ValueError, match=r"recency raises logits, and there are none: give it Halves\.even"):
        Items(torch.zeros(3, 2), torch.zeros(3, 2), None, recency_P=GAIN_P)


def test_with_even_weights_beside_it_n_is_the_sum_of_the_weights() -> None:
    """(2 p_5 + 4 p_8) · q_3 / 6^alpha + b_3, of 3 5 3 8."""
    torch.manual_seed(1)
    p, q, b = torch.randn(10, 4), torch.randn(10, 4), torch.randn(10)
    gain_P = torch.tensor([4.0, 7.0, 2.0]).log()
    items = Items(p, q, history.Halves.even(p), b, gain_P)
    given = replace(asked(), target_BT=torch.tensor([[3]]), seen_BT=torch.tensor([[4]]))
    expected = (2 * p[5] + 4 * p[8]) @ q[3] / 6**0.5 + b[3]
    close(history.scores(items, given, 0.0, 0.5)[0, 0], expected)
    with torch.no_grad():
        close(history.scores(items, given, 0.0, 0.5)[0, 0], expected)
