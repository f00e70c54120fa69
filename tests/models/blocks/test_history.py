"""Attentive item similarity: the equation by hand, its reductions, the compiled loop against the written-out form."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.blocks import history
from models.blocks.asked import Asked
from models.blocks.history import Halves, Items, Product

DIM, WIDTH, ITEMS = 5, 3, 9


def drawn(width: int = WIDTH, bias: bool = True, dtype: torch.dtype = torch.float32, ages: int = 0) -> Items:
    torch.manual_seed(1)
    tables = [torch.randn(ITEMS + 1, n, dtype=dtype) for n in (DIM, DIM, width, width)]
    halves = Halves(tables[2], tables[3], torch.randn(width, dtype=dtype))
    bias_N = torch.randn(ITEMS + 1, dtype=dtype) if bias else None
    return Items(tables[0], tables[1], halves, bias_N, torch.randn(ages, dtype=dtype) if ages else None)


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
AGES = pytest.mark.parametrize("ages", [0, 3, 7])  # none, fewer than events of a row, more


def tensors(items: Items) -> list[Tensor]:
    assert isinstance(items.attention, Halves)
    halves = items.attention
    found = [items.past_ND, items.target_ND, halves.past_NA, halves.target_NA, halves.out_A]
    return [*found, *(one for one in (items.bias_N, items.recency_P) if one is not None)]


def double(items: Items) -> Items:
    """The same numbers in 64 bits."""
    assert isinstance(items.attention, Halves)
    halves = items.attention
    bias_N, recency_P = (None if one is None else one.double() for one in (items.bias_N, items.recency_P))
    wide = Halves(halves.past_NA.double(), halves.target_NA.double(), halves.out_A.double())
    return Items(items.past_ND.double(), items.target_ND.double(), wide, bias_N, recency_P)


def one_by_one(items: Items, asked: Asked, alpha: float, beta: float) -> Tensor:
    """The equation as it is printed, pair by pair."""
    score_BT = torch.zeros(asked.target_BT.shape, dtype=items.past_ND.dtype)
    assert isinstance(items.attention, Halves)
    for b, t in torch.cartesian_prod(*(torch.arange(n) for n in asked.target_BT.shape)).tolist():
        j = int(asked.target_BT[b, t])
        if j == 0:
            continue
        first, seen = (int(edge_BT[b, t]) for edge_BT in asked.where[2:])
        aged = [(i, seen - 1 - place) for place, i in enumerate(asked.item_BL[b].tolist()) if first <= place < seen]
        aged = [(i, age) for i, age in aged if i not in (0, j)]
        past = [i for i, _ in aged]
        power = [
            torch.exp(items.attention.out_A @ F.relu(items.attention.past_NA[i] + items.attention.target_NA[j]))
            for i in past
        ]
        if items.recency_P is not None:
            last = len(items.recency_P) - 1
            power = [w * items.recency_P[min(age, last)].exp() for w, (_, age) in zip(power, aged, strict=True)]
        total = sum(power, torch.zeros(()))
        parts = [w / total**beta * (items.past_ND[i] @ items.target_ND[j]) for w, i in zip(power, past, strict=True)]
        score_BT[b, t] = sum(parts, torch.zeros(())) / max(len(past), 1) ** alpha
        if items.bias_N is not None:
            score_BT[b, t] += items.bias_N[j]
    return score_BT


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found.double(), expected.double(), rtol=2e-5, atol=2e-6)


@EACH
@AGES
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.8), (0.5, 0.5), (1.0, 1.0), (0.0, 0.0)])
def test_scores_are_the_equation(alpha: float, beta: float, bias: bool, ages: int, asked: Asked) -> None:
    items = drawn(bias=bias, ages=ages)
    expected = one_by_one(items, asked, alpha, beta)
    with torch.no_grad():
        close(history.scores(items, asked, alpha, beta), expected)
    close(history.scores(items, asked, alpha, beta), expected)


@EACH
@AGES
def test_some_targets_at_a_time_change_nothing(ages: int, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    items = drawn(ages=ages)
    whole = history.scores(items, asked, 0.3, 0.8)
    monkeypatch.setattr(history, "CELLS", {"cpu": 1})
    assert len(list(asked.parts(1))) == 5
    close(history.scores(items, asked, 0.3, 0.8), whole)
    grads = []
    for cells in (1, 1 << 20):  # in parts they are computed again for the gradients
        monkeypatch.setattr(history, "CELLS", {"cpu": cells})
        given = [t.requires_grad_() for t in tensors(items)]
        grads.append(torch.autograd.grad(history.scores(items, asked, 0.3, 0.8).square().sum(), given))
    for own, its in zip(*grads, strict=True):
        close(own, its)


@pytest.mark.parametrize("presence", [False, True])
def test_a_part_of_a_long_row_holds_its_own_events_alone(presence: bool) -> None:
    torch.manual_seed(1)
    seen_BT = torch.arange(1, 201).repeat_interleave(2).expand(3, -1)
    asked = Asked(
        torch.randint(1, ITEMS + 1, (3, 200)),
        torch.randint(1, ITEMS + 1, (3, 400)),
        seen_BT,
        torch.rand(3, 200) if presence else None,
        torch.randn(3, 200, WIDTH),
        (seen_BT - 4).clamp(min=0),
    )
    parts = list(asked.parts(asked.near()))
    pairs = sum(part.item_BL.shape[1] * part.target_BT.shape[1] for part in parts)
    assert pairs < 200 * 400 / 5
    for ages in (0, 4):
        whole = history.contributions(drawn(ages=ages), asked, 0.3, 0.8)[1].sum(-1)
        plain = replace(drawn(ages=ages), bias_N=None)
        close(history.scores(plain, asked, 0.3, 0.8), whole)


@EACH
@AGES
@pytest.mark.parametrize("width", [WIDTH, 0, 17])
@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.8), (0.7, 0.5), (0.0, 1.0)])
def test_the_compiled_loss_and_its_gradients(width: int, alpha: float, beta: float, ages: int, asked: Asked) -> None:
    label_BT = torch.zeros(asked.target_BT.shape)
    label_BT[:, 0] = 1
    single = drawn(width, ages=ages)
    found = []
    for items in (single, double(single)):
        for tensor in tensors(items):
            tensor.requires_grad_()
        loss = history.log_loss(items, asked, label_BT.to(items.past_ND.dtype), alpha, beta)
        found.append([loss.detach(), *torch.autograd.grad(2 * loss, tensors(items))])
    for own, its in zip(*found, strict=True):
        close(own, its)


def test_gradients_are_those_of_finite_differences() -> None:
    items, asked = drawn(dtype=torch.float64), ragged()
    label_BT = (torch.arange(20).view(4, 5) % 3 == 0).double()

    def loss(*given: Tensor) -> Tensor:
        return history.log_loss(Items(given[0], given[1], Halves(*given[2:5]), given[5]), asked, label_BT, 0.2, 0.8)

    assert torch.autograd.gradcheck(loss, [t.requires_grad_() for t in tensors(items)])


def test_no_attention_is_fism_with_alpha_and_beta_added() -> None:
    """Also where the logits are all the same, whatever they are."""
    items, asked = drawn(0, bias=False), ragged()
    fism = one_by_one(items, asked, 0.0, 0.0)  # plain sums
    count_BT = asked.kept_BTL().sum(-1).clamp(min=1)
    close(history.scores(items, asked, 0.2, 0.5), fism * count_BT**-0.7)
    same = replace(items, attention=Halves(torch.ones(ITEMS + 1, 2), -torch.ones(ITEMS + 1, 2), torch.ones(2)))
    close(history.scores(same, asked, 0.2, 0.5), fism * count_BT**-0.7)


def test_fism_by_the_sum_less_the_target() -> None:
    items, item_BL = drawn(0, bias=False), torch.tensor([[1, 4, 7, 2]])
    score_BT = history.scores(items, Asked(item_BL, item_BL, torch.full((1, 4), 4)), 0.0, 0.0)
    own_LD = items.past_ND[item_BL[0]]
    close(score_BT[0], ((own_LD.sum(0) - own_LD) * items.target_ND[item_BL[0]]).sum(1))


def test_with_beta_1_it_is_a_softmax() -> None:
    items, asked = drawn(), ragged()
    assert isinstance(items.attention, Halves)
    weight_BTL, _ = history.relevance(items, asked, 1.0)
    some_BT = asked.kept_BTL().any(-1)
    close(weight_BTL.sum(-1)[some_BT], torch.ones(int(some_BT.sum())))
    past_LA, target_A = items.attention.past_NA[asked.item_BL[0]], items.attention.target_NA[7]
    logit_L = F.relu(past_LA + target_A) @ items.attention.out_A
    close(weight_BTL[0, 4], F.pad(logit_L[:1].softmax(0), (0, 3)))
    close(history.relevance(items, replace(asked, seen_BT=asked.seen_BT * 0 + 4), 1.0)[0][0, 4], logit_L.softmax(0))


@pytest.mark.parametrize("rise", [50.0, -50.0, 400.0])
def test_large_logits_neither_overflow_nor_vanish(rise: float) -> None:
    """All logits raised by x multiply the weights by exp(x (1 - beta)), and a softmax by nothing."""
    items, asked = drawn(bias=False), ragged()
    halves = items.attention
    assert isinstance(halves, Halves)
    lifted = Halves(
        F.pad(halves.past_NA, (0, 1)),
        F.pad(halves.target_NA, (0, 1), value=1.0),
        F.pad(halves.out_A, (0, 1), value=rise),
    )
    raised = replace(items, attention=lifted)
    for beta in (0.9, 1.0):
        expected = history.scores(items, asked, 0.0, beta) * torch.exp(torch.tensor(rise * (1 - beta)))
        torch.testing.assert_close(history.scores(raised, asked, 0.0, beta), expected, rtol=1e-3, atol=1e-6)
        with torch.no_grad():
            torch.testing.assert_close(history.scores(raised, asked, 0.0, beta), expected, rtol=1e-3, atol=1e-6)
    label_BT = (asked.target_BT > 5).float()
    tables = [t.requires_grad_() for t in tensors(raised)]
    grads = torch.autograd.grad(history.log_loss(raised, asked, label_BT, 0.0, 1.0), tables)
    assert all(bool(torch.isfinite(grad).all()) for grad in grads)


def test_a_target_is_no_part_of_its_own_history() -> None:
    """Neither its own factors as something done, nor its half of the attention, enter its score."""
    items, asked = drawn(), ragged()
    halves = items.attention
    assert isinstance(halves, Halves)
    for j, where in ((3, (0, 1)), (2, (1, 0)), (9, (3, 0))):
        with torch.no_grad():
            before = history.scores(items, asked, 0.5, 0.8)[where]
            past_ND, past_NA = items.past_ND.clone(), halves.past_NA.clone()
            past_ND[j], past_NA[j] = 99.0, 99.0
            changed = replace(items, past_ND=past_ND, attention=replace(halves, past_NA=past_NA))
            assert history.scores(changed, asked, 0.5, 0.8)[where] == before
        close(history.scores(changed, asked, 0.5, 0.8)[where], before)


def test_product_attention_is_the_equation() -> None:
    plain = drawn(bias=False)
    mix_AD, shift_A, out_A = torch.randn(WIDTH, DIM), torch.randn(WIDTH), torch.randn(WIDTH)
    items, asked = replace(plain, attention=Product(mix_AD, shift_A, out_A)), ragged()
    weight_BTL, similar_BTL = history.relevance(items, asked, 0.5)
    j, past = 7, [3]
    assert asked.kept_BTL()[0, 4].tolist() == [True, False, False, False]
    j, past = 5, [3, 3, 8]
    power_L = torch.stack(
        [torch.exp(out_A @ F.relu(mix_AD @ (plain.past_ND[i] * plain.target_ND[j]) + shift_A)) for i in past]
    )
    close(weight_BTL[0, 0, [0, 2, 3]], power_L / power_L.sum() ** 0.5)
    assert weight_BTL[0, 0, 1] == 0
    close(similar_BTL[0, 0, 3], plain.past_ND[8] @ plain.target_ND[5])
    with torch.no_grad():
        close(history.scores(items, asked, 0.0, 0.5)[0, 0], (weight_BTL * similar_BTL)[0, 0].sum())


@EACH
@AGES
@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.8), (0.7, 0.5), (0.0, 1.0)])
def test_the_compiled_loss_of_products_and_its_gradients(alpha: float, beta: float, ages: int, asked: Asked) -> None:
    """In 32 bits a loop with gradients of its own, in 64 bits written out."""
    found = []
    label_BT = (torch.arange(20).view(4, 5) % 3 == 0).float()
    torch.manual_seed(2)
    mixed = [torch.randn(WIDTH, DIM), torch.randn(WIDTH), torch.randn(WIDTH)]
    for dtype in (torch.float32, torch.float64):
        plain = drawn()
        assert plain.bias_N is not None
        given = [plain.past_ND, plain.target_ND, *mixed, plain.bias_N, *([torch.arange(ages) / 3] if ages else [])]
        given = [t.to(dtype, copy=True).requires_grad_() for t in given]
        items = Items(given[0], given[1], Product(*given[2:5]), *given[5:])
        loss = history.log_loss(items, asked, label_BT.to(dtype), alpha, beta)
        with torch.no_grad():
            score_BT = history.scores(items, asked, alpha, beta)
        found.append([loss.detach(), score_BT, *torch.autograd.grad(2 * loss, given)])
    for own, its in zip(*found, strict=True):
        assert bool((own != 0).any())
        close(own, its)


def test_even_weights_are_halves_without_a_width() -> None:
    """Made of sums they are the scores and the reasons that are made of pairs."""
    items, asked = drawn(0), ragged()
    even = replace(items, attention=None)
    close(history.scores(even, asked, 0.2, 0.5), history.scores(items, asked, 0.2, 0.5))
    for own, its in zip(
        history.contributions(even, asked, 0.2, 0.5), history.contributions(items, asked, 0.2, 0.5), strict=True
    ):
        close(own, its)


def test_what_events_add_sums_to_the_score_and_shares_to_one() -> None:
    items, asked = drawn(), ragged()
    share_BTL, signed_BTL = history.contributions(items, asked, 0.3, 0.8)
    assert items.bias_N is not None
    bias_BT = items.bias_N[asked.target_BT] * (asked.target_BT > 0)
    close(signed_BTL.sum(-1) + bias_BT, one_by_one(items, asked, 0.3, 0.8))
    close(share_BTL.sum(-1), asked.kept_BTL().any(-1).float())
    assert bool((signed_BTL < 0).any())
    assert bool((signed_BTL[~asked.kept_BTL()] == 0).all())
