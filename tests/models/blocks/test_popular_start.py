"""Biases start where popularity alone would put them."""

import pytest
import torch
from torch.nn import functional as F

from engine.training.interactions import Interactions
from models.bert4rec import BERT4Rec
from models.blocks.popular_start import start_at_popularity
from models.caser import Caser
from models.gru4rec import GRU4Rec
from tests.models.world import World, built

COUNT_N = torch.tensor([0, 5, 1, 0, 3])  # of items 1 to 4


def events() -> Interactions:
    item = [item for item, count in enumerate(COUNT_N.tolist()) for _ in range(count)]
    columns = {"user": [1] * len(item), "item": item, "event": list(range(1, len(item) + 1))}
    return Interactions.of(columns, len(COUNT_N) - 1)


@pytest.mark.parametrize("objective", ["full", "chunked", "sampled"])
def test_a_softmax_over_the_biases_gives_the_shares_with_one_event_added_to_each(objective: str) -> None:
    bias_N = torch.zeros(5)
    start_at_popularity(bias_N, events(), objective, 0)
    torch.testing.assert_close(bias_N[1:].softmax(0), torch.tensor([6, 2, 1, 4]) / 13)
    assert bias_N[1:].mean().item() == pytest.approx(0, abs=1e-6)
    assert bias_N[0] == 0


@pytest.mark.parametrize("negatives", [1, 3])
def test_of_log_loss_no_other_biases_are_better_where_nothing_else_is_known(negatives: int) -> None:
    """Its expected slope is zero: targets come by popularity, `negatives` of each evenly."""
    bias_N = torch.zeros(5)
    start_at_popularity(bias_N, events(), "bce", negatives)
    bias_N.requires_grad_()
    share_N = torch.tensor([6, 2, 1, 4]) / 13
    loss = (share_N * F.softplus(-bias_N[1:])).sum() + negatives * F.softplus(bias_N[1:]).mean()
    (slope_N,) = torch.autograd.grad(loss, bias_N)
    torch.testing.assert_close(slope_N, torch.zeros(5), atol=1e-6, rtol=0)


def test_pairs_have_no_start() -> None:
    bias_N = torch.ones(5)
    start_at_popularity(bias_N, events(), "bpr", 1)
    assert bias_N.tolist() == [1.0] * 5


@pytest.mark.parametrize(("name", "variant"), [("gru4rec", "chunked"), ("caser", "bce"), ("bert4rec", "chunked")])
def test_models_with_a_bias_start_so(name: str, variant: str, world: World) -> None:
    model = built(name, variant, world)
    assert isinstance(model, GRU4Rec | Caser | BERT4Rec)
    train = world.interactions(1)
    model.prepare(train)
    count_N = torch.bincount(train.item_E, minlength=world.items + 1)
    most, least = int(count_N[1:].argmax()) + 1, int(count_N[1:].argmin()) + 1
    assert model.bias_N[most] > model.bias_N[least]
    assert torch.equal(model.keys()[:, -1], model.bias_N)
