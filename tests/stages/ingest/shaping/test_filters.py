import re
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.tables.schema import check
from engine.tables.schemas import CATALOG, EVENTS, IMAGES, ITEMS, USERS
from stages.ingest.shaping.filters import finish
from stages.ingest.shaping.source_tables import ShapingSettings, SourceTables, empty

quick = settings(max_examples=60, deadline=None)
PLAIN: dict[str, Any] = {
    "minimum_history": 0,
    "minimum_item": 0,
    "minimum_rule": "once",
    "minimum_rating": 0,
    "duplicates": "keep",
    "catalogue": "used",
    "bad_rows": 0,
    "crawl": {},
}
Row = tuple[int, int, float, int]


def raw(rows: list[Row], timed: bool = True, named: tuple[int, ...] = (), **more: Any) -> SourceTables:
    frame = pl.DataFrame(
        rows, schema={"user": pl.Int64, "item": pl.Int64, "rating": pl.Float32, "time": pl.Int64}, orient="row"
    )
    time = (pl.col("time") * 1_000_000).cast(EVENTS.columns["time"])
    frame = frame.with_columns(time if timed else pl.lit(None, EVENTS.columns["time"]).alias("time"))
    items = empty(ITEMS).drop("raw").cast({"item": pl.Int64})
    items = pl.concat([items, pl.DataFrame({"item": named}, schema={"item": pl.Int64})], how="diagonal")
    return SourceTables(frame, items, empty(CATALOG).cast({"item": pl.Int64}), ordered=not timed, **more)


Row = tuple[str, str, float | None]


def done(source: SourceTables, seed: int = 1, **changes: Any) -> tuple[list[Row], SourceTables, dict[str, Any]]:
    """(user, item, rating) by raw id in the final order, the tables, the report."""
    final, report = finish(source, ShapingSettings(**PLAIN | changes), seed)
    for frame, table in ((final.events, EVENTS), (final.users, USERS), (final.items, ITEMS), (final.catalog, CATALOG)):
        check(frame, table, "test")
    users, items = final.users["raw"], final.items["raw"]
    rows = [(users[u - 1], items[i - 1], r) for u, i, r in final.events.select("user", "item", "rating").iter_rows()]
    return rows, final, report


ROWS = st.lists(
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1.0, 3.0, 5.0]), st.integers(0, 5)), min_size=1
)


@quick
@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_the_file_does_not_matter(rows: list[Row], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    assert done(raw(rows))[0] == done(raw(shuffled))[0]


@quick
@given(ROWS, st.sampled_from(["keep", "exact"]))
@example([(1, 2, 3.0, 0), (1, 5, 3.0, 0), (1, 2, 3.0, 0)], "exact")
def test_ties_in_the_order_of_the_file_stay_in_it(rows: list[Row], rule: str) -> None:
    left = list(dict.fromkeys(rows)) if rule == "exact" else rows
    found, _, report = done(raw(rows), ties="file", duplicates=rule)
    expected = sorted(left, key=lambda row: (row[0], row[3]))  # type: ignore[misc]  # which keeps ties as they stand
    assert [(int(u), int(i), r) for u, i, r in found] == [row[:3] for row in expected]
    assert report.get("dropped_duplicates", 0) == len(rows) - len(left)


@quick
@given(ROWS)
def test_time_never_falls_within_a_user_and_nothing_is_lost(rows: list[Row]) -> None:
    found, final, report = done(raw(rows))
    assert Counter((int(u), int(i), r) for u, i, r in found) == Counter((u, i, r) for u, i, r, _ in rows)
    times = final.events.select(
        ok=(pl.col("time") >= pl.col("time").shift(1)) | (pl.col("user") != pl.col("user").shift(1))
    )
    assert times["ok"].fill_null(True).all()
    ties = Counter((u, t) for u, _, _, t in rows)
    assert report["tied_share"] == pytest.approx(sum(ties[u, t] > 1 for u, _, _, t in rows) / len(rows))
    assert report["repeats"] == len(rows) - len({(u, i) for u, i, _, _ in rows})


@quick
@given(ROWS, st.integers(0, 4), st.integers(0, 4))
def test_core_is_the_largest_part_where_all_have_their_minimum(rows: list[Row], history: int, item: int) -> None:
    want = rows
    while True:
        users, items = Counter(u for u, *_ in want), Counter(i for _, i, *_ in want)
        left = [row for row in want if users[row[0]] >= history and items[row[1]] >= item]
        if len(left) == len(want):
            break
        want = left
    if not want:
        with pytest.raises(ValueError, match="no event is left"):
            done(raw(rows), minimum_history=history, minimum_item=item, minimum_rule="core")
        return
    found, _, report = done(raw(rows), minimum_history=history, minimum_item=item, minimum_rule="core")
    assert Counter((int(u), int(i)) for u, i, _ in found) == Counter((u, i) for u, i, *_ in want)
    assert report["dropped_minimum_item"] + report["dropped_minimum_history"] == len(rows) - len(want)


def test_once_takes_items_first_then_users() -> None:
    rows = [(1, 1, 3.0, 0), (2, 1, 3.0, 0), (1, 2, 3.0, 1), (2, 3, 3.0, 1), (2, 3, 3.0, 2)]
    found, _, report = done(raw(rows), minimum_history=2, minimum_item=2)
    assert [(u, i) for u, i, _ in found] == [("2", "1"), ("2", "3"), ("2", "3")]  # item 1 keeps one event: one pass
    assert (report["dropped_minimum_item"], report["dropped_minimum_history"]) == (1, 1)


def test_core_goes_on_until_nothing_falls() -> None:
    chain = [(u, i, 3.0, 0) for u in range(1, 6) for i in (u, u + 1)]  # each pass takes an end of it
    ring = [(u, i, 3.0, 0) for u in (7, 8) for i in (10, 11)]
    found, _, report = done(raw(chain + ring), minimum_history=2, minimum_item=2, minimum_rule="core")
    assert {u for u, *_ in found} == {"7", "8"}
    assert report["dropped_minimum_item"] + report["dropped_minimum_history"] == len(chain)


@pytest.mark.parametrize("history", [0, 2])
def test_duplicates(history: int) -> None:
    rows = [(1, 1, 3.0, 5), (1, 1, 3.0, 5), (1, 1, 4.0, 5), (1, 2, 3.0, 6), (1, 1, 2.0, 7)]
    kept = {
        rule: [(i, r) for _, i, r in done(raw(rows), duplicates=rule, minimum_history=history)[0]]
        for rule in ("keep", "exact", "first", "last")
    }
    assert kept["keep"] == [("1", 3.0), ("1", 3.0), ("1", 4.0), ("2", 3.0), ("1", 2.0)]
    assert kept["exact"] == [("1", 3.0), ("1", 4.0), ("2", 3.0), ("1", 2.0)]
    assert kept["first"] == [("1", 3.0), ("2", 3.0)]
    assert kept["last"] == [("2", 3.0), ("1", 2.0)]
    assert done(raw(rows), duplicates="first")[2]["dropped_duplicates"] == 3


def test_minimum_counts_what_duplicates_left() -> None:
    rows = [(1, 1, 3.0, 5), (1, 1, 3.0, 6), (2, 1, 3.0, 5), (2, 2, 3.0, 5)]
    assert {u for u, *_ in done(raw(rows), duplicates="first", minimum_history=2)[0]} == {"2"}


def test_missing_ratings_equal_each_other_and_stay_missing() -> None:
    source = raw([(1, 1, 3.0, 5), (1, 2, 3.0, 5), (1, 2, 3.0, 5)])
    events = source.events.with_columns(rating=pl.when(pl.col("item") == 1).then("rating"))
    found = done(SourceTables(events, source.items, source.catalog), duplicates="exact")[0]
    assert sorted(found, key=str) == [("1", "1", 3.0), ("1", "2", None)]


def test_low_ratings_go_and_are_counted() -> None:
    rows = [(1, 1, 3.0, 5), (1, 2, 3.5, 6), (1, 3, 4.0, 7)]
    found, _, report = done(raw(rows), minimum_rating=3.5)
    assert [i for _, i, _ in found] == ["2", "3"]
    assert report["dropped_minimum_rating"] == 1
    bare = raw(rows).events.with_columns(rating=pl.lit(None, pl.Float32))
    with pytest.raises(ValueError, match="3 of 3 events have no rating; set it to 0"):
        done(SourceTables(bare, raw(rows).items, raw(rows).catalog), minimum_rating=3.5)


def test_catalogue_names_all_items_or_the_used() -> None:
    rows = [(1, 5, 3.0, 5), (1, 7, 3.0, 6), (2, 9, 1.0, 6)]
    used, every = (
        done(raw(rows, named=(3, 7)), minimum_rating=2),
        done(raw(rows, named=(3, 7)), minimum_rating=2, catalogue="all"),
    )
    assert used[1].items["raw"].to_list() == ["5", "7"]
    assert every[1].items["raw"].to_list() == ["3", "5", "7"]
    assert used[0] == every[0]
    assert every[2]["items_unlisted"] == 1
    assert every[1].catalog.select("item", "status", "picture").rows() == [(i, "missing", "missing") for i in (1, 2, 3)]


def test_without_times_the_order_of_the_file_stands() -> None:
    rows = [(2, 9, 1.0, 0), (1, 5, 1.0, 0), (2, 3, 1.0, 0), (1, 4, 1.0, 0), (2, 9, 1.0, 0)]
    found, final, report = done(raw(rows, timed=False))
    assert [(u, i) for u, i, _ in found] == [("1", "5"), ("1", "4"), ("2", "9"), ("2", "3"), ("2", "9")]
    assert final.events["time"].null_count() == 5
    assert report["timed"] is False
    assert [i for u, i, _ in done(raw(rows, timed=False), duplicates="last")[0]] == ["5", "4", "3", "9"]
    with pytest.raises(ValueError, match="needs times"):
        done(raw(rows, timed=False), duplicates="exact")
    with pytest.raises(ValueError, match="source that states their order"):
        done(SourceTables(raw(rows, timed=False).events, raw(rows).items, raw(rows).catalog))


def test_some_times_missing_is_refused() -> None:
    source = raw([(1, 1, 3.0, 5), (1, 2, 3.0, 6)])
    events = source.events.with_columns(time=pl.when(pl.col("item") == 1).then("time"))
    with pytest.raises(ValueError, match="1 of 2 events have no time"):
        done(SourceTables(events, source.items, source.catalog))


def test_candidates_get_codes_keep_their_order_and_stay_whole() -> None:
    rows = [(1, 5, 3.0, 5), (1, 7, 3.0, 6), (2, 5, 3.0, 1)]
    lists = pl.DataFrame({"user": [2, 1], "candidates": [[7], [9, 5, 7]]})
    _, final, report = done(raw(rows, candidates=lists), minimum_history=2, catalogue="all")
    assert final.candidates.to_dicts() == [{"user": 1, "candidates": [3, 1, 2]}]
    assert report["candidate_users"] == 1
    with pytest.raises(ValueError, match=r"1 frozen candidates, e.g. item 9"):
        done(raw(rows, candidates=lists))


def test_given_texts_and_pictures_follow_their_items() -> None:
    columns = {
        "item": [7, 8],
        "title": [None, "x"],
        "text": ["plot", "none"],
        "status": "ok",
        "picture": "ok",
        "source": "here",
    }
    pictures = pl.DataFrame(
        {"item": [7, 8], "image": [b"7", b"8"], "format": "PNG", "width": 1, "height": 1, "sha256": "0"}
    )
    source = raw([(1, 5, 3.0, 5), (1, 7, 3.0, 6)], named=(7,), images=[pictures])
    source = SourceTables(
        source.events, source.items.with_columns(title=pl.lit("seven")), pl.DataFrame(columns), images=[pictures]
    )
    _, final, _ = done(source)
    assert final.catalog.rows()[1] == (2, "seven", "plot", "ok", "ok", "here")
    shards = list(final.images)
    check(shards[0], IMAGES, "test")
    assert shards[0].select("item", "image").rows() == [(2, b"7")]


def test_seed_moves_ties_only() -> None:
    rows = [(1, i, 3.0, i // 10) for i in range(40)]
    orders = [[int(i) for _, i, _ in done(raw(rows), seed=seed)[0]] for seed in (1, 2)]
    assert orders[0] != orders[1]
    assert all(sorted(o[:10]) == list(range(10)) for o in orders)
    assert np.corrcoef(orders[0], range(40))[0, 1] > 0.9


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"minimum_rating": 9}, r"minimum_rating 9.0 drops 3 of 3 events; ratings go from 1.0 to 4.0"),
        ({"minimum_history": 9}, r"minimum_history 9 drops the last 3, e.g. user 1 with 2; the most that one has is 2"),
        ({"minimum_item": 9}, r"minimum_item 9 drops the last 3, e.g. item 5 with 2; the most that one has is 2"),
        ({"minimum_item": 2, "minimum_history": 2}, "minimum_history 2 drops the last 2, e.g. user 1 with 1"),
        ({"minimum_rating": 4, "minimum_history": 2}, "minimum_history 2 drops the last 1, e.g. user 1 with 1"),
    ],
)
def test_the_filter_that_left_nothing_is_named(changes: dict[str, Any], why: str) -> None:
    rows = [(1, 5, 1.0, 5), (1, 7, 4.0, 6), (2, 5, 3.0, 6)]
    with pytest.raises(ValueError, match=f"no event is left: {why}"):
        done(raw(rows), **changes)


def test_a_source_that_gave_nothing_names_what_it_counted() -> None:
    with pytest.raises(ValueError, match=r"the source has no event left; counted on the way: \{'dropped_require': 7\}"):
        done(raw([], counts={"dropped_require": 7}))


def test_what_takes_more_than_a_tenth_is_warned_of_with_an_example(caplog: pytest.LogCaptureFixture) -> None:
    rows = [(u, i, 3.0, i) for u in range(1, 4) for i in range(1, 7)] + [(9, 1, 3.0, 1), (9, 2, 3.0, 2), (9, 3, 1.0, 3)]
    done(raw(rows), minimum_history=4)
    assert "minimum_history 4 drops 3 of 21 events, e.g. user 9 with 3; the most that one has is 6" in caplog.text
    caplog.clear()
    done(raw(rows), minimum_rating=2)
    done(raw(rows[:-1]), minimum_history=3)
    assert "minimum_history 3 drops 2 of 20" not in caplog.text  # a tenth
    assert not caplog.records
    done(raw(rows), minimum_rating=3.5 - 1)
    done(raw([(u, i, r, t) for u, i, _, t in rows for r in (1.0, 5.0)]), minimum_rating=2, duplicates="keep")
    assert "minimum_rating 2.0 drops 21 of 42 events; ratings go from 1.0 to 5.0, e.g. one of [1.0]" in caplog.text


def test_zero_is_no_minimum_even_below_zero() -> None:
    rows = [(1, 1, -5.0, 5), (1, 2, 0.0, 6), (1, 3, 4.0, 7)]
    found, _, report = done(raw(rows), minimum_rating=0)
    assert [r for *_, r in found] == [-5.0, 0.0, 4.0]
    assert report["dropped_minimum_rating"] == 0
    assert [r for *_, r in done(raw(rows), minimum_rating=-1)[0]] == [0.0, 4.0]


def in_order(histories: list[list[Any]]) -> SourceTables:
    """Events without times, in this order."""
    tables = raw([(user, place, 0.0, 0) for user, h in enumerate(histories, 1) for place, _ in enumerate(h)], False)
    items = pl.Series("item", [item for history in histories for item in history])
    return replace(
        tables,
        events=tables.events.with_columns(items),
        items=tables.items.cast({"item": items.dtype}),
        catalog=tables.catalog.cast({"item": items.dtype}),
    )


def drawn(users: int = 40, items: int = 60, each: int = 9) -> list[list[int]]:
    rng = np.random.default_rng(1)
    return [(rng.permutation(items)[:each] + 5).tolist() for _ in range(users)]


@pytest.mark.parametrize(
    ("histories", "way"),
    [
        ([sorted(h) for h in drawn()], "up"),
        ([sorted(h, reverse=True) for h in drawn()], "down"),
        ([[str(i) for i in sorted(h)] for h in drawn()], "up"),  # 9 before 10, whatever letters say
        ([sorted(f"B{i:02}" for i in h) for h in drawn()], "up"),
        ([[*sorted(h[:13]), h[13]] for h in drawn(each=14)], "up"),  # all but the last
        ([sorted([*h, *h]) for h in drawn()], "up"),  # to the same again is neither
    ],
)
def test_events_in_the_order_of_their_ids_are_warned_of(
    histories: list[list[Any]], way: str, caplog: pytest.LogCaptureFixture
) -> None:
    _, _, report = done(in_order(histories))
    assert f"item ids go {way} in " in caplog.text
    user, first = re.findall(r"e\.g\. user (\d+): (.+?)\. ", caplog.text)[0]
    assert first.split() == list(map(str, histories[int(user) - 1][:6]))
    assert report["rising_ids"] > 0.9 if way == "up" else report["rising_ids"] == 0


@pytest.mark.parametrize(
    "histories",
    [
        drawn(),
        [[*sorted(h[:6]), *h[6:]] for h in drawn()],  # .8
        [list(range(n * 4, n * 4 + 6)) for n in range(80)],  # numbered as they appear, two of each six twice
    ],
)
def test_events_in_another_order_are_not(histories: list[list[int]], caplog: pytest.LogCaptureFixture) -> None:
    done(in_order(histories))
    assert "item ids go" not in caplog.text


def test_a_few_steps_tell_nothing_of_an_order(caplog: pytest.LogCaptureFixture) -> None:
    _, _, report = done(in_order([sorted(h) for h in drawn(users=11)]))  # 80 steps at most
    assert "rising_ids" not in report
    assert not caplog.text


def test_times_that_follow_the_ids_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    rows = [(user, item, 3.0, 10 * item) for user, h in enumerate(drawn(), 1) for item in h]
    done(raw(rows))
    assert "item ids go up in 100.0 % of " in caplog.text
