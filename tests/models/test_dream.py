"""DREAM: the paper's recurrence and loss by hand, and that with a GRU and a softmax it is GRU4Rec."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.needs import Needs
from models.dream import DREAM
from models.gru4rec import GRU4Rec
from tests.models.doubled import Doubled
from tests.models.world import World, built, rows, section


def dream(variant: str, world: World, **changes: object) -> DREAM:
    torch.manual_seed(1)
    settings = section("dream", variant).settings | changes
    model = models.build(Choice(name="dream", settings=settings), world.catalog, world.users)
    assert isinstance(model, DREAM)
    return model.eval()


def row(items: list[int], target: list[int], **fields: Tensor) -> Batch:
    item_BL = torch.tensor([items])
    batch = Batch(torch.tensor([1]), item_BL, torch.tensor([len(items)]), item_BL.clone())
    return batch.but(target_BL=torch.tensor([target]), **fields)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize(("variant", "f"), [("sigmoid", torch.sigmoid), ("tanh", torch.tanh), ("relu", F.relu)])
def test_the_recurrence_by_hand(variant: str, f: object, world: World) -> None:
    """h = f(X b + R h + c) from a state of 0, in the units that are learnt: those of the sigmoid are 2 and 4 times."""
    model = dream(variant, world, layers=1)
    cell = model.cell
    x_DD, r_DD, c_D = cell.weight_ih_l0, cell.weight_hh_l0, cell.bias_ih_l0 + cell.bias_hh_l0
    if variant == "sigmoid":
        x_DD, r_DD, c_D = 2 * x_DD, 4 * r_DD, 2 * c_D - (2 * r_DD).sum(1)
    state_D = torch.zeros(model.config.dim)
    for item in (3, 5, 2):
        state_D = f(x_DD @ model.embedding.weight[item] + r_DD @ state_D + c_D)  # type: ignore[operator]
    close(model.score_all(row([3, 5, 2], [0, 0, 0]))[0], model.embedding.weight @ state_D)


def test_what_is_dropped_is_what_is_read_and_scored_and_not_what_is_carried(world: World) -> None:
    """Doubled where it is dropped: h = tanh(X 2b + R h + c), score = 2h . E; between layers it is torch's."""
    model = dream("tanh", world)
    model.dropout = Doubled()  # type: ignore[assignment]
    cell = model.cell
    state_D = torch.zeros(model.config.dim)
    for item in (3, 5, 2):
        read_D = 2 * model.embedding.weight[item]
        state_D = torch.tanh(
            cell.weight_ih_l0 @ read_D + cell.weight_hh_l0 @ state_D + cell.bias_ih_l0 + cell.bias_hh_l0
        )
    close(model.score_all(row([3, 5, 2], [0, 0, 0]))[0], model.embedding.weight @ (2 * state_D))
    deep = dream("tanh", world, layers=3, dropout=0.25)
    assert [deep.cell.num_layers, deep.cell.dropout, deep.dropout.p] == [3, 0.25, 0.25]


def test_two_layers_by_hand(world: World) -> None:
    model = dream("relu", world)
    state_ND = [torch.zeros(model.config.dim)] * 2
    for item in (3, 5, 2):
        given_D = model.embedding.weight[item]
        for n, (x_DD, r_DD, c_D, d_D) in enumerate(model.cell.all_weights):
            given_D = state_ND[n] = F.relu(x_DD @ given_D + r_DD @ state_ND[n] + c_D + d_D)
    close(model.score_all(row([3, 5, 2], [0, 0, 0]))[0], model.embedding.weight @ given_D)


def test_items_start_small_and_padding_at_zero(world: World) -> None:
    weight_ND = dream("bpr", world, dim=200).embedding.weight
    assert 0.099 < weight_ND.abs().max().item() <= 0.1
    assert weight_ND[1:].std().item() == pytest.approx(0.1 / 3**0.5, rel=0.05)
    assert not weight_ND[0].any()


def test_bpr_by_hand(world: World) -> None:
    model = dream("bpr", world, negatives=2)
    negative_BLK = torch.tensor([[[7, 8], [4, 1]]])
    batch = row([3, 5], [5, 9], negative_BLK=negative_BLK)
    losses = []
    for place, own in enumerate((5, 9)):
        asked = row([3, 5][: place + 1], [0] * (place + 1))
        own_1, other_K = model.score(asked, torch.tensor([[own, *negative_BLK[0, place].tolist()]]))[0].split([1, 2])
        losses.append(F.softplus(other_K - own_1).mean())
    found, expected = model.loss(batch), torch.stack(losses).mean()
    close(found, expected)
    weight_ND = model.embedding.weight  # learns as what is read, as what is next and as what is drawn
    slopes = [torch.autograd.grad(loss, weight_ND, retain_graph=True)[0] for loss in (found, expected)]
    close(slopes[0], slopes[1])


@pytest.mark.parametrize("objective", ["full", "chunked"])
def test_with_a_gru_and_a_softmax_it_is_gru4rec_without_biases(objective: str, world: World) -> None:
    model, other = dream(objective, world, dim=16), built("gru4rec", objective, world).eval()
    assert isinstance(other, GRU4Rec)
    model.embedding.load_state_dict(other.embedding.state_dict())
    model.cell.load_state_dict(other.gru.state_dict())
    batch, learnt = rows(world, Needs(8)), rows(world, Needs(8), targets=True)
    close(model.score_all(batch), other.score_all(batch))
    close(model.loss(learnt), other.loss(learnt))
    with torch.no_grad():
        other.bias_N += torch.linspace(0, 1, len(other.bias_N))
    assert not torch.allclose(model.score_all(batch), other.score_all(batch), atol=1e-2)


def test_needs_follow_the_objective() -> None:
    needs = {v: models.configure(section("dream", v)).needs for v in ("bpr", "full", "sampled")}
    assert needs == {"bpr": Needs(8, negatives=3), "full": Needs(8), "sampled": Needs(8, shared=6)}
