"""What a replay collects: from when on, and at which instants of the exchange's clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from pairity.errors import TimeRangeError
from pairity_cli.replay.collecting import find_begin, list_collections
from pairity_cli.replay.plan import ReplayPlan
from tests.e2e.made_up_recording import START, make_recording

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SINCE = START + 300 * DAY


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return make_recording(tmp_path_factory.mktemp("recorded"), ("BTC",), 24 * 320)


@pytest.fixture
def plan(recording, tmp_path):
    return ReplayPlan(
        data=recording,
        since=SINCE,
        until=SINCE + 5 * DAY,
        home=tmp_path / "replay",
        features="store",
        model="champion",
        rule="always_revert",
        balance=Decimal(5000),
    )


@pytest.mark.parametrize("history", [0, 40, 91, 92, 93, 365, 900])
@pytest.mark.parametrize("days", [1, 91, 92, 93, 365])
def test_each_settlement_is_collected_while_the_venue_serves_it(history, days):
    """Each one since the beginning is within 92 days before one of the instants, also long before the replay."""
    begin, until = SINCE - history * DAY, SINCE + days * DAY
    instants = list_collections(begin, until)
    assert instants[-1] == until
    assert instants == sorted(set(instants))
    assert begin < instants[0] <= begin + 92 * DAY
    assert all(later - earlier < 92 * DAY for earlier, later in pairwise(instants))


def test_history_is_collected_from_its_own_beginning(plan):
    """December's first features look back; history begins so much earlier, and never before the recording."""
    lookback = find_begin(plan)
    assert lookback < (SINCE - timedelta(days=SINCE.day - 1))
    assert find_begin(replace(plan, history_days=100)) < SINCE - 100 * DAY
    assert find_begin(replace(plan, book="trend_carry_book")) < SINCE - 90 * DAY
    assert find_begin(replace(plan, history_days=1000)) == START
    # Hour by hour the first decision is what is collected for.
    assert find_begin(replace(plan, features="live")) <= lookback


def test_a_start_that_nothing_covers_is_refused(plan):
    with pytest.raises(TimeRangeError, match="outside of everything recorded"):
        find_begin(replace(plan, since=SINCE + 100 * DAY, until=SINCE + 101 * DAY))
