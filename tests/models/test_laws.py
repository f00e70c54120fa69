"""The laws of DESIGN.md, section 8, over every model and every variant."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import models
from engine.evaluation.erasure import erase_events, select_rows
from engine.evaluation.history_erasure import history_weights
from engine.evaluation.rank import Counts, rank
from engine.measures.ranking import auc, hr, ndcg, positions
from engine.measures.significance import t_test
from engine.tables.layout import Layout
from engine.tables.settings import Choice
from engine.training import weights
from engine.training.batch import Batch
from engine.training.cases import Cases, Seen
from engine.training.contract import (
    CatalogScorer,
    Explainer,
    Factored,
    Learner,
    Phased,
    Prepared,
    Rater,
    Recommender,
    Solver,
)
from engine.training.fit import Train, fit
from engine.training.interactions import Interactions
from engine.training.trained_on import trained_on
from engine.training.weights import Learned
from tests.models.blanking import blanked
from tests.models.variants import CASES, FOUND, TINY, VARIANTS, models_that, variants_that
from tests.models.world import World, built, drawn, rows, section, train
from tests.serving.shop import written

every = pytest.mark.parametrize(("name", "variant"), CASES)
SEQUENTIAL = [(n, v) for n, v in CASES if models.configure(section(n, v)).needs.length]
sequential = pytest.mark.parametrize(("name", "variant"), SEQUENTIAL)
ABLE = {name: next(c for c in vars(models.find(name)).values() if getattr(c, "__final__", False)) for name in FOUND}
LEARNERS = [case for case in CASES if issubclass(ABLE[case[0]], Learner)]
learning = pytest.mark.parametrize(("name", "variant"), LEARNERS)
NEEDS = {case: models.configure(section(*case)).needs for case in CASES}
NEXT = [case for case in SEQUENTIAL if NEEDS[case].predicts == "item"]
ORDERED = [case for case in NEXT if not NEEDS[case].pairs and NEEDS[case].ahead]  # the others learn from sets
CLOZE = [case for case in NEXT if case[0] in models_that("CLOZE")]  # an epoch teaches them a share of the rows
WINDOWED = [case for case in SEQUENTIAL if case in LEARNERS and not NEEDS[case].pairs]
training = pytest.mark.parametrize(("name", "variant"), WINDOWED)
causal = pytest.mark.parametrize(("name", "variant"), [case for case in ORDERED if case in LEARNERS])
paired = pytest.mark.parametrize(("name", "variant"), [case for case in LEARNERS if NEEDS[case].pairs])
ordering = pytest.mark.parametrize(("name", "variant"), [*ORDERED, *CLOZE])
RATING = [case for case in LEARNERS if NEEDS[case].predicts == "rating" and NEEDS[case].ratings]
rating = pytest.mark.parametrize(("name", "variant"), RATING)
KNOWING = [case for case in CASES if case in LEARNERS or NEEDS[case].length]  # the others know nothing of a person
GROUPING = [case for case in KNOWING if case not in [*ORDERED, *CLOZE] and NEEDS[case].predicts == "item"]
SETS = {case for case in CASES if case[0] in models_that("SET")} | variants_that("SETS")
SLOW, AHEAD = variants_that("SLOW"), variants_that("AHEAD")
WITHOUT_WEIGHTS, UNFAITHFUL = variants_that("WITHOUT_WEIGHTS"), variants_that("UNFAITHFUL")
explaining = pytest.mark.parametrize(("name", "variant"), [c for c in CASES if issubclass(ABLE[c[0]], Explainer)])


def close(found: Tensor, expected: Tensor, atol: float = 2e-5) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=atol)


def ready(name: str, variant: str, world: World) -> Recommender:
    """The variant as it would rank: solved for, or with its first parameters shaken so that none is zero."""
    model = built(name, variant, world)
    if isinstance(model, Solver):
        model.solve(world.interactions(1))
    if isinstance(model, Prepared):
        model.prepare(world.interactions(1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model.eval()


def loss_at(model: Learner, batch: Batch, place: int, target_B: Tensor) -> Tensor:
    """The loss when only one position has targets."""
    assert batch.target_BL is not None
    target_BL = torch.zeros_like(batch.target_BL)
    target_BL[:, place] = target_B
    torch.manual_seed(5)
    return model.loss(batch.but(target_BL=target_BL))


# ---- every model is under the laws


def test_every_model_has_its_variants() -> None:
    assert set(FOUND) == set(VARIANTS) == set(TINY)


@pytest.mark.parametrize("name", FOUND)
def test_a_model_is_one_file_of_one_final_class(name: str) -> None:
    module = models.find(name)
    own = [c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__]
    assert [c for c in own if issubclass(c, Recommender)] == [ABLE[name]]
    assert "**Departs from the paper:**" in (module.__doc__ or "")


# ---- 1: built from its section, misspelt keys refused


@pytest.mark.parametrize("name", FOUND)
def test_1_it_builds_from_its_section(name: str, world: World) -> None:
    assert isinstance(models.build(section(name), world.catalog, world.users), ABLE[name])


@every
def test_1_a_misspelt_key_is_refused_by_name(name: str, variant: str) -> None:
    choice = section(name, variant)
    models.configure(choice)
    with pytest.raises(ValueError, match=rf"models\.{name}\.lenght: .*known keys"):
        models.configure(Choice(name=name, settings=choice.settings | {"lenght": 5}))


# ---- 2: a candidate's score is its own


@every
def test_2_a_score_does_not_depend_on_the_other_candidates(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    batch = rows(world, model.needs)
    item_BK = torch.stack([torch.randperm(world.items)[:6] + 1 for _ in range(world.users)])
    score_BK = model.score(batch, item_BK)
    assert score_BK.shape == item_BK.shape
    for k in range(item_BK.shape[1]):
        close(model.score(batch, item_BK[:, k : k + 1]), score_BK[:, k : k + 1])
    close(model.score(batch, item_BK.flip(1)), score_BK.flip(1))


@every
def test_2_scores_of_all_items_agree(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    batch = rows(world, model.needs)
    item_BK = torch.arange(1, world.items + 1).expand(world.users, -1)
    if isinstance(model, CatalogScorer):
        score_BN = model.score_all(batch)
        assert score_BN.shape == (world.users, world.items + 1)
        close(score_BN[:, 1:], model.score(batch, item_BK))
    if isinstance(model, Factored):
        assert model.keys().shape[0] == world.items + 1
        close((model.query(batch) @ model.keys().T)[:, 1:], model.score(batch, item_BK))
    assert model.score(batch, item_BK).std(0).max() > 0 or isinstance(model, Solver)


# ---- 3: padding changes nothing


def padded(batch: Batch, columns: int) -> Batch:
    """Wider rows of the same events."""
    wide = {}
    row = batch.target_BL is not None and batch.target_BL.shape == batch.item_BL.shape
    for name in ("item_BL", "event_BL", "time_BL", "rating_BL", *(["target_BL"] if row else [])):
        value = getattr(batch, name)
        wide[name] = None if value is None else F.pad(value, (0, columns))
    for name in ("topic_BLT", "negative_BLK"):
        value = getattr(batch, name)
        wide[name] = None if value is None else F.pad(value, (0, 0, 0, columns))
    return batch.but(**wide)


@sequential
def test_3_padding_changes_no_score(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    short = select_rows(rows(world, model.needs), (world.lengths() <= 6).nonzero()[:, 0])
    item_BK = torch.arange(1, world.items + 1).expand(len(short.user_B), -1)
    trimmed = padded(short, -3)
    assert bool((trimmed.item_BL[:, -1] > 0).any())
    assert trimmed.item_BL.sum() == short.item_BL.sum()
    close(model.score(short, item_BK), model.score(trimmed, item_BK))


@training
def test_3_padding_changes_no_loss(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    assert isinstance(model, Learner)
    batch = select_rows(rows(world, model.needs, targets=True), (world.lengths() <= 6).nonzero()[:, 0])
    losses = []
    for each in (batch, padded(batch, -3)):
        torch.manual_seed(5)
        losses.append(model.loss(each))
    close(losses[0], losses[1])
    if batch.negative_BLK is not None and batch.target_BL is not None:
        other_BLK = torch.where((batch.target_BL > 0)[..., None], batch.negative_BLK, batch.negative_BLK % 3 + 1)
        torch.manual_seed(5)
        close(model.loss(batch.but(negative_BLK=other_BLK)), losses[0])


@sequential
def test_3_no_history_is_no_mistake(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    user_B = torch.tensor([1, 2])
    item_B1 = torch.tensor([[3], [4]])
    alone = model.score(world.interactions().before(user_B, torch.tensor([0, 0]), model.needs), item_B1)
    beside = model.score(world.interactions().before(user_B, torch.tensor([0, 5]), model.needs), item_B1)
    assert torch.isfinite(alone).all()
    close(alone[0], beside[0])


# ---- 4: a row does not see its neighbours


@every
def test_4_a_row_does_not_see_its_neighbours(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    batch = rows(world, model.needs)
    item_BK = torch.arange(1, world.items + 1).expand(world.users, -1)
    score_BK = model.score(batch, item_BK)
    order_B = torch.randperm(world.users)
    close(model.score(select_rows(batch, order_B), item_BK), score_BK[order_B])
    for row in range(0, world.users, 3):
        alone = select_rows(batch, torch.tensor([row]))
        close(model.score(padded(alone, int(alone.length_B[0]) - alone.item_BL.shape[1]), item_BK[:1]), score_BK[[row]])


# ---- 5: the past does not see the future


def changed(events: Interactions, after: int, items: int, asked_at: bool = False) -> Interactions:
    """The same events, everything about each user's from number `after` (from 0) on replaced in place; with `asked_at`
    the moment of that one stays, which is known when it is asked about.
    """
    step_E = torch.arange(len(events)) - events.offset_U[events.user_E]
    late_E = step_E >= after
    assert events.topic_ET is not None
    assert events.time_E is not None
    topic_ET = events.topic_ET.clone()
    topic_ET[1:][late_E] = topic_ET[1:][late_E].flip(1) ** 2
    return replace(
        events,
        item_E=torch.where(late_E, events.item_E % items + 1, events.item_E),
        time_E=torch.where(step_E >= after + asked_at, events.time_E + 12345, events.time_E),
        topic_ET=topic_ET,
    )


@every
def test_5_a_score_does_not_see_the_future(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    if model.needs.item_length:  # what others did before is its past: test_5_a_score_sees_no_one_s_future
        return
    user_B = torch.arange(1, world.users + 1)
    item_BK = torch.arange(1, world.items + 1).expand(world.users, -1)
    for cut in (1, 2):
        position_B = torch.full_like(user_B, cut)
        before = [
            model.score(events.before(user_B, position_B, model.needs), item_BK)
            for events in (world.interactions(), changed(world.interactions(), cut, world.items, model.needs.now))
        ]
        assert torch.equal(before[0], before[1])


def changed_from(events: Interactions, place: int, items: int) -> Interactions:
    """The same events, everyone's from the moment of one of them on replaced in place; its own moment stays."""
    assert events.time_E is not None
    assert events.rating_E is not None
    late_E = events.time_E >= events.time_E[place]
    later_E = late_E & (torch.arange(len(events)) != place)
    return replace(
        events,
        item_E=torch.where(late_E, events.item_E % items + 1, events.item_E),
        rating_E=torch.where(late_E, 6 - events.rating_E, events.rating_E),
        time_E=torch.where(later_E, events.time_E + 12345, events.time_E),
    )


@pytest.mark.parametrize(("name", "variant"), [case for case in CASES if NEEDS[case].item_length])
@torch.no_grad()
def test_5_a_score_sees_no_one_s_future(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    events, item_BK = world.interactions(), torch.arange(1, world.items + 1)[None]
    moved = 0.0
    for user in range(1, world.users + 1):
        position_B = torch.tensor([int(world.lengths()[user - 1]) - 1])
        place = int(events.offset_U[user] + position_B)
        later = changed_from(events, place, world.items)
        earlier = replace(changed_from(events, int(events.offset_U[user]), world.items), time_E=events.time_E)
        user_B = torch.tensor([user])
        scores = [model.score(e.before(user_B, position_B, model.needs), item_BK) for e in (events, later, earlier)]
        assert torch.equal(scores[0], scores[1])
        moved += float((scores[2] - scores[0]).abs().sum())
    assert moved > 1e-3  # the past is seen


@paired
def test_5_a_pair_is_learnt_as_it_is_scored(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    assert isinstance(model, Learner)
    events = world.interactions()
    place_B = torch.arange(0, len(events), 3)
    batch = drawn(world, model.needs, events.pairs(place_B, model.needs))
    assert batch.target_BL is not None
    position_B = place_B - events.offset_U[batch.user_B]
    asked = events.before(batch.user_B, position_B, model.needs)
    own_B = model.score(asked, batch.target_BL)[:, 0]
    if batch.negative_BLK is None:
        assert events.rating_E is not None
        expected = ((own_B - events.rating_E[place_B]) ** 2).mean()
    else:
        expected = F.softplus(model.score(asked, batch.negative_BLK[:, 0]) - own_B[:, None]).mean()
    close(model.loss(batch), expected)
    close(model.loss(padded(batch, 2) if batch.item_BL.shape[1] else batch), expected)


@causal
def test_5_a_position_in_training_does_not_see_the_future(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    assert isinstance(model, Learner)
    likes = []
    for events in (world.interactions(), changed(world.interactions(), 2, world.items, model.needs.now)):
        start_B = events.offset_U[torch.arange(1, world.users + 1)]
        batch = drawn(world, model.needs, events.targets(start_B, start_B + 2, model.needs))
        stop_B = start_B + (world.lengths() - 1).clamp(max=model.needs.length)
        wide = drawn(world, model.needs, events.targets(start_B, stop_B, model.needs))
        wide = wide.but(shared_S=batch.shared_S, expected_S=batch.expected_S)
        if batch.negative_BLK is not None and wide.negative_BLK is not None:
            spread_BLK = batch.negative_BLK[:, 1:2].expand_as(wide.negative_BLK)
            wide = wide.but(negative_BLK=spread_BLK)
        losses = [loss_at(model, wide, 1, torch.full_like(start_B, item)) for item in (4, 9)]
        likes.append(losses[1] - losses[0])  # what the batch's items cost by themselves cancels out
    assert likes[0].abs() > 1e-4
    close(likes[0], likes[1], atol=1e-6)


@pytest.mark.parametrize(("name", "variant"), [case for case in ORDERED if case in LEARNERS and case not in AHEAD])
def test_5_what_is_trained_is_what_is_ranked(name: str, variant: str, world: World) -> None:
    """At a position inside a training row, an item costs the less the more it scores in the row cut there."""
    model = ready(name, variant, world)
    assert isinstance(model, Learner)
    events = world.interactions()
    for place in (0, 2):
        user_B = (world.lengths() > 4).nonzero()[:1, 0] + 1
        start_B = events.offset_U[user_B]
        batch = drawn(world, model.needs, events.targets(start_B, start_B + 4, model.needs))
        compared = [t for t in (batch.shared_S, batch.negative_BLK) if t is not None]
        taken = set(torch.cat([t.flatten() for t in compared]).tolist()) if compared else set()
        items = [item for item in range(1, world.items + 1) if item not in taken]
        assert len(items) >= 3
        with torch.no_grad():
            costs = torch.stack([loss_at(model, batch, place, torch.tensor([item])) for item in items])
        score_K = model.score(events.before(user_B, torch.tensor([place + 1]), model.needs), torch.tensor([items]))[0]
        assert costs.argsort().tolist() == score_K.argsort(descending=True).tolist()


# ---- 6: every parameter gets a gradient


@learning
def test_6_every_parameter_gets_a_gradient(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world).train()
    assert isinstance(model, Learner)
    for phase in model.phases if isinstance(model, Phased) else [None]:
        if phase and isinstance(model, Phased):
            model.enter(phase.name)
        model.loss(rows(world, model.needs, targets=True)).backward()
    dead = [n for n, p in model.named_parameters() if p.grad is None or not bool((p.grad.abs() > 1e-7).any())]
    assert dead == []


# ---- 7: it learns what is there, and nothing where there is nothing


def learnt(
    name: str, variant: str, world: World, settings: Train, folder: Path, seen: Seen
) -> tuple[Recommender, Counts]:
    """Trained on all but the last event of each user, which is then ranked among all items (or those not seen)."""
    model = built(name, variant, world)
    events, user_B = world.interactions(), torch.arange(1, world.users + 1)
    cases = Cases(user_B, world.lengths() - 1, events.item_E[events.offset_U[user_B + 1] - 1])
    fit(model, world.interactions(1), Reading(), settings, 1, folder / "run.pt")
    return model, rank(model, cases, events, seen)


class Reading:
    """A validation reading that grows with every epoch, so that the last state is kept; it may kill the run."""

    def __init__(self, after: int = 0, killed_at: int = 0):
        self.calls, self.killed_at = after, killed_at

    def __call__(self) -> float:
        self.calls += 1
        if self.calls == self.killed_at:
            raise KeyboardInterrupt
        return float(self.calls)


@pytest.fixture(scope="module")
def ordered() -> World:
    """Item i is followed by item i + 1 (the last by the first)."""
    generator = np.random.default_rng(1)
    drawn = [(generator.integers(0, 12), generator.integers(3, 9)) for _ in range(80)]
    return World([[(start + step) % 12 + 1 for step in range(length)] for start, length in drawn], 12)


def spans(name: str, variant: str) -> Train:
    """How long a variant may take to learn an order."""
    slow = (name, variant) in SLOW
    if (name, variant) in CLOZE:
        return train(120 if slow else 60, lr=0.01)
    return train(30 if slow else 20)


@pytest.fixture(scope="module")
def taught(ordered: World, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Recommender, Counts]]:
    """What a variant came to in the ordered world, trained once."""
    return cache(
        lambda name, variant: learnt(
            name,
            variant,
            ordered,
            spans(name, variant),
            tmp_path_factory.mktemp("taught"),
            "excluded",
        )
    )


@pytest.fixture(scope="module")
def grouped() -> World:
    """Half of the people choose among the first half of the items, the other half among the others."""
    generator = np.random.default_rng(1)
    return World([(generator.permutation(6)[:5] + 1 + 6 * (u % 2)).tolist() for u in range(60)], 12)


@pytest.fixture(scope="module")
def noise() -> World:
    """Every event is drawn uniformly."""
    generator = np.random.default_rng(2)
    return World([generator.integers(1, 13, 6).tolist() for _ in range(250)], 12)


@ordering
def test_7_order_is_learnt(name: str, variant: str, taught: Callable[..., tuple[Recommender, Counts]]) -> None:
    counts = taught(name, variant)[1]
    top = 2 if (name, variant) in AHEAD else 1  # of two events that it learns alike it cannot tell which is next
    assert hr(positions(counts.greater, counts.ties), top).mean() > (0.8 if (name, variant) in SETS else 0.9)


@pytest.mark.parametrize(("name", "variant"), GROUPING)
def test_7_what_people_share_is_learnt(name: str, variant: str, grouped: World, tmp_path: Path) -> None:
    _, counts = learnt(
        name,
        variant,
        grouped,
        train(30 if NEEDS[name, variant].pairs or (name, variant) in SLOW else 15, lr=0.02),
        tmp_path,
        "excluded",
    )
    assert hr(positions(counts.greater, counts.ties), 2).mean() > 0.9


@rating
def test_7_ratings_that_hang_on_both_are_learnt(name: str, variant: str, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    mixed = World([(generator.permutation(12)[:8] + 1).tolist() for _ in range(60)], 12)
    model = built(name, variant, mixed)
    fit(model, mixed.interactions(2), Reading(), train(25, lr=0.01), 1, tmp_path / "run.pt")
    events = mixed.interactions()
    assert isinstance(model, Rater)
    assert events.rating_E is not None
    place_B = torch.cat([events.offset_U[2:] - 1, events.offset_U[2:] - 2])
    batch = events.pairs(place_B, model.needs)
    assert batch.target_BL is not None
    wrong_B = model.rate(batch, batch.target_BL[:, 0]).detach() - events.rating_E[place_B]
    assert float((wrong_B**2).mean().sqrt()) < 0.7  # the mean alone: 1.4


def test_7_popularity_counts(noise: World, tmp_path: Path) -> None:
    _, counts = learnt("popularity", "plain", noise, train(1), tmp_path, "kept")
    chosen = np.bincount(noise.interactions(1).item_E.numpy(), minlength=13)
    target = noise.interactions().item_E[noise.interactions().offset_U[2:] - 1].numpy()
    assert counts.greater.tolist() == [(chosen[1:] > chosen[item]).sum() for item in target]
    assert counts.ties.tolist() == [(chosen[1:] == chosen[item]).sum() - 1 for item in target]


@every
def test_7_on_noise_it_does_not_beat_popularity(name: str, variant: str, noise: World, tmp_path: Path) -> None:
    _, counts = learnt(name, variant, noise, train(2), tmp_path, "kept")
    _, popular = learnt("popularity", "plain", noise, train(1), tmp_path, "kept")
    own, its = (ndcg(positions(c.greater, c.ties), 5) for c in (counts, popular))
    verdict = t_test(own, its)
    assert verdict.p > 0.01 or verdict.difference < 0
    assert abs(auc(counts.greater, counts.ties, counts.others).mean() - 0.5) < 0.08


# ---- 8: kept, repeatable, resumable


def states(model: Recommender) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """As many people and items as the laws' world has."""
    return written(tmp_path_factory.mktemp("tables")).layout


@every
def test_8_saved_and_restored_it_scores_the_same(
    name: str, variant: str, world: World, tables: Layout, tmp_path: Path
) -> None:
    model, choice, layout = ready(name, variant, world), section(name, variant), replace(tables, results=tmp_path)
    about = trained_on(layout, model.needs)
    weights.save(model.state_dict(), Learned.of(name, models.configure(choice), about), layout.weights)
    torch.manual_seed(99)
    again = models.restore(choice, world.catalog, world.users, layout.weights, about)
    batch, item_BK = rows(world, model.needs), torch.arange(1, world.items + 1).expand(world.users, -1)
    assert torch.equal(again.score(batch, item_BK), model.score(batch, item_BK))


@pytest.mark.parametrize(("name", "variant"), [c for c in CASES if "dropout" in models.find(c[0]).Config.model_fields])
def test_8_what_is_dropped_in_training_is_not_in_ranking(name: str, variant: str, world: World) -> None:
    choice = section(name, variant)
    dropping = Choice(name=name, settings=choice.settings | {"dropout": 0.5})
    torch.manual_seed(1)
    model = models.build(dropping, world.catalog, world.users)
    assert isinstance(model, Learner)
    batch, item_BK = rows(world, model.needs), torch.arange(1, world.items + 1).expand(world.users, -1)
    assert not torch.equal(model.score(batch, item_BK), model.score(batch, item_BK))
    model.eval()
    plain = built(name, variant, world)
    plain.load_state_dict(model.state_dict())
    score_BK = model.score(batch, item_BK)
    assert torch.equal(model.score(batch, item_BK), score_BK)
    assert torch.equal(plain.eval().score(batch, item_BK), score_BK)


@learning
def test_8_the_same_seed_is_the_same_run_also_when_killed(
    name: str, variant: str, world: World, tmp_path: Path
) -> None:
    def run(reading: Callable[[], float], seed: int = 1) -> tuple[dict[str, Tensor], list[float]]:
        model = built(name, variant, world)
        done = fit(model, world.interactions(1), reading, train(3, rows=8, save=0), seed, tmp_path / "run.pt")
        return states(model), done.losses

    whole, losses = run(Reading())
    assert not list(tmp_path.iterdir())
    again, same = run(Reading())
    assert same == losses
    assert all(torch.equal(whole[key], again[key]) for key in whole)
    with pytest.raises(KeyboardInterrupt):
        run(Reading(killed_at=3))
    assert list(tmp_path.glob("*run.pt"))  # of each phase that was entered
    resumed, resumed_losses = run(Reading(after=2))
    assert resumed_losses == losses
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert run(Reading(), seed=2)[1] != losses


# ---- 9: explanations are what they claim


@explaining
def test_9_reasons_are_of_their_kind(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    assert isinstance(model, Explainer)
    batch = rows(world, model.needs)
    item_B = torch.arange(world.users) % world.items + 1
    reasons = model.explain(batch, item_B)
    assert bool(reasons) == ((name, variant) not in WITHOUT_WEIGHTS)
    for reason in reasons:
        value, valid = reason.value, reason.valid
        assert value.shape == valid.shape
        assert valid.dtype == torch.bool
        assert bool(valid.any())
        assert bool((value[~valid] == 0).all())
        if reason.over == "history":
            assert valid.shape == batch.item_BL.shape
            assert not bool((valid & ~batch.valid_BL).any())
        if reason.about is not None:
            assert reason.about.shape == value.shape[: reason.about.ndim]
        axes = (-2, -1) if reason.over == "word_region" else -1
        if reason.kind == "share":
            assert bool((value >= 0).all())
            total, some = value.sum(axes), valid.flatten(-2).any(-1) if axes != -1 else valid.any(-1)
            close(total[some], torch.ones_like(total[some]), atol=1e-3)  # topics come in 16 bits
        if reason.kind == "gate":
            assert bool(((value >= 0) & (value <= 1)).all())


@explaining
def test_9_neighbours_and_padding_change_no_reason(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    assert isinstance(model, Explainer)
    batch = rows(world, model.needs)
    item_B = torch.arange(world.users) % world.items + 1
    for row in (0, 3):
        alone = select_rows(batch, torch.tensor([row]))
        alone = padded(alone, int(alone.length_B[0]) - alone.item_BL.shape[1])
        for one, many in zip(model.explain(alone, item_B[[row]]), model.explain(batch, item_B), strict=True):
            own = many.value[row][many.valid[row]]
            close(one.value[0][one.valid[0]], own)


@explaining
def test_9_what_is_shown_of_a_candidate_is_in_its_score_or_marked(name: str, variant: str, world: World) -> None:
    """Where its words or regions are said to be weighed on the way to its score, blanking them moves it; else not."""
    model = ready(name, variant, world)
    assert isinstance(model, Explainer)
    batch = rows(world, model.needs)
    own_BN = F.one_hot(batch.item_BL, world.items + 1).sum(1) > 0
    own_BN[:, [0, 2]] = True  # item 2 has nothing to blank
    item_B = (~own_BN).long().argmax(1)  # one that is not in the row's history
    assert bool((item_B > 0).any())
    row_B = (item_B > 0).nonzero()[:, 0]
    batch, item_B = select_rows(batch, row_B), item_B[row_B]
    reasons = [r for r in model.explain(batch, item_B) if r.about is not None and r.about.ndim == 1]
    for over, view in (("word", "words"), ("region", "regions"), ("word_region", "regions")):
        for reason in (r for r in reasons if r.over == over):
            parts, before_B1 = world.catalog.ragged(view), model.score(batch, item_B[:, None])  # type: ignore[arg-type]
            for row, item in enumerate(item_B.tolist()):
                with blanked(parts, torch.arange(int(parts.offset_N[item]), int(parts.offset_N[item + 1]))):
                    moved = (model.score(batch, item_B[:, None]) - before_B1)[row].abs().item()
                assert (moved > 1e-6) == reason.faithful


@explaining
def test_9_faithful_reasons_move_the_score_by_their_weight(
    name: str, variant: str, ordered: World, taught: Callable[..., tuple[Recommender, Counts]]
) -> None:
    model = taught(name, variant)[0]
    assert isinstance(model, Explainer)
    batch = rows(ordered, model.needs)
    item_B = model.score(batch, torch.arange(1, ordered.items + 1).expand(ordered.users, -1)).argmax(1) + 1
    reason = history_weights(model.explain(batch, item_B))
    if reason is None or not reason.faithful:
        assert (name, variant) in UNFAITHFUL
        return
    weight_BL = reason.value.masked_fill(~reason.valid, torch.nan)
    moved = {}
    for way, place_B in (
        ("heaviest", weight_BL.nan_to_num(-1).argmax(1)),
        ("lightest", weight_BL.nan_to_num(9).argmin(1)),
    ):
        gone_BL = F.one_hot(place_B, batch.item_BL.shape[1]).bool()
        fall_B1 = model.score(batch, item_B[:, None]) - model.score(erase_events(batch, gone_BL), item_B[:, None])
        moved[way] = (fall_B1 if reason.kind == "signed" else fall_B1.abs()).mean().item()  # an act may speak against
    assert moved["heaviest"] > moved["lightest"]
