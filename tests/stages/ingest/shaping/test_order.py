import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from stages.ingest.shaping import order, parallel
from stages.ingest.shaping.codes import encode
from stages.ingest.shaping.order import SortKeys, id_hashes, pair_hash, sort_rows

quick = settings(max_examples=60, deadline=None)
SECOND = 1_000_000


@quick
@given(st.lists(st.integers(-(2**40), 2**40)) | st.lists(st.integers(-50, 50)), st.integers(1, 5))
def test_codes_are_places_among_the_sorted_ids(values: list[int], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "BLOCK", block)
        found, ids = encode(pl.Series(values, dtype=pl.Int64))
    assert ids.to_list() == sorted(set(values))
    assert [ids[int(c)] for c in found] == values


@quick
@given(st.lists(st.text(min_size=1)))
def test_codes_of_text(values: list[str]) -> None:
    found, ids = encode(pl.Series(values, dtype=pl.String))
    assert ids.to_list() == sorted(set(values), key=lambda text: text.encode())
    assert [ids[int(c)] for c in found] == values


EVENTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(0, 3), st.sampled_from([1.0, 2.0]), st.booleans()),
    min_size=1,
    max_size=40,
)


def keys(rows: list[tuple[int, int, int, float, bool]], step: int, seed: int = 1) -> SortKeys:
    user, item, time, rating, _ = (np.array(column) for column in zip(*rows, strict=True))
    ids = pl.Series(range(7))
    return SortKeys(
        user.astype(np.uint32),
        item.astype(np.uint32),
        time.astype(np.int64) * step,
        rating.astype(np.float32),
        id_hashes(ids, seed, "user"),
        id_hashes(ids, seed, "item"),
    )


@quick
@given(EVENTS, st.sampled_from([1, 7, SECOND, 2**60]), st.booleans(), st.integers(1, 50))
def test_sort_rows_sorts_by_user_time_hash_and_rating(rows: list, step: int, grouped: bool, block: int) -> None:
    rows = sorted(rows, key=lambda row: row[0]) if grouped else rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "BLOCK", block)
        k = keys(rows, step)
        kept = np.array([row[-1] for row in rows])
        place = sort_rows(k, kept)
    tie = pair_hash(k.user_hash[k.user], k.item_hash[k.item])
    want = sorted(np.flatnonzero(kept), key=lambda p: (k.user[p], k.time[p], tie[p], k.rating[p]))
    found = [(k.user[p], k.time[p], k.item[p], k.rating[p]) for p in place]
    assert found == [(k.user[p], k.time[p], k.item[p], k.rating[p]) for p in want]
    assert len(set(place.tolist())) == len(place)


def test_when_the_first_bits_of_the_hash_agree_the_others_decide() -> None:
    rows = [(0, item, 0, 1.0, True) for item in range(7)] + [(4, 0, 2**18, 1.0, True)]
    k = keys(rows, 2**40)  # two bits are left for the hash
    place = sort_rows(k, np.ones(len(rows), bool))
    tie = k.tie(place)[:7]
    assert (tie[1:] > tie[:-1]).all()


def test_blocks_cut_no_user_in_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "BLOCK", 4)
    rows = [(user, item, 6 - item, 1.0, True) for user in range(3) for item in range(7)]
    k = keys(rows, SECOND)
    assert len(order._by_user(k.user)) > 1
    assert k.time[sort_rows(k, np.ones(21, bool))].tolist() == [time * SECOND for time in range(7)] * 3
    assert len(order._by_user(k.user[::-1])) == 1


def test_ties_follow_neither_ids_nor_the_file_and_hang_on_the_seed() -> None:
    rows = [(0, item, 0, 1.0, True) for item in range(7)]
    every = np.ones(7, bool)
    orders = {tuple(sort_rows(keys(rows, SECOND, seed), every).tolist()) for seed in range(20)}
    assert len(orders) > 15
    assert sum(order[0] == 0 for order in orders) < 10
    backwards = keys(rows[::-1], SECOND)
    assert_array_equal(
        backwards.item[sort_rows(backwards, every)], keys(rows, SECOND).item[sort_rows(keys(rows, SECOND), every)]
    )


def test_hash_of_an_id_is_its_own() -> None:
    for kind in (pl.Int64, pl.String):
        more = pl.Series([5, 10, 30]).cast(kind)
        few = id_hashes(more[1:], 1, "user")
        assert_array_equal(few, id_hashes(more, 1, "user")[1:])
        assert (few != id_hashes(more[1:], 1, "item")).all()
        assert (few != id_hashes(more[1:], 2, "user")).all()
    # written down once: another machine and another version must give the same order
    assert pair_hash(np.array([1], np.uint64), np.array([2], np.uint64)).tolist() == [_splitmix(3)]


def _splitmix(h: int) -> int:
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    h = (h ^ (h >> 27)) * 0x94D049BB133111EB % 2**64
    return h ^ (h >> 31)
