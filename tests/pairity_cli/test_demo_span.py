"""The demo's span: what is too short is refused before anything is fetched, with the smallest that works."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.errors import TimeRangeError
from pairity.settings import LabelSettings, Settings
from pairity.timeline import DAY, HOUR
from pairity_cli.demo.exchange import DemoExchange
from pairity_cli.demo.span import choose_span
from training.data.training_sets import count_hours_needed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEEDED = count_hours_needed(Settings())


def exchange(*, recorded: bool = False, days: int = 90) -> DemoExchange:
    return DemoExchange(
        url="http://127.0.0.1:1",
        label="a market",
        recorded=recorded,
        now=NOW if not recorded else NOW - days * DAY,
        market_start=NOW - days * DAY,
        market_end=NOW,
        instruments=(),
    )


def test_the_hours_are_those_that_training_counts() -> None:
    """200 bars until pairs have features, 102 without a label, ⌈(102 + 24) / 0.7⌉ to split and purge."""
    assert NEEDED == 200 + 102 + 180
    assert count_hours_needed(Settings(label=LabelSettings(kind="triple_barrier"))) == 200 + 180


@given(days=st.integers(1, 60), cycles=st.integers(1, 400), market=st.integers(1, 80), recorded=st.booleans())
def test_what_is_refused_names_what_works(days: int, cycles: int, market: int, recorded: bool) -> None:
    played = exchange(recorded=recorded, days=market)
    try:
        start, trading = choose_span(played, days, cycles, least_hours=NEEDED)
    except TimeRangeError as error:
        if found := re.search(r"--history (\d+)", error.remedy):
            smallest = int(found[1])
            assert smallest > days
            choose_span(played, smallest, cycles, least_hours=NEEDED)
            with pytest.raises(TimeRangeError):
                choose_span(played, smallest - 1, cycles, least_hours=NEEDED)
        elif found := re.search(r"at most (\d+) --cycles", error.remedy):
            assert 0 < int(found[1]) < cycles
        return
    assert played.market_start <= start
    assert (trading - start) // HOUR >= NEEDED


def test_the_default_and_fifteen_days() -> None:
    start, trading = choose_span(exchange(), 30, 96, least_hours=NEEDED)
    assert (start, trading) == (NOW - 30 * DAY + 96 * HOUR, NOW)
    with pytest.raises(TimeRangeError, match="264 hours are left") as refused:
        choose_span(exchange(), 15, 96, least_hours=NEEDED)
    assert "--history 25 or more" in refused.value.remedy
