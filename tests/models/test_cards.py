"""What the papers' equations say of each model, on numbers that are easy to follow."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.needs import Needs
from models.bpr_mf import BPRMF
from models.gru4rec import GRU4Rec
from models.sasrec import SASRec
from tests.models.world import World, built, rows, section


def row(items: list[int], target: list[int], **changes: Tensor) -> Batch:
    item_BL = torch.tensor([items])
    one = torch.tensor([1])
    batch = Batch(one, item_BL, torch.tensor([len(items)]), item_BL, target_BL=torch.tensor([target]))
    return batch.but(**changes)


def test_bpr_the_first_loss_is_ln_2(world: World) -> None:
    model = built("bpr_mf", "plain", world)
    assert isinstance(model, BPRMF)
    assert model.loss(rows(world, model.needs, targets=True)).item() == pytest.approx(math.log(2), abs=2e-3)


def test_bpr_by_hand(world: World) -> None:
    model = models.build(
        Choice(name="bpr_mf", settings={"dim": 2, "negatives": 1, "regularisation": 0.1}), world.catalog, 3
    )
    assert isinstance(model, BPRMF)
    with torch.no_grad():
        model.user_UD[1] = torch.tensor([1.0, 2.0])
        model.item_NE[4] = torch.tensor([0.5, 1.0, 0.3])
        model.item_NE[7] = torch.tensor([1.0, -1.0, 0.1])
    batch = row([], [4], negative_BLK=torch.tensor([[[7]]]))
    margin = (2.5 + 0.3) - (-1.0 + 0.1)
    squares = 5 + (0.25 + 1 + 0.09) + (1 + 1 + 0.01)
    assert model.loss(batch).item() == pytest.approx(math.log1p(math.exp(-margin)) + 0.05 * squares, rel=1e-5)
    swapped = model.score(batch, torch.tensor([[4, 7]]))
    assert (swapped[0, 0] - swapped[0, 1]).item() == pytest.approx(margin)


def test_bpr_a_constant_on_all_biases_changes_nothing(world: World) -> None:
    model = built("bpr_mf", "plain", world)
    assert isinstance(model, BPRMF)
    batch = rows(world, model.needs, targets=True)
    before = model.loss(batch).item()
    with torch.no_grad():
        model.item_NE[:, -1] += 5
    assert model.loss(batch).item() == pytest.approx(before, rel=1e-5)


def test_bpr_max_with_one_negative_is_bpr(world: World) -> None:
    model = models.build(
        Choice(name="gru4rec", settings=section("gru4rec", "bpr_max").settings | {"elu": 0, "penalty": 0}),
        world.catalog,
        world.users,
    )
    assert isinstance(model, GRU4Rec)
    batch = row([3, 5], [0, 9], shared_S=torch.tensor([7]))
    score = model.eval().score(batch, torch.tensor([[9, 7]]))[0]
    assert model.loss(batch).item() == pytest.approx(F.softplus(score[1] - score[0]).item(), rel=1e-5)


def test_bpr_max_by_hand(world: World) -> None:
    model = built("gru4rec", "bpr_max_straight", world).eval()
    assert isinstance(model, GRU4Rec)
    batch = row([3, 5], [0, 9], shared_S=torch.tensor([7, 9, 2]))
    own, *other = model.score(batch, torch.tensor([[9, 7, 2]]))[0].tolist()
    weight = [math.exp(s) / sum(map(math.exp, other)) for s in other]
    beaten = sum(w / (1 + math.exp(s - own)) for w, s in zip(weight, other, strict=True))
    penalty = model.config.penalty * sum(w * s**2 for w, s in zip(weight, other, strict=True))
    assert model.config.penalty > 0
    assert model.loss(batch).item() == pytest.approx(-math.log(beaten) + penalty, rel=1e-4)


def test_gru4rec_is_torchs_gru_over_the_embeddings(world: World) -> None:
    model = built("gru4rec", "full", world).eval()
    assert isinstance(model, GRU4Rec)
    state_D = model.gru(model.embedding.weight[[3, 5, 2]][None])[0][0, -1]
    expected = model.embedding.weight @ state_D + model.bias_N
    torch.testing.assert_close(model.score_all(row([3, 5, 2], [0, 0, 0]))[0], expected)


def test_tied_weights_are_one(world: World) -> None:
    tied, untied = built("gru4rec", "full", world), built("gru4rec", "untied", world)
    assert isinstance(tied, GRU4Rec)
    assert isinstance(untied, GRU4Rec)
    assert tied.output_ND is tied.embedding.weight
    assert untied.output_ND is not untied.embedding.weight


def test_one_pass_over_a_row_is_the_mean_of_its_prefixes(world: World) -> None:
    """What one row per prefix would learn, at a fraction of the cost."""
    for name in ("sasrec", "gru4rec"):
        model = built(name, "full", world).eval()
        assert isinstance(model, SASRec | GRU4Rec)
        items, target = [3, 5, 2, 9], [5, 2, 9, 1]
        prefixes = [model.loss(row(items[:n], [0] * (n - 1) + [target[n - 1]])) for n in range(1, 5)]
        torch.testing.assert_close(model.loss(row(items, target)), torch.stack(prefixes).mean())


def test_sasrec_bce_by_hand(world: World) -> None:
    model = built("sasrec", "bce", world).eval()
    assert isinstance(model, SASRec)
    batch = row([3, 5], [0, 9], negative_BLK=torch.tensor([[[1, 1, 1], [2, 4, 7]]]))
    own, *other = model.score(batch, torch.tensor([[9, 2, 4, 7]]))[0]
    expected = F.softplus(-own) + sum(F.softplus(s) for s in other)
    torch.testing.assert_close(model.loss(batch), expected)


def test_sasrec_attention_is_what_the_block_used(world: World) -> None:
    model = built("sasrec", "full", world).eval()
    assert isinstance(model, SASRec)
    batch = row([3, 5, 2, 9], [0, 0, 0, 0])
    block = model.encoder.blocks[0]
    state_BLD = model.encoder._met(model.embedding(batch.item_BL), None, False)
    value_BLD = block.attention.value(block.before(state_BLD))  # type: ignore[operator,union-attr]
    block.attention.heads = 1  # type: ignore[union-attr]
    share_BLL = block.shares(state_BLD)  # type: ignore[operator]
    normed_BLD = block.before(state_BLD)  # type: ignore[operator]
    torch.testing.assert_close(share_BLL @ value_BLD, block.attention(normed_BLD, normed_BLD))  # type: ignore[operator]


def test_sasrec_heads_divide_the_width() -> None:
    with pytest.raises(ValueError, match=r"models\.sasrec.*dim 16 is not a multiple of heads 3"):
        models.configure(Choice(name="sasrec", settings=section("sasrec", "full").settings | {"heads": 3}))


def test_what_a_batch_lacks_is_said(world: World) -> None:
    batch = row([3], [5])
    with pytest.raises(ValueError, match="drawn items; the batch has none"):
        built("bpr_mf", "plain", world).loss(batch)  # type: ignore[operator]
    with pytest.raises(ValueError, match="drawn items; the batch has none"):
        built("sasrec", "bce", world).loss(batch)  # type: ignore[operator]
    with pytest.raises(ValueError, match="shared items; the batch has none"):
        built("gru4rec", "bpr_max", world).loss(batch)  # type: ignore[operator]
    for name in ("sasrec", "gru4rec"):
        with pytest.raises(ValueError, match="without targets has no loss"):
            built(name, "full", world).loss(batch.but(target_BL=None))  # type: ignore[operator]


def test_needs_follow_the_objective() -> None:
    needs = {v: models.configure(section("gru4rec", v)).needs for v in ("full", "chunked", "sampled", "bpr_max")}
    assert needs["full"] == needs["chunked"] == Needs(length=8)
    assert models.configure(section("gru4rec", "gbce")).needs == Needs(length=8, negatives=5)
    assert models.configure(section("sasrec", "cut")).needs == Needs(length=8, shared=6, shared_power=0.0)
    assert needs["sampled"] == needs["bpr_max"] == Needs(length=8, shared=6)
    assert models.configure(section("sasrec", "bce")).needs == Needs(length=8, negatives=3)
    assert models.configure(section("bpr_mf", "plain")).needs == Needs(negatives=1)
