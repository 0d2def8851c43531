"""Ticks are round, few enough to be read, and lie where their values do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.reports.axes import WHOLE, choose_step, make_axis, make_category_axis, make_time_axis
from training.reports.figures import draw_area, draw_bars, draw_line, thin

START = datetime(2025, 1, 1, tzinfo=UTC)
numbers = st.floats(-1e9, 1e9, allow_nan=False)


@given(st.lists(numbers, max_size=6), st.booleans())
def test_all_values_have_room_and_labels_differ(values, zero):
    axis = make_axis(values, "x", zero=zero)
    assert axis.low < axis.high
    slack = 1e-6 * (axis.high - axis.low)  # of a thousandth of a pixel: a value beside a tick lies on it
    assert all(axis.low - slack <= value <= axis.high + slack for value in values)
    assert 2 <= len(axis.ticks) <= 9
    places = [tick.place for tick in axis.ticks]
    assert places == sorted(set(places))
    assert (places[0], places[-1]) == (0, WHOLE)
    if zero:
        assert axis.low <= 0 <= axis.high


@given(st.floats(1e-12, 1e12))
def test_steps_are_round_and_not_too_small(least):
    step = choose_step(least)
    assert least * (1 - 1e-9) <= step <= 2.5 * least
    digits = f"{step:.3e}".partition("e")[0]
    assert digits in {"1.000", "2.000", "2.500", "5.000"}


@given(st.integers(1, 24 * 365 * 12))
def test_times_are_at_most_eight_and_apart(hours):
    axis = make_time_axis(START, START + timedelta(hours=hours))
    places = [tick.place for tick in axis.ticks]
    assert len(places) <= 9
    assert all(after - before >= WHOLE // 20 for before, after in pairwise(places))
    assert len({tick.text for tick in axis.ticks}) == len(axis.ticks)
    assert all(20 <= place <= WHOLE - 20 for place in places)


@pytest.mark.parametrize(
    ("days", "texts"),
    [
        (1, ["1 Jan 03:00", "1 Jan 06:00", "1 Jan 09:00"]),
        (50, ["6 Jan", "13 Jan"]),
        (400, ["Mar 2025", "May 2025"]),
        (3000, ["2026", "2028"]),
    ],
)
def test_times_are_written_as_short_as_they_can_be(days, texts):
    axis = make_time_axis(START, START + timedelta(days=days))
    assert [tick.text for tick in axis.ticks][: len(texts)] == texts
    assert "UTC" in axis.title


@pytest.mark.parametrize("count", [0, 1, 7, 40, 300])
def test_names_are_thinned_out(count):
    axis = make_category_axis([f"n{number}" for number in range(count)], "names")
    assert len(axis.ticks) <= 12
    assert sum(len(tick.text) for tick in axis.ticks) <= 52
    assert len(axis.ticks) == count or count > 12


def test_a_gap_is_left_where_nothing_is_known():
    x, y = make_axis([0, 4], "x"), make_axis([0, 1], "y")
    path = draw_line(x, y, [(0, 0.0), (1, None), (2, 1.0), (3, float("nan")), (4, 0.0)], "a").path
    assert path == "M0 1000M500 0M1000 1000"
    assert draw_line(x, y, [(0, 0.0), (2, 1.0), (4, 0.0)], "a").path == "M0 1000 500 0 1000 1000"


def test_bars_stand_on_zero():
    x, y = make_axis([0, 2], "x"), make_axis([-1, 1], "y", zero=True)
    assert (
        draw_bars(x, y, [(0, 1, 1.0), (1, 2, -1.0), (0, 1, None)], "a").path
        == "M0 500V0H500V500ZM500 500V1000H1000V500Z"
    )
    assert draw_area(x, y, [(0, 1.0), (2, None)], "a").path == "M0 0 1000 500L1000 500H0Z"
    assert draw_area(x, y, [], "a").path == ""


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=400), st.integers(4, 60))
def test_thinning_keeps_the_worst_and_the_best(values, most):
    points = [(float(place), value) for place, value in enumerate(values)]
    kept = thin(points, most)
    assert len(kept) <= max(most, 2) + 3
    assert min(value for _, value in kept) == min(values)
    assert max(value for _, value in kept) == max(values)
    assert kept[-1] == points[-1]
    assert [place for place, _ in kept] == sorted({place for place, _ in kept})
