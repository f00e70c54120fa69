"""MV-RNN: its equations on numbers, what its variants reduce to, and its score in parts."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.contract import Phase
from engine.training.needs import Needs
from models.mv_rnn import MVRNN
from tests.models.variants import VARIANTS
from tests.models.world import World, built, rows, section


def mv_rnn(world: World, variant: str = "whole") -> MVRNN:
    model = built("mv_rnn", variant, world).eval()
    assert isinstance(model, MVRNN)
    return model


def row(items: list[int], target: list[int], **changes: Tensor) -> Batch:
    item_BL, one = torch.tensor([items]), torch.tensor([1])
    batch = Batch(one, item_BL, torch.tensor([len(items)]), item_BL, target_BL=torch.tensor([target]))
    return batch.but(**changes)


def lstm(unit: nn.Module, x_LX: Tensor) -> Tensor:
    """The four gates as they are printed, a step at a time; the last state."""
    assert isinstance(unit, nn.LSTM)
    given, before = unit.weight_ih_l0, unit.weight_hh_l0
    h = c = torch.zeros(unit.hidden_size)
    for x in x_LX:
        i, f, candidate, o = (given @ x + before @ h + unit.bias_ih_l0 + unit.bias_hh_l0).chunk(4)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(candidate)
        h = torch.sigmoid(o) * torch.tanh(c)
    return h


@pytest.mark.parametrize("variant", ["con", "fus", "whole", "two_units", "con_two_units"])
def test_the_score_is_the_equations_step_by_step(variant: str, world: World) -> None:
    model = mv_rnn(world, variant)

    def parts(item: Tensor) -> tuple[Tensor, Tensor]:
        """What is seen of items, and their rows."""
        f, g = (
            view.standard(world.catalog.vector(name)[item]) @ view.dense.weight.T  # type: ignore[operator,union-attr]
            for view, name in zip(model.items.views, ("image", "text"), strict=True)
        )
        return torch.cat([f, g], -1) if model.config.fusion == "concatenation" else f + g, model.items.row.weight[item]

    history, asked = torch.tensor([3, 5, 4, 9]), torch.tensor(7)
    if model.config.units == 2:
        expected = sum(
            lstm(u, past) @ goal for u, past, goal in zip(model.units, parts(history), parts(asked), strict=True)
        )
    else:
        expected = lstm(model.units[0], torch.cat(parts(history), -1)) @ torch.cat(parts(asked))
    found = model.score(row(history.tolist(), [0] * 4), torch.tensor([[7]]))[0, 0]
    torch.testing.assert_close(found, expected)


def test_the_preference_by_hand(world: World) -> None:
    model = mv_rnn(world, "fus")
    batch = row([3, 5], [5, 9], negative_BLK=torch.tensor([[[1, 1, 1], [7, 7, 7]]]))
    h_LE, p_NE = model.states(batch)[0], model.keys()
    margin = torch.stack([h_LE[0] @ (p_NE[5] - p_NE[1]), h_LE[1] @ (p_NE[9] - p_NE[7])])
    assert model.loss(batch).item() == pytest.approx((1 + (-margin).exp()).log().mean().item(), rel=1e-5)


def test_what_is_given_back_by_hand(world: World) -> None:
    """Items 3 and 9 are in the history, 5 was drawn; item 2 has no views, and a repeated item counts once."""
    model = mv_rnn(world)
    drawn_BLK = torch.full((1, 5, 3), 5)
    drawn_BLK[:, 4] = 6  # for a place without a target
    batch = row([3, 9, 2, 3, 0], [9, 2, 3, 4, 0], negative_BLK=drawn_BLK)
    image, text, _ = model.items(None)[0]
    expected = 0.0
    for view, name in zip(model.items.views, ("image", "text"), strict=True):
        z_NC = view.standard(world.catalog.vector(name))  # type: ignore[operator]
        misses = [z_NC[i] - view.dense.weight.T @ (image[i] + text[i]) for i in (3, 9, 5)]  # type: ignore[operator,union-attr]
        expected += (torch.stack(misses) ** 2).mean().item()
    own, other = (model.states(batch)[0, :4] * model.keys()[torch.tensor([[9, 2, 3, 4], [5] * 4])]).sum(-1)
    choice = F.softplus(other - own).mean().item()
    assert model.loss(batch).item() == pytest.approx(choice + model.config.reconstruction * expected, rel=1e-5)
    model.enter("denoising")
    assert model.loss(batch).item() == pytest.approx(expected, rel=1e-5)


def test_giving_back_moves_the_weights_as_encoder_and_as_decoder(world: World) -> None:
    model, item_U = mv_rnn(world), torch.tensor([3, 5])
    model.enter("denoising")
    view = model.items.views[0]
    weight = view.dense.weight

    def gradient(decoder: bool) -> Tensor:
        image_UD, text_UD, _ = model.items(item_U)[0]
        code_UD = (image_UD.detach() if decoder else image_UD) + text_UD.detach()
        missed = (code_UD @ (weight if decoder else weight.detach()) - view.standard(view.table_NC[item_U])) ** 2  # type: ignore[operator,index]
        return torch.autograd.grad(missed.mean(), weight)[0]  # type: ignore[arg-type]

    whole = torch.autograd.grad(model.loss(row([3, 5], [0, 0])), weight)[0]  # type: ignore[arg-type]
    text_UD = model.items(item_U)[0][1]
    other = model.items.views[1]
    code_UD = model.items(item_U)[0][0] + text_UD
    by_text = torch.autograd.grad(other.missed(item_U, code_UD), weight)[0]  # type: ignore[operator,arg-type]
    assert min(g.abs().max() for g in (gradient(False), gradient(True), by_text)) > 1e-3
    torch.testing.assert_close(whole, gradient(False) + gradient(True) + by_text)


def test_corruption_takes_whole_views_in_training_alone(world: World) -> None:
    choice = Choice(name="mv_rnn", settings=section("mv_rnn").settings | {"corruption": 0.3, "dropout": 0.0})
    model = models.build(choice, world.catalog, world.users)
    assert isinstance(model, MVRNN)
    part = [torch.ones(4000, 5) for _ in range(3)]
    image, text, own = model.train()._corrupted(part)
    for view in (image, text):
        assert sorted(view.sum(1).unique().tolist()) == [0, 5]
        assert (view[:, 0] == 0).float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert (image[:, 0] * text[:, 0] == 0).float().mean().item() == pytest.approx(1 - 0.7**2, abs=0.03)
    assert bool((own == 1).all())
    assert all(bool((p == 1).all()) for p in model.eval()._corrupted(part))


def test_what_is_given_back_is_clean_though_what_is_read_is_not(world: World) -> None:
    settings = section("mv_rnn", "whole").settings | {"corruption": 0.999}
    model = models.build(Choice(name="mv_rnn", settings=settings), world.catalog, world.users).train()
    assert isinstance(model, MVRNN)
    model.enter("denoising")
    standard = [v.standard(v.table_NC[[3, 9]]) for v in model.items.views]  # type: ignore[operator,index]
    torch.manual_seed(1)
    expected = sum((z_UC**2).mean() for z_UC in standard)  # of nothing nothing is given back
    torch.testing.assert_close(model.loss(row([3, 9], [0, 0])), expected)


def test_without_corruption_training_is_not_random(world: World) -> None:
    for variant in ("uncorrupted", "con", "fus", "whole"):
        model = built("mv_rnn", variant, world).train()
        assert isinstance(model, MVRNN)
        batch = rows(world, model.needs, targets=True)
        assert (model.loss(batch).item() == model.loss(batch).item()) == (variant != "whole")


def test_with_nothing_to_give_back_or_to_miss_it_is_fus(world: World) -> None:
    settings = section("mv_rnn", "whole").settings | {"corruption": 0.0, "reconstruction": 0.0}
    torch.manual_seed(1)
    model = models.build(Choice(name="mv_rnn", settings=settings), world.catalog, world.users).train()
    fus = built("mv_rnn", "fus", world).train()
    assert isinstance(model, MVRNN)
    assert isinstance(fus, MVRNN)
    batch = rows(world, model.needs, targets=True)
    assert model.loss(batch).item() == fus.loss(batch).item()


def test_without_views_it_is_torchs_lstm(world: World) -> None:
    model = mv_rnn(world, "no_views")
    batch = rows(world, model.needs)
    assert isinstance(model.units[0], nn.LSTM)
    torch.testing.assert_close(model.states(batch), model.units[0](model.items.row(batch.item_BL))[0])
    assert [model.units[0].input_size, model.units[0].hidden_size] == [8, 8]


def test_two_units_without_what_is_seen_are_an_lstm_on_rows(world: World) -> None:
    model, alone = mv_rnn(world, "two_units"), mv_rnn(world, "no_views")
    batch, item_BK = rows(world, model.needs), torch.arange(1, world.items + 1).expand(world.users, -1)
    alone.items.row.load_state_dict(model.items.row.state_dict())
    alone.units[0].load_state_dict(model.units[1].state_dict())
    assert not torch.allclose(model.score(batch, item_BK), alone.score(batch, item_BK), atol=1e-3)
    with torch.no_grad():
        for parameter in model.units[0].parameters():  # its state is o * tanh(0)
            parameter.zero_()
    torch.testing.assert_close(model.score(batch, item_BK), alone.score(batch, item_BK))


def test_con_without_matrices_is_an_lstm_on_rows_that_is_wider(world: World) -> None:
    """Its state is as wide as three parts; the row's is what is scored."""
    model, dim = mv_rnn(world, "con"), 8
    batch, item_BK = rows(world, model.needs), torch.arange(1, world.items + 1).expand(world.users, -1)
    plain, unit = nn.LSTM(dim, 3 * dim, batch_first=True), model.units[0]
    state = dict(unit.state_dict())
    plain.load_state_dict(state | {"weight_ih_l0": state["weight_ih_l0"][:, 2 * dim :]})
    with torch.no_grad():
        for view in model.items.views:
            view.dense.weight.zero_()  # type: ignore[union-attr,operator]
    state_BD = batch.last(plain(model.items.row(batch.item_BL))[0])[:, 2 * dim :]
    expected = torch.einsum("bd,bkd->bk", state_BD, model.items.row(item_BK))
    torch.testing.assert_close(model.score(batch, item_BK), expected)


@pytest.mark.parametrize("variant", VARIANTS["mv_rnn"])
def test_the_parts_sum_to_the_score(variant: str, world: World) -> None:
    model = mv_rnn(world, variant)
    batch, item_B = rows(world, model.needs), torch.arange(1, world.users + 1)
    (whole,) = model.explain(batch, item_B)
    assert (whole.over, whole.kind, whole.faithful) == ("view", "signed", True)
    torch.testing.assert_close(whole.value.sum(1), model.score(batch, item_B[:, None])[:, 0])
    seen = [view in model.needs.views for view in ("image", "text")]
    assert whole.valid[0].tolist() == [*seen, True]
    assert whole.valid[1].tolist() == [False, False, True]  # item 2 has no picture and no text
    assert (whole.value[0] != 0).tolist() == [*seen, True]


def test_a_part_of_the_score_is_what_a_candidate_loses_with_its_view(world: World) -> None:
    for variant in ("con", "fus", "two_units"):
        model = mv_rnn(world, variant)
        batch, item_B = row([3, 5, 4], [0, 0, 0]), torch.tensor([7])  # which is not in its history
        whole = model.explain(batch, item_B)[0].value[0]
        before = model.score(batch, item_B[:, None])
        kept = model.items.views[0].present_N.clone()  # type: ignore[union-attr,operator]
        model.items.views[0].present_N[7] = False  # type: ignore[union-attr,operator,index]
        lost = (before - model.score(batch, item_B[:, None])).item()
        model.items.views[0].present_N.copy_(kept)  # type: ignore[union-attr,operator]
        assert lost == pytest.approx(whole[0].item(), rel=1e-4)


def test_phases_are_those_that_are_set(world: World) -> None:
    assert mv_rnn(world).phases == [Phase("recommending")]
    model = mv_rnn(world, "pretrained")
    assert model.phases == [Phase("denoising", 2, selected=False), Phase("recommending")]
    batch = rows(world, model.needs, targets=True)
    choice = model.loss(batch).item()
    model.enter("denoising")
    missed = model.loss(batch)
    missed.backward()
    moved = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and bool(p.grad.any())}
    assert moved == {"items"}
    model.enter("recommending")
    assert model.loss(batch).item() == choice != missed.item()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"views": [], "units": 2}, "units: 2 reads views apart from rows"),
        ({"views": [], "pretraining": 1}, "pretraining learns to give views back"),
        ({"fusion": "addition", "pretraining": 1}, "pretraining learns to give views back"),
    ],
)
def test_what_has_no_meaning_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=rf"models\.mv_rnn.*{said}"):
        models.configure(Choice(name="mv_rnn", settings=settings))


def test_needs_follow_the_objective() -> None:
    views = frozenset({"image", "text"})
    assert models.configure(section("mv_rnn", "whole")).needs == Needs(length=8, negatives=3, views=views)
    assert models.configure(section("mv_rnn", "sampled")).needs == Needs(length=8, shared=6, views=views)
    assert models.configure(section("mv_rnn", "no_views")).needs == Needs(length=8, negatives=3)
