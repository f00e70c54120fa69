"""The compiled loop is the written-out loss."""

import pytest
import torch
from torch import Tensor

from models.blocks.triples import bpr, plain


def problem(draws: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Rows that repeat, so that gradients must add up; a drawn item may be the chosen one."""
    torch.manual_seed(0)
    user_UD, item_NE = torch.randn(5, 7, dtype=dtype), torch.randn(6, 8, dtype=dtype)
    index = [torch.randint(1, high, shape) for high, shape in ((5, (40,)), (6, (40,)), (6, (40, draws)))]
    return user_UD.requires_grad_(), item_NE.requires_grad_(), index[0], index[1], index[2]


@pytest.mark.parametrize("draws", [1, 3])
@pytest.mark.parametrize("penalty", [0.0, 0.3])
@pytest.mark.parametrize("scale", [1, 3])
def test_value_and_gradients(draws: int, penalty: float, scale: int) -> None:
    user_UD, item_NE, *rows = problem(draws)
    found, expected = (loss(user_UD, item_NE, *rows, penalty) for loss in (bpr, plain))
    torch.testing.assert_close(found, expected)
    for own, its in zip(
        *(torch.autograd.grad(scale * loss, [user_UD, item_NE]) for loss in (found, expected)), strict=True
    ):
        torch.testing.assert_close(own, its)


def test_large_margins_stay_finite() -> None:
    user_UD, item_NE, *rows = problem(2)
    for scale in (1e3, -1e3):
        loss = bpr(user_UD.detach() * scale, item_NE.detach().abs(), *rows, 0.0)
        torch.testing.assert_close(loss, plain(user_UD.detach() * scale, item_NE.detach().abs(), *rows, 0.0))


def test_what_is_not_finite_is_not_hidden() -> None:
    user_UD, item_NE, *rows = problem(1)
    broken = user_UD.detach().clone()
    broken[1] = torch.nan
    assert torch.isnan(bpr(broken, item_NE, *rows, 0.1))


def test_other_precisions_go_through_torch() -> None:
    user_UD, item_NE, *rows = problem(1, torch.float64)
    assert bpr(user_UD, item_NE, *rows, 0.1).dtype == torch.float64
