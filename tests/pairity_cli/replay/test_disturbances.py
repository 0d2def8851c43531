"""What disturbs a replay: who trades until when, and at which closes silence has a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pairity.errors import ConfigError, TimeRangeError
from pairity.settings import Settings
from pairity.timeline import to_ms
from pairity_cli.replay.disturbances import PROCESS_DOWN, VENUE_OUT, explain_silence, read_events
from pairity_cli.replay.plan import ReplayPlan
from pairity_cli.replay.trading import list_stretches
from paper_exchange.events.script import Event

SINCE = datetime(2025, 3, 1, 5, tzinfo=UTC)
DAY, HOUR, MINUTE, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


@pytest.fixture
def plan(tmp_path):
    return ReplayPlan(
        data=tmp_path / "data",
        since=SINCE,
        until=SINCE + 9 * HOUR,
        home=tmp_path / "replay",
        features="live",
        model="champion",
        rule="always_revert",
        balance=Decimal(5000),
    )


def test_every_bar_is_traded_by_one_process(plan):
    assert [tuple(one) for one in list_stretches(plan)] == [(10, plan.until, "end")]
    first, second = SINCE + 2 * HOUR + 30 * MINUTE, SINCE + 5 * HOUR
    parted = list_stretches(replace(plan, restarts=(second,), rechecks=(first,)))
    assert [tuple(one) for one in parted] == [
        (3, first, "recheck"),  # closes 0, 1, 2
        (3, second, "restart"),  # closes 3, 4, 5: what comes of the last one depends on when it is killed
        (4, plan.until, "end"),
    ]


def test_a_restart_within_the_same_hour_has_no_bar_of_its_own(plan):
    times = (SINCE + 10 * MINUTE, SINCE + 20 * MINUTE)
    assert [one.cycles for one in list_stretches(replace(plan, restarts=times))] == [1, 0, 9]


def test_silence_has_a_reason_where_the_venue_was_out_or_the_process_killed(plan):
    events = (
        Event("maintenance", to_ms(SINCE + HOUR + MINUTE), until_ms=to_ms(SINCE + 3 * HOUR), values={"refuse": True}),
        Event("maintenance", to_ms(SINCE + 4 * HOUR), until_ms=to_ms(SINCE + 5 * HOUR), values={"refuse": False}),
        Event(
            "fault",
            to_ms(SINCE + 6 * HOUR + 20 * SECOND),
            until_ms=to_ms(SINCE + 7 * HOUR),
            subject="html_502",
            values={"count": None, "params": {}},
        ),
        Event("fault", to_ms(SINCE + 7 * HOUR), subject="html_502", values={"count": 1, "params": {}}),
    )
    killed = replace(plan, restarts=(SINCE + 8 * HOUR + 20 * SECOND, SINCE + 9 * HOUR - SECOND))
    assert explain_silence(Settings(), killed, events, set()) == {
        SINCE + 2 * HOUR: VENUE_OUT,
        SINCE + 6 * HOUR: VENUE_OUT,
        SINCE + 8 * HOUR: PROCESS_DOWN,
    }
    decided = {SINCE + 2 * HOUR}
    assert SINCE + 2 * HOUR not in explain_silence(Settings(), killed, events, decided)


def test_a_restart_outside_of_the_replay_is_refused(plan):
    for at in (plan.since, plan.until, plan.until + HOUR):
        with pytest.raises(TimeRangeError, match="cannot be started again at"):
            read_events(replace(plan, restarts=(at,)))
        with pytest.raises(TimeRangeError, match="cannot be started again at"):
            read_events(replace(plan, rechecks=(at,)))


def test_what_disturbs_data_needs_data_that_are_collected(plan, recording):
    script = plan.home.parent / "script.json"
    script.write_text(json.dumps({"event": [{"after_s": 60, "fault": "candle_gap", "for_s": 60}]}))
    disturbed = replace(plan, data=recording, script=script)
    assert [event.subject for event in read_events(disturbed)] == ["candle_gap"]
    with pytest.raises(ConfigError, match="candle_gap") as refused:
        read_events(replace(disturbed, features="store"))
    assert refused.value.remedy == "add --features live"
    with pytest.raises(ConfigError, match="--recheck is given"):
        read_events(replace(plan, features="store", rechecks=(SINCE + HOUR,)))


def test_a_script_that_cannot_be_carried_out_is_refused_before_anything_runs(plan, recording):
    script = plan.home.parent / "script.json"
    script.write_text(json.dumps({"event": [{"after_s": 60, "fault": "earthquake"}]}))
    with pytest.raises(ConfigError, match=r"event 1 of script\.json"):
        read_events(replace(plan, data=recording, script=script))


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    from tests.e2e.made_up_recording import make_recording

    return make_recording(tmp_path_factory.mktemp("recorded"), ("BTC",), 24 * 24)
