"""JRL: its terms by hand, eJRL's likeness, what weights switch off, what its parts add up to."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from engine.training.needs import View
from models.blocks.foretold import Decoder
from models.jrl import JRL, Words
from tests.models.test_cards import row
from tests.models.world import World, rows, section

WORDLESS = 2


def jrl(world: World, variant: str = "words", **changes: object) -> JRL:
    choice = section("jrl", variant)
    torch.manual_seed(1)
    model = models.build(Choice(name="jrl", settings=choice.settings | changes), world.catalog, world.users)
    assert isinstance(model, JRL)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model


def reader(model: JRL, kind: type) -> Decoder | Words:
    found = next(r for r in model.readers if isinstance(r, kind))
    assert isinstance(found, Decoder | Words)
    return found


@torch.no_grad()
@pytest.mark.parametrize("variant", ["words", "image", "nce"])
def test_one_view_by_itself_is_one_of_apart(variant: str, world: World) -> None:
    joint = jrl(world, variant, views=["image"], apart=False)
    apart = jrl(world, variant, views=["image"], apart=True)
    batch = rows(world, joint.needs, targets=True)
    torch.testing.assert_close(joint.loss(batch), apart.loss(batch))
    assert torch.equal(joint.score_all(batch), apart.score_all(batch))
    both = rows(world, jrl(world, variant, views=["image", "text"]).needs, targets=True)
    losses = [jrl(world, variant, views=["image", "text"], apart=a)._joint(both, both.target_BL[:, 0]) for a in (0, 1)]  # type: ignore[index]
    assert abs(float(losses[0] - losses[1])) > 1e-3


@torch.no_grad()
def test_the_joint_terms_by_hand(world: World) -> None:
    for variant, drawn in (
        ("words", {"negative_BLK": torch.tensor([[[7]]])}),
        ("nce", {"shared_S": torch.tensor([7, 9, 4])}),
    ):
        model = jrl(world, variant, regularisation=0.2, noise=3.0)
        batch = row([], [4], **drawn)
        s = dict(zip((4, 7, 9), model.score(batch, torch.tensor([[4, 7, 9]]))[0], strict=True))
        for item, score in s.items():
            own = model.user_UD[1] @ model.item_NE[item, :-1] + model.item_NE[item, -1]
            torch.testing.assert_close(score, own)
        square = model.user_UD[1].square().sum() + model.item_NE[4].square().sum()
        if variant == "words":
            expected = F.softplus(s[7] - s[4]) + 0.1 * (square + model.item_NE[7].square().sum())
        else:  # the purchase itself is not held against itself
            expected = F.softplus(-s[4]) + 3.0 * (F.softplus(s[7]) + F.softplus(s[9])) / 3 + 0.1 * square
        torch.testing.assert_close(model._joint(batch, torch.tensor([4])), expected)


@torch.no_grad()
@pytest.mark.parametrize("variant", ["apart", "nce_apart"])
def test_apart_is_the_sum_of_each_view_s_own_term_by_hand(variant: str, world: World) -> None:
    """Of both blocks by themselves, each with the items' bias: eJRL's loss of two purchases and one drawn item."""
    model = jrl(world, variant, regularisation=0.2, noise=3.0)
    user, item = model.user_UD.double().numpy(), model.item_NE.double().numpy()
    batch = row([], [4], negative_BLK=torch.tensor([[[7]], [[7]]]), shared_S=torch.tensor([7]))
    batch = batch.but(user_B=torch.tensor([1, 5]), target_BL=torch.tensor([[4], [8]]))
    expected = 0.0
    for block in (slice(0, 4), slice(4, 8)):
        for u, own in ((1, 4), (5, 8)):
            score = {i: user[u, block] @ item[i, block] + item[i, -1] for i in (own, 7)}
            square = {i: item[i, block] @ item[i, block] + item[i, -1] ** 2 for i in (own, 7)}
            square_u = user[u, block] @ user[u, block]
            if variant == "apart":
                each = np.log1p(np.exp(score[7] - score[own])) + 0.1 * (square_u + square[own] + square[7])
            else:
                each = np.log1p(np.exp(-score[own])) + 3.0 * np.log1p(np.exp(score[7]))
                each += 0.1 * (square_u + square[own])
            expected += each / 2
    assert batch.target_BL is not None
    assert model._joint(batch, batch.target_BL[:, 0]).item() == pytest.approx(expected, rel=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("variant", ["words", "vector"])
def test_each_view_is_foretold_from_its_own_block_of_people_and_of_items(variant: str, world: World) -> None:
    model = jrl(world, variant, words=50)
    batch = rows(world, model.needs, targets=True)
    assert batch.target_BL is not None
    own_B = batch.target_BL[:, 0]
    torch.manual_seed(6)
    found = model.loss(batch) - model._joint(batch, own_B)
    torch.manual_seed(6)
    expected = torch.zeros(())
    for block, part in zip((slice(0, 4), slice(4, 8)), model.readers, strict=True):  # pictures, texts
        for table in (model.user_UD[batch.user_B], model.item_NE[own_B]):
            expected = expected + part(table[:, block], own_B)
    torch.testing.assert_close(found, expected)
    image, text = model.readers
    assert isinstance(image, Decoder)
    assert torch.equal(image.table_NC, world.catalog.vector("image"))
    if variant == "vector":
        assert isinstance(text, Decoder)
        assert torch.equal(text.table_NC, world.catalog.vector("text"))


@torch.no_grad()
def test_vectors_start_near_zero_and_biases_at_it(world: World) -> None:
    torch.manual_seed(1)
    model = models.build(Choice(name="jrl", settings={"dim": 200, "hidden": 17}), world.catalog, world.users)
    assert isinstance(model, JRL)
    for table in (model.user_UD, model.item_NE[:, :-1]):
        assert table.std().item() == pytest.approx(0.01, rel=0.05)
    assert model.item_NE[:, -1].tolist() == [0.0] * 16
    decoder = reader(model, Decoder)
    assert isinstance(decoder, Decoder)
    assert decoder.layers[0].weight.shape == (17, 200)


@torch.no_grad()
@pytest.mark.parametrize("view", ["image", "text"])
def test_the_loss_of_a_vector_by_hand(view: View, world: World) -> None:
    model = jrl(world, "vector", picture=0.6, said=0.1)
    decoder, vector_SD = model.readers[["image", "text"].index(view)], torch.randn(3, 4)
    assert isinstance(decoder, Decoder)
    found = decoder(vector_SD, torch.tensor([4, WORDLESS, 9]))
    given = world.catalog.vector(view)
    known = given[world.catalog.present(view)]
    goal = (given[[4, 9]] - known.mean(0)) / known.std(0, correction=0)
    first, _, last = decoder.layers
    made = F.elu(vector_SD[[0, 2]] @ first.weight.T + first.bias) @ last.weight.T + last.bias
    torch.testing.assert_close(found, 0.3 * (made - goal).square().mean())


@torch.no_grad()
def test_the_words_loss_by_hand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an item whose words are all alike, against drawn ones that are all alike, nothing is left to chance."""
    model = jrl(world, said=0.5, noise=3.0)
    words = reader(model, Words)
    assert isinstance(words, Words)
    word_XE = words.made(torch.arange(len(words.ragged.value_XD)))
    vector_SD = torch.randn(2, 4)
    start, stop = words.ragged.offset_N[4:6].tolist()
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.full(size, 0.9999))
    monkeypatch.setattr(torch, "randint", lambda high, size, **_: torch.zeros(size, dtype=torch.long))
    score = vector_SD[0] @ word_XE[stop - 1, :-1] + word_XE[stop - 1, -1]
    drawn = vector_SD[0] @ word_XE[0, :-1] + word_XE[0, -1]
    found = words(vector_SD, torch.tensor([4, WORDLESS]))
    assert stop - start > 0
    torch.testing.assert_close(found, 0.5 * (F.softplus(-score) + 3.0 * F.softplus(drawn)))
    assert float(words(vector_SD, torch.tensor([WORDLESS, WORDLESS]))) == 0.0


def test_words_are_drawn_from_the_item_s_own_and_all_of_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    model = jrl(world, words=200)
    words = reader(model, Words)
    assert isinstance(words, Words)
    asked: list[Tensor] = []
    original = Words.made
    monkeypatch.setattr(Words, "made", lambda self, place_X: asked.append(place_X) or original(self, place_X))
    item_S = torch.tensor([5, 8])
    words(torch.randn(2, 4), item_S)
    own = asked[0].view(2, 200)
    for item, place_W in zip(item_S.tolist(), own, strict=True):
        start, stop = words.ragged.offset_N[item : item + 2].tolist()
        assert set(place_W.tolist()) == set(range(start, stop))
    assert len(set(asked[1].tolist())) > 20
    assert asked[1].min() < len(words.ragged.value_XD) / 4 < 3 * len(words.ragged.value_XD) / 4 < asked[1].max()


def test_without_its_weight_a_view_is_learnt_by_the_joint_term_alone(world: World) -> None:
    """With no drawn item near, what the picture's loss moves is the image block of the first `read` pairs' rows."""
    batch = row([], [4], negative_BLK=torch.tensor([[[7]]]))
    for weight in (0.0, 1.0):
        model = jrl(world, picture=weight, said=0.0)
        model.loss(batch).backward()
        slope = model.item_NE.grad
        assert slope is not None
        with torch.no_grad():
            margin = model.score(batch, torch.tensor([[4, 7]]))[0] @ torch.tensor([1.0, -1.0])
            joint = -torch.sigmoid(-margin) * model.user_UD[1]
        assert torch.allclose(slope[4, 4:-1], joint[4:], atol=1e-6)  # the text's block
        assert torch.allclose(slope[4, :4], joint[:4], atol=1e-6) == (weight == 0.0)


def test_only_the_first_pairs_of_a_step_are_read(world: World) -> None:
    model = jrl(world, read=2, words=50)
    batch = rows(world, model.needs, targets=True)
    model.loss(batch).backward()
    alone = jrl(world, read=2, words=50)
    assert batch.target_BL is not None
    alone._joint(batch, batch.target_BL[:, 0]).backward()
    assert model.user_UD.grad is not None
    assert alone.user_UD.grad is not None
    moved_U = (model.user_UD.grad - alone.user_UD.grad).abs().sum(1) > 1e-6
    assert moved_U.nonzero()[:, 0].tolist() == batch.user_B[:2].tolist()


@torch.no_grad()
def test_parts_sum_to_the_score_and_words_are_told_beside_it(world: World) -> None:
    model = jrl(world)
    batch, item_B = rows(world, model.needs), torch.arange(world.users) + 1
    parts, words = model.explain(batch, item_B)
    torch.testing.assert_close(parts.value.sum(1), model.score(batch, item_B[:, None])[:, 0])
    assert parts.valid.all()
    for place, block in enumerate((slice(0, 4), slice(4, 8))):  # the picture's, the text's
        own_B = (model.user_UD[batch.user_B, block] * model.item_NE[item_B, block]).sum(1)
        torch.testing.assert_close(parts.value[:, place], own_B)
    assert [words.over, words.faithful] == ["word", False]
    assert not words.valid[WORDLESS - 1].any()
    kept = reader(model, Words)
    assert isinstance(kept, Words)
    start = int(kept.ragged.offset_N[4])
    word_E = kept.made(torch.tensor([start]))[0]
    torch.testing.assert_close(words.value[3, 0], model.user_UD[4, 4:] @ word_E[:-1] + word_E[-1])
    (alone,) = jrl(world, "image").explain(batch, item_B)
    assert alone.valid.all(0).tolist() == [True, False, True]


def test_what_is_needed_follows_the_settings(world: World) -> None:
    needs = {v: jrl(world, v).needs for v in ("words", "vector", "image", "nce")}
    assert {v: set(n.views) for v, n in needs.items()} == {
        "words": {"image", "words"},
        "vector": {"image", "text"},
        "image": {"image"},
        "nce": {"image", "words"},
    }
    assert [(n.negatives, n.shared) for n in needs.values()] == [(1, 0), (3, 0), (1, 0), (0, 6)]
    batch = row([], [4])
    for variant in ("words", "nce"):
        with pytest.raises(ValueError, match="items; the batch has none"):
            jrl(world, variant).loss(batch)
