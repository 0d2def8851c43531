"""Differences between what a backtest traded and what a replay of the trading process traded, one value at a time.

Pure: both sides are frames. A difference has an explanation where the venue's rules and the engine's are known to
differ there, and the explanation is checked on the values themselves; anything else is unexplained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isclose
from typing import Any, NamedTuple

import polars as pl

from pairity.strategy.types import ExitReason
from pairity.timeline import HOUR, ceil_to, floor_to
from training.backtest.records import BacktestResult, MarketHistory, Quotes

_RELATIVE, _OF_TRADED = 1e-9, 1e-10
"""How near values are: of the value itself, and of what was traded for it, because profits are small differences."""
_ON_VENUE = {ExitReason.STOP_LOSS.value, ExitReason.TAKE_PROFIT.value, ExitReason.LIQUIDATION.value}
_LEFT_LEG, _LOST_LEG = ExitReason.OTHER_LEG.value, "leg_risk"
AT_NEXT_OPEN = (
    "what is left of a position that lost a leg: the engine closes it at the bar's close, the process after it"
)
AFTER_SILENCE = "what is left of such a position while nobody decides stays until the process looks again"
HELD_INTO_SETTLEMENT = (
    "what is left of such a position is held into settlements from that close on by the process alone"
)
GAP = "the bar opened beyond the level: the engine dates that at the open, the exchange when the bar is over"


class Difference(NamedTuple):
    """One value that differs, `explanation` None where nothing explains it."""

    position_id: str
    asset: str
    what: str
    backtest: str
    replay: str
    explanation: str | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay traded, in frames of these columns.

    legs: position_id, leg, asset, side, contracts, opened_at, closed_at, entry_price, stop_price, target_price,
    exit_price, leg_pnl, fees.
    positions: position_id, exit_reason, funding, net_pnl. equity: time, equity. decisions: time, action.
    """

    legs: pl.DataFrame
    positions: pl.DataFrame
    equity: pl.DataFrame
    decisions: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was compared, and what differs."""

    positions: int
    legs: int
    decisions: int
    equity_hours: int
    """Hours without a position, at which the equity of both was compared."""
    values: int
    differences: tuple[Difference, ...]

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        """Differences that nothing explains."""
        return tuple(one for one in self.differences if one.explanation is None)


def compare_trades(
    result: BacktestResult,
    replayed: Replayed,
    history: MarketHistory,
    quotes: Quotes,
    silent: Mapping[datetime, str] | None = None,
) -> Comparison:
    """Compare a backtest's log with a replay's, over the same hours.

    Positions that the backtest closed because its data ended are compared as open ones. `history` and `quotes` are
    those of the backtest: explanations are checked against them. `silent` says why the replay made no decision at
    closes at which the backtest was kept from making one.
    """
    return _Comparing(result, replayed, history, quotes, silent or {}).run()


class _Comparing:
    def __init__(
        self,
        result: BacktestResult,
        replayed: Replayed,
        history: MarketHistory,
        quotes: Quotes,
        silent: Mapping[datetime, str],
    ) -> None:
        self._result, self._replayed, self._history = result, replayed, history
        self._quotes, self._silent = quotes, silent
        self._found: list[Difference] = []
        self._left_until: dict[tuple[str, int], datetime] = {}
        self._values = 0
        self._last = result.equity["time"][-1]
        self._explained_money: list[tuple[datetime, datetime, float]] = []
        """From which close to which the accounts differ, and by what they do from then on."""

    def run(self) -> Comparison:
        ours = {(row["position_id"], row["leg"]): row for row in self._replayed.legs.iter_rows(named=True)}
        theirs = {(row["position_id"], row["leg"]): row for row in self._result.trades.iter_rows(named=True)}
        for key in sorted(theirs.keys() | ours.keys(), key=str):
            self._compare_leg(theirs.get(key), ours.get(key))
        self._compare_positions()
        decisions = self._compare_decisions()
        hours = self._compare_equity()
        return Comparison(
            positions=len({position for position, _ in theirs}),
            legs=len(theirs),
            decisions=decisions,
            equity_hours=hours,
            values=self._values,
            differences=tuple(self._found),
        )

    def _compare_leg(self, theirs: Mapping[str, Any] | None, ours: Mapping[str, Any] | None) -> None:
        if theirs is None or ours is None:
            row = theirs or ours
            assert row is not None
            held = f"{row['side']} {row['contracts']} at {row['opened_at']:%Y-%m-%d %H:%M} UTC"
            sides = ("nothing", held) if theirs is None else (held, "nothing")
            self._note(row, "trade", *sides, None)
            return
        for name in ("asset", "side"):
            self._compare(theirs, name, theirs[name], ours[name])
        self._compare(theirs, "contracts", float(theirs["contracts"]), float(ours["contracts"]))
        self._compare(theirs, "opened at", theirs["opened_at"], floor_to(ours["opened_at"], HOUR))
        self._compare(theirs, "entry price", theirs["entry_price"], ours["entry_price"])
        for name in ("stop_price", "target_price"):
            self._compare(theirs, name.replace("_", " "), theirs[name], ours[name])
        if theirs["exit_reason"] == ExitReason.END.value:
            self._compare(theirs, "closed at", None, ours["closed_at"])
            return
        if ours["closed_at"] is None:
            over = _is_left(theirs) and self._find_next_look(theirs["closed_at"]) >= self._last
            self._note(
                theirs, "closed at", f"{theirs['closed_at']:%Y-%m-%d %H:%M}", "open", AT_NEXT_OPEN if over else None
            )
            return
        self._compare_exit(theirs, ours)

    def _compare_exit(self, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
        on_venue = theirs["exit_reason"] in _ON_VENUE
        closed = (ceil_to if on_venue else floor_to)(ours["closed_at"], HOUR)
        why = self._explain_left(theirs, ours["exit_price"], closed)
        early = (
            on_venue and theirs["closed_at"] == closed - HOUR and theirs["exit_reference"] == self._open(theirs, closed)
        )
        self._compare(theirs, "closed at", theirs["closed_at"], closed, GAP if early else why)
        self._compare(theirs, "exit price", theirs["exit_price"], ours["exit_price"], why)
        scale = theirs["traded_notional"]
        self._compare(theirs, "profit", theirs["leg_pnl"], ours["leg_pnl"], why, scale)
        self._compare(theirs, "fees", theirs["fees"], ours["fees"], why, scale)
        if why is not None:
            self._left_until[theirs["position_id"], theirs["leg"]] = closed
            moved = (ours["leg_pnl"] - ours["fees"]) - (theirs["leg_pnl"] - theirs["fees"])
            if closed != theirs["closed_at"] or ours["exit_price"] != theirs["exit_price"]:
                self._explained_money.append((theirs["closed_at"], closed, moved))

    def _open(self, leg: Mapping[str, Any], close: datetime) -> float | None:
        """Return the open of the bar that closes at `close`."""
        bar = self._history.bars.get(leg["asset"], {}).get(close)
        return None if bar is None else bar.open

    def _explain_left(self, theirs: Mapping[str, Any], price: float, closed: datetime) -> str | None:
        """Return why the replay closed a left leg at `closed`, if that is exactly the quote at the next bar's open."""
        at = theirs["closed_at"]
        opened = self._open(theirs, closed + HOUR)
        if not _is_left(theirs) or opened is None or not at <= closed <= self._find_next_look(at):
            return None
        sign = -1 if theirs["side"] == "buy" else 1
        if not isclose(self._quotes(theirs["asset"], opened, sign), price, rel_tol=_RELATIVE):
            return None
        return AT_NEXT_OPEN if closed == at else AFTER_SILENCE

    def _find_next_look(self, close: datetime) -> datetime:
        """Return the first close from `close` on at which the replay decided."""
        while close in self._silent:
            close += HOUR
        return close

    def _compare_positions(self) -> None:
        ours = {row["position_id"]: row for row in self._replayed.positions.iter_rows(named=True)}
        legs: dict[str, list[Mapping[str, Any]]] = {}
        for row in self._result.trades.iter_rows(named=True):
            legs.setdefault(row["position_id"], []).append(row)
        for position_id, rows in legs.items():
            reasons = [row["exit_reason"] for row in rows]
            if position_id not in ours or ExitReason.END.value in reasons:
                continue  # said leg by leg
            first, own = dict(rows[0]), ours[position_id]
            first["asset"] = ""
            self._compare(first, "reason", _name_end(reasons), own["exit_reason"])
            paid, scale = sum(row["funding"] for row in rows), sum(row["traded_notional"] for row in rows)
            later = sum(self._pay_on(row) for row in rows if _is_left(row))
            why = HELD_INTO_SETTLEMENT if later and _is_same_money(paid + later, own["funding"], scale) else None
            self._compare(first, "funding", paid, own["funding"], why, scale)
            if why is not None:
                ends = [self._find_left_until(row) for row in rows]
                self._explained_money.append((max(row["closed_at"] for row in rows), max(ends), -later))

    def _find_left_until(self, leg: Mapping[str, Any]) -> datetime:
        """Return until which close the replay held a left leg; that of the engine where nothing explains another."""
        closed: datetime = self._left_until.get((leg["position_id"], leg["leg"]), leg["closed_at"])
        return closed

    def _pay_on(self, leg: Mapping[str, Any]) -> float:
        """Return the funding of a left leg from the engine's close of it on, while it is still held."""
        since, until, sign = leg["closed_at"], self._find_left_until(leg), 1 if leg["side"] == "buy" else -1
        bars, marks = self._history.bars[leg["asset"]], self._history.marks.get(leg["asset"], {})
        paid = 0.0
        for one in self._history.settlements.get(leg["asset"], ()):
            close = ceil_to(one.time, HOUR)
            if since <= close <= until:
                bar = bars.get(close)
                paid += one.rate * marks.get(one.time, math.nan if bar is None else bar.close)
        return float(sign * leg["size_base"] * paid)

    def _compare_decisions(self) -> int:
        ours = dict(self._replayed.decisions.select("time", "action").iter_rows())
        theirs = dict(self._result.decisions.select("time", "action").iter_rows())
        for time in sorted(theirs.keys() | ours.keys()):
            row = {"position_id": f"{time:%Y-%m-%d %H:%M}", "asset": ""}
            self._compare(row, "decision", theirs.get(time, "none"), ours.get(time, "none"), self._silent.get(time))
        return len(theirs)

    def _compare_equity(self) -> int:
        """Compare equity where nothing is held: else the venue marks at the next open and not at a close."""
        theirs = self._result.equity.select("time", "equity", "positions")
        both = theirs.join(self._replayed.equity.select("time", pl.col("equity").alias("seen")), on="time", how="inner")
        flat = both.filter(pl.col("positions") == 0).sort("time")
        count = 0
        for time, equity, _, seen in flat.iter_rows():
            if time == self._last:
                continue  # the engine has closed there what is left
            if any(since <= time <= until for since, until, _ in self._explained_money):
                continue  # what is left of a position is closed after this mark
            explained = sum(money for _, until, money in self._explained_money if until < time)
            row = {"position_id": f"{time:%Y-%m-%d %H:%M}", "asset": ""}
            self._compare(row, "equity", equity + explained, seen, None, self._result.initial_equity * 100)
            count += 1
        return count

    def _compare(
        self,
        row: Mapping[str, Any],
        what: str,
        theirs: Any,  # noqa: ANN401 - a value of any column
        ours: Any,  # noqa: ANN401 - as above
        explanation: str | None = None,
        scale: float = 0.0,
    ) -> None:
        self._values += 1
        if isinstance(theirs, float) and isinstance(ours, float):
            if _is_same_money(theirs, ours, scale):
                return
        elif theirs == ours:
            return
        self._note(row, what, _write(theirs), _write(ours), explanation)

    def _note(self, row: Mapping[str, Any], what: str, theirs: str, ours: str, explanation: str | None) -> None:
        self._found.append(
            Difference(
                position_id=row["position_id"],
                asset=row["asset"],
                what=what,
                backtest=theirs,
                replay=ours,
                explanation=explanation,
            )
        )


def _is_same_money(theirs: float, ours: float | None, scale: float) -> bool:
    return ours is not None and isclose(theirs, ours, rel_tol=_RELATIVE, abs_tol=_OF_TRADED * max(scale, 1.0))


def _is_left(leg: Mapping[str, Any]) -> bool:
    """Return whether the engine closed a leg because its position had lost another one."""
    return bool(leg["exit_reason"] == _LEFT_LEG)


def _name_end(reasons: Sequence[str]) -> str:
    """Return the process's name for the end of a position whose legs ended so: of several, a stop says why."""
    if _LEFT_LEG in reasons:
        return _LOST_LEG
    stop = ExitReason.STOP_LOSS.value
    return stop if stop in reasons else reasons[0]


def _write(value: Any) -> str:  # noqa: ANN401 - a value of any column
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return "open" if value is None else repr(value) if isinstance(value, float) else str(value)
