"""What a finished replay traded, as frames that a backtest's log can be laid beside."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl

from pairity.universe import ContractSpec, inst_id
from serving.journal import DecisionRecord, Fill, PositionRecord
from serving.journal.codec import time_from_text
from serving.journal.reading import ReadingJournal

INSTANT = pl.Datetime("us", "UTC")
LEG_SCHEMA: dict[str, pl.DataType] = {
    "position_id": pl.String(),
    "leg": pl.Int64(),
    "asset": pl.String(),
    "side": pl.String(),
    "contracts": pl.String(),
    "opened_at": INSTANT,
    "closed_at": INSTANT,
    "entry_price": pl.Float64(),
    "stop_price": pl.Float64(),
    "target_price": pl.Float64(),
    "exit_price": pl.Float64(),
    "leg_pnl": pl.Float64(),
    "fees": pl.Float64(),
}
"""One row per leg. Instants are those of the venue's executions; prices are averages over them, stop and target those
that rested on the venue last; `leg_pnl` is before fees, `fees` > 0 were paid, both USDT. What a leg that is open has no
value for is null."""

POSITION_SCHEMA: dict[str, pl.DataType] = {
    "position_id": pl.String(),
    "exit_reason": pl.String(),
    "funding": pl.Float64(),
    "net_pnl": pl.Float64(),
}
"""One row per closed position; `funding` > 0 was paid, USDT."""

EQUITY_SCHEMA: dict[str, pl.DataType] = {"time": INSTANT, "equity": pl.Float64(), "available": pl.Float64()}
"""One row per decision: the bar's close, the account's equity then (the last mark before the decision, USDT), and the
balance that was available to the decision."""

DECISION_SCHEMA: dict[str, pl.DataType] = {"time": INSTANT, "action": pl.String(), "reason": pl.String()}


@dataclass(frozen=True, slots=True)
class Traded:
    """What was traded up to an instant: positions that ended later count as open, those opened later are left out."""

    legs: pl.DataFrame
    positions: pl.DataFrame
    equity: pl.DataFrame
    decisions: pl.DataFrame
    unknown: Mapping[str, int]
    """At how many decisions a pair was left out because something was not known, by what that is."""


def read_traded(journal: ReadingJournal, contracts: Mapping[str, ContractSpec], until: datetime) -> Traded:
    """Return what a journal says of everything up to `until`, which is itself a bar's close.

    What the decision at `until` brought about lies after it. Contracts are by asset.
    """
    legs: list[dict[str, Any]] = []
    positions: list[tuple[Any, ...]] = []
    for record in [*journal.closed_positions(), *journal.open_positions()]:
        fills = [fill for fill in journal.fills(record.position.position_id) if fill.at <= until]
        if not fills:
            continue
        ended = record.close is not None and record.close.closed_at <= until
        legs += _make_legs(record, fills, contracts)
        if ended and record.close is not None:
            close = record.close
            funding = None if close.funding_usdt is None else -float(close.funding_usdt)
            net = None if close.net_usdt is None else float(close.net_usdt)
            positions.append((record.position.position_id, close.exit_reason, funding, net))
    decisions = [record for record in journal.decisions() if record.event_timestamp <= until]
    return Traded(
        legs=pl.DataFrame(legs, schema=LEG_SCHEMA).sort("opened_at", "position_id", "leg"),
        positions=pl.DataFrame(positions, schema=POSITION_SCHEMA, orient="row").sort("position_id"),
        equity=_read_equity(journal, decisions),
        decisions=_tabulate(decisions),
        unknown=_count_unknown(decisions),
    )


def _count_unknown(decisions: Sequence[DecisionRecord]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for record in decisions:
        reasons = [score.rejected for score in record.decision.scores if score.rejected is not None]
        # "funding of BTC unknown", "z-score unknown"
        counted.update({reason.split(" ", 1)[0] for reason in reasons if reason.endswith(" unknown")})
    return dict(counted)


def _make_legs(
    record: PositionRecord, fills: Sequence[Fill], contracts: Mapping[str, ContractSpec]
) -> list[dict[str, Any]]:
    rows = []
    for index, leg in enumerate(record.position.legs):
        own = [fill for fill in fills if fill.instrument == inst_id(leg.asset)]
        entries = [fill for fill in own if fill.side is leg.side]
        exits = [fill for fill in own if fill.side is not leg.side]
        opened = sum((fill.contracts for fill in entries), Decimal(0))
        closed = sum((fill.contracts for fill in exits), Decimal(0)) == opened and bool(exits)
        fees = [fill.fee_usdt for fill in own]
        known = None if None in fees else -float(sum((fee for fee in fees if fee is not None), Decimal(0)))
        moved = _notional(exits) - _notional(entries)
        rows.append(
            {
                "position_id": record.position.position_id,
                "leg": index,
                "asset": leg.asset,
                "side": leg.side.value,
                "contracts": str(opened),
                "opened_at": min((fill.at for fill in entries), default=None),
                "closed_at": max(fill.at for fill in exits) if closed else None,
                "entry_price": float(_notional(entries) / opened) if opened else None,
                "stop_price": leg.stop_price,
                "target_price": leg.target_price,
                "exit_price": float(_notional(exits) / opened) if closed else None,
                "leg_pnl": float(moved * contracts[leg.asset].ct_val) * leg.side.sign if closed else None,
                "fees": known,
            }
        )
    return rows


def _notional(fills: Sequence[Fill]) -> Decimal:
    """Return contracts times price."""
    return sum((fill.contracts * fill.price for fill in fills), Decimal(0))


def _read_equity(journal: ReadingJournal, decisions: Sequence[DecisionRecord]) -> pl.DataFrame:
    marks = journal.ask("SELECT at, equity_usdt FROM equity_marks ORDER BY at")
    times = [time_from_text(row["at"]) for row in marks]
    rows = []
    for record in decisions:
        # Before the decision's own instant: exits of the decision are followed by a measure, too.
        place = bisect_left(times, record.decision_time) - 1
        if place >= 0:
            equity = float(marks[place]["equity_usdt"])
            rows.append((record.event_timestamp, equity, record.decision.state.available_usdt))
    return pl.DataFrame(rows, schema=EQUITY_SCHEMA, orient="row")


def _tabulate(decisions: Sequence[DecisionRecord]) -> pl.DataFrame:
    rows = [(record.event_timestamp, record.decision.action.value, record.decision.reason) for record in decisions]
    return pl.DataFrame(rows, schema=DECISION_SCHEMA, orient="row")
