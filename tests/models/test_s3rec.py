"""S3-Rec: its four goals, and the SASRec that it is without them."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.fit import fit
from engine.training.needs import Needs
from models.blocks.cloze import prefixes, segments
from models.s3rec import S3Rec
from tests.models.test_laws import Reading
from tests.models.world import World, built, rows, section, train


def taught(world: World, variant: str = "whole") -> S3Rec:
    model = built("s3rec", variant, world)
    assert isinstance(model, S3Rec)
    model.enter("pre-training")
    return model


def row(items: list[int], width: int = 0) -> Batch:
    item_BL = F.pad(torch.tensor([items]), (0, max(width - len(items), 0)))
    return Batch(torch.tensor([1]), item_BL, torch.tensor([len(items)]), item_BL, target_BL=item_BL)


@pytest.mark.parametrize("none", [{"epochs": 0}, {"epochs": 2, "aap": 0.0, "mip": 0.0, "map": 0.0, "sp": 0.0}])
def test_without_pre_training_it_is_its_sasrec(none: dict[str, float], world: World, tmp_path: Path) -> None:
    """The same numbers at the start and, at the same seed, after learning; without epochs as without weights."""
    shared = {k: v for k, v in section("s3rec", "without").settings.items() if k != "pretraining"}
    choices = [section("s3rec", "without"), Choice(name="sasrec", settings=shared | {"norm": "post", "dropout": 0.1})]
    choices[0] = Choice(name="s3rec", settings=choices[0].settings | {"dropout": 0.1, "pretraining": none})
    states = []
    for choice in choices:
        torch.manual_seed(1)
        model = models.build(choice, world.catalog, world.users)
        fit(model, world.interactions(1), Reading(), train(2), 1, tmp_path / "run.pt")
        states.append(model.state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_pre_training_changes_what_fine_tuning_starts_from(world: World, tmp_path: Path) -> None:
    model = built("s3rec", "whole", world)
    assert isinstance(model, S3Rec)
    first = model.embedding.weight.detach().clone()
    assert [(p.name, p.epochs, p.selected, p.lr) for p in model.phases] == [
        ("pre-training", 2, False, 0.001),
        ("fine-tuning", None, True, None),
    ]
    started = []
    entered = model.enter

    def enter(phase: str) -> None:
        before = model.embedding.weight.detach().clone()
        entered(phase)
        started.append(model.embedding.weight.detach().clone())
        assert torch.equal(before, started[-1])

    model.enter = enter  # type: ignore[method-assign]
    done = fit(model, world.interactions(1), Reading(), train(3), 1, tmp_path / "run.pt")
    assert len(done.losses) == 3
    assert torch.equal(started[0], first)
    assert not torch.equal(started[1], first)
    assert [p.name for p in built("s3rec", "without", world).phases] == ["fine-tuning"]  # type: ignore[union-attr]


def test_each_phase_asks_for_its_own(world: World) -> None:
    model = built("s3rec", "bce", world)
    views = frozenset(["categories"])
    assert model.needs == models.configure(section("s3rec", "bce")).needs == Needs(length=8, negatives=3, views=views)  # type: ignore[arg-type]
    assert isinstance(model, S3Rec)
    model.enter("pre-training")
    assert model.needs == Needs(length=8, ahead=0, negatives=1, views=views)  # type: ignore[arg-type]
    assert not models.configure(section("s3rec", "without")).needs.views
    with pytest.raises(ValueError, match="drawn items; the batch has none"):
        model.loss(row([3, 5]))


def test_attributes_by_hand(world: World) -> None:
    """AAP's and MAP's cross-entropy of two positions; item 2 has no categories and teaches none."""
    goals = taught(world).goals
    assert goals is not None
    names = world.catalog.categories.names
    state_PD, item_P = torch.randn(3, 16), torch.tensor([3, 2, 5])
    expected = 0.0
    for place in (0, 2):
        item = int(item_P[place])
        has = {"all", f"kind {item % 3}", f"own {item % 4}"}
        score_C = goals.attribute_CD @ goals.maps["map"](state_PD[place])
        expected += sum(
            math.log1p(math.exp(-s if name in has else s)) for s, name in zip(score_C.tolist(), names, strict=True)
        )
    assert goals.attributes("map", state_PD, item_P).item() == pytest.approx(expected, rel=1e-5)
    assert goals.attributes("aap", state_PD, item_P).item() != pytest.approx(expected, rel=1e-3)  # a map of its own


def test_fine_tuning_by_hand(world: World) -> None:
    """`objective: bce`: of each position its next item and what is drawn beside it."""
    model = built("s3rec", "bce", world).eval()
    assert isinstance(model, S3Rec)
    batch = row([3, 5]).but(target_BL=torch.tensor([[0, 9]]), negative_BLK=torch.tensor([[[1, 1, 1], [2, 4, 7]]]))
    own, *other = model.score(batch, torch.tensor([[9, 2, 4, 7]]))[0]
    expected = F.softplus(-own) + sum(F.softplus(s) for s in other)
    torch.testing.assert_close(model.loss(batch), expected)


@torch.no_grad()
def test_its_reasons_are_the_causal_attention(world: World) -> None:
    """What the last state attends to, in a row that goes on as in one that ends there."""
    model = built("s3rec", "whole", world).eval()
    assert isinstance(model, S3Rec)
    (reason,) = model.explain(row([3, 5, 4]), torch.tensor([1]))
    seen_BLL = model.encoder.shares(model.embedding(torch.tensor([[3, 5, 4, 7]])))
    torch.testing.assert_close(reason.value[0], seen_BLL[0, 2, :3])


@pytest.mark.parametrize("variant", ["whole", "printed"])
def test_contrasts_by_hand(world: World, variant: str) -> None:
    goals = taught(world, variant).goals
    assert goals is not None
    state, own, other = torch.randn(3, 2, 16)
    total = 0.0
    for place in range(2):
        mapped = goals.maps["sp"](state[place]).detach()
        a, b = float(mapped @ own[place]), float(mapped @ other[place])
        if variant == "printed":  # in [.313, 1.313], whatever the scores
            a, b = 1 / (1 + math.exp(-a)), 1 / (1 + math.exp(-b))
        total += math.log1p(math.exp(b - a))
    assert goals.contrast("sp", state, own, other).item() == pytest.approx(total, rel=1e-5)
    far = goals.contrast("sp", 1e3 * state, own, other).item()
    assert (far < 2.7) == (variant == "printed") or far == pytest.approx(0)


def test_prefixes_of_every_length_are_hidden_at_their_end() -> None:
    batch = row([1, 2, 3, 4], width=6)
    torch.manual_seed(0)
    drawn = [prefixes(batch, 0.3) for _ in range(3000)]
    lengths = torch.cat([b.length_B for b, _ in drawn])
    assert torch.bincount(lengths, minlength=5).tolist() == pytest.approx([0, 750, 750, 750, 750], abs=90)
    for cut, hidden_BL in drawn[:200]:
        assert cut.item_BL[0].tolist() == [1, 2, 3, 4][: int(cut.length_B)]  # nothing is left of what was cut
        assert bool(hidden_BL[0, int(cut.length_B) - 1])
        assert not bool((hidden_BL & ~cut.valid_BL).any())
    earlier = [h[0, 0].item() for cut, h in drawn if int(cut.length_B) > 1]
    assert sum(earlier) / len(earlier) == pytest.approx(0.3, abs=0.04)


def test_segments_lie_inside_and_others_stand_in_their_slots() -> None:
    item_BL = torch.tensor([[1, 2, 3, 4, 5], [6, 7, 0, 0, 0], [8, 0, 0, 0, 0]])
    batch = Batch(torch.arange(3), item_BL, torch.tensor([5, 2, 1]), item_BL)
    torch.manual_seed(0)
    seen = set()
    for _ in range(300):
        inside_BL, foreign_BL = segments(batch)
        places = [row.nonzero()[:, 0].tolist() for row in inside_BL]
        assert not places[2]  # of one event nothing can be cut
        for found in places[:2]:
            assert found == list(range(found[0], found[-1] + 1))
        seen.add((tuple(places[0]), tuple(places[1])))
        assert bool((foreign_BL > 0).all())
        step = foreign_BL[0].diff() % 8
        assert set(step.tolist()) <= {1}  # the batch's events are 1 to 8, one after the other
    assert {one for one, _ in seen} == {(0,), (1,), (2,), (3,), (4,), (0, 1), (1, 2), (2, 3), (3, 4)}
    assert {two for _, two in seen} == {(0,), (1,)}


def test_what_is_taught_is_the_weighed_sum_of_the_goals(world: World) -> None:
    whole = taught(world).eval()
    batch = rows(world, whole.needs, targets=True)
    found = {}
    for goal in ("", "aap", "mip", "map", "sp"):
        none = {name: 0.0 for name in ("aap", "mip", "map", "sp") if goal and name != goal}
        choice = section("s3rec", "whole")
        model = models.build(
            Choice(name="s3rec", settings=choice.settings | {"pretraining": {"epochs": 2, **none}}), world.catalog, 9
        )
        assert isinstance(model, S3Rec)
        model.load_state_dict(whole.state_dict(), strict=False)
        model.enter("pre-training")
        torch.manual_seed(3)
        prefix = prefixes(batch, 0.2)  # what is drawn first is drawn alike; the segments, after it, too
        assert prefix[1].any()
        torch.manual_seed(3)
        found[goal] = model.eval().loss(batch).item()
    assert found[""] == pytest.approx(sum(found[name] for name in ("aap", "mip", "map", "sp")), rel=1e-4)
    assert min(found.values()) > 0


def test_the_goals_by_hand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a given prefix of three rows, what is hidden in it and its segments: each row is read from both sides."""
    weight = {"aap": 0.3, "mip": 0.5, "map": 0.7, "sp": 0.9}
    settings = section("s3rec", "whole").settings | {"pretraining": {"epochs": 2, "mask": 0.35, **weight}}
    torch.manual_seed(1)
    model = models.build(Choice(name="s3rec", settings=settings), world.catalog, world.users).eval()
    assert isinstance(model, S3Rec)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    model.enter("pre-training")
    items, hidden = [[3, 5, 4, 9], [7, 6], [8]], [[1, 3], [1], [0]]
    drawn, cut = [[1, 10, 2, 11], [12, 13], [14]], [([1, 2], [6, 8]), ([0], [3]), ([], [])]

    def wide(rows: list[list[int]]) -> torch.Tensor:
        return torch.tensor([values + [0] * (4 - len(values)) for values in rows])

    def marked(places: list[list[int]]) -> torch.Tensor:
        return torch.tensor([[place in row for place in range(4)] for row in places])

    batch = Batch(torch.arange(3), wide(items), torch.tensor([4, 2, 1]), wide(items), target_BL=wide(items))
    batch = batch.but(negative_BLK=wide(drawn)[..., None])
    foreign_BL = torch.full((3, 4), 1)
    foreign_BL[0, 1:3], foreign_BL[1, 0] = torch.tensor([6, 8]), 3
    asked: list[object] = []
    monkeypatch.setattr("models.s3rec.prefixes", lambda whole, share: (asked.append(share), (batch, marked(hidden)))[1])
    monkeypatch.setattr(
        "models.s3rec.segments",
        lambda of: (asked.append(of is batch), (marked([inside for inside, _ in cut]), foreign_BL))[1],
    )
    found = model.loss(batch)
    assert asked == [0.35, True]

    goals, vector_ND = model.goals, model.embedding.weight
    assert goals is not None
    maps, names, mask_D = goals.maps, world.catalog.categories.names, goals.mask_D

    def read(vectors: list[torch.Tensor]) -> torch.Tensor:
        return model.encoder(torch.stack(vectors)[None], torch.ones(1, len(vectors), dtype=torch.bool))[0]

    def attributes(goal: str, state_D: torch.Tensor, item: int) -> torch.Tensor:
        has = {"all", f"kind {item % 3}", f"own {item % 4}"}
        sign_C = torch.tensor([-1.0 if name in has else 1.0 for name in names])
        return F.softplus(sign_C * (goals.attribute_CD @ maps[goal](state_D))).sum()

    total = {goal: torch.zeros(()) for goal in weight}
    for row, hid, others, (inside, foreign) in zip(items, hidden, drawn, cut, strict=True):
        state_LD = read([mask_D if place in hid else vector_ND[item] for place, item in enumerate(row)])
        for place, item in enumerate(row):
            if place not in hid:
                total["aap"] = total["aap"] + attributes("aap", state_LD[place], item)
                continue
            total["map"] = total["map"] + attributes("map", state_LD[place], item)
            apart_D = vector_ND[others[place]] - vector_ND[item]
            total["mip"] = total["mip"] + F.softplus(maps["mip"](state_LD[place]) @ apart_D)
        if inside:
            around_D = read([mask_D if place in inside else vector_ND[item] for place, item in enumerate(row)])[-1]
            own_D = read([vector_ND[item] if place in inside else mask_D for place, item in enumerate(row)])[-1]
            other = {place: vector_ND[item] for place, item in zip(inside, foreign, strict=True)}
            other_D = read([other.get(place, mask_D) for place in range(len(row))])[-1]
            total["sp"] = total["sp"] + F.softplus(maps["sp"](around_D) @ (other_D - own_D))
    expected = torch.stack([weight[goal] * total[goal] for goal in weight]).sum() / 3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)
    learns = [vector_ND, mask_D, goals.attribute_CD]
    slopes = [torch.autograd.grad(loss, learns, retain_graph=True) for loss in (found, expected)]
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-3, atol=1e-5)


def test_pre_training_does_not_hang_on_padding(world: World) -> None:
    model = taught(world).eval()
    batch = rows(world, model.needs, targets=True)
    assert batch.negative_BLK is not None
    wide = batch.but(
        item_BL=F.pad(batch.item_BL, (0, 1)), negative_BLK=F.pad(batch.negative_BLK, (0, 0, 0, 1), value=1)
    )
    losses = []
    model.encoder.slot_LD = torch.nn.Parameter(F.pad(model.encoder.slot_LD.detach(), (0, 0, 0, 1)))
    for each in (batch, wide):
        torch.manual_seed(5)
        losses.append(model.loss(each).item())
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
