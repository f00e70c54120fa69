"""MLAM: its weights and their bound, levels by hand, what persons change, sentences, phases, losses, reasons."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.tables.settings import Choice
from models.blocks.attraction import Level, Picture, Story, isr, padded
from models.mlam import MLAM
from tests.models.blanking import blanked
from tests.models.doubled import Doubled
from tests.models.test_cards import row
from tests.models.world import World, rows, section

EMPTY = 2


def mlam(world: World, variant: str = "whole", **changes: object) -> MLAM:
    choice = section("mlam", variant)
    torch.manual_seed(1)
    model = models.build(Choice(name="mlam", settings=choice.settings | changes), world.catalog, world.users)
    assert isinstance(model, MLAM)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.5 * torch.randn_like(parameter)
    return model.eval()


def level(bounds: tuple[float, float]) -> Level:
    torch.manual_seed(2)
    found = Level(3, 4, bounds, 0.0)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter += torch.randn_like(parameter)
    return found


def story(model: MLAM) -> Story:
    found = next(reader for reader in model.readers if isinstance(reader, Story))
    assert isinstance(found, Story)
    return found


def test_the_bound_of_a_logit() -> None:
    logit = torch.tensor([-1e6, -3.0, 0.0, 0.5, 1e6])
    torch.testing.assert_close(isr(logit, 4.0), torch.tensor([-0.5, -3 / 37**0.5, 0.0, 0.5 / 2**0.5, 0.5]))
    assert torch.equal(isr(logit, 0.0), logit)


@torch.no_grad()
def test_a_level_by_hand() -> None:
    some, value_XD, user = level((1.0, 4.0)), torch.randn(2, 3), 3
    valid_IX = torch.tensor([[True, True, False], [False, False, False]])
    value_IXD = torch.zeros(2, 3, 3)
    value_IXD[0, :2] = value_XD
    vector_QID, share_QIX = some(value_IXD, valid_IX, torch.tensor([[user, 1]]))
    own = [math.exp(float(isr(x @ some.user_UD[user], 1.0))) for x in value_XD]
    alike = [math.exp(float(isr(x @ some.everyone.weight[0] + some.everyone.bias[0], 4.0))) for x in value_XD]
    pools = [(w[0] * value_XD[0] + w[1] * value_XD[1]) / sum(w) for w in (own, alike)]
    weight = torch.cat([some.of_own.weight, some.of_alike.weight], 1)
    expected = torch.tanh(weight @ torch.cat(pools) + some.of_alike.bias)
    torch.testing.assert_close(vector_QID[0, 0], expected)
    torch.testing.assert_close(share_QIX[0, 0], torch.tensor([own[0] / sum(own), own[1] / sum(own), 0.0]))
    assert vector_QID[0, 1].tolist() == [0.0] * 3  # nothing there


@torch.no_grad()
def test_a_large_bound_is_the_mean_and_zero_a_plain_softmax() -> None:
    value_IXD, valid_IX, user_QI = torch.randn(5, 4, 3), torch.rand(5, 4) < 0.8, torch.tensor([[1, 2, 3, 4, 1]])
    valid_IX[:, 0] = True
    even = level((1e12, 1e12))(value_IXD, valid_IX, user_QI)[1][0]
    torch.testing.assert_close(even, valid_IX / valid_IX.sum(1, keepdim=True), atol=1e-5, rtol=0)
    plain = level((0.0, 0.0))
    logit_IX = (value_IXD * plain.user_UD[user_QI[0]][:, None]).sum(2).masked_fill(~valid_IX, -torch.inf)
    torch.testing.assert_close(plain(value_IXD, valid_IX, user_QI)[1][0], logit_IX.softmax(1))


@torch.no_grad()
@pytest.mark.parametrize(("bound", "most"), [(1.0, 7.39), (4.0, 2.72), (64.0, 1.285)])
def test_no_weight_is_further_from_another_than_the_bound_says(bound: float, most: float) -> None:
    some = level((bound, 1.0))
    some.user_UD.mul_(100)
    share_IX = some(torch.randn(50, 6, 3), torch.ones(50, 6, dtype=torch.bool), torch.full((1, 50), 2))[1][0]
    ratio = float((share_IX.amax(1) / share_IX.amin(1)).max())
    assert 0.95 * most < ratio <= math.exp(2 / bound**0.5) + 1e-4


@torch.no_grad()
def test_someone_of_whom_nothing_is_known_reads_evenly() -> None:
    some = level((1.0, 4.0))
    some.user_UD[0] = 0
    share_QIX = some(
        torch.randn(1, 4, 3), torch.tensor([[True, True, True, False]]), torch.zeros(1, 1, dtype=torch.long)
    )[1]
    torch.testing.assert_close(share_QIX[0, 0], torch.tensor([1.0, 1.0, 1.0, 0.0]) / 3)


@torch.no_grad()
def test_what_is_dropped_are_both_pools() -> None:
    """tanh(W [2 own ; 2 alike] + b), the shares as without."""
    some, value_IXD, user_QI = level((1.0, 4.0)), torch.randn(1, 3, 3), torch.tensor([[2]])
    valid_IX = torch.ones(1, 3, dtype=torch.bool)
    before_QID, share_QIX = some(value_IXD, valid_IX, user_QI)
    some.dropout = Doubled()
    after_QID, again_QIX = some(value_IXD, valid_IX, user_QI)
    bias_D = some.of_alike.bias
    torch.testing.assert_close(after_QID.atanh() - bias_D, 2 * (before_QID.atanh() - bias_D), rtol=1e-3, atol=1e-4)
    assert torch.equal(again_QIX, share_QIX)


@torch.no_grad()
def test_each_bound_is_of_its_own_level(world: World) -> None:
    model = mlam(world, bounds={"image": 2.0, "word": 3.0, "sentence": 5.0, "personal": 7.0})
    picture, text = model.readers
    assert isinstance(picture, Picture)
    assert isinstance(text, Story)
    assert text.sentences is not None
    bounds = [(each.own, each.alike) for each in (picture.level, text.words, text.sentences)]
    assert bounds == [(7.0, 2.0), (7.0, 3.0), (7.0, 5.0)]
    assert story(mlam(world, "one_sentence")).sentences is None
    assert story(mlam(world, sentence=1)).sentences is not None  # each word is a sentence


@torch.no_grad()
def test_regions_pass_a_tanh_and_words_do_not(world: World) -> None:
    """Given ones are standardised and go through a layer; of an item alone there is no padding."""
    model, user_QI = mlam(world, sentence=0), torch.tensor([[3]])
    picture, text = model.readers
    assert isinstance(picture, Picture)
    assert isinstance(text, Story)
    for reader, of, bend in ((picture, picture.level, torch.tanh), (text, text.words, torch.nn.Identity())):
        ragged, dense = reader.ragged, reader.parts.dense
        given_XC = ragged.value_XD.float()
        given_XC = (given_XC - given_XC.mean(0)) / given_XC.std(0, correction=0)
        own = slice(int(ragged.offset_N[4]), int(ragged.offset_N[5]))
        made_XD = bend(given_XC[own] @ dense.weight.T + dense.bias)
        expected = of(made_XD[None], torch.ones(1, len(made_XD), dtype=torch.bool), user_QI)
        found = reader(user_QI, torch.tensor([4]))
        torch.testing.assert_close(found[:2], expected)


@torch.no_grad()
def test_the_score_is_e_u_with_picture_text_and_row(world: World) -> None:
    model, users = mlam(world), (3, 5)
    batch = row([], [4]).but(user_B=torch.tensor(users))
    found_BK = model.score(batch, torch.tensor([[4, 9], [9, 4]]))
    assert model.row_ND is not None
    for place, user in enumerate(users):
        for k, item in enumerate(((4, 9), (9, 4))[place]):
            asked = torch.tensor([[user]]), torch.tensor([item])
            parts = [reader(*asked)[0][0, 0] for reader in model.readers]  # picture, text
            each = model.user_UE[user].view(3, -1) * torch.stack([*parts, model.row_ND[item]])
            torch.testing.assert_close(found_BK[place, k], each.sum())
            (reason, *_) = model.explain(row([], [4]).but(user_B=asked[0][0]), asked[1])
            torch.testing.assert_close(reason.value[0], each.sum(1))  # each part's in its place


@torch.no_grad()
def test_how_wide_it_starts(world: World) -> None:
    torch.manual_seed(1)
    settings = section("mlam", "whole").settings | {"dim": 300}
    model = models.build(Choice(name="mlam", settings=settings), world.catalog, world.users)
    assert isinstance(model, MLAM)
    assert model.row_ND is not None
    levels = [module for module in model.modules() if isinstance(module, Level)]
    for table in (model.row_ND, model.user_UE, *(each.user_UD for each in levels)):
        assert table.std().item() == pytest.approx(0.1, rel=0.05)
    for each in levels:
        for dense in (each.of_own, each.of_alike):  # Glorot's: uniform within sqrt(6 / (inputs + outputs)) = 0.1
            assert dense.weight.abs().max().item() == pytest.approx(0.1, rel=1e-3)
            assert dense.weight.std().item() == pytest.approx(0.1 / 3**0.5, rel=0.01)


@torch.no_grad()
def test_persons_in_a_grid_read_as_in_pairs(world: World) -> None:
    model = mlam(world)
    for reader in model.readers:
        assert isinstance(reader, Picture | Story)
        grid_QID = reader(torch.tensor([[1], [4], [7]]), torch.arange(16))[0]
        pairs = [reader(torch.full((1, 16), user), torch.arange(16))[0][0] for user in (1, 4, 7)]
        torch.testing.assert_close(grid_QID, torch.stack(pairs))
        assert float((grid_QID[0] - grid_QID[1]).abs().max()) > 0.01


@torch.no_grad()
def test_a_person_who_stands_in_several_rows_is_read_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = mlam(world), []
    original = MLAM._added
    monkeypatch.setattr(MLAM, "_added", lambda self, u, i: asked.append(u.numel()) or original(self, u, i))
    batch = row([], [4]).but(user_B=torch.tensor([3, 3, 5, 3]))
    found_BN = model.score_all(batch)
    assert asked == [2]
    assert torch.equal(found_BN[0], found_BN[3])
    assert not torch.allclose(found_BN[0], found_BN[2])


@torch.no_grad()
def test_scores_in_small_steps_are_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    model = mlam(world)
    batch, item_BK = rows(world, model.needs), torch.arange(1, 16).expand(world.users, -1)
    whole = model.score(batch, item_BK), model.score_all(batch)
    monkeypatch.setattr("models.mlam.CELLS", {"cpu": 100})
    torch.testing.assert_close((model.score(batch, item_BK), model.score_all(batch)), whole)


@torch.no_grad()
def test_all_items_are_read_beside_others_as_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    model, read = mlam(world), []
    added = model._added
    monkeypatch.setattr(model, "_added", lambda user_QI, item_I: read.append(item_I) or added(user_QI, item_I))
    monkeypatch.setattr("models.mlam.CELLS", {"cpu": 400})
    model.score_all(rows(world, model.needs))
    assert len(read) > 2
    item_I = torch.cat(read)
    words, regions = (reader.ragged.offset_N.diff()[item_I] for reader in model.readers)  # type: ignore[union-attr, operator]
    assert (torch.maximum(words, regions).clamp(min=1).diff() >= 0).all()
    assert item_I.sort().values.equal(torch.arange(len(item_I)))


@torch.no_grad()
def test_an_item_s_place_among_longer_ones_changes_nothing(world: World) -> None:
    model = mlam(world)
    count_N = story(model).ragged.offset_N.diff()
    short, long = int((count_N == 1).nonzero()[0]), int((count_N == 4).nonzero()[0])
    alone, beside = (
        story(model)(torch.ones(1, 1, dtype=torch.long), torch.tensor(items))[0][0, 0]
        for items in ([short], [short, long])
    )
    torch.testing.assert_close(alone, beside)


@torch.no_grad()
def test_order_matters_between_sentences_alone(world: World) -> None:
    model = mlam(world, sentence=2)
    ragged = story(model).ragged
    item = int((ragged.offset_N.diff() == 4).nonzero()[0])
    words = slice(int(ragged.offset_N[item]), int(ragged.offset_N[item + 1]))
    batch, kept = row([], [4]), ragged.value_XD[words].clone()
    score = {}
    try:
        for name, order in (("as it was", [0, 1, 2, 3]), ("within", [1, 0, 3, 2]), ("across", [0, 2, 1, 3])):
            ragged.value_XD[words] = kept[order]
            score[name] = float(model.score(batch, torch.tensor([[item]])))
    finally:
        ragged.value_XD[words] = kept
    assert score["within"] == pytest.approx(score["as it was"], abs=1e-5)
    assert abs(score["across"] - score["as it was"]) > 1e-4


@torch.no_grad()
def test_one_sentence_of_all_words_is_the_word_level_through_the_next(world: World) -> None:
    """With a sentence longer than any text the level of sentences has one part, which both its pools give back."""
    model = mlam(world, sentence=50)
    text = story(model)
    assert text.sentences is not None
    item_I, user_QI = torch.tensor([4, 9]), torch.tensor([[3, 3]])
    word_QID = text.words(*padded(text.parts, item_I), user_QI)[0]
    expected = torch.tanh(text.sentences.of_own(word_QID) + text.sentences.of_alike(word_QID))
    torch.testing.assert_close(text(user_QI, item_I)[0], expected)


@torch.no_grad()
def test_the_score_is_linear_in_what_a_person_scores_with(world: World) -> None:
    model = mlam(world)
    batch = rows(world, model.needs)
    before = model.score_all(batch)
    model.user_UE *= 3
    torch.testing.assert_close(model.score_all(batch), 3 * before)


@torch.no_grad()
@pytest.mark.parametrize("loss", ["logistic", "hinge"])
def test_losses_by_hand(loss: str, world: World) -> None:
    model = mlam(world, "one_sentence", loss=loss, margin=1.5, regularisation=0.01)
    batch = row([], [4], negative_BLK=torch.tensor([[[7, 9, 2]]]))
    own, *others = model.score(batch, torch.tensor([[4, 7, 9, 2]]))[0].tolist()
    if loss == "hinge":
        expected = sum(max(0.0, 1.5 - (own - other)) for other in others) / 3
    else:
        expected = sum(math.log1p(math.exp(other - own)) for other in others) / 3
    persons = [p for name, p in model.named_parameters() if "user_U" in name]
    assert len(persons) == 3
    expected += 0.01 * sum(float(p.square().sum()) for p in persons)
    assert model.loss(batch).item() == pytest.approx(expected, rel=1e-5)


def test_the_picture_comes_first_where_it_is_trained_before(world: World) -> None:
    model = mlam(world, pretrain=4)
    assert [(p.name, p.epochs, p.selected) for p in model.phases] == [("picture", 4, False), ("whole", None, True)]
    for variant in ("whole", "image", "text"):
        again = mlam(world, variant, pretrain=4 * (variant != "whole"))
        assert [p.name for p in again.phases] == ["whole"]
    batch = rows(world, model.needs, targets=True)
    whole_BN = model.score_all(batch)
    model.enter("picture")
    model.loss(batch).backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and bool((p.grad.abs() > 1e-9).any())}
    assert "row_ND" in moved
    assert any(name.startswith("readers.0") for name in moved)
    assert not any(name.startswith("readers.1") for name in moved)
    words = story(model).ragged
    with torch.no_grad(), blanked(words, torch.arange(len(words.value_XD))):
        silent = model.score_all(batch)
    with torch.no_grad():
        assert torch.equal(model.score_all(batch), silent)
        model.enter("whole")
        assert not torch.allclose(model.score_all(batch), silent)
        assert torch.equal(model.score_all(batch), whole_BN)  # a new model is in its last phase; entering keeps numbers


@torch.no_grad()
@pytest.mark.parametrize("variant", ["whole", "content", "text", "image"])
def test_parts_sum_to_the_score_and_what_is_not_there_has_none(variant: str, world: World) -> None:
    model = mlam(world, variant)
    batch, item_B = rows(world, model.needs), torch.arange(world.users) + 1
    whole, *inside = model.explain(batch, item_B)
    torch.testing.assert_close(whole.value.sum(1), model.score(batch, item_B[:, None])[:, 0])
    assert [reason.over for reason in inside] == [{"image": "region", "text": "word"}[v] for v in model.config.views]
    assert whole.valid[EMPTY - 1].tolist() == [False, False, model.config.row]
    assert not any(reason.valid[EMPTY - 1].any() for reason in inside)


@torch.no_grad()
def test_shares_of_words_are_the_sentence_s_times_those_in_it(world: World) -> None:
    text = story(mlam(world, sentence=3))
    assert text.sentences is not None
    item = int((text.ragged.offset_N.diff() == 4).nonzero()[0])
    user_QI, item_I = torch.tensor([[5]]), torch.tensor([item])
    share_X = text(user_QI, item_I)[1][0, 0]
    value_IXD = F.pad(padded(text.parts, item_I)[0], (0, 0, 0, 2)).view(2, 3, -1)
    valid = torch.tensor([[True, True, True], [True, False, False]])
    sentence_QJD, in_QJW = text.words(value_IXD, valid, user_QI)
    of_S = text.sentences(sentence_QJD[:, None], torch.tensor([[True, True]]), user_QI)[1][0, 0]
    expected: Tensor = (in_QJW[0] * of_S[:, None]).flatten()[:4]
    torch.testing.assert_close(share_X, expected)


def test_what_cannot_be_scored_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match=r"models\.mlam\.views: .*at least 1 item"):
        mlam(world, views=[])
    with pytest.raises(ValueError, match="drawn items; the batch has none"):
        mlam(world).loss(row([], [4]))
