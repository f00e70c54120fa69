"""Shades, stretches of text, boxes and lines, from weights."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.explain.drawing import region_boxes, shade_levels, text_spans, trend_chart
from stages.explain.history import heaviest_events
from stages.explain.weighed import Reading, Reason

DAY = datetime(2024, 1, 1, tzinfo=UTC)


def test_even_shares_are_bare_and_three_times_the_even_share_is_full() -> None:
    assert shade_levels([0.25] * 4, "share") == [0] * 4
    assert shade_levels([0.75, 0.25, 0.0, 0.0], "share") == [5, 0, 0, 0]
    assert shade_levels([0.5, 0.25, 0.25, 0.0], "share") == [2, 0, 0, 0]


def test_gates_are_absolute_and_signed_weights_relative_to_the_largest() -> None:
    assert shade_levels([1.0, 0.5, 0.0], "gate") == [5, 2, 0]
    assert shade_levels([0.02, -0.04, 0.0], "signed") == [2, -5, 0]
    assert shade_levels([0.0, 0.0], "signed") == [0, 0]
    assert shade_levels([], "share") == []


@given(st.text(max_size=40), st.lists(st.integers(0, 40), max_size=8))
def test_no_letter_is_lost_or_moved(text: str, cuts: list[int]) -> None:
    at = sorted(min(c, len(text)) for c in cuts)
    spans = list(zip(at[::2], at[1::2], strict=False))
    found = text_spans(text, spans, dict.fromkeys(range(1, len(spans) + 1), 0.5), "share")
    assert "".join(run.text for run in found) == text


def test_words_carry_their_weight_and_the_rest_none() -> None:
    found = text_spans("a storm, again", [(2, 7), (9, 14)], {1: 1.0}, "share")
    assert [(run.text, run.weight) for run in found] == [("a ", None), ("storm", 1.0), (", ", None), ("again", None)]


@pytest.mark.parametrize("spans", [[(0, 9)], [(2, 4), (1, 3)], [(3, 2)]])
def test_words_of_another_text_are_refused(spans: list[tuple[int, int]]) -> None:
    with pytest.raises(ValueError, match=r"word \d lies at"):
        text_spans("storm", spans, {}, "share")


def test_the_heaviest_region_lies_on_top_and_those_that_speak_against_are_numbered_apart() -> None:
    boxes = [[0.0, 0.0, 0.5, 1.0], [0.5, 0.0, 1.0, 0.25], [0.0, 0.0, 0.1, 0.1]]
    found = region_boxes(boxes, {1: -0.2, 2: 0.4, 3: 0.001}, "signed", {2: "storm"})
    assert [(r.weight, r.number, r.level) for r in found] == [(-0.2, -1, -2), (0.001, 0, 0), (0.4, 1, 5)]
    top = found[-1]
    assert (top.left, top.top, top.width, top.height, top.word) == (50, 0, 50, 25, "storm")


def test_a_chart_keeps_time_to_scale_and_its_lines_inside() -> None:
    days = [DAY, DAY + timedelta(days=7), DAY + timedelta(days=70)]
    found = trend_chart(days, {2: [0.0, 0.5, 1.0], 5: [0.3, 0.3, 0.3]})
    assert found is not None
    (x0, y0), (x1, _), (x2, y2) = found.lines[0].points
    assert (x1 - x0) / (x2 - x0) == pytest.approx(0.1)
    assert y2 < y0
    assert all(0 <= x <= found.width and 0 <= y <= found.height for line in found.lines for x, y in line.points)
    assert [name for _, name in found.y_ticks] == ["0%", "50%", "100%"]
    assert found.lines[1].topic == 5


def test_a_chart_grows_with_small_shares_and_needs_two_windows() -> None:
    small = trend_chart([DAY, DAY + timedelta(days=7)], {1: [0.05, 0.15]})
    assert small is not None
    assert [name for _, name in small.y_ticks] == ["0%", "10%", "20%"]
    assert trend_chart([DAY], {1: [0.5]}) is None


def test_ticks_do_not_touch() -> None:
    days = [DAY + timedelta(days=d) for d in (0, 1, 2, 300, 301, 302, 303, 500)]
    found = trend_chart(days, {1: [0.1] * 8})
    assert found is not None
    at = [x for x, _ in found.x_ticks]
    assert min(b - a for a, b in itertools.pairwise(at)) > 70


def test_the_heaviest_events_are_shown_in_time_and_a_repeated_item_keeps_the_weight_of_each_event() -> None:
    past = [(item, None) for item in (7, 8, 7, 9, 8)]
    reason = Reason(
        Reading("attention", "used"), "share", [(0, None, 0.1), (2, None, 0.5), (3, None, 0.3), (4, None, 0.1)]
    )
    assert heaviest_events(past, reason, 3) == [(2, 7, 0.5), (3, 9, 0.3), (4, 8, 0.1)]
    assert heaviest_events(past, reason, 9)[:2] == [(0, 7, 0.1), (1, 8, None)]


def test_the_last_events_are_shown_where_nothing_weighs() -> None:
    past = [(item, None) for item in (7, 8, 9)]
    assert heaviest_events(past, None, 2) == [(1, 8, None), (2, 9, None)]
    assert heaviest_events([], None, 2) == []


def test_weights_of_another_history_are_refused() -> None:
    with pytest.raises(ValueError, match="weighs event 5 of a history of 1"):
        heaviest_events([(7, None)], Reason(Reading("attention", "used"), "share", [(5, None, 1.0)]), 3)
