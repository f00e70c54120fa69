"""What Ante-RNN's card asks of it beside the laws; its equations are tested with the blocks."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.batch import Batch, Interactions
from engine.catalog import Catalog, Ragged
from engine.contract import Needs
from engine.params import Choice
from models import ante_rnn, configure
from models.ante_rnn import AnteRNN, Config
from models.blocks.context import ContextAttention
from models.blocks.topical import TopicalAttention
from tests.models.world import World, rows

SMALL: dict[str, Any] = {"dim": 8, "length": 8, "dropout": 0.0, "shared": 15}
ONE_VIEW: dict[str, Any] = {"fusion": "single"}


def made(world: World, **settings: Any) -> AnteRNN:
    """A model of the world; the same seed whatever the settings, parameters large enough to matter."""
    torch.manual_seed(3)
    model = ante_rnn.build(Config(**(SMALL | settings)), world.catalog, world.users)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return model.eval()


def same_parameters(model: AnteRNN, other: AnteRNN) -> AnteRNN:
    """`model` with what it shares with the other."""
    model.load_state_dict(other.state_dict(), strict=False)
    return model


# ---- settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"text": "none"}, "fusion is attention"),
        ({"image": "none"}, "make 1 views"),
        (ONE_VIEW, "make 2 views"),
        ({"text": "none", "image": "none"} | ONE_VIEW, "make 0 views"),
        ({"text": "none", "image": "aligned"} | ONE_VIEW, "image: aligned needs the words"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"models\.ante_rnn(.|\n)*{message}"):
        configure(Choice(name="ante_rnn", settings=SMALL | settings))


BOTH = frozenset({"words", "regions"})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Needs(8, 0, 0, BOTH, True, True)),
        ({"loss": "sampled"}, Needs(8, 0, 15, BOTH, True, True)),
        ({"image": "none"} | ONE_VIEW, Needs(8, 0, 0, frozenset({"words"}), True, True)),
        ({"text": "none", "image": "mean"} | ONE_VIEW, Needs(8, 0, 0, frozenset({"regions"}), False, True)),
        ({"text": "mean", "context": "off"}, Needs(8, 0, 0, BOTH, False, False)),
        ({"times": []}, Needs(8, 0, 0, BOTH, True, False)),
        ({"context": "mean"}, Needs(8, 0, 0, BOTH, True, False)),
    ],
)
def test_a_variant_asks_for_what_it_uses(settings: dict[str, Any], expected: Needs) -> None:
    assert Config(**(SMALL | settings)).needs == expected


# ---- reductions of the card


def test_a_window_of_one_is_no_context(world: World) -> None:
    whole = made(world, window=1)
    batch = rows(world, whole.needs)
    without = same_parameters(made(world, context="off"), whole)
    torch.testing.assert_close(whole.score_all(batch), without.score_all(batch))


def test_without_q_the_text_is_the_mean(world: World) -> None:
    whole = made(world)
    batch = rows(world, whole.needs)
    mean = same_parameters(made(world, text="mean"), whole)
    assert (whole.score_all(batch) - mean.score_all(batch)).abs().max() > 1e-3
    assert isinstance(whole.content.text, TopicalAttention)
    torch.nn.init.zeros_(whole.content.text.out.weight)
    torch.testing.assert_close(whole.score_all(batch), mean.score_all(batch))


def test_a_week_later_is_the_same(world: World) -> None:
    model = made(world)
    batch = rows(world, model.needs)
    assert batch.time_BL is not None
    assert isinstance(model.context, ContextAttention)
    later = batch.but(time_BL=batch.time_BL + 168 * 3600 * batch.valid_BL)
    assert torch.equal(model.score_all(batch), model.score_all(later))
    hour_later = batch.but(time_BL=batch.time_BL + 3600 * batch.valid_BL)
    assert (model.score_all(batch) - model.score_all(hour_later)).abs().max() > 1e-4


def test_product_fusion_is_symmetric_in_the_views(world: World) -> None:
    model = made(world, fusion="product", image="mean", text="mean", words="linear")
    batch = rows(world, model.needs)
    score_BN = model.score_all(batch)
    model.content.words, model.content.regions = model.content.regions, model.content.words
    torch.testing.assert_close(model.score_all(batch), score_BN)


# ---- the whole model by its equations


def test_the_state_is_a_gru_over_the_context_and_the_score_its_product(world: World) -> None:
    model = made(world)
    batch = rows(world, model.needs)
    assert batch.topic_BLT is not None
    assert batch.time_BL is not None
    for b in (1, 4):
        length = int(batch.length_B[b])
        met = model.content(batch.item_BL[b, :length], batch.topic_BLT[b, :length])
        interest_BLD, _ = model.context(
            met.item_VD[None], batch.valid_BL[b : b + 1, :length], batch.time_BL[b : b + 1, :length]
        )
        state_D = model.gru(interest_BLD)[0][0, -1]
        expected_N = torch.cat([torch.zeros(1), model.out_ID @ state_D])
        torch.testing.assert_close(model.score_all(batch)[b], expected_N)


def test_events_that_rows_share_are_read_once(world: World) -> None:
    model = made(world)
    events = world.interactions()
    user_B = torch.full((6,), 2)
    batch = events.before(user_B, torch.arange(2, 8), model.needs)
    read: list[int] = []
    model.content.register_forward_hook(lambda part, given, found: read.append(len(given[0])))
    one_by_one = [model.score_all(events.before(user_B[:1], torch.tensor([p]), model.needs)) for p in range(2, 8)]
    read.clear()
    torch.testing.assert_close(model.score_all(batch), torch.cat(one_by_one))
    assert read == [8]  # seven events and the padding


def test_topics_of_the_event_and_no_other_reach_its_text(world: World) -> None:
    model = made(world)
    batch = rows(world, model.needs)
    assert batch.topic_BLT is not None
    assert int(batch.length_B[1]) > 5
    changed_BLT = batch.topic_BLT.clone()
    changed_BLT[:, 3] = 1 - changed_BLT[:, 3]
    before, after = ({(w.over, w.faithful): w for w in model.explain(given, batch.user_B)} for given in (
        batch.but(event_BL=batch.event_BL), batch.but(topic_BLT=changed_BLT)))  # fmt: skip
    moved_BL = (before["word", True].value - after["word", True].value).abs().amax(2)
    assert moved_BL[1, 3] > 1e-4
    assert not moved_BL[:, [0, 1, 2, 4, 5]].any()


def test_an_item_without_words_or_picture_still_counts(world: World) -> None:
    lacking = {v: world.catalog.ragged(v) for v in ("words", "regions")}
    for view, ragged in lacking.items():  # item 4 loses one view, then the other
        offset_N = ragged.offset_N.clone()
        first, last = int(offset_N[4]), int(offset_N[5])
        offset_N[5:] -= last - first
        value_XD = torch.cat([ragged.value_XD[:first], ragged.value_XD[last:]])
        catalog = Catalog(world.items, {}, lacking | {view: Ragged(value_XD, offset_N)}, world.topics)
        for fusion in ("attention", "product", "mlp"):
            torch.manual_seed(3)
            model = ante_rnn.build(Config(**(SMALL | {"fusion": fusion})), catalog, world.users).eval()
            met = model.content(torch.tensor([4, 5]), torch.rand(2, world.topics))
            assert bool(met.item_VD.isfinite().all())
            assert bool(met.item_VD[0].any())
            assert met.present_V2.tolist() == [[view == "words", view == "regions"], [True, True]]


# ---- losses


def test_the_loss_is_the_mean_over_targets_and_the_alignment(world: World) -> None:
    model = made(world, triplet={"share": 0.5, "margin": 0.3, "items": 50})
    batch = rows(world, model.needs, targets=True)
    assert batch.target_BL is not None
    total, count = torch.zeros(()), 0
    for b in range(len(batch.item_BL)):
        for t in range(int(batch.length_B[b])):
            cut = batch.but(**{
                name: value[b : b + 1, : t + 1]
                for name in ("item_BL", "event_BL", "time_BL", "topic_BLT")
                if (value := getattr(batch, name)) is not None
            }, length_B=torch.tensor([t + 1]))  # fmt: skip
            logit_N = model.score_all(cut)[0, 1:]
            total = total + F.cross_entropy(logit_N, batch.target_BL[b, t] - 1)
            count += 1
    met = model._read(batch)[1]
    expected = total / count + 0.5 * model.content.alignment(met)
    torch.testing.assert_close(model.loss(batch), expected)
    assert model.content.alignment(met) > 0.05


@pytest.mark.parametrize("loss", ["chunked", "sampled"])
def test_the_other_losses_agree_with_the_full_one(loss: str, world: World) -> None:
    model = made(world)
    other = same_parameters(made(world, loss=loss), model)
    every_S = torch.arange(1, world.items + 1)
    batch = rows(world, model.needs, targets=True).but(shared_S=every_S, expected_S=torch.zeros(world.items))
    found = [_gradients(m, batch) for m in (model, other)]
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, rtol=1e-4, atol=1e-6)


def _gradients(model: AnteRNN, batch: Batch) -> dict[str, Tensor]:
    torch.manual_seed(0)
    model.loss(batch).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_a_batch_without_targets_is_refused(world: World) -> None:
    model = made(world)
    with pytest.raises(ValueError, match="has targets"):
        model.loss(rows(world, model.needs))


# ---- explanations


def test_the_reasons_are_those_of_the_pass(world: World) -> None:
    model = made(world)
    batch = rows(world, model.needs)
    item_B = torch.arange(world.users) % world.items + 1
    reasons = {(w.over, w.faithful): w for w in model.explain(batch, item_B)}
    assert set(reasons) == {
        ("history", True), ("word", True), ("region", True), ("view", True), ("topic", True),
        ("word", False), ("region", False), ("word_region", False),
    }  # fmt: skip
    assert batch.topic_BLT is not None
    b = int((batch.length_B == 6).nonzero()[0, 0])
    met = model.content(batch.item_BL[b, :6], batch.topic_BLT[b, :6])
    assert met.word_share_VN is not None
    assert met.relevance_UM is not None
    words = met.word_share_VN.shape[1]
    torch.testing.assert_close(reasons["word", True].value[b, :6, :words], met.word_share_VN)
    regions = met.relevance_UM.shape[1]
    torch.testing.assert_close(reasons["region", True].value[b, :6, :regions], met.relevance_UM[met.place_V])
    torch.testing.assert_close(reasons["topic", True].value[b], batch.topic_BLT[b, 5])
    assert reasons["history", True].value[b, 0] == 0  # the sixth event's window is of five
    assert bool((reasons["history", True].value[b, 1:6] > 0).all())
    about = reasons["word", False].about
    assert about is not None
    assert torch.equal(about, item_B)
    asked = model.content(item_B[b : b + 1], batch.topic_BLT[b, 5:6])
    assert asked.word_share_VN is not None
    torch.testing.assert_close(reasons["word", False].value[b, : asked.word_share_VN.shape[1]], asked.word_share_VN[0])


def test_pairs_are_the_mean_over_regions_of_the_shares_of_their_words(world: World) -> None:
    model = made(world)
    item_B = torch.tensor([3, 5, 2])
    batch = world.interactions().before(torch.tensor([1, 2, 3]), torch.tensor([2, 2, 2]), model.needs)
    pairs = next(w for w in model.explain(batch, item_B) if w.over == "word_region")
    met = model.content(item_B, torch.rand(3, world.topics))
    assert met.aligned_UNM is not None
    for b, u in enumerate(met.place_V.tolist()):
        said, seen = int(met.said_UN[u].sum()), int(met.seen_UM[u].sum())
        torch.testing.assert_close(pairs.value[b, :said, :seen], met.aligned_UNM[u, :said, :seen] / max(seen, 1))
        assert int(pairs.valid[b].sum()) == said * seen


def test_history_weights_are_those_that_made_the_last_interest(world: World) -> None:
    model = made(world)
    batch = rows(world, model.needs)
    history = next(w for w in model.explain(batch, batch.user_B) if w.over == "history")
    caught: list[Tensor] = []
    model.context.register_forward_hook(lambda part, given, found: caught.extend([given[0], found[0]]))
    model.score_all(batch)
    expected_BD = (history.value[..., None] * caught[0]).sum(1)
    torch.testing.assert_close(expected_BD, batch.last(caught[1]))


@pytest.mark.parametrize(
    ("settings", "absent"),
    [
        ({"text": "mean"}, {("word", True), ("word", False), ("topic", True)}),
        ({"image": "mean"}, {("region", True), ("region", False), ("word_region", False)}),
        ({"fusion": "mlp"}, {("view", True)}),
        ({"context": "off"}, {("history", True)}),
        ({"context": "mean"}, {("history", True)}),
    ],
)
def test_what_a_variant_does_not_weigh_gives_no_reason(
    settings: dict[str, Any], absent: set[tuple[str, bool]], world: World
) -> None:
    found = []
    for chosen in ({}, settings):
        model = made(world, **chosen)
        reasons = model.explain(rows(world, model.needs), torch.ones(world.users, dtype=torch.long))
        found.append({(w.over, w.faithful) for w in reasons})
    assert found[0] - found[1] == absent


# ---- learning


def test_content_is_what_it_learns_from(world: World) -> None:
    """Items are followed by the next in a ring; what is followed can be read from words and picture alone."""
    items = 8
    offset_N = torch.tensor([0, 0, *range(1, items + 1)])
    ragged = {view: Ragged(torch.eye(items).half(), offset_N) for view in ("words", "regions")}
    torch.manual_seed(0)
    model = ante_rnn.build(Config(**(SMALL | {"dim": 16})), Catalog(items, {}, ragged, world.topics), 1)
    start_B = torch.arange(items)
    item_BL = (start_B[:, None] + torch.arange(6)) % items + 1
    batch = Batch(
        user_B=start_B, item_BL=item_BL, length_B=torch.full((items,), 6), target_BL=item_BL % items + 1,
        event_BL=torch.arange(1, items * 6 + 1).view(items, 6),
        time_BL=1_500_000_000 + 3600 * 5 * torch.arange(6).expand(items, 6),
        topic_BLT=torch.full((items, 6, world.topics), 1 / world.topics),
    )  # fmt: skip
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        model.loss(batch).backward()
        optimiser.step()
    assert torch.equal(model.eval().score_all(batch).argmax(1), item_BL[:, -1] % items + 1)
    blank = {view: Ragged(torch.zeros(items, items).half(), offset_N) for view in ("words", "regions")}
    for part, view in ((model.content.words, "words"), (model.content.regions, "regions")):
        part.ragged = blank[view]
    assert model.score_all(batch).argmax(1).unique().numel() == 1


def test_no_history_scores_zero(world: World) -> None:
    model = made(world)
    events: Interactions = world.interactions()
    batch = events.before(torch.tensor([1, 2]), torch.tensor([0, 0]), model.needs)
    assert not model.score_all(batch).any()
