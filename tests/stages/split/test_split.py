"""Protocols: who is cut where, what is ranked, what is frozen."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.tables import store
from engine.tables.lacking import Lacking
from engine.tables.layout import Layout
from engine.tables.params import read_yaml
from engine.tables.schemas import CANDIDATES, CASES, CATALOG, EVENTS, SPLIT
from engine.tables.settings import Choice, checked
from engine.training.needs import Needs
from engine.training.source import load
from stages.split.__main__ import Params, main
from stages.split.candidates import sample_candidates
from stages.split.protocols import assign_parts, make_cases
from stages.split.settings import RULES, Protocol

TEMPORAL = {"rule": "temporal", "train": 0.8, "valid": 0.1, "choice": "last", "candidates": 0, "seen": "excluded"}
ONE_OUT = {"rule": "leave_one_out", "candidates": 0, "seen": "excluded"}


RANDOM_ONE = {"rule": "random_one", "candidates": 0, "seen": "excluded"}


def protocol(settings: dict[str, Any]) -> Protocol:
    return checked(RULES[settings["rule"]], settings, "protocols.tried")


def events(histories: list[list[int]]) -> pl.DataFrame:
    rows = [(u, i, None, None) for u, history in enumerate(histories, 1) for i in history]
    return pl.DataFrame(rows, schema=dict(EVENTS.columns), orient="row")


def at(folder: Path) -> Layout:
    return Layout(folder, "tried")


def run(
    folder: Path, histories: list[list[int]], items: int, given: pl.DataFrame | None = None, **changes: Any
) -> None:
    settings = {"leave_one_out": ONE_OUT, "random_one": RANDOM_ONE}.get(changes.get("rule", ""), TEMPORAL) | changes
    layout = at(folder)
    store.write(events(histories), layout.events, EVENTS, {"report": {"bad_rows": 3}})
    catalog = [(i, None, "", "missing", "missing", None) for i in range(1, items + 1)]
    store.write(pl.DataFrame(catalog, schema=dict(CATALOG.columns), orient="row"), layout.catalog, CATALOG)
    empty = pl.DataFrame(schema=dict(CANDIDATES.columns))
    store.write(empty if given is None else given, layout.given_candidates, CANDIDATES)
    main(Params(protocol=Choice(name="tried", settings=settings), seed=1), layout)


histories = st.lists(st.integers(1, 60), min_size=1, max_size=25).map(lambda n: [list(range(1, k + 1)) for k in n])


@given(histories, st.sampled_from(["last", "random"]), st.integers(0, 9))
@settings(deadline=None, max_examples=50)
def test_temporal_cuts_each_user_in_time(known: list[list[int]], choice: str, seed: int) -> None:
    split = assign_parts(events(known), protocol(TEMPORAL | {"choice": choice}), seed)
    for user, history in enumerate(known, 1):
        part = split.filter(pl.col("user") == user)["part"].to_list()
        cut = max(int(len(history) * 0.8), 1)
        assert part[cut:] == ["test"] * (len(history) - cut)
        assert "test" not in part[:cut]
        assert part[0] == "train"
        assert part.count("valid") == int(cut * 0.1)
        if choice == "last":
            assert part[cut - part.count("valid") : cut] == ["valid"] * part.count("valid")


def test_a_share_is_met_where_its_binary_number_is_a_little_less() -> None:
    split = assign_parts(events([list(range(1, 91))]), protocol(TEMPORAL | {"train": 0.7, "valid": 0.0}), 1)
    assert (split["part"] == "train").sum() == 63  # 0.7 * 90 is 62.99… in binary


def test_what_a_protocol_cannot_cut_is_refused_by_the_name_of_its_section(tmp_path: Path) -> None:
    run(tmp_path, [[1, 2, 3]], 4)
    by_time = Choice(name="mine", settings={"rule": "global_time"})
    with pytest.raises(ValueError, match=r"^protocols\.mine: cutting by time needs it, and 3 of 3 events have none"):
        main(Params(protocol=by_time, seed=1), at(tmp_path))


NO_RIVAL = r"protocols\.tried: (\d+ of \d+ \w+) cases have no rival, so that .*; (.*) would give some"


@pytest.mark.parametrize("rule", ["leave_one_out", "temporal", "random_one"])
def test_a_target_with_nothing_to_be_ranked_among_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rule: str
) -> None:
    """The first has had all others before the last, the second all but one, the third had one twice."""
    known, more = [[1, 2, 3, 4, 5], [1, 2, 3, 4], [2, 2, 3, 4, 1]], {"train": 0.5, "valid": 0.0}
    changes = {"rule": rule} | (more if rule == "temporal" else {})
    run(tmp_path, known, 5, **changes)
    told = re.findall(NO_RIVAL, caplog.text)
    among = {"leave_one_out": "1 of 3 test", "temporal": "1 of 8 test", "random_one": "0 of 3 test"}[rule]
    assert told == ([(among, "protocols.tried.seen=kept")] if rule != "random_one" else [])
    caplog.clear()
    run(tmp_path, known, 5, seen="kept", **changes)
    assert "no rival" not in caplog.text
    run(tmp_path, [known[0][:3]], 3, **({"rule": rule} | ({"train": 0.9, "valid": 0.0} if rule == "temporal" else {})))
    assert [found for found, _ in re.findall(NO_RIVAL, caplog.text)] == (
        ["1 of 1 test"] if rule != "random_one" else []
    )


def test_lists_that_hold_the_target_alone_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lists = pl.DataFrame({"user": [1, 2], "candidates": [[3], [4, 5]]}).cast(dict(CANDIDATES.columns))  # type: ignore[arg-type]
    run(tmp_path, [[1, 2, 3], [1, 2, 3]], 6, given=lists, rule="leave_one_out", candidates="given")
    assert re.findall(NO_RIVAL, caplog.text) == [("1 of 2 test", "longer lists")]


def test_the_random_choice_hangs_on_the_seed() -> None:
    known, rule = events([list(range(1, 101))]), protocol(TEMPORAL | {"choice": "random"})
    drawn = [assign_parts(known, rule, seed)["part"].to_list() for seed in range(5)]
    assert drawn[0] == assign_parts(known, rule, 0)["part"].to_list()
    assert len({tuple(d) for d in drawn}) == 5


def test_leave_one_out() -> None:
    split = assign_parts(events([[1, 2, 3, 4], [5, 6]]), protocol(ONE_OUT), 1)
    assert split["part"].to_list() == ["train", "train", "valid", "test", "train", "train"]


@given(histories, st.integers(0, 9))
@settings(deadline=None, max_examples=30)
def test_random_one_holds_out_two_of_each_user_after_all_the_rest(known: list[list[int]], seed: int) -> None:
    timed = events(known).with_columns(time=pl.datetime(2020, 1, 1, time_unit="us", time_zone="UTC"))
    split = assign_parts(timed, protocol(RANDOM_ONE), seed)
    cases = make_cases(split, protocol(RANDOM_ONE))
    assert split["time"].null_count() == split.height
    for user, history in enumerate(known, 1):
        own = split.filter(pl.col("user") == user)
        assert own["position"].to_list() == list(range(len(history)))
        assert sorted(own["item"].to_list()) == history
        held = ["valid", "test"] if len(history) >= 3 else []
        assert own["part"].to_list() == ["train"] * (len(history) - len(held)) + held
        trained = own["item"].to_list()[: len(history) - len(held)]
        assert trained == sorted(trained)  # as they came
        asked = cases.filter(pl.col("user") == user)
        # what trains is what comes before either: neither sees the other
        assert asked["position"].to_list() == [len(trained)] * len(held)
        assert asked["target"].to_list() == own["item"].to_list()[len(trained) :]


def test_random_one_holds_out_any_event_alike_by_the_seed() -> None:
    known, rule = events([[1, 2, 3, 4]] * 3000), protocol(RANDOM_ONE)
    split = assign_parts(known, rule, 0)
    for part in ("valid", "test"):
        counts = split.filter(pl.col("part") == part)["item"].value_counts()["count"].cast(pl.Int64)
        assert ((counts - 750).abs() < 100).all()  # four standard deviations
    assert split.equals(assign_parts(known, rule, 0))
    assert not split.equals(assign_parts(known, rule, 1))


def test_random_one_a_test_item_is_not_read_to_validate_nor_the_other_way(tmp_path: Path) -> None:
    run(tmp_path, [list(range(1, 11)), [4, 5, 6]], 30, rule="random_one", candidates=5)
    for part in ("valid", "test"):
        data = load(at(tmp_path), Needs(length=50), part, "cpu")
        split = store.read(at(tmp_path).split, SPLIT)
        batch = data.events.before(data.cases.user_C, data.cases.position_C, Needs(length=50))
        for row, user in enumerate(data.cases.user_C.tolist()):
            trained = split.filter((pl.col("user") == user) & (pl.col("part") == "train"))["item"].to_list()
            assert batch.item_BL[row, : batch.length_B[row]].tolist() == trained
    with pytest.raises(Lacking, match="the model uses times, and these events have none"):
        data.events.before(data.cases.user_C, data.cases.position_C, Needs(length=50, times=True))
    assert store.meta(at(tmp_path).split)["in_order"] is False
    run(tmp_path, [list(range(1, 11))], 30)
    assert store.meta(at(tmp_path).split)["in_order"] is True


def test_rivals_are_drawn_uniformly_from_what_was_left_alone() -> None:
    split = pl.DataFrame({"user": [1, 1, 2], "item": [3, 5, 3]}, schema={"user": pl.UInt32, "item": pl.UInt32})
    cases = pl.DataFrame({"user": [1, 2] * 3000}, schema={"user": pl.UInt32})
    found = sample_candidates(cases, split, 10, 4, 1)
    for user, free in ((1, 8), (2, 9)):
        lists = found.filter(pl.col("user") == user)["candidates"]
        assert (lists.list.n_unique() == 4).all()
        counts = lists.explode().value_counts()["count"].cast(pl.Int64)
        assert len(counts) == free
        assert ((counts - 3000 * 4 / free).abs() < 150).all()  # five standard deviations
        first = lists.list.first().value_counts()["count"].cast(pl.Int64)
        assert len(first) == free
        assert ((first - 3000 / free).abs() < 95).all()
    assert found.equals(sample_candidates(cases, split, 10, 4, 1))
    assert not found.equals(sample_candidates(cases, split, 10, 4, 2))
    assert sample_candidates(cases[:2], split, 10, 8, 1)["candidates"].list.len().to_list() == [
        8,
        8,
    ]  # all that is left


def test_the_sampled_protocols_of_the_papers_are_named() -> None:
    """002: 99 beside a random event; 003 and 004: 100 and 1,000 beside the last one."""
    known = read_yaml(Path("params.yaml"))["protocols"]
    for name, rule, count in (
        ("random_one", "random_one", 99),
        ("leave_one_out_100", "leave_one_out", 100),
        ("leave_one_out_1000", "leave_one_out", 1000),
    ):
        found = protocol(known[name])
        assert (type(found), found.candidates) == (RULES[rule], count)


def test_what_was_seen_before_is_no_case_unless_it_is_kept() -> None:
    split = assign_parts(events([[1, 2, 3, 2]]), protocol(ONE_OUT), 1)
    assert make_cases(split, protocol(ONE_OUT)).select("part", "target").rows() == [("valid", 3)]
    kept = make_cases(split, protocol(ONE_OUT | {"seen": "kept"}))
    assert kept.select("part", "position", "target").rows() == [("valid", 2, 3), ("test", 3, 2)]


def test_frozen_candidates_are_never_what_the_user_touched(tmp_path: Path) -> None:
    run(tmp_path, [[1, 2, 3, 4, 5], [6, 7, 8]], 20, rule="leave_one_out", candidates=12)
    cases = store.read(at(tmp_path).cases, CASES)
    touched = {1: {1, 2, 3, 4, 5}, 2: {6, 7, 8}}
    for user, rivals in cases.select("user", "candidates").iter_rows():
        assert len(set(rivals)) == 12
        assert not set(rivals) & touched[user]
    before = cases.rows()
    run(tmp_path, [[1, 2, 3, 4, 5], [6, 7, 8]], 20, rule="leave_one_out", candidates=12)
    assert store.read(at(tmp_path).cases, CASES).rows() == before


def test_too_many_candidates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Lacking, match=r"user 1 .* has acted on all but 5 of 10 items, and the protocol draws 6 of"):
        run(tmp_path, [[1, 2, 3, 4, 5]], 10, rule="leave_one_out", candidates=6)


@pytest.mark.parametrize("rule", ["temporal", "leave_one_out", "random_one"])
def test_some_cases_are_drawn_the_same_under_every_protocol(tmp_path: Path, rule: str) -> None:
    known = [list(range(1, 21)), list(range(3, 18)), list(range(5, 25)), list(range(1, 16))]
    drawn = {}
    for cases in (0, 2, "none"):
        if cases == "none":
            with pytest.raises(ValueError, match=r"tried\.cases is none, and these events have no ratings"):
                run(tmp_path, known, 24, rule=rule, cases=cases)
            continue
        run(tmp_path, known, 24, rule=rule, cases=cases)
        drawn[cases] = store.read(at(tmp_path).cases, CASES)
    few, every = drawn[2], drawn[0]
    assert few.group_by("part").len().sort("part").rows() == [("test", 2), ("valid", 2)]
    assert set(few.select("part", "user", "position", "target").rows()) < set(
        every.select("part", "user", "position", "target").rows()
    )
    assert few["case"].to_list() == [1, 2, 3, 4]


def test_given_candidates_are_taken_as_they_are(tmp_path: Path) -> None:
    given = pl.DataFrame([(1, [9, 8])], schema=dict(CANDIDATES.columns), orient="row")
    run(tmp_path, [[1, 2, 3], [4, 5, 6]], 9, given, rule="leave_one_out", candidates="given")
    cases = store.read(at(tmp_path).cases, CASES)
    assert cases.select("case", "user", "candidates").rows() == [(1, 1, [9, 8]), (2, 1, [9, 8])]
    with pytest.raises(ValueError, match="this data set came without"):
        run(tmp_path, [[1, 2, 3]], 9, rule="leave_one_out", candidates="given")


def test_the_report_counts(tmp_path: Path) -> None:
    run(tmp_path, [list(range(1, 21)), [1, 2]], 30)
    split = store.read(at(tmp_path).split, SPLIT)
    assert store.meta(at(tmp_path).split)["items"] == 30
    report = json.loads(at(tmp_path).metric("data").read_text())
    assert (report["users"], report["items"], report["events"], report["bad_rows"]) == (2, 30, 22, 3)
    assert report["density"] == round(22 / 60, 10)
    assert report["without_text"] == 30
    assert report["test_cases"] == split.filter(pl.col("part") == "test").height == 5


def test_an_unknown_rule_and_a_misspelt_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"protocols.tried.rule: found 'weekly'; there are \["):
        run(tmp_path, [[1, 2, 3]], 9, rule="weekly")
    with pytest.raises(ValueError, match=r"protocols.tried.trian: .*known keys"):
        run(tmp_path, [[1, 2, 3]], 9, trian=0.5)


REPEATS = [[1, 2] * 20, [3, 4] * 10]


def test_where_all_held_out_events_are_repeats_it_says_so_and_what_keeps_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match=r"protocols.tried: no test case: 12 of 12 test events .*tried.seen=kept does"):
        run(tmp_path, REPEATS, 4)
    assert "valid is 0" not in caplog.text
    late = [[1, 2] * 20 + [5] * 8, [3, 4] * 10]  # a new item among the test events alone
    run(tmp_path, late, 5)
    assert "no validation case: 4 of 4 valid events are of items that the person has had before" in caplog.text
    assert "protocols.tried.seen=kept" in store.meta(at(tmp_path).split)["no_valid_cases"]
    run(tmp_path, REPEATS, 4, seen="kept")
    assert store.read(at(tmp_path).cases, CASES).height == 16
    assert "no_valid_cases" not in store.meta(at(tmp_path).split)


@pytest.mark.parametrize("size", [3, 6, 12])
def test_short_histories_are_told_the_share_that_validates(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    known = [list(range(1, size + 1))] * 4
    run(tmp_path, known, 20)
    said = re.search(r"the longest history has (\d+) events.*protocols.tried.valid=(\S+) gives", caplog.text)
    assert said
    assert int(said[1]) == size
    run(tmp_path, known, 20, valid=float(said[2]))
    assert (store.read(at(tmp_path).cases, CASES)["part"] == "valid").sum() == 4


def test_histories_that_hold_nothing_out_are_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="a history needs 3 events for one, and the longest has 2"):
        run(tmp_path, [[1, 2], [3]], 9, rule="leave_one_out")
    with pytest.raises(ValueError, match="a history needs 2 events for one, and the longest has 1"):
        run(tmp_path, [[1], [3]], 9)
    run(tmp_path, [[1, 2, 3, 4]], 9, valid=0)
    assert "no validation case: protocols.tried.valid is 0" in caplog.text


def test_lists_that_came_and_are_not_used_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = pl.DataFrame([(1, [9, 8])], schema=dict(CANDIDATES.columns), orient="row")
    run(tmp_path, [[1, 2, 3]], 9, given, rule="leave_one_out")
    assert "came with 1 lists of candidates, which this protocol does not use; candidates: given does" in caplog.text
    caplog.clear()
    run(tmp_path, [[1, 2, 3]], 9, given, rule="leave_one_out", candidates="given")
    assert not caplog.records
    with pytest.raises(ValueError, match="its 1 lists are of users without a case"):
        run(tmp_path, [[1], [2, 3, 4]], 9, given, rule="leave_one_out", candidates="given")
