"""What Ante-RNN's card asks of it beside the laws; its equations are tested with the blocks."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML
from torch import Tensor
from torch.nn import functional as F

from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.catalog import Catalog, Ragged
from engine.training.interactions import Interactions
from engine.training.needs import Needs
from models import ante_rnn, configure
from models.ante_rnn import AnteRNN, Config
from models.blocks import alignment, context, fusion, heads, softmax, topical
from models.blocks.context import ContextAttention
from models.blocks.gru import PaperGRU
from models.blocks.topical import TopicalAttention
from tests.models.world import World, rows, section

SMALL: dict[str, Any] = {"dim": 8, "length": 8, "dropout": 0.0, "shared": 15, "triplet": {"items": 32}}
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


# ---- the rows of the paper's tables

TEXTS = {"T": topical.TopicalAttention, "mean": topical.MeanWords}
TABLES: dict[tuple[str, str], tuple[type, type, type, set[str] | None]] = {
    ("Ante-RNN", "4"): (TEXTS["T"], alignment.AlignedRegions, fusion.AttentionFusion, {"hour_of_week", "gap"}),
    ("Ante-RNN-D", "4"): (TEXTS["T"], alignment.AlignedRegions, fusion.ProductFusion, {"hour_of_week", "gap"}),
    ("Ante-RNN-N", "4"): (TEXTS["T"], alignment.AlignedRegions, fusion.DenseFusion, {"hour_of_week", "gap"}),
    ("t-Ante-RNN", "4"): (TEXTS["T"], alignment.MeanRegions, fusion.SingleView, {"hour_of_week", "gap"}),
    ("v-Ante-RNN", "4"): (TEXTS["mean"], alignment.MeanRegions, fusion.SingleView, {"hour_of_week", "gap"}),
    ("None", "6"): (TEXTS["mean"], alignment.AlignedRegions, fusion.AttentionFusion, None),
    ("T", "6"): (TEXTS["T"], alignment.AlignedRegions, fusion.AttentionFusion, None),
    ("C-Tw", "6"): (TEXTS["mean"], alignment.AlignedRegions, fusion.AttentionFusion, {"gap"}),
    ("C-δt", "6"): (TEXTS["mean"], alignment.AlignedRegions, fusion.AttentionFusion, {"hour_of_week"}),
    ("C", "6"): (TEXTS["mean"], alignment.AlignedRegions, fusion.AttentionFusion, {"hour_of_week", "gap"}),
    ("T+C-Tw", "6"): (TEXTS["T"], alignment.AlignedRegions, fusion.AttentionFusion, {"gap"}),
    ("T+C-δt", "6"): (TEXTS["T"], alignment.AlignedRegions, fusion.AttentionFusion, {"hour_of_week"}),
    ("T+C", "6"): (TEXTS["T"], alignment.AlignedRegions, fusion.AttentionFusion, {"hour_of_week", "gap"}),
}


def documented() -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of docs/models.md with their settings."""
    found = {}
    for line in Path("docs/models.md").read_text().split("## ante_rnn")[1].split("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[1] in ("4", "6"):
            stated = re.findall("`([^`]*)`", cells[2])
            assert bool(stated) != (cells[2] == "as it stands")
            found[cells[0], cells[1]] = {k: v for one in stated for k, v in YAML(typ="safe").load(one).items()}
    return found


def test_every_row_of_tables_4_and_6_is_documented() -> None:
    assert set(documented()) == set(TABLES)


@pytest.mark.parametrize("row", TABLES, ids=" of ".join)
def test_a_row_of_the_paper_s_tables_is_its_settings(row: tuple[str, str], world: World) -> None:
    settings = section("ante_rnn").settings | {"dim": 8} | documented()[row]
    config = configure(Choice(name="ante_rnn", settings=settings))
    assert isinstance(config, Config)
    model = ante_rnn.build(config, world.catalog, world.users)
    text, image, fused, factors = TABLES[row]
    assert type(model.content.text) is text
    assert type(model.content.image) is image
    assert type(model.content.fusion) is fused
    if factors is None:
        assert isinstance(model.context, context.NoContext)
    else:
        assert isinstance(model.context, ContextAttention)
        assert model.context.factors is not None
        assert set(model.context.factors.tables) == factors
    views = {"t-Ante-RNN": {"words"}, "v-Ante-RNN": {"regions"}}.get(row[0], {"words", "regions"})
    assert config.needs.views == views
    model.loss(rows(world, model.needs, targets=True)).backward()


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


def test_the_paper_s_gru_is_torch_s_where_nothing_is_mixed_after_the_reset(world: World) -> None:
    paper, torchs = made(world, readings={"gru": "paper"}), made(world)
    same_parameters(torchs, paper)
    assert isinstance(paper.gru, PaperGRU)
    batch = rows(world, paper.needs)
    with torch.no_grad():
        for name in ("bias_ih_l0", "bias_hh_l0"):
            getattr(torchs.gru, name).zero_()
        for own, other in ((paper.gru.input_ED, "weight_ih_l0"), (paper.gru.state_ED, "weight_hh_l0")):
            update_DD, reset_DD, able_DD = own.chunk(3)
            getattr(torchs.gru, other).copy_(torch.cat([reset_DD, -update_DD, able_DD]))
    assert (paper.score_all(batch) - torchs.score_all(batch)).abs().max() > 1e-3
    with torch.no_grad():
        kept_D = paper.gru.state_ED[16:].diagonal().clone()
        paper.gru.state_ED[16:] = torch.diag(kept_D)
        torchs.gru.weight_hh_l0[16:] = torch.diag(kept_D)
    torch.testing.assert_close(paper.score_all(batch), torchs.score_all(batch))


TIED: dict[str, Any] = {"readings": {"tied_content_head": True}}


def test_a_tied_head_that_reads_nothing_is_the_rows_alone(world: World) -> None:
    rows_alone = made(world)
    tied = same_parameters(made(world, **TIED), rows_alone)
    batch = rows(world, tied.needs)
    assert (tied.score_all(batch) - rows_alone.score_all(batch)).abs().max() > 1e-3
    assert isinstance(tied.head, heads.ContentHead)
    torch.nn.init.zeros_(tied.head.dense.weight)
    assert torch.equal(tied.score_all(batch), rows_alone.score_all(batch))


# ---- the whole model by its equations


def test_a_tied_key_is_the_row_and_the_item_under_even_topics(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "ITEMS", 4)  # so that several readings make the table
    model = made(world, **TIED)
    assert isinstance(model.head, heads.ContentHead)
    even_1T = torch.full((1, world.topics), 1 / world.topics)
    for item in (1, 2, 9, world.items):
        own_D = model.content(torch.tensor([item]), even_1T).item_VD[0]
        expected_D = model.out_ID[item - 1] + model.head.dense.weight @ own_D
        torch.testing.assert_close(model.keys()[item], expected_D)
    assert not model.keys()[0].any()


def test_a_sampled_softmax_reads_only_what_it_compares(world: World) -> None:
    model = made(world, loss="sampled", **TIED)
    whole = same_parameters(made(world, **TIED), model)
    shared_S = torch.tensor([7, 3, 3, 12])
    batch = rows(world, model.needs.__class__(length=8, topics=True, times=True), targets=True)
    batch = batch.but(shared_S=shared_S, expected_S=torch.tensor([0.1, -0.4, -0.4, 0.7]))
    assert batch.target_BL is not None
    read: list[int] = []
    model.content.register_forward_hook(lambda part, given, found: read.append(len(given[0])))
    found = model.loss(batch)
    asked_BL = batch.target_BL > 0
    assert read[1:] == [len(torch.unique(torch.cat([batch.target_BL[asked_BL], shared_S])))]
    state_BLD, met, _, _ = whole._read(batch)
    torch.manual_seed(0)
    sampled = softmax.sampled(state_BLD[asked_BL], whole.keys()[1:], batch.target_BL[asked_BL], batch)
    torch.testing.assert_close(found - 0.2 * model.content.alignment(met), sampled)


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
        for way in ("attention", "product", "mlp"):
            torch.manual_seed(3)
            model = ante_rnn.build(Config(**(SMALL | {"fusion": way})), catalog, world.users).eval()
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


@pytest.mark.parametrize("tied", [False, True])
def test_only_a_tied_head_finds_an_item_that_nobody_chose(tied: bool, world: World) -> None:
    """Items are followed by the next in a ring of 8; the ninth looks and reads like the fourth."""
    items = 9
    like_N = torch.cat([torch.eye(8), torch.eye(8)[3:4]])
    ragged = {v: Ragged(like_N.half(), torch.tensor([0, *range(items + 1)])) for v in ("words", "regions")}
    torch.manual_seed(0)
    config = Config(**(SMALL | {"dim": 16, "readings": {"tied_content_head": tied}}))
    model = ante_rnn.build(config, Catalog(items, {}, ragged, world.topics), 1)
    start_B = torch.arange(8)
    item_BL = (start_B[:, None] + torch.arange(6)) % 8 + 1
    batch = Batch(
        user_B=start_B, item_BL=item_BL, length_B=torch.full((8,), 6), target_BL=item_BL % 8 + 1,
        event_BL=torch.arange(1, 49).view(8, 6), time_BL=1_500_000_000 + 18000 * torch.arange(6).expand(8, 6),
        topic_BLT=torch.full((8, 6, world.topics), 1 / world.topics),
    )  # fmt: skip
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(40):
        optimiser.zero_grad()
        model.loss(batch).backward()
        optimiser.step()
    after_three = int((item_BL[:, -1] == 3).nonzero()[0, 0])
    order = model.eval().score_all(batch)[after_three, 1:].argsort(descending=True).add(1).tolist()
    assert order[0] == 4
    assert (order[1] == 9) == tied
