"""What disturbs a replay: a script of faults and venue events, restarts, and rechecks of what was collected."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from pairity.errors import ConfigError, TimeRangeError
from pairity.settings import Settings
from pairity.timeline import HOUR, from_ms, to_ms
from pairity_cli.replay.plan import ReplayPlan
from paper_exchange.events.script import Event, read_script
from paper_exchange.faults.catalogue import CATALOGUE
from paper_exchange.market.recorded import RecordedMarket

VENUE_OUT = "no decision while the venue was out: the backtest is told the same"
PROCESS_DOWN = "no decision, because the process was killed before it: the backtest is told the same"
DECIDED_LATE = "a decision that an outage or a restart delayed: the backtest fills it as much later"
_OF_DATA = ("candle_gap", "wrong_candle", "unconfirmed_last", "late_settlement")
"""Faults of what the process collects, which features that were published before do not meet."""


def read_events(plan: ReplayPlan) -> tuple[Event, ...]:
    """Return the events of the plan's script; none without one.

    Raises what `read_script` raises, ConfigError for faults of data under features that are not collected live, and
    TimeRangeError for a restart or a recheck outside of the replay.
    """
    for at in (*plan.restarts, *plan.rechecks):
        if not plan.since < at < plan.until:
            raise TimeRangeError(
                f"the process cannot be started again at {at:%Y-%m-%d %H:%M:%S} UTC: the replay runs from "
                f"{plan.since:%Y-%m-%d %H:%M} to {plan.until:%Y-%m-%d %H:%M} UTC",
                "give an instant between these",
            )
    if plan.rechecks and plan.features == "store":
        raise ConfigError(
            "--recheck is given with features that are computed once", "add --features live: these are collected"
        )
    if plan.rechecks and plan.book is not None:
        raise ConfigError(
            "--recheck is given with a book", "leave it out: the backtest of a book knows a bar's newest value alone"
        )
    if plan.script is None:
        return ()
    start_ms = to_ms(plan.starts_at)
    events = read_script(plan.script, RecordedMarket(plan.data, start_ms, ends="each"), start_ms)
    wrong = sorted({event.subject for event in events if event.kind == "fault" and event.subject in _OF_DATA})
    if wrong and plan.features == "store":
        raise ConfigError(
            f"{plan.script.name} disturbs what is collected ({', '.join(wrong)}), and the features come from before",
            "add --features live",
        )
    if wrong and plan.book is not None:
        raise ConfigError(
            f"{plan.script.name} disturbs what is collected ({', '.join(wrong)}), and a book is replayed",
            "leave these faults out: the backtest of a book knows a bar's newest value alone",
        )
    return events


def explain_silence(
    settings: Settings,
    plan: ReplayPlan,
    events: Collection[Event],
    decided: Collection[datetime],
    every_hours: int = 1,
) -> Mapping[datetime, str]:
    """Return why there is no decision at closes of bars: the venue was out when it was due, or the process was killed.

    Closes with a decision, and those without a reason, are not among them. Decisions are due `every_hours` from 00:00
    UTC.
    """
    grace, lag = timedelta(seconds=settings.serve.grace_s), settings.features.decision_lag
    reasons: dict[datetime, str] = {}
    for number in range((plan.until - plan.since) // HOUR + 1):
        close = plan.since + number * HOUR
        if close in decided or close.hour % every_hours:
            continue
        if any(_is_outage(event) and _lasts(event, close + grace, close + lag) for event in events):
            reasons[close] = VENUE_OUT
        elif any(close <= at < close + lag for at in plan.restarts):
            reasons[close] = PROCESS_DOWN
    return reasons


def _is_outage(event: Event) -> bool:
    """Return whether nothing of the venue answers as long as an event lasts."""
    if event.kind == "maintenance":
        return bool(event.values["refuse"])
    refuses = event.kind == "fault" and CATALOGUE[event.subject].stage == "wire" and event.path == "*"
    return refuses and event.values["count"] is None


def _lasts(event: Event, since: datetime, until: datetime) -> bool:
    """Return whether an event that began by `until` is over only after `since`."""
    return (
        event.at_ms is not None
        and event.until_ms is not None
        and from_ms(event.at_ms) <= until
        and from_ms(event.until_ms) > since
    )
