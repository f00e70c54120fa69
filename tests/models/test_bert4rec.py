"""BERT4Rec: what is hidden, what is seen of the rest, and from where it ranks."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.training.batch import Batch
from engine.training.needs import Needs
from models.bert4rec import BERT4Rec
from models.blocks.cloze import masked
from tests.models.world import World, built, section


def row(items: list[int], width: int = 0) -> Batch:
    item_BL = F.pad(torch.tensor([items]), (0, max(width - len(items), 0)))
    return Batch(torch.tensor([1]), item_BL, torch.tensor([len(items)]), item_BL, target_BL=item_BL)


def model_of(world: World, variant: str = "chunked") -> BERT4Rec:
    model = built("bert4rec", variant, world).eval()
    assert isinstance(model, BERT4Rec)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def test_a_share_of_each_row_is_masked_and_at_least_one_event() -> None:
    length_B = torch.tensor([1, 2, 5, 20, 0])
    item_BL = (torch.arange(20) < length_B[:, None]).long()
    batch = Batch(length_B, item_BL, length_B, item_BL)
    torch.manual_seed(0)
    hidden = torch.stack([masked(batch, 0.2, 0.0) for _ in range(2000)])
    assert not bool((hidden & ~batch.valid_BL).any())
    assert (hidden.sum(2) == torch.tensor([1, 1, 1, 4, 0])).all()
    shares_BL = hidden.float().mean(0)
    assert shares_BL[2, :5].tolist() == pytest.approx([0.2] * 5, abs=0.05)
    assert shares_BL[3].tolist() == pytest.approx([0.2] * 20, abs=0.05)


def test_in_some_rows_the_last_event_alone_is_masked() -> None:
    batch = row([1, 2, 3, 4, 5], width=7)
    torch.manual_seed(0)
    hidden = torch.stack([masked(batch, 1.0, 0.25)[0] for _ in range(2000)])
    assert {tuple(h.tolist()) for h in hidden} == {(True,) * 5 + (False,) * 2, (False,) * 4 + (True,) + (False,) * 2}
    assert (hidden.sum(1) == 1).float().mean().item() == pytest.approx(0.25, abs=0.03)


def test_what_is_learnt_of_a_last_event_is_what_is_ranked(world: World) -> None:
    """The loss where the last event alone is masked is that of the ranking after the history before it."""
    model = model_of(world, "ends")
    items = [3, 5, 2, 9, 1]
    expected = F.cross_entropy(model.score_all(row(items[:-1]))[:, 1:], torch.tensor([items[-1] - 1]))
    torch.testing.assert_close(model.loss(row(items)), expected)
    torch.testing.assert_close(model.loss(row(items, width=8)), expected)


def test_a_masked_event_is_guessed_from_both_sides(world: World) -> None:
    """What is not masked later changes the guess; which item was masked does not."""
    model = model_of(world)

    def guess(items: list[int]) -> Tensor:
        batch = row(items)
        hidden_BL = torch.tensor([[False, True, False, False]])
        event_BLD = torch.where(hidden_BL[..., None], model.mask_D, model.embedding(batch.item_BL))
        state_BLD: Tensor = model.encoder(event_BLD, batch.valid_BL, last=True)
        return state_BLD[0, 1]

    assert torch.equal(guess([3, 5, 2, 9]), guess([3, 7, 2, 9]))
    assert not torch.allclose(guess([3, 5, 2, 9]), guess([3, 5, 2, 8]))


def test_only_masked_events_are_learnt_from(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = model_of(world), row([3, 5, 2, 9])
    hidden_BL = torch.tensor([[False, True, False, True]])
    monkeypatch.setattr("models.bert4rec.masked", lambda *_: hidden_BL)
    seen_BLD = torch.where(hidden_BL[..., None], model.mask_D, model.embedding(batch.item_BL))
    state_PD = model.encoder(seen_BLD, batch.valid_BL, last=True)[0, [1, 3]]
    logit_PN = model.head(state_PD) @ model.embedding.weight[1:].T + model.bias_N[1:]
    expected = F.cross_entropy(logit_PN, torch.tensor([5, 9]) - 1)
    torch.testing.assert_close(model.loss(batch), expected)
    torch.testing.assert_close(model.loss(batch.but(target_BL=torch.tensor([[0, 5, 0, 9]]))), expected)


def test_a_full_row_gives_up_its_oldest_event_for_the_mask(world: World) -> None:
    model, items = model_of(world), [3, 5, 2, 9, 1, 4, 7, 6]
    assert len(items) == model.config.length
    whole = model.score_all(row(items))
    torch.testing.assert_close(whole, model.score_all(row(items[1:])))
    assert not torch.allclose(whole, model.score_all(row([*items[1:-1], 8])))
    (reason,) = model.explain(row(items), torch.tensor([1]))
    assert reason.valid.tolist() == [[False] + [True] * 7]
    (shorter,) = model.explain(row(items[1:]), torch.tensor([1]))
    torch.testing.assert_close(reason.value[:, 1:], shorter.value)


def test_the_first_loss_is_that_of_chance(world: World) -> None:
    """The mask and padding are no outputs: chance is one in the catalogue."""
    model = built("bert4rec", "chunked", world)
    assert isinstance(model, BERT4Rec)
    assert model.loss(row([3, 5, 2, 9])).item() == pytest.approx(math.log(world.items), abs=0.25)
    assert model.keys().shape == (world.items + 1, model.config.dim + 1)
    (grad_ND,) = torch.autograd.grad(model.loss(row([3, 5])), model.embedding.weight)
    assert bool(grad_ND[10].any())  # tied: the rows that are read are those that score


def test_rows_are_whole_and_what_is_drawn_is_asked_for() -> None:
    assert models.configure(section("bert4rec", "chunked")).needs == Needs(length=8, ahead=0)
    assert models.configure(section("bert4rec", "gbce")).needs == Needs(length=8, ahead=0, negatives=8)


def test_what_is_read_is_what_is_scored_and_the_mask_is_neither_item_nor_score(world: World) -> None:
    """One table for both; no column of scores for the mask."""
    model = model_of(world)
    with torch.no_grad():
        model.embedding.weight[3] += 1
    torch.testing.assert_close(model.keys()[3, :-1], model.embedding.weight[3])
    assert model.score_all(row([3, 5])).shape == (1, world.items + 1)
    before = model.keys().detach().clone()
    with torch.no_grad():
        model.mask_D += 1
    assert torch.equal(model.keys(), before)
    assert [name for name, _ in model.named_parameters() if name.startswith("embedding")] == ["embedding.weight"]
