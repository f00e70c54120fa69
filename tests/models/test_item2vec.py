"""Item2Vec and Meta-Prod2Vec: which pairs are learnt, how they reduce to each other, what a history says by them."""

from collections import Counter

import numpy as np
import pytest
import torch

import models
from engine.evaluation.rank import rank
from engine.measures.ranking import hr, positions
from engine.tables.settings import Choice
from engine.training.batch import Batch
from engine.training.cases import Cases
from engine.training.categories import Categories
from engine.training.contract import Tuned
from engine.training.interactions import Interactions
from models.blocks.category_tokens import CategoryTokens
from models.item2vec import Item2Vec, partners
from models.mp2vec import MP2Vec, told
from tests.models.test_cards import row
from tests.models.world import World, built, rows, section

both = pytest.mark.parametrize("name", ["item2vec", "mp2vec"])
CATEGORIES = Categories.of(np.array([1, 1, 2, 3]), [["all", "a"], ["b"], ["all", "a"], ["all"]], 4)


def solved(name: str, world: World, variant: str, **changes: object) -> Item2Vec | MP2Vec:
    choice = section(name, variant)
    torch.manual_seed(1)
    model = models.build(Choice(name=name, settings=choice.settings | changes), world.catalog, world.users)
    assert isinstance(model, Item2Vec | MP2Vec)
    model.solve(world.interactions(1))
    return model


@pytest.fixture(scope="module")
def grouped() -> World:
    """Half of the people choose among the first half of the items, the other half among the others; the last item of
    each half nobody has chosen yet in training, and it is of its half's category.
    """
    generator = np.random.default_rng(1)
    world = World([[*(generator.permutation(5)[:5] + 1 + 6 * (u % 2)), 6 + 6 * (u % 2)] for u in range(40)], 12)
    paths = [["all", "low" if item <= 6 else "high"] for item in range(1, 13)]
    world.catalog._categories = Categories.of(np.arange(1, 13), paths, 12)
    return world


# ---- what is learnt


def test_every_other_item_of_the_set_is_met_alike_and_nothing_else() -> None:
    user_O, item_O = np.array([1, 1, 1, 2, 3, 3]), np.array([4, 7, 9, 5, 4, 8])
    generator = np.random.default_rng(1)
    pairs: Counter[tuple[int, int]] = Counter()
    weight = {}
    for _ in range(300):
        for (source_P, target_P, weight_P), done in partners(user_O, item_O, 4, generator):
            pairs.update(zip(source_P.tolist(), target_P.tolist(), strict=True))
            weight |= dict(zip(source_P.tolist(), weight_P.tolist(), strict=True))
            assert done == 1.0
    expected = {(4, 7), (4, 9), (7, 4), (7, 9), (9, 4), (9, 7), (4, 8), (8, 4)}
    assert set(pairs) == expected
    assert [pairs[7, 4] / 1200, pairs[8, 4] / 1200] == [pytest.approx(0.5, abs=0.05), 1.0]
    assert weight[7] == pytest.approx(2 / 3)  # (K - 1) / K
    assert weight[8] == pytest.approx(1 / 2)


def test_repeated_events_are_one_item_of_the_set(world: World) -> None:
    once, again = World([[1, 2, 3, 1, 2]], 3), World([[1, 2, 3]], 3)
    tables = []
    for here in (once, again):
        torch.manual_seed(4)
        model = built("item2vec", "mean", here)
        assert isinstance(model, Item2Vec)
        model.solve(here.interactions())
        tables.append(model.near.key_NE)
    assert torch.equal(*tables)
    assert bool((tables[0][1:] != 0).any())


def test_a_window_over_the_whole_set_without_categories_is_item2vec() -> None:
    user_S, item_S = np.array([1, 1, 1, 2, 2]), np.array([4, 7, 9, 5, 8])
    tokens, generator = CategoryTokens.of(CATEGORIES, 4, 1.0), np.random.default_rng(1)
    source_P, target_P, weight_P = told(user_S, item_S, np.arange(5), 9, tokens, 0.0, generator)
    of_sets = {
        pair
        for _ in range(50)
        for (s, t, _), _ in partners(user_S, item_S, 4, generator)
        for pair in zip(s.tolist(), t.tolist(), strict=True)
    }
    found = list(zip(source_P.tolist(), target_P.tolist(), strict=True))
    assert sorted(found) == sorted(of_sets)
    assert weight_P.tolist() == [1.0] * 8


def test_the_five_terms_by_hand() -> None:
    """Items 2 and 3 in a row, of one category each; item 4 has none."""
    tokens, generator = CategoryTokens.of(CATEGORIES, 4, 0.7), np.random.default_rng(1)
    a, b = 4 + CATEGORIES.names.index("a") + 1, 4 + CATEGORIES.names.index("b") + 1
    assert tokens.tokens == 4 + 1 + 3
    assert [tokens.token_C[tokens.offset_N[i] : tokens.offset_N[i + 1]].tolist() for i in range(5)] == [
        [], [a, b], [a], [], [],
    ]  # fmt: skip  # "all" is of every item that has any
    user_S, item_S = np.array([1, 1, 2, 2]), np.array([2, 1, 2, 4])
    found: Counter[tuple[int, int, float]] = Counter()
    for _ in range(400):
        pairs = told(user_S, item_S, np.arange(4), 2, tokens, 0.1, generator)
        found.update((s, t, round(float(w), 3)) for s, t, w in zip(*(p.tolist() for p in pairs), strict=True))
    for pair in ((2, 1), (1, 2), (2, 4), (4, 2)):  # J|I
        assert found[*pair, 1.0] == 400
    assert found[1, a, 0.1] == found[4, a, 0.1] == 400  # M|I
    assert found[2, a, 0.1] + found[2, b, 0.1] == 400
    assert found[2, a, 0.1] == pytest.approx(200, abs=50)  # one of the next item's two, any
    assert found[a, 1, 0.1] == pytest.approx(400 + 200, abs=50)  # J|M of 2 with 1, and I|M of 1
    assert found[a, 2, 0.1] == pytest.approx(800 + 200, abs=50)  # I|M of both its events, and J|M of 1 with it
    assert found[a, a, 0.1] == pytest.approx(400, abs=80)  # M|M both ways
    assert found[a, 4, 0.1] == 400
    assert not any(4 in pair[:2] and b in pair[:2] for pair in found)


def test_without_metadata_no_category_is_learnt_and_with_one_it_is(grouped: World) -> None:
    tokens = CategoryTokens.of(grouped.catalog.categories, 12, 0.9)
    user_S, item_S = np.array([1, 1, 1]), np.array([2, 3, 4])
    for weight, highest in ((0.0, 12), (0.2, tokens.tokens - 1)):
        pairs = told(user_S, item_S, np.arange(3), 2, tokens, weight, np.random.default_rng(1))
        assert max(pairs[0].max(), pairs[1].max()) <= highest
        assert bool((pairs[0] > 12).any()) == (weight > 0)


def test_one_category_for_all_doubles_every_term() -> None:
    """With one category the terms J|M, M|I and M|M are as many as J|I, and I|M one an event: (1 + 3 lam) and lam."""
    one = Categories.of(np.arange(1, 5), [["only"]] * 4, 4)
    tokens, item_S = CategoryTokens.of(one, 4, 1.0), np.array([2, 1, 4, 3])
    source_P, target_P, weight_P = told(np.ones(4, int), item_S, np.arange(4), 1, tokens, 0.1, np.random.default_rng(1))
    kinds = Counter(zip((source_P > 4).tolist(), (target_P > 4).tolist(), (weight_P < 1).tolist(), strict=True))
    assert kinds == {
        (False, False, False): 6,
        (False, True, True): 6,
        (True, False, True): 6 + 4,
        (True, True, True): 6,
    }
    assert weight_P.min() == pytest.approx(0.1)


def test_counts_of_categories_are_those_of_their_items() -> None:
    tokens = CategoryTokens.of(CATEGORIES, 4, 1.0)
    counts_V = tokens.counts(np.array([0, 6, 2, 5, 9]))
    of = dict(zip(CATEGORIES.names, counts_V[5:].tolist(), strict=True))
    assert counts_V[:5].tolist() == [0, 6, 2, 5, 9]
    assert of == {"a": pytest.approx(2 + 1), "all": pytest.approx(2 + 1 + 5), "b": pytest.approx(2)}


# ---- what comes of it


@both
def test_what_people_share_is_learnt_also_for_those_who_were_not_in_training(name: str, grouped: World) -> None:
    model = solved(name, grouped, "mean", epochs=20)
    generator = np.random.default_rng(3)
    late = World([(generator.permutation(5)[:3] + 1 + 6 * (u % 2)).tolist() for u in range(30)], 12)
    user_B = torch.arange(1, 31)
    target_B = late.interactions().item_E[late.interactions().offset_U[2:] - 1]
    counts = rank(model, Cases(user_B, torch.full((30,), 2), target_B), late.interactions())
    assert hr(positions(counts.greater, counts.ties), 4).mean() == 1.0  # four of its half are left


def test_an_item_that_nobody_chose_is_found_by_its_category(grouped: World) -> None:
    batch = rows(grouped, solved("mp2vec", grouped, "mean").needs)
    for name, variant, changes, share in (
        ("mp2vec", "mean", {"metadata": 0.3, "epochs": 20}, 1.0),
        ("mp2vec", "foretold", {"metadata": 0.3, "epochs": 20}, 1.0),
        ("mp2vec", "prod2vec", {"nearness": "mean"}, 0.0),
        ("item2vec", "mean", {}, 0.0),
    ):
        score_BN = solved(name, grouped, variant, **changes).score_all(batch)
        own_BN = score_BN[:, [6, 12]]
        low_B = torch.arange(grouped.users) % 2 == 0
        right_B = torch.where(low_B, own_BN[:, 0] > own_BN[:, 1], own_BN[:, 1] > own_BN[:, 0])
        assert float(right_B.float().mean()) == share
        if share == 0:  # it scores the mean of those that were chosen
            chosen = [i for i in range(1, 13) if i not in (6, 12)]
            expected_B = score_BN[:, chosen].mean(1)
            torch.testing.assert_close(score_BN[:, 6], expected_B, atol=1e-5, rtol=1e-4)


@both
@pytest.mark.parametrize("nearness", ["foretold", "mean", "sum"])
def test_the_score_by_hand_and_what_it_is_made_of(name: str, nearness: str, world: World) -> None:
    model = solved(name, world, "sum", nearness=nearness)
    past_ND = model.near.past_ND
    batch = row([3, 5, 3], [0, 0, 0])
    for item in (4, 9):
        key_D = past_ND[item] / past_ND[item].norm()
        prior = 0.0
        if nearness == "foretold":
            prior = float(model.near.key_NE[item, -1])
            expected = torch.stack([past_ND[i] @ model.near.key_NE[item, :-1] for i in (3, 5, 3)]).mean() + prior
        elif nearness == "mean":
            cosines = torch.stack([past_ND[i] @ key_D / past_ND[i].norm() for i in (3, 5, 3)])
            expected = cosines.mean()
        else:
            total_D = past_ND[3] + past_ND[5] + past_ND[3]
            expected = total_D @ key_D / total_D.norm()
        torch.testing.assert_close(model.score(batch, torch.tensor([[item]]))[0, 0], expected)
        (reason,) = model.explain(batch, torch.tensor([item]))
        torch.testing.assert_close(reason.value.sum() + prior, expected)


def test_what_is_foretold_is_how_often_items_are_met_beside_each_other() -> None:
    """exp(u_i · v_j + ln q_j) goes with the odds of j beside i: odds, as word2vec leaves out draws of j itself."""
    generator = np.random.default_rng(2)
    near = [[1, 2], [1, 2], [1, 3], [1, 2], [1, 4], [1, 4], [3, 4], [2, 3]]
    here = World([near[i] for i in generator.integers(0, len(near), 3000)], 4)
    torch.manual_seed(1)
    settings = {"dim": 4, "power": 0.75, "rho": 0.0, "negatives": 5, "partners": 1, "epochs": 60, "lr": 0.05}
    model = models.build(Choice(name="item2vec", settings=settings), here.catalog, here.users)
    assert isinstance(model, Item2Vec)
    model.solve(here.interactions())
    met_NN = torch.zeros(5, 5)
    for pair in here.interactions().item_E.view(-1, 2).tolist():
        met_NN[pair[0], pair[1]] += 1
        met_NN[pair[1], pair[0]] += 1
    for item in (1, 2, 3):
        score_N = model.score_all(row([item], [0]))[0]
        others = [j for j in (1, 2, 3, 4) if met_NN[item, j] > 0]
        share = score_N[others].softmax(0)
        odds = met_NN[item, others] / (met_NN[item].sum() - met_NN[item, others])
        torch.testing.assert_close(share, odds / odds.sum(), atol=0.06, rtol=0)


@both
def test_order_of_the_history_changes_nothing(name: str, world: World) -> None:
    model = solved(name, world, "sum")
    torch.testing.assert_close(model.score_all(row([3, 5, 9], [0] * 3)), model.score_all(row([9, 3, 5], [0] * 3)))


def test_the_order_of_training_events_matters_to_mp2vec_alone(world: World) -> None:
    def turned(events: Interactions) -> Interactions:
        half_E = events.item_E.clone()
        for first, last in zip(events.offset_U[1:-1].tolist(), events.offset_U[2:].tolist(), strict=True):
            half_E[first:last] = torch.cat([events.item_E[first:last][::2], events.item_E[first:last][1::2]])
        return Interactions(events.user_E, half_E, events.event_E, events.offset_U, events.users, events.items)

    for name, same in (("item2vec", True), ("mp2vec", False)):
        found = []
        for events in (world.interactions(), turned(world.interactions())):
            torch.manual_seed(2)
            model = built(name, "sum", world)
            assert isinstance(model, Item2Vec | MP2Vec)
            model.config = model.config.model_copy(update={"window": 1}) if name == "mp2vec" else model.config  # type: ignore[assignment]
            model.solve(events)
            found.append(model.near.key_NE.clone())
        assert torch.equal(*found) == same


@both
def test_the_same_seed_solves_alike_and_another_does_not(name: str, world: World) -> None:
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        model = built(name, "sum", world, seed)
        assert isinstance(model, Item2Vec | MP2Vec)
        model.solve(world.interactions())
        found.append(model.near.key_NE.clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@both
def test_what_was_chosen_is_what_is_solved_by(name: str, world: World) -> None:
    model = built(name, "choices", world)
    assert isinstance(model, Tuned)
    found = []
    for choice in model.choices:
        torch.manual_seed(1)
        model.choose(choice)
        assert model.chosen == pytest.approx(choice)
        model.solve(world.interactions())
        found.append(model.near.key_NE.clone())  # type: ignore[union-attr, operator]
    assert len(found) == (4 if name == "item2vec" else 2)
    assert not any(torch.equal(one, other) for n, one in enumerate(found) for other in found[:n])


def test_a_person_without_history_scores_nothing(world: World) -> None:
    model = solved("item2vec", world, "mean")
    empty = torch.zeros(1, 0, dtype=torch.long)
    batch = Batch(torch.tensor([1]), empty, torch.tensor([0]), empty)
    assert model.score_all(batch).tolist() == [[0.0] * (world.items + 1)]
