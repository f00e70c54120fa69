"""The laws of presence, over every model and variant that reads a history: 1 is as it was, 0 is silence, and the
derivative between them is the influence."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import models
from engine.evaluation.cause import causes
from engine.evaluation.erasure import erase_events, select_rows
from engine.evaluation.influence import all_present, influence, presence
from engine.evaluation.question import Question, log_probability
from engine.evaluation.rate import rates
from engine.evaluation.readings import LEADING, read
from engine.evaluation.taken_away import TakenAway
from engine.training.batch import Batch
from engine.training.contract import CatalogScorer, Learner, Prepared, Recommender, Solver
from models.blocks.views import Given
from tests.models.variants import CASES, models_that
from tests.models.world import World, built, rows, section

SEQUENTIAL = [(n, v) for n, v in CASES if models.configure(section(n, v)).needs.length]
every = pytest.mark.parametrize(("name", "variant"), SEQUENTIAL)
EXACT = models_that("EXACT")  # an event of presence 0 is as one that never was
COUNTED = ("biases", "choices")  # but here, where it counts among the last few of a longer row
WORDS = [
    (n, v) for n, v in SEQUENTIAL if n == "ante_rnn" and v != "gru_words"
]  # there a word is read with its neighbours
VIEWS = [
    ("mahn", "cat_cat"),
    ("mahn", "add_add"),
    ("mv_rnn", "whole"),
    ("mv_rnn", "con"),
    ("iris", "multimodal"),
    ("iris", "added"),
    ("iris", "image"),
    ("iris", "text"),
]


@pytest.fixture(scope="module")
def world() -> World:
    generator = np.random.default_rng(4)
    histories = [generator.integers(3, 13, size).tolist() for size in (4, 9, 6, 8)]
    return World([*histories, [13, 14, 15, 16, 3, 4], [16, 15, 14, 13, 5, 6]], 16)


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def ready(name: str, variant: str, world: World) -> Recommender:
    """The variant with its first parameters shaken, so that none is zero and each reaches the score."""
    model = built(name, variant, world)
    if isinstance(model, Solver):
        model.solve(world.interactions(1))
    if isinstance(model, Prepared):
        model.prepare(world.interactions(1))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return model.eval()


def asked(world: World, model: Recommender) -> tuple[Batch, Tensor, Tensor]:
    """The rows of people who did not do what is asked about, which others did, and what that is compared with where a
    model scores no catalog.
    """
    batch = select_rows(rows(world, model.needs), torch.arange(4))
    return batch, torch.tensor([13, 14, 15, 16]), torch.tensor([[3, 4], [13, 5], [1, 2], [14, 15]])


def rivals(model: Recommender) -> int:
    """How many items the asked one is compared with by name."""
    return 0 if rates(model) or isinstance(model, CatalogScorer) else 2


def double_precision(model: Recommender, batch: Batch) -> tuple[Recommender, Batch]:
    topic_BLT, rating_BL = (None if t is None else t.double() for t in (batch.topic_BLT, batch.rating_BL))
    return model.double(), batch.but(topic_BLT=topic_BLT, rating_BL=rating_BL)


def close(found: Tensor, expected: Tensor, atol: float = 2e-5) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=atol)


def some_gone(batch: Batch) -> Tensor:
    """A third of the events, by the seed."""
    return batch.valid_BL & (torch.rand(batch.valid_BL.shape, generator=torch.Generator().manual_seed(2)) < 0.4)


@every
@pytest.mark.usefixtures("double")
def test_influence_is_the_derivative_by_finite_differences(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    batch, item_B, among_BK = asked(world, model)
    model, batch = double_precision(model, batch)
    found = influence(Question(model, batch, item_B, world.catalog, among_BK))
    ones = all_present(Question(model, batch, item_B, world.catalog))
    assert [w.over for w in found] == [one.over for one in ones]
    torch.manual_seed(6)
    for place, weights in enumerate(found):
        assert bool((weights.value != 0).any()), weights.over
        way = torch.randn_like(weights.value)  # on padding too, which must not matter

        def moved(step: float, place: int = place, way: Tensor = way) -> Tensor:
            given = [replace(one, value=one.value.detach()) for one in ones]
            given[place] = replace(given[place], value=given[place].value + step * way)
            with torch.no_grad():
                return log_probability(model, batch.but(**vars(presence(given, rivals(model)))), item_B, among_BK)

        differences_B = (moved(1e-6) - moved(-1e-6)) / 2e-6
        close((weights.value * way).flatten(1).sum(1), differences_B, atol=1e-7)


@every
def test_ones_are_as_none(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    batch, item_B, among_BK = asked(world, model)
    given = batch.but(**vars(presence(all_present(Question(model, batch, item_B, world.catalog)), rivals(model))))
    with torch.no_grad():
        plain_B = log_probability(model, batch, item_B, among_BK)
        close(log_probability(model, given, item_B, among_BK), plain_B)
    if not isinstance(model, Learner):
        return
    learnt = rows(world, model.needs, targets=True)
    loss = []
    for batch in (learnt, learnt.but(presence_BL=torch.ones(learnt.item_BL.shape))):
        torch.manual_seed(8)
        loss.append(model.loss(batch))
    close(*loss)


def test_without_presence_nothing_is_computed(world: World) -> None:
    batch = rows(world, ready("gru4rec", "full", world).needs)
    event_BLD = torch.randn(*batch.item_BL.shape, 3)
    assert batch.present(event_BLD) is event_BLD
    assert batch.but(part_presence={"words": torch.zeros(1)}).present(event_BLD, "image") is event_BLD


@every
def test_an_event_of_presence_0_says_nothing(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    batch, item_B, _ = asked(world, model)
    item_BK = item_B.expand(len(item_B), -1)
    gone_BL = some_gone(batch)
    silent = batch.but(presence_BL=(~gone_BL).float())
    other = silent.but(item_BL=torch.where(gone_BL, batch.item_BL % 10 + 3, batch.item_BL))
    if batch.rating_BL is not None:
        other = other.but(rating_BL=torch.where(gone_BL, 9.0, batch.rating_BL))
    if batch.topic_BLT is not None:
        other = other.but(topic_BLT=torch.where(gone_BL[..., None], batch.topic_BLT.flip(-1), batch.topic_BLT))
    with torch.no_grad():
        silent_BK, other_BK, whole_BK, without_BK = (
            model.score(b, item_BK) for b in (silent, other, batch, erase_events(batch, gone_BL))
        )
    close(other_BK, silent_BK)
    assert not torch.equal(silent_BK, whole_BK)
    if name in EXACT and (name, variant) != COUNTED:
        close(silent_BK, without_BK)
    else:
        assert "presence 0" in Path(f"models/{name}.py").read_text()


@pytest.mark.parametrize(("name", "variant"), [case for case in SEQUENTIAL if case[0] == "iarn"])
def test_an_act_of_others_of_presence_0_says_nothing(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    batch, item_B, _ = asked(world, model)
    assert batch.audience is not None
    assert batch.now_B is not None
    start_B, stop_B = batch.audience.cut(item_B, batch.now_B, model.needs.item_length)
    assert bool((stop_B - start_B > 1).all())
    there_BKM = torch.ones(len(item_B), 1, model.needs.item_length)
    there_BKM[..., 0] = 0  # the oldest
    rating_E = None if batch.audience.rating_E is None else batch.audience.rating_E.clone()
    user_E = batch.audience.user_E.clone()
    user_E[start_B] = user_E[start_B] % world.users + 1
    if rating_E is not None:
        rating_E[start_B] += 1
    other = batch.but(audience=replace(batch.audience, user_E=user_E, rating_E=rating_E))
    with torch.no_grad():
        whole_B1, silent_B1, changed_B1, both_B1 = (
            model.score(b, item_B[:, None])
            for b in (
                batch,
                batch.but(audience_presence_BKM=there_BKM),
                other,
                other.but(audience_presence_BKM=there_BKM),
            )
        )
    close(both_B1, silent_B1)
    assert not torch.allclose(changed_B1, whole_B1)


@pytest.mark.parametrize(("name", "variant"), WORDS)
@pytest.mark.parametrize("view", ["words", "regions"])
def test_a_part_of_presence_0_says_nothing(name: str, variant: str, view: str, world: World) -> None:
    model = ready(name, variant, world)
    batch, item_B, _ = asked(world, model)
    if view not in model.needs.views:
        assert view not in (presence(all_present(Question(model, batch, item_B, world.catalog))).part_presence or {})
        return
    parts = world.catalog.ragged(view)
    width = int(parts.offset_N.diff().max())
    there_BLP = torch.ones(*batch.item_BL.shape, width)
    there_BLP[..., 0] = 0
    silent = batch.but(part_presence={view: there_BLP})
    item_BK = item_B.expand(len(item_B), -1)
    first_X = parts.offset_N[batch.item_BL[batch.valid_BL & (parts.offset_N.diff()[batch.item_BL] > 0)]]
    kept = parts.value_XD.clone()
    with torch.no_grad():
        before_BK, whole_BK = model.score(silent, item_BK), model.score(batch, item_BK)
        parts.value_XD[first_X] += 1
        after_BK, changed_BK = model.score(silent, item_BK), model.score(batch, item_BK)
        parts.value_XD.copy_(kept)
    close(after_BK, before_BK)
    assert not torch.allclose(changed_BK, whole_BK)


@pytest.mark.parametrize(("name", "variant"), [case for case in WORDS if models.configure(section(*case)).needs.topics])
def test_a_topic_of_presence_0_says_nothing(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    batch, item_B, _ = asked(world, model)
    assert batch.topic_BLT is not None
    there_BLT = torch.ones_like(batch.topic_BLT)
    there_BLT[..., 1] = 0
    silent = batch.but(part_presence={"topics": there_BLT})
    other_BLT = torch.where(there_BLT > 0, batch.topic_BLT, 0.9)
    item_BK = item_B.expand(len(item_B), -1)
    with torch.no_grad():
        whole_BK, silent_BK = model.score(batch, item_BK), model.score(silent, item_BK)
        close(model.score(silent.but(topic_BLT=other_BLT), item_BK), silent_BK)
        assert not torch.allclose(model.score(batch.but(topic_BLT=other_BLT), item_BK), whole_BK)
        assert not torch.allclose(silent_BK, whole_BK)


@pytest.mark.parametrize(("name", "variant"), VIEWS)
def test_a_view_of_presence_0_is_as_one_that_is_missing(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    batch, item_B, _ = asked(world, model)
    item_BK = item_B.expand(len(item_B), -1)
    for view in model.needs.views:
        lacking = copy.deepcopy(model)
        layers = dict(zip(model.config.views, lacking.items.views, strict=True)) if name in ("mahn", "mv_rnn") else {}
        for part in lacking.modules():
            if part is layers.get(view):
                part.present_N[batch.item_BL.unique()] = False
            if isinstance(part, Given) and part.view == view:
                part.vector_NC[batch.item_BL.unique()] = 0
                part.present_N1[batch.item_BL.unique()] = 0
        silent = batch.but(part_presence={view: torch.zeros(batch.item_BL.shape)})
        with torch.no_grad():
            close(model.score(silent, item_BK), lacking.score(batch, item_BK))
            assert not torch.allclose(model.score(silent, item_BK), model.score(batch, item_BK))


@pytest.mark.parametrize(
    ("name", "variant"), [("ante_rnn", "whole"), ("iris", "multimodal"), ("ante_rnn", "paper_gru")]
)
def test_compiled_loops_have_the_same_influence_as_64_bits(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    batch, item_B, _ = asked(world, model)
    single = influence(Question(model, batch, item_B, world.catalog))
    double = influence(Question(*double_precision(model, batch), item_B, world.catalog))
    for one, other in zip(single, double, strict=True):
        assert one.value.dtype == torch.float32
        close(one.value.double(), other.value, atol=1e-5)


@every
@pytest.mark.usefixtures("double")
def test_several_items_of_a_history_are_read_at_once_as_each_alone(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    model, batch = double_precision(model, asked(world, model)[0])
    item_BK = torch.tensor([[13, 5, 7], [14, 0, 4], [15, 16, 2], [16, 3, 5]])
    together = Question.of_each(model, batch, item_BK, world.catalog)
    apart = [Question(model, batch, item_BK[:, k].clamp(min=1), world.catalog, item_BK) for k in range(3)]
    with torch.no_grad():
        whole_BK = torch.stack([TakenAway(one).whole_B for one in apart], 1)
        close(TakenAway(together).whole_B.view(4, 3), whole_BK)
    for reading in ("gradient", LEADING):
        several = [read(one, reading) for one in apart]
        for place, found in enumerate(read(together, reading)):
            for k, alone in enumerate(several):
                close(found.value[k::3], alone[place].value)
                assert torch.equal(found.valid[k::3], alone[place].valid)
                for own, expected in ((found.about, alone[place].about), (found.part, alone[place].part)):
                    assert (own is None) == (expected is None)
                    assert own is None or expected is None or torch.equal(own[k::3], expected)


@every
def test_a_person_who_has_done_nothing_has_no_influence(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    user_B = torch.arange(1, 5)
    batch = world.interactions().before(user_B, torch.zeros_like(user_B), model.needs)
    _, item_B, among_BK = asked(world, model)
    for weights in influence(Question(model, batch, item_B, world.catalog, among_BK)):
        assert bool(weights.value.isfinite().all())
        assert not weights.value[~weights.valid].any()
        assert weights.over == "item_history" or not weights.valid.any()


@every
def test_an_act_that_is_named_as_a_cause_lowers_the_item_by_not_being(name: str, variant: str, world: World) -> None:
    model = ready(name, variant, world)
    batch, item_B, among_BK = asked(world, model)
    with torch.no_grad():
        place_B = causes(Question(model, batch, item_B, world.catalog, among_BK)).place_B
        row_R = (place_B >= 0).nonzero()[:, 0]
        rows_R = select_rows(batch, row_R)
        gone_RL = torch.nn.functional.one_hot(place_B[row_R], batch.item_BL.shape[1]).bool()
        assert bool((gone_RL & rows_R.valid_BL).any(1).all())
        with_R = log_probability(model, rows_R, item_B[row_R], among_BK[row_R])
        without_R = log_probability(model, erase_events(rows_R, gone_RL), item_B[row_R], among_BK[row_R])
    assert bool((without_R < with_R).all())


@pytest.mark.parametrize(("name", "variant"), [(n, v) for n, v in SEQUENTIAL if n == "iarn"])
def test_without_what_others_did_is_as_their_acts_silenced_on_the_asked_item_alone(
    name: str, variant: str, world: World
) -> None:
    model = ready(name, variant, world)
    batch, item_B, among_BK = asked(world, model)
    others_BKM = torch.ones(len(item_B), 1 + rivals(model), model.needs.item_length)
    others_BKM[:, 0] = 0
    with torch.no_grad():
        whole_B = log_probability(model, batch, item_B, among_BK)
        by_hand_B = log_probability(model, batch.but(audience_presence_BKM=others_BKM), item_B, among_BK)
        falls_B = TakenAway(Question(model, batch, item_B, world.catalog, among_BK)).audience() > 0
    assert bool((by_hand_B != whole_B).any())
    assert falls_B.tolist() == (by_hand_B < whole_B).tolist()
