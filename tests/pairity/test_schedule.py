"""Slots of a day, against walking from minute to minute."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.schedule import find_due_slot, find_newest_slot, parse_time_of_day

TIMES = st.builds(time, st.integers(0, 23), st.integers(0, 59))
INSTANTS = st.datetimes(datetime(2023, 12, 25), datetime(2024, 3, 5), timezones=st.just(UTC))
MINUTE = timedelta(minutes=1)


def walked_back(at: time, instant: datetime) -> datetime:
    """The newest slot, found by going back minute by minute."""
    minute = instant.replace(second=0, microsecond=0)
    while (minute.hour, minute.minute) != (at.hour, at.minute):
        minute -= MINUTE
    return minute


def walked_forward(at: time, instant: datetime) -> datetime:
    minute = instant.replace(second=0, microsecond=0) + MINUTE
    while (minute.hour, minute.minute) != (at.hour, at.minute):
        minute += MINUTE
    return minute


@given(TIMES, INSTANTS)
def test_the_newest_slot_is_found_by_walking_too(at: time, instant: datetime) -> None:
    assert find_newest_slot(at, instant) == walked_back(at, instant)


@given(TIMES, INSTANTS, st.timedeltas(timedelta(0), timedelta(days=9)))
def test_the_next_slot_is_due_or_the_newest_of_the_missed(at: time, last: datetime, since: timedelta) -> None:
    now = last + since
    due = find_due_slot(at, last, now)
    following = walked_forward(at, last)
    assert due == (following if following > now else walked_back(at, now))
    assert due > last


@given(TIMES, INSTANTS, st.lists(st.timedeltas(MINUTE, timedelta(days=4)), max_size=8))
def test_however_seldom_one_looks_a_slot_runs_once_and_missed_ones_run_as_one(
    at: time, start: datetime, steps: list[timedelta]
) -> None:
    """Runs never repeat a slot, and at every look there is at most one run, after which nothing is due any more."""
    last, now, ran = start, start, []
    for step in steps:
        now += step
        due = find_due_slot(at, last, now)
        if due <= now:
            ran.append(due)
            last = due
        assert find_due_slot(at, last, now) > now
    assert ran == sorted(set(ran))
    missed = {walked_back(at, now)} if walked_back(at, now) > start else set()
    assert missed <= set(ran[-1:])


def test_a_slot_is_due_at_its_very_instant() -> None:
    slot = datetime(2025, 3, 18, 0, 30, tzinfo=UTC)
    assert find_due_slot(time(0, 30), slot - timedelta(microseconds=1), slot) == slot
    assert find_due_slot(time(0, 30), slot, slot) == slot + timedelta(days=1)


@given(TIMES)
def test_a_time_of_day_is_read_back(at: time) -> None:
    assert parse_time_of_day(at.strftime("%H:%M")) == at


@pytest.mark.parametrize("text", ["", "24:00", "00:60", "9:30", "0930", "09:30:00", "ab:cd", "-1:30", "٠٩:٣٠", " 9:30"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"HH:MM|from 00 to"):
        parse_time_of_day(text)
