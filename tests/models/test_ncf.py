"""NCF: its towers by hand, what it is to GMF and to a product, its pre-training, all items against each."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.loop import Loop
from models.ncf import GMF, MLP, NCF
from tests.models.doubled import Doubled
from tests.models.world import World, rows, section, train


def ncf(variant: str, world: World, shake: float = 0.3, **changes: object) -> NCF:
    torch.manual_seed(1)
    settings = section("ncf", variant).settings | changes
    model = models.build(Choice(name="ncf", settings=settings), world.catalog, world.users)
    assert isinstance(model, NCF)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += shake * torch.randn_like(parameter)
    return model.eval()


def towers(model: NCF) -> tuple[GMF, MLP]:
    gmf, mlp = model.towers["gmf"], model.towers["mlp"]
    assert isinstance(gmf, GMF)
    assert isinstance(mlp, MLP)
    return gmf, mlp


def every(world: World) -> Tensor:
    return torch.arange(1, world.items + 1).expand(world.users, -1)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-6)


def test_the_logit_by_hand(world: World) -> None:
    """The concatenation, each layer and both outputs, pair by pair."""
    model, batch = ncf("neumf", world, dim=8), rows(world, ncf("neumf", world).needs)
    gmf, mlp = towers(model)
    assert [tuple(layer.weight.shape) for layer in mlp.layers] == [(16, 32), (8, 16)]  # type: ignore[union-attr, operator]
    found = model.score(batch, torch.tensor([[3, 7]]).expand(world.users, -1))
    for row, item in ((0, 3), (5, 7)):
        user = int(batch.user_B[row])
        product_D = gmf.user_UD[user] * gmf.item_ND[item]
        value = torch.cat([mlp.user_UE[user], mlp.item_NE[item]])
        for layer in mlp.layers:
            value = torch.relu(layer.weight @ value + layer.bias)  # type: ignore[operator]
        assert value.any()  # or nothing is tried
        expected = product_D @ gmf.out.weight[0] + gmf.out.bias + value @ mlp.out.weight[0] + mlp.out.bias
        close(found[row, int(item == 7)], expected[0])


@torch.no_grad()
def test_what_is_dropped_are_vectors_and_each_layer_s_input(world: World) -> None:
    """Doubled where it is dropped: p, q, [p'; q'], x_1 and x_2."""
    model, batch = ncf("neumf", world, dim=8), rows(world, ncf("neumf", world).needs)
    gmf, mlp = towers(model)
    gmf.dropout = mlp.dropout = Doubled()
    found = model.score(batch, torch.tensor([[7]]).expand(world.users, -1))
    for row in (0, 5):
        user = int(batch.user_B[row])
        value = torch.cat([mlp.user_UE[user], mlp.item_NE[7]])
        for layer in mlp.layers:
            value = torch.relu(layer.weight @ (2 * value) + layer.bias)  # type: ignore[operator]
        assert value.any()
        product_D = (2 * gmf.user_UD[user]) * (2 * gmf.item_ND[7])
        expected = product_D @ gmf.out.weight[0] + gmf.out.bias + 2 * value @ mlp.out.weight[0] + mlp.out.bias
        close(found[row, 0], expected[0])


@torch.no_grad()
def test_how_wide_it_starts(world: World) -> None:
    """GMF's vectors by 0.1, the MLP's by 0.01, layers by Glorot, outputs by LeCun, biases at 0."""
    gmf, mlp = towers(ncf("neumf", world, shake=0.0, dim=100))
    for table, width in ((gmf.user_UD, 0.1), (gmf.item_ND, 0.1), (mlp.user_UE, 0.01), (mlp.item_NE, 0.01)):
        assert table.std().item() == pytest.approx(width, rel=0.1)
    for layer in mlp.layers:
        bound = (6 / sum(layer.weight.shape)) ** 0.5  # type: ignore[operator, arg-type, union-attr]
        assert layer.weight.abs().max().item() == pytest.approx(bound, rel=0.01)  # type: ignore[operator, union-attr]
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)  # type: ignore[operator, union-attr]
        assert not layer.bias.any()  # type: ignore[operator, union-attr]
    for out in (gmf.out, mlp.out):
        assert 0.155 < out.weight.abs().max().item() <= (3 / 100) ** 0.5  # 0.173
        assert out.weight.std().item() == pytest.approx(0.1, rel=0.2)
        assert out.bias.tolist() == [0.0]


def test_neumf_whose_tower_says_nothing_is_gmf(world: World) -> None:
    model, batch = ncf("neumf", world), rows(world, ncf("neumf", world).needs, targets=True)
    alone = ncf("gmf", world)
    alone.load_state_dict({k: v for k, v in model.state_dict().items() if k.startswith("towers.gmf")})
    assert not torch.allclose(model.score(batch, every(world)), alone.score(batch, every(world)), atol=1e-2)
    with torch.no_grad():
        towers(model)[1].out.weight.zero_()
        towers(model)[1].out.bias.zero_()
    close(model.score(batch, every(world)), alone.score(batch, every(world)))
    close(model.score_all(batch), alone.score_all(batch))


def test_gmf_of_even_weights_is_the_product(world: World) -> None:
    model, batch = ncf("gmf", world), rows(world, ncf("gmf", world).needs)
    gmf = model.towers["gmf"]
    assert isinstance(gmf, GMF)
    with torch.no_grad():
        gmf.out.weight.fill_(1.0)
        gmf.out.bias.zero_()
    close(model.score_all(batch), gmf.user_UD[batch.user_B] @ gmf.item_ND.T)


class Rising:
    """A reading that grows, so that the last state is kept."""

    def __init__(self) -> None:
        self.calls: Iterator[int] = iter(range(1000))

    def __call__(self) -> float:
        return float(next(self.calls))


def test_pre_trained_it_starts_as_the_mean_of_both_towers(world: World, tmp_path: Path) -> None:
    """What is entered last is half of each logit; before it gmf is learnt as `towers: gmf` is."""
    model, batch = ncf("pretrained", world), rows(world, ncf("gmf", world).needs)
    assert [phase.name for phase in model.phases] == ["gmf", "mlp", "both"]
    assert [phase.lr for phase in model.phases] == [None, None, 0.01]
    assert [[p.name for p in ncf(v, world).phases] for v in ("gmf", "mlp", "neumf")] == [["gmf"], ["mlp"], ["both"]]
    assert [ncf(variant, world).needs.negatives for variant in ("gmf", "mlp")] == [4, 2]
    model.enter("gmf")
    gmf_BK = model.score(batch, every(world))
    model.enter("mlp")
    mlp_BK = model.score(batch, every(world))
    model.enter("both")
    start_BK = model.score(batch, every(world))
    close(start_BK, (gmf_BK + mlp_BK) / 2)
    model.enter("both")
    assert torch.equal(model.score(batch, every(world)), start_BK)  # it is there already
    whole, alone = ncf("pretrained", world, shake=0.0), ncf("gmf", world, shake=0.0)
    whole.enter("gmf")
    losses = [
        Loop(one, world.interactions(1), train(2), 1, tmp_path / f"{number}.pt").run(Rising()).losses
        for number, one in enumerate((whole, alone))
    ]
    assert losses[0] == losses[1]
    for name, value in alone.state_dict().items():
        assert torch.equal(whole.state_dict()[name], value)


def test_the_loss_by_hand(world: World) -> None:
    model = ncf("neumf", world)
    batch = rows(world, model.needs, targets=True)
    assert batch.target_BL is not None
    assert batch.negative_BLK is not None
    own_B = model.score(batch, batch.target_BL[:, :1])[:, 0]
    other_BK = model.score(batch, batch.negative_BLK[:, 0])
    expected = sum(F.softplus(-own) + F.softplus(other).sum() for own, other in zip(own_B, other_BK, strict=True))
    close(model.loss(batch), expected / len(own_B))  # type: ignore[operator, arg-type]
    with pytest.raises(ValueError, match="drawn items; the batch has none"):
        model.loss(batch.but(negative_BLK=None))


def test_a_person_s_cases_are_scored_once_and_in_parts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ncf("mlp", world)
    user_B = torch.tensor([3, 1, 3, 3, 2])
    batch = Batch(user_B, torch.zeros(5, 0, dtype=torch.long), torch.zeros(5, dtype=torch.long), user_B[:, None])
    whole_BN = model.score_all(batch)
    assert torch.equal(whole_BN[0], whole_BN[2])
    assert not torch.equal(whole_BN[0], whole_BN[1])
    monkeypatch.setattr(models.find("ncf"), "PAIRS", 1)
    close(model.score_all(batch), whole_BN)
