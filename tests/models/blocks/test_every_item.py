"""Scores of every item by sums over pairs that meet once: those of each pair by itself, in value and in gradient."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.blocks import every_item, history
from models.blocks.asked import Asked
from models.blocks.history import Halves, Items, Product

DIM, WIDTH, ITEMS = 5, 3, 9
SINGLE, DOUBLE = torch.float32, torch.float64


def drawn(kind: str = "halves", dtype: torch.dtype = DOUBLE, spread: float = 1.0, ages: int = 0) -> Items:
    torch.manual_seed(1)
    past_ND, target_ND, past_NA, target_NA = (
        torch.randn(ITEMS + 1, n, dtype=dtype).requires_grad_() for n in (DIM, DIM, WIDTH, WIDTH)
    )
    out_A, mix_AD = (torch.randn(*size, dtype=dtype) * spread for size in ((WIDTH,), (WIDTH, DIM)))
    attention: Halves | Product | None = Halves(past_NA, target_NA, out_A)
    if kind == "product":
        attention = Product(mix_AD, torch.randn(WIDTH, dtype=dtype), out_A)
    bias_N = torch.randn(ITEMS + 1, dtype=dtype)
    recency_P = (torch.randn(ages, dtype=dtype) * spread).requires_grad_() if ages else None
    if kind == "even":
        attention = Halves.even(past_ND) if ages else None
    return Items(past_ND, target_ND, attention, bias_N, recency_P)


def histories() -> Asked:
    """Of 4, 1, 0 and 3 events, one item twice in a row and several in two rows; no targets."""
    item_BL = torch.tensor([[3, 5, 3, 8], [2, 0, 0, 0], [0, 0, 0, 0], [1, 8, 2, 0]])
    return Asked(item_BL, item_BL[:, :0], item_BL[:, :0])


def dimmed(dtype: torch.dtype = DOUBLE) -> Asked:
    presence_BL = torch.tensor([[1, 0.3, 0.5, 0.7], [0.2, 1, 1, 1], [1, 1, 1, 1], [0.0, 0.4, 1, 1]], dtype=dtype)
    return replace(histories(), presence_BL=presence_BL.requires_grad_())


def with_halves(dtype: torch.dtype = DOUBLE) -> Asked:
    """Events whose halves are not those of their items: the same item differs by where it stands."""
    return replace(dimmed(dtype), past_BLA=torch.randn(4, 4, WIDTH, dtype=dtype).requires_grad_())


def by_pairs(items: Items, asked: Asked, alpha: float, beta: float) -> Tensor:
    target_BN = torch.arange(ITEMS + 1).expand(len(asked.item_BL), -1)
    seen_BN = (asked.item_BL > 0).sum(1, keepdim=True).expand_as(target_BN)
    return history.scores(items, replace(asked, target_BT=target_BN, seen_BT=seen_BN), alpha, beta)


def given(items: Items, asked: Asked) -> list[Tensor]:
    """All that there are gradients by."""
    halves = [items.attention.past_NA, items.attention.target_NA] if isinstance(items.attention, Halves) else []
    found = [items.past_ND, items.target_ND, *halves, items.recency_P, asked.presence_BL, asked.past_BLA]
    return [one for one in found if one is not None and one.requires_grad]


CASES: list[tuple[str, Callable[[], Asked]]] = [
    *((kind, make) for kind in ("halves", "product", "even") for make in (histories, dimmed)),
    ("halves", with_halves),
]


@pytest.mark.parametrize("ages", [0, 3])
@pytest.mark.parametrize("cells", [1, 1 << 20])
@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.8), (0.4, 0.5), (0.3, 1.0), (0.0, 0.0)])
@pytest.mark.parametrize(("kind", "make"), CASES)
def test_every_item_is_scored_as_pair_by_pair(
    kind: str,
    make: Callable[[], Asked],
    alpha: float,
    beta: float,
    cells: int,
    ages: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With its gradients, all targets at once or one at a time."""
    monkeypatch.setattr(every_item, "CELLS", {"cpu": cells})
    items, asked = drawn(kind, ages=ages), make()
    found = []
    for score_BN in (every_item.scores(items, asked, alpha, beta), by_pairs(items, asked, alpha, beta)):
        weight_BN = torch.linspace(-1, 1, score_BN.numel(), dtype=DOUBLE).view_as(score_BN)
        by = given(items, asked)
        grads = torch.autograd.grad((score_BN * weight_BN).sum(), by, allow_unused=True, materialize_grads=True)
        found.append([score_BN.detach(), *grads])
    for own, its in zip(*found, strict=True):
        torch.testing.assert_close(own, its, rtol=1e-9, atol=1e-9)
    assert float(found[0][0].abs().max()) > 0.5
    assert not found[0][0][:, 0].any()


@pytest.mark.parametrize(("kind", "ages"), [("halves", 0), ("product", 0), ("product", 3), ("even", 3)])
def test_logits_too_far_apart_to_be_added_are_taken_pair_by_pair(
    kind: str, ages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, asked = drawn(kind, SINGLE, spread=200.0, ages=ages), histories()
    with torch.no_grad():
        expected = by_pairs(items, asked, 0.3, 1.0)
        torch.testing.assert_close(every_item.scores(items, asked, 0.3, 1.0), expected, rtol=1e-4, atol=1e-5)
        monkeypatch.setattr(every_item, "WIDE", {SINGLE: torch.inf})
        assert not torch.allclose(every_item.scores(items, asked, 0.3, 1.0), expected, rtol=1e-4, atol=1e-5)


def test_a_pair_meets_once_however_many_histories_hold_it(monkeypatch: pytest.MonkeyPatch) -> None:
    items, asked, pairs = drawn(), histories(), []
    meet = history.met

    def counted(items: Items, some: Asked) -> tuple[Tensor, Tensor]:
        pairs.append(some.item_BL.numel() * some.target_BT.shape[1])
        return meet(items, some)

    monkeypatch.setattr(history, "met", counted)
    once = every_item.scores(items, asked, 0.0, 0.8)
    again = replace(asked, item_BL=asked.item_BL.repeat(50, 1))
    torch.testing.assert_close(every_item.scores(items, again, 0.0, 0.8)[-4:], once)
    assert pairs[0] == pairs[1] == 6 * (ITEMS + 1)  # five items and padding


def test_nobody_has_done_anything() -> None:
    items, empty = drawn(), Asked(*(torch.zeros(2, 1, dtype=torch.long) for _ in range(3)))
    assert items.bias_N is not None
    expected = items.bias_N.clone()
    expected[0] = 0
    torch.testing.assert_close(every_item.scores(items, empty, 0.3, 0.8), expected.expand(2, -1))
    no_one = Asked(*(torch.zeros(0, 3, dtype=torch.long) for _ in range(3)))
    assert every_item.scores(items, no_one, 0.3, 0.8).shape == (0, ITEMS + 1)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("make", [histories, dimmed])
@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.8), (0.4, 0.5), (0.3, 1.0), (0.0, 0.0)])
@torch.no_grad()
def test_of_even_logits_a_row_is_one_sum(
    make: Callable[[], Asked], alpha: float, beta: float, bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing is learnt: no pair but those of a row's own items is met."""
    items, asked, targets = drawn("even", ages=3), make(), []
    if not bias:
        items = replace(items, bias_N=None)
    expected, meet = by_pairs(items, asked, alpha, beta), history.met

    def noted(items: Items, some: Asked) -> tuple[Tensor, Tensor]:
        targets.append(some.target_BT.shape[1])
        return meet(items, some)

    monkeypatch.setattr(history, "met", noted)
    torch.testing.assert_close(every_item.scores(items, asked, alpha, beta), expected, rtol=1e-9, atol=1e-9)
    assert sum(targets) == asked.item_BL.shape[1]
