"""Cut at one moment: what is on which side, who is new, what is refused."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.tables import store
from engine.tables.layout import Layout
from engine.tables.schemas import CANDIDATES, CASES, CATALOG, EVENTS, SPLIT
from engine.tables.settings import Choice
from stages.split.__main__ import Params, main
from stages.split.global_time import cold_start, cut_time, parts_by_time
from stages.split.settings import ROUNDING

START = datetime(2010, 1, 1, tzinfo=UTC)
RULE = {
    "rule": "global_time",
    "date": "",
    "train": 0.5,
    "valid": 0.25,
    "cases": 0,
    "candidates": 0,
    "seen": "excluded",
}


def times(days: list[int]) -> pl.Series:
    return pl.Series("time", [START + timedelta(days=d) for d in days], dtype=pl.Datetime("us", "UTC"))


@given(st.lists(st.integers(0, 30), min_size=2, max_size=60), st.floats(0.1, 0.9), st.sampled_from([0.0, 0.1, 0.3]))
@settings(deadline=None, max_examples=60)
def test_nothing_is_learnt_from_after_the_moment(days: list[int], train: float, valid: float) -> None:
    time = times(days)
    test = time.sort()[int(len(days) * (train + ROUNDING))]
    before = time.filter(time < test).sort()
    held = before[-max(int(len(before) * (valid + ROUNDING)), 1)] if valid and len(before) else test
    if time.min() >= held:
        with pytest.raises(ValueError, match="nothing to learn from"):
            parts_by_time(time, "", train, valid, "here")
        return
    frame = pl.DataFrame({"time": time, "part": parts_by_time(time, "", train, valid, "here")})
    last = {part: frame.filter(pl.col("part") == part)["time"] for part in ("train", "valid", "test")}
    assert last["test"].min() == test
    before = pl.concat([last["train"], last["valid"]])
    assert before.max() < last["test"].min()
    assert (len(last["valid"]) > 0) == (valid > 0)
    if valid and len(last["train"]):
        assert last["train"].max() < last["valid"].min()
        assert len(last["valid"]) >= int(len(before) * valid)


def test_a_date_is_where_it_says() -> None:
    found = parts_by_time(times([0, 1, 2, 3]), "2010-01-03", 0.1, 0.0, "here")
    assert found.to_list() == ["train", "train", "test", "test"]
    assert cut_time(times([0, 9]), "2010-01-03T05:00:00+05:00", 0.1, "here") == START + timedelta(days=2)


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(ValueError, match=r"here.date: 2012-01-01 must lie inside the events, 2010-01-01"):
        parts_by_time(times([0, 1]), "2012-01-01", 0.5, 0.0, "here")
    with pytest.raises(ValueError, match=r"here.date: 'spring' is no date"):
        parts_by_time(times([0, 1]), "spring", 0.5, 0.0, "here")
    with pytest.raises(ValueError, match="1 of 2 events have none"):
        parts_by_time(
            pl.concat([times([0]), pl.Series("time", [None], dtype=pl.Datetime("us", "UTC"))]), "", 0.5, 0.0, "here"
        )


def test_where_nothing_trains_it_says_what_leaves_some() -> None:
    for days, date_, train, valid, told in (
        ([0, 1, 2], "", 0.1, 0.0, r"here: no event lies before 2010-01-01 .*; a larger here\.train leaves some"),
        ([0, 0, 2, 3], "", 0.5, 0.9, r"a smaller here\.valid, or a larger here\.train, leaves some"),
        ([0, 0, 2, 3], "2010-01-02", 0.5, 0.9, r"a smaller here\.valid, or a later here\.date, leaves some"),
        ([2, 2, 2], "", 0.5, 0.1, "all events are of that moment, and another protocol is needed"),
    ):
        with pytest.raises(ValueError, match=told):
            parts_by_time(times(days), date_, train, valid, "here")


def test_a_share_is_met_where_its_binary_number_is_a_little_less() -> None:
    parts = parts_by_time(times(list(range(90))), "", 0.7, 0.0, "here")
    assert (parts == "train").sum() == 63  # 0.7 * 90 is 62.99… in binary


def at(folder: Path) -> Layout:
    return Layout(folder, "tried")


def run(folder: Path, **changes: object) -> None:
    """Users 1 and 2 act on days 0 to 4 and 0 to 7, user 3 on days 6 to 9; item 9 is new at the end."""
    acts = [(1, [0, 1, 2, 3, 4], 1), (2, [0, 2, 4, 5, 7], 2), (3, [6, 7, 8, 9], 6)]
    rows = [(u, first + n, float(n), d) for u, days, first in acts for n, d in enumerate(days)]
    frame = pl.DataFrame(
        {
            "user": [r[0] for r in rows],
            "item": [r[1] for r in rows],
            "rating": [r[2] for r in rows],
            "time": times([r[3] for r in rows]),
        },
        schema=dict(EVENTS.columns),
    )
    layout = at(folder)
    store.write(frame, layout.events, EVENTS)
    catalog = [(i, None, "", "missing", "missing", None) for i in range(1, 11)]
    store.write(pl.DataFrame(catalog, schema=dict(CATALOG.columns), orient="row"), layout.catalog, CATALOG)
    store.write(pl.DataFrame(schema=dict(CANDIDATES.columns)), layout.given_candidates, CANDIDATES)
    main(Params(protocol=Choice(name="tried", settings=RULE | changes), seed=1), layout)


def test_newcomers_are_counted_and_ratings_travel(tmp_path: Path) -> None:
    run(tmp_path, date="2010-01-06", valid=0.0)
    split, report = store.read(at(tmp_path).split, SPLIT), json.loads(at(tmp_path).metric("data").read_text())
    assert split["rating"].to_list() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3]
    assert split.filter(pl.col("part") == "test")["user"].to_list() == [2, 2, 3, 3, 3, 3]
    # train has users 1, 2 and items 1 to 5 (user 2: 2, 3, 4 before the date); test items: 5, 6 and 6, 7, 8, 9
    assert (report["cold_users"], report["cold_user_events"]) == (1, 4)
    assert (report["cold_items"], report["cold_item_events"]) == (4, 5)
    assert report["cold_events"] == 5
    assert report["test_from"].startswith("2010-01-06")
    assert cold_start(split)["cold_users"] == 1


def test_some_cases_are_frozen_by_the_seed(tmp_path: Path) -> None:
    run(tmp_path, cases=2, valid=0.4)
    few = store.read(at(tmp_path).cases, CASES)
    assert few.group_by("part").len().sort("part").rows() == [("test", 2), ("valid", 2)]
    assert few["case"].to_list() == [1, 2, 3, 4]
    assert few.select("user", "position").rows() == sorted(few.select("user", "position").rows())
    run(tmp_path, cases=2, valid=0.4)
    assert store.read(at(tmp_path).cases, CASES).rows() == few.rows()
    run(tmp_path, cases=0, valid=0.4)
    every = store.read(at(tmp_path).cases, CASES)
    assert set(few.select("user", "position").rows()) < set(every.select("user", "position").rows())


def test_a_yaml_date_is_taken_and_ratings_can_be_predicted_alone(tmp_path: Path) -> None:
    run(tmp_path, date=date(2010, 1, 6), cases="none", valid=0.0)
    split = store.read(at(tmp_path).split, SPLIT)
    assert split.filter(pl.col("part") == "test")["time"].min() == START + timedelta(days=5)
    assert store.read(at(tmp_path).cases, CASES).height == 0
    report = json.loads(at(tmp_path).metric("data").read_text())
    assert (report["valid_events"], report["valid_cases"], report["test_cases"]) == (0, 0, 0)
    bare = store.read(at(tmp_path).events, EVENTS).with_columns(rating=pl.lit(None, pl.Float32))
    store.write(bare, at(tmp_path).events, EVENTS)
    with pytest.raises(ValueError, match=r"tried\.cases is none, and these events have no ratings"):
        main(Params(protocol=Choice(name="tried", settings=RULE | {"cases": "none"}), seed=1), at(tmp_path))


@pytest.mark.parametrize(("events", "wanted"), [(100, 8), (125, 10), (1000, 80), (5, 1)])
def test_where_no_two_events_are_of_one_moment_the_shares_are_met(events: int, wanted: int) -> None:
    parts = parts_by_time(times(list(range(events))), "", 0.8, 0.1, "here")
    assert (parts == "valid").sum() == wanted, "of four events one, so that something validates"
