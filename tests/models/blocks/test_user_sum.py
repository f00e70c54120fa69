"""Item similarity by the sum of a history: against the sum over pairs, on a processor's loop and written out."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.blocks import history, user_sum
from models.blocks.asked import Asked
from models.blocks.history import Halves, Items

DIM, ITEMS = 5, 9
POWERS = pytest.mark.parametrize("power", [0.0, 0.5, 1.0])


def tables(dtype: torch.dtype = torch.float32) -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(ITEMS + 1, DIM, dtype=dtype) for _ in range(2)] + [torch.randn(ITEMS + 1, dtype=dtype)]


def ragged() -> Asked:
    """Rows of 4, 1, 0 and 3 events, one item twice; targets inside and outside of the history, some not asked."""
    item_BL = torch.tensor([[3, 5, 3, 8], [2, 0, 0, 0], [0, 0, 0, 0], [1, 9, 4, 0]])
    target_BT = torch.tensor([[5, 3, 1, 0, 7], [2, 6, 0, 1, 9], [4, 4, 2, 1, 8], [9, 0, 1, 5, 4]])
    seen_BT = torch.tensor([[4, 4, 2, 3, 1], [1, 1, 1, 0, 1], [0, 0, 0, 0, 0], [3, 2, 3, 1, 3]])
    return Asked(item_BL, target_BT, seen_BT)


def newest() -> Asked:
    """The same, of whose events some are too old to count: for one target all of them."""
    return replace(
        ragged(), first_BT=torch.tensor([[2, 1, 0, 2, 1], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 2, 0, 2]])
    )


EACH = pytest.mark.parametrize("asked", [ragged(), newest()], ids=["all", "newest"])


def pair_by_pair(given: list[Tensor], asked: Asked, power: float) -> Tensor:
    """By the kernel of pairs, its attention without a width."""
    none_N0 = given[0].new_zeros(ITEMS + 1, 0)
    items = Items(given[0], given[1], Halves(none_N0, none_N0, given[0].new_zeros(0)), given[2])
    return history.scores(items, asked, power, 0.0)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found.double(), expected.double(), rtol=2e-5, atol=2e-6)


@EACH
@POWERS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # the loop, and what is written out
def test_it_is_the_sum_over_pairs_with_its_gradients(power: float, dtype: torch.dtype, asked: Asked) -> None:
    weight_BT = torch.linspace(-1, 2, 20, dtype=dtype).view(4, 5)
    found = []
    for way in (user_sum.scores, pair_by_pair):
        given = [t.requires_grad_() for t in tables(dtype)]
        score_BT = way(*given, asked, power) if way is user_sum.scores else way(given, asked, power)  # type: ignore[operator]
        found.append([score_BT, *torch.autograd.grad((weight_BT * score_BT).sum(), given)])
    for own, its in zip(*found, strict=True):
        assert bool((own != 0).any())
        close(own, its)


@EACH
@POWERS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_log_loss_in_one_pass_with_its_gradients(power: float, dtype: torch.dtype, asked: Asked) -> None:
    given = [t.requires_grad_() for t in tables(dtype)]
    label_BT = (torch.arange(20).view(4, 5) % 3 == 0).to(dtype)
    score_BT = pair_by_pair(given, asked, power)
    losses = [
        user_sum.log_loss(*given, asked, label_BT, power),
        F.binary_cross_entropy_with_logits(score_BT, label_BT, (asked.target_BT > 0).to(dtype), reduction="sum"),
    ]
    close(*losses)
    for own, its in zip(*(torch.autograd.grad(3 * loss, given) for loss in losses), strict=True):
        assert bool((own != 0).any())
        close(own, its)


@POWERS
def test_the_scores_of_all_items_are_those_of_each(power: float) -> None:
    given, asked = tables(), ragged()
    item_BN = torch.arange(ITEMS + 1).expand(4, -1)
    whole = replace(asked, target_BT=item_BN, seen_BT=torch.full_like(item_BN, 4))
    for learns in (True, False):
        with torch.set_grad_enabled(learns):
            close(user_sum.score_all(*given, asked, power), user_sum.scores(*given, whole, power))


@POWERS
def test_presence_dims_sums_and_counts_as_pair_by_pair(power: float) -> None:
    asked = replace(ragged(), presence_BL=torch.tensor([[1, 0.5, 0.25, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 0.7, 1]]))
    given = tables()
    close(user_sum.scores(*given, asked, power), pair_by_pair(given, asked, power))
    item_BN = torch.arange(ITEMS + 1).expand(4, -1)
    whole = replace(asked, target_BT=item_BN, seen_BT=torch.full_like(item_BN, 4))
    for learns in (True, False):
        with torch.set_grad_enabled(learns):
            close(user_sum.score_all(*given, asked, power), pair_by_pair(given, whole, power))


def test_what_only_the_target_itself_is_left_of_is_nothing() -> None:
    """Not a rounding error, raised by the share of an empty history."""
    given = [100 * t for t in tables()]
    alone = Asked(torch.tensor([[4, 4, 4]]), torch.tensor([[4]]), torch.tensor([[3]]))
    for asked in (alone, replace(alone, presence_BL=torch.tensor([[0.3, 0.3, 0.1]]))):
        close(user_sum.scores(given[0], given[1], None, asked, 1.0), torch.zeros(1, 1))
        for learns in (True, False):
            with torch.set_grad_enabled(learns):
                assert user_sum.score_all(given[0], given[1], None, asked, 1.0)[0, 4] == 0


@EACH
def test_some_targets_at_a_time_change_nothing(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    given = tables(torch.float64)
    whole = user_sum.scores(*given, asked, 0.5)
    monkeypatch.setattr(user_sum, "CELLS", 1)
    assert torch.equal(user_sum.scores(*given, asked, 0.5), whole)
