"""Erasing events through the contract: the batch as if they had not been, and what the score then does."""

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from engine.evaluation.erasure import erase_events, select_rows
from engine.evaluation.history_erasure import best_items, history_erasures, history_weights, scores
from engine.tables.arrays import event_columns
from engine.training.batch import Batch
from engine.training.cases import Cases
from engine.training.contract import CatalogScorer, Explainer, Recommender, Weights
from engine.training.interactions import Interactions
from engine.training.needs import Needs
from engine.training.profile import ProfileSource

ITEMS, LENGTH = 30, 6


class Sum(CatalogScorer):
    """A score is the sum of what each event of the history gives to an item; the older an event, the less."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.gain_NN = torch.rand(ITEMS + 1, ITEMS + 1, generator=generator)

    @property
    def needs(self) -> Needs:
        return Needs(length=LENGTH)

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return self.score_all(batch).gather(1, item_BK)

    def score_all(self, batch: Batch) -> Tensor:
        return (self.gain_NN[batch.item_BL] * batch.valid_BL[..., None]).sum(1)


class Honest(Sum, Explainer):
    """It says what each event gave."""

    sign = 1.0

    def explain(self, batch: Batch, item_B: Tensor) -> list[Weights]:
        value_BL = self.sign * self.gain_NN[batch.item_BL, item_B[:, None]]
        views = Weights(torch.ones(len(item_B), 2) / 2, "view", "share", True, torch.ones(len(item_B), 2).bool())
        return [views, Weights(value_BL, "history", "signed", True, batch.valid_BL)]


class Liar(Honest):
    """It says the contrary."""

    sign = -1.0


class Even(Sum):
    """All items score alike."""

    def score_all(self, batch: Batch) -> Tensor:
        return torch.ones(len(batch.user_B), ITEMS + 1)


class Slow(Recommender):
    """Scores only what it is asked for."""

    needs = Sum.needs

    def score(self, batch: Batch, item_BK: Tensor) -> Tensor:
        return Sum().score(batch, item_BK)


def events(users: int = 40, acts: int = 12) -> Interactions:
    generator = torch.Generator().manual_seed(5)
    item = torch.cat([torch.randperm(ITEMS, generator=generator)[:acts] + 1 for _ in range(users)])
    user = torch.arange(1, users + 1).repeat_interleave(acts)
    frame = pl.DataFrame(
        {"user": user.numpy(), "item": item.numpy(), "time": [None] * len(user)},
        schema={"user": pl.UInt32, "item": pl.UInt32, "time": pl.Datetime("us", "UTC")},
    )
    return Interactions.of(event_columns(frame), ITEMS)


def cases(users: int = 40, position: int = 8) -> Cases:
    user = torch.arange(1, users + 1)
    return Cases(user, torch.full_like(user, position), torch.ones_like(user))


def batch(lengths: list[int], topics: bool = True) -> Batch:
    width = max([*lengths, 1])
    length = torch.tensor(lengths)
    valid = torch.arange(width) < length[:, None]
    item = torch.arange(1, len(lengths) * width + 1).view(len(lengths), width) * valid
    topic = item[..., None] * torch.tensor([1.0, 10.0]) if topics else None
    return Batch(torch.arange(len(lengths)), item, length, item + 100 * valid, item * 3600, topic)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 2**20))
def test_an_erased_history_is_the_history_of_the_others(lengths: list[int], bits: int) -> None:
    rows = batch(lengths)
    gone = torch.tensor([bits >> k & 1 for k in range(rows.item_BL.numel())]).bool().view(rows.item_BL.shape)
    found = erase_events(rows, gone)
    for row in range(len(lengths)):
        kept = [int(i) for i, g in zip(rows.item_BL[row], gone[row], strict=True) if i and not g]
        n = len(kept)
        assert found.item_BL[row].tolist() == kept + [0] * (rows.item_BL.shape[1] - n)
        assert int(found.length_B[row]) == n
        assert found.event_BL[row, :n].tolist() == [i + 100 for i in kept]
        assert found.time_BL is not None
        assert found.time_BL[row].tolist() == [i * 3600 for i in found.item_BL[row].tolist()]
        assert found.topic_BLT is not None
        assert found.topic_BLT[row, :, 1].tolist() == [i * 10 for i in found.item_BL[row].tolist()]


def test_topics_follow_what_is_erased_where_it_is_known_what_they_were_made_of() -> None:
    # three acts of one person in one window, of items with topics of their own
    share_NT = np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]], np.float32)
    events_4E = tuple(np.array(column) for column in ([1, 1, 1], [0, 0, 0], [-1, -1, -1], [0, 1, 2]))
    rows = Batch(
        torch.tensor([1]),
        torch.tensor([[4, 5, 6]]),
        torch.tensor([3]),
        torch.tensor([[1, 2, 3]]),
        topic_BLT=torch.tensor([[[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]]]),
        profiles=ProfileSource(events_4E, share_NT[:0], share_NT, 0.1),
    )
    gone = torch.tensor([[True, False, False]])
    left = erase_events(rows, gone)
    assert left.topic_BLT is not None
    assert left.topic_BLT.tolist() == [[[0.0, 1.0], [0.25, 0.75], [0.0, 0.0]]]
    assert erase_events(select_rows(rows, torch.tensor([0])), gone).topic_BLT.tolist() == left.topic_BLT.tolist()
    unknown = erase_events(rows.but(profiles=None), gone)
    assert unknown.topic_BLT is not None
    assert unknown.topic_BLT.tolist() == [[[0.5, 0.5], [0.5, 0.5], [0.0, 0.0]]]


def test_nothing_erased_leaves_the_batch_and_what_it_lacks_stays_away() -> None:
    rows = batch([3, 0, 2], topics=False)
    found = erase_events(rows, torch.zeros_like(rows.valid_BL))
    assert torch.equal(found.item_BL, rows.item_BL)
    assert found.topic_BLT is None
    assert found.target_BL is None


def test_take_repeats_rows_of_every_field() -> None:
    rows = batch([3, 1])
    found = select_rows(rows, torch.tensor([1, 1, 0]))
    assert found.length_B.tolist() == [1, 1, 3]
    assert found.topic_BLT is not None
    assert rows.topic_BLT is not None
    assert torch.equal(found.topic_BLT[2], rows.topic_BLT[0])


def test_scores_of_a_model_that_only_scores_candidates_are_the_same() -> None:
    rows = events().before(torch.tensor([1, 2]), torch.tensor([3, 5]), Needs(length=LENGTH))
    assert not torch.isfinite(scores(Sum(), rows, ITEMS)[:, 0]).any()
    assert torch.equal(scores(Slow(), rows, ITEMS), scores(Sum(), rows, ITEMS))


def test_what_was_seen_is_not_recommended_unless_repeats_are_kept() -> None:
    data, asked = events(), cases()
    item_BK, score_BK = best_items(Sum(), data, asked, 5, "excluded")
    assert (score_BK.diff(dim=1) <= 0).all()
    for row, user in enumerate(asked.user_C.tolist()):
        first = int(data.offset_U[user])
        assert not set(item_BK[row].tolist()) & set(data.item_E[first : first + 8].tolist())
    kept = best_items(Sum(), data, asked, ITEMS, "kept")[0]
    assert (kept > 0).all()
    assert len(set(kept[0].tolist())) == ITEMS


def test_of_equal_scores_the_lower_code_comes_first() -> None:
    item_BK, _ = best_items(Even(), events(2, 4), cases(2, 3), 5, "kept")
    assert item_BK.tolist() == [[1, 2, 3, 4, 5]] * 2


def test_when_everything_was_seen_nothing_is_recommended() -> None:
    data = events(1, ITEMS)
    item_BK, score_BK = best_items(Sum(), data, cases(1, ITEMS), 3, "excluded")
    assert item_BK.tolist() == [[0, 0, 0]]
    assert not score_BK.isfinite().any()


def test_honest_weights_agree_with_erasure_and_lies_do_not() -> None:
    honest = history_erasures(Honest(), events(), cases(), "excluded", 1, 1)
    liar = history_erasures(Liar(), events(), cases(), "excluded", 1, 1)
    assert honest is not None
    assert liar is not None
    assert honest.faithful
    drop = {way: values.mean() for way, values in honest.drop.items()}
    assert drop["heaviest"] > drop["random"] > drop["lightest"]
    assert drop["leave_one_out"] >= drop["heaviest"]
    assert drop["heaviest"] < drop["keep_heaviest"] < drop["keep_random"]
    assert honest.rank["whole"].tolist() == [1.0] * 40
    assert honest.rank["heaviest"].mean() > 1
    assert honest.agreement_C.mean() > 0.8
    assert liar.drop["heaviest"].mean() < liar.drop["random"].mean()
    assert liar.agreement_C.mean() < -0.8


def test_a_drop_is_in_standard_deviations_around_the_mean_of_the_catalogue() -> None:
    data, asked = events(1), cases(1)
    model = Honest()
    rows = data.before(asked.user_C, asked.position_C, model.needs)
    found = history_erasures(model, data, asked, "excluded", 1, 1)
    assert found is not None
    item = int(found.item_C[0])
    gain_L = model.gain_NN[rows.item_BL[0], item]
    erased = rows.item_BL[0, int(gain_L.argmax())]
    whole_N = model.score_all(rows)[0, 1:].double()
    gain_N = model.gain_NN[erased, 1:].double()
    wanted = (gain_N[item - 1] - gain_N.mean()) / whole_N.std()
    assert found.drop["heaviest"][0] == pytest.approx(float(wanted), rel=1e-5)


def test_more_cases_than_a_block_keep_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = history_erasures(Honest(), events(), cases(), "excluded", 1, 1)
    monkeypatch.setattr("engine.evaluation.history_erasure.ROWS", 7)
    cut = history_erasures(Honest(), events(), cases(), "excluded", 1, 1)
    assert whole is not None
    assert cut is not None
    assert cut.case_C.tolist() == whole.case_C.tolist() == list(range(40))
    assert cut.item_C.tolist() == whole.item_C.tolist()
    assert cut.drop["leave_one_out"] == pytest.approx(whole.drop["leave_one_out"])


def test_the_same_seed_erases_the_same() -> None:
    first, again, other = (history_erasures(Honest(), events(), cases(), "excluded", 2, seed) for seed in (1, 1, 2))
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.drop["random"].tolist() == again.drop["random"].tolist()
    assert first.drop["random"].tolist() != other.drop["random"].tolist()


def test_what_cannot_be_probed_is_left_out() -> None:
    assert history_erasures(Sum(), events(), cases(), "excluded", 1, 1) is None
    assert history_erasures(Honest(), events(), cases(position=3), "excluded", 2, 1) is None
    assert history_erasures(Honest(), events(), cases(position=4), "excluded", 2, 1) is not None


def test_a_faithful_reason_is_preferred() -> None:
    value, valid = torch.ones(1, 2) / 2, torch.ones(1, 2).bool()
    later = Weights(value, "history", "share", False, valid)
    used = Weights(value, "history", "share", True, valid)
    words = Weights(value, "word", "share", True, valid)
    assert history_weights([words, later, used]) is used
    assert history_weights([words, later]) is later
    assert history_weights([words]) is None
