"""The backtest engine: event by event over closed hourly bars.

Within one hour, in this order: orders decided at the previous close fill at the bar's open, all legs or none; stops,
targets and liquidation of each leg are checked against the bar; the rest of a position that lost a leg is closed at the
bar's close; funding settlements up to the close are booked on the legs still held; equity is marked at the close; the
policy decides. An order that is decided at a close therefore never sees the bar in which it fills. A settlement at a
close hits the positions held *into* it, as on the venue, where the decision comes seconds later.

Source: docs/formulas.md, Order of events in a bar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl

from pairity.errors import TimeRangeError
from pairity.number_formats import format_count
from pairity.strategy.types import Decision, MarketView
from training.backtest.account import Account
from training.backtest.records import (
    DECISION_SCHEMA,
    EQUITY_SCHEMA,
    TRADE_SCHEMA,
    BacktestResult,
    HourScores,
    MarketHistory,
    Policy,
    Terms,
)

_NOTHING_SCORED = HourScores(())


def run_backtest(
    history: MarketHistory,
    scores: Mapping[datetime, HourScores],
    policy: Policy,
    terms: Terms,
    *,
    decision_lag: timedelta,
    train_end: datetime | None,
) -> BacktestResult:
    """Trade `policy` from the first to the last hour of `history`; close what is left at the last known close.

    `train_end` is the last instant that the model has seen (None: the policy was fitted to nothing). TimeRangeError for
    a period that begins at or before it: its result would be worth nothing. Scores of several models, each for its own
    period, carry their own `train_end` and are checked alike. ArithmeticError if the books do not balance.
    """
    refuse_seen_period(history.hours, train_end)
    refuse_seen_scores(history.hours, scores)
    account = Account(history, terms, policy.protected)
    decisions: list[tuple[datetime, str, str]] = []
    pending: Decision | None = None
    for hour in history.hours:
        account.live_through(hour, pending)
        scored = scores.get(hour, _NOTHING_SCORED)
        market = MarketView(hour + decision_lag, hour, dict(history.views.get(hour, {})), scored.correlations)
        state = replace(account.state, available_usdt=account.available)
        pending = policy.decide(state, scored.scores, market)
        account.state = pending.state
        decisions.append((hour, pending.action.value, pending.reason))
    account.finish()
    return BacktestResult(
        initial_equity=terms.initial_equity,
        trades=pl.DataFrame(account.trades, schema=TRADE_SCHEMA),
        equity=pl.DataFrame(account.equity, schema=EQUITY_SCHEMA, orient="row"),
        decisions=pl.DataFrame(decisions, schema=DECISION_SCHEMA, orient="row"),
        unfilled_entries=account.unfilled_entries,
        funding_unknown_hours=account.funding_unknown_hours,
    )


def refuse_seen_period(hours: Sequence[datetime], train_end: datetime | None) -> None:
    """Raise TimeRangeError unless every hour lies after everything that the model was trained on."""
    if not hours:
        raise TimeRangeError("there is no hour to backtest", "ingest a longer history")
    if train_end is not None and hours[0] <= train_end:
        raise TimeRangeError(
            f"the backtest begins at {hours[0]:%Y-%m-%d %H:%M} UTC, but the model was trained on data up to "
            f"{train_end:%Y-%m-%d %H:%M} UTC",
            "backtest a later period, or train a model on an earlier one",
        )


def refuse_seen_scores(hours: Sequence[datetime], scores: Mapping[datetime, HourScores]) -> None:
    """Raise TimeRangeError if any of `hours` was scored by a model that had seen it."""
    seen = [(hour, end) for hour in hours if hour in scores and (end := scores[hour].train_end) and hour <= end]
    if seen:
        hour, end = seen[0]
        raise TimeRangeError(
            f"{len(seen)} of {format_count(len(hours), 'hour')} {'was' if len(seen) == 1 else 'were'} scored by "
            "models that had seen them; the first is "
            f"{hour:%Y-%m-%d %H:%M} UTC, by a model trained on data up to {end:%Y-%m-%d %H:%M} UTC",
            "score every hour by a model that was trained before it",
        )
