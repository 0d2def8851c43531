from __future__ import annotations

import doctest
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pairity.timeline as timeline
from pairity.errors import TimeRangeError
from pairity.timeline import DAY, HOUR, MINUTE, ceil_to, check_range, floor_to, from_ms, parse_instant, to_ms

INSTANTS = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
NOW = datetime(2025, 4, 17, 12, 30, tzinfo=UTC)


def test_examples_in_docstrings():
    assert doctest.testmod(timeline).failed == 0


@given(INSTANTS, st.sampled_from([MINUTE, HOUR, 4 * HOUR, DAY]))
def test_floor_and_ceil_enclose_the_instant_within_one_bar(instant, bar):
    low, high = floor_to(instant, bar), ceil_to(instant, bar)
    assert low <= instant <= high
    assert high - low in (timedelta(0), bar)
    assert (low - datetime(1970, 1, 1, tzinfo=UTC)) % bar == timedelta(0)


@given(INSTANTS)
def test_milliseconds_round_trip_exactly(instant):
    whole = instant.replace(microsecond=instant.microsecond // 1000 * 1000)
    assert from_ms(to_ms(instant)) == whole


@given(INSTANTS, st.timedeltas(timedelta(minutes=1), timedelta(days=500)))
def test_months_cover_the_range_without_overlap(since, span):
    months = list(timeline.months_between(since, since + span))
    assert months[0] <= since < timeline.next_month(months[0])
    assert months[-1] < since + span <= timeline.next_month(months[-1])
    assert all(timeline.next_month(a) == b for a, b in pairwise(months))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("36h", NOW - timedelta(hours=36)),
        ("30d", NOW - timedelta(days=30)),
        ("2025-03-18", datetime(2025, 3, 18, tzinfo=UTC)),
        ("2025-03-18T16:00+02:00", datetime(2025, 3, 18, 14, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_utc(text, expected):
    assert parse_instant(text, now=NOW) == expected


def test_a_bad_time_names_the_option_and_the_value():
    with pytest.raises(TimeRangeError, match=r"--since 'yesterdayish' is not a time[\s\S]*ISO"):
        parse_instant("yesterdayish", now=NOW, name="--since")


@pytest.mark.parametrize(("hours", "word"), [(0, "empty"), (-1, "inverted")])
def test_empty_and_inverted_ranges_are_refused(hours, word):
    with pytest.raises(TimeRangeError, match=word):
        check_range(NOW, NOW + timedelta(hours=hours))


def test_aware_times_of_other_zones_are_the_same_instant():
    local = datetime(2025, 3, 18, 18, 58, tzinfo=timezone(timedelta(hours=2)))
    assert floor_to(local, HOUR) == datetime(2025, 3, 18, 16, tzinfo=UTC)
