"""Differences between a book's backtest and what a replay of the trading process traded of it, one value at a time.

Pure: both sides are what their logs say. A decision that was not made has an explanation where the caller knows one;
anything else is unexplained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import isclose
from typing import Any

import polars as pl

from pairity.timeline import HOUR
from training.backtest.trade_differences import Difference
from training.books.engine import BookRun
from training.books.panel import BookPanel

_RELATIVE, _OF_EQUITY = 1e-9, 1e-10
"""How near values are: of the value itself, and of the initial equity: funding is a difference of large sums."""
_REBALANCE = "rebalance"


@dataclass(frozen=True, slots=True)
class ReplayedBook:
    """What a replay traded of a book, in frames of these columns; instants are closes of bars.

    executions: close, name, origin, side, size_base, opened, price, fee. names: close, name, held, contracts.
    account: close, decided (hour), equity, funding (since the decision before, > 0 was paid).
    """

    executions: pl.DataFrame
    names: pl.DataFrame
    account: pl.DataFrame


@dataclass(frozen=True, slots=True)
class BookComparison:
    """Everything that was compared, and what differs."""

    decisions: int
    executions: int
    values: int
    differences: tuple[Difference, ...]

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        """Differences that nothing explains."""
        return tuple(one for one in self.differences if one.explanation is None)


def compare_book(
    run: BookRun,
    panel: BookPanel,
    replayed: ReplayedBook,
    silent: Mapping[datetime, str] | None = None,
    late: Mapping[datetime, str] | None = None,
) -> BookComparison:
    """Compare a backtest of a book with a replay's journal, over the decisions before the panel's last close.

    `silent` says why the replay made no decision at closes that the backtest was kept from deciding at, `late` why it
    made one hours after its close, to which the backtest's fills were moved.
    """
    return _Comparing(run, panel, replayed, silent or {}, late or {}).run()


class _Comparing:
    def __init__(
        self,
        run: BookRun,
        panel: BookPanel,
        replayed: ReplayedBook,
        silent: Mapping[datetime, str],
        late: Mapping[datetime, str],
    ) -> None:
        self._run, self._panel, self._replayed = run, panel, replayed
        self._silent, self._late = silent, late
        self._near = _OF_EQUITY * run.result.initial_equity
        self._values = 0
        self._found: list[Difference] = []

    def run(self) -> BookComparison:
        self._compare_decisions()
        self._compare_account()
        executions = self._compare_executions()
        return BookComparison(
            decisions=len(self._run.decisions),
            executions=executions,
            values=self._values,
            differences=tuple(self._found),
        )

    def _compare_decisions(self) -> None:
        """Compare which decisions there are, and what each holds and wants of every name, to the last lot."""
        ours: dict[datetime, dict[str, tuple[Decimal, Decimal]]] = {
            close: {} for close in self._replayed.account["close"]
        }
        for close, name, held, contracts in self._replayed.names.iter_rows():
            ours[close][name] = Decimal(held), Decimal(contracts)
        theirs = {
            self._panel.close_of(decision.hour): {
                one.name: (one.held, one.wanted) for one in decision.names if one.held or one.wanted
            }
            for decision in self._run.decisions
        }
        none = Decimal(0), Decimal(0)
        for close in sorted({*ours, *theirs, *self._silent}):
            there = ("none" if close not in theirs else "made", "none" if close not in ours else "made")
            if close in self._silent:
                self._note(close, "", "decision", "made", there[1], self._silent[close])
                continue
            self._compare(close, "", "decision", *there)
            if "none" in there:
                continue
            for name in sorted({*ours[close], *theirs[close]}):
                for what, one, other in zip(
                    ("contracts held", "contracts wanted"),
                    theirs[close].get(name, none),
                    ours[close].get(name, none),
                    strict=True,
                ):
                    self._compare(close, name, what, one, other)

    def _compare_account(self) -> None:
        """Compare equity at each decision's closes, and the funding since the decision before."""
        table = self._run.result.equity
        equity = dict(table.select("time", "equity").iter_rows())
        funding = dict(table.select("time", "funding").iter_rows())
        before = 0.0
        for close, decided, seen, paid in self._replayed.account.iter_rows():
            if close not in equity:
                continue  # said by the decisions
            self._compare(close, "", "decided in the hour from", close, decided, self._late.get(close))
            self._compare(close, "", "equity", equity[close], seen)
            self._compare(close, "", "funding", funding[close] - before, paid)
            before = funding[close]

    def _compare_executions(self) -> int:
        ours = {
            (row["close"], row["name"], row["origin"], row["side"]): row
            for row in self._replayed.executions.iter_rows(named=True)
        }
        theirs = self._group_fills()
        for key in sorted({*ours, *theirs}):
            close, name, origin, side = key
            mine, other = ours.get(key), theirs.get(key)
            if mine is None or other is None:
                row = mine or other
                assert row is not None
                said = f"{origin}: {side} {row['size_base']!r} at {row['opened']:%Y-%m-%d %H:%M} UTC"
                self._values += 1
                self._note(close, name, "executions", *(("nothing", said) if other is None else (said, "nothing")))
                continue
            self._compare(close, name, "size", other["size_base"], mine["size_base"])
            self._compare(close, name, "opened", other["opened"], mine["opened"])
            self._compare(close, name, "price", other["price"], mine["price"])
            self._compare(close, name, "fee", other["fee"], mine["fee"])
        return len(theirs)

    def _group_fills(self) -> dict[tuple[datetime, str, str, str], dict[str, Any]]:
        """Return the engine's fills by decision and name, those that close everything at the end left out."""
        grouped: dict[tuple[datetime, str, str, str], dict[str, Any]] = {}
        closes = [self._panel.close_of(decision.hour) for decision in self._run.decisions]
        for row in self._run.fills.iter_rows(named=True):
            opened = self._panel.close_of(row["hour"]) - (HOUR if row["at_open"] else 0 * HOUR)
            if not row["at_open"] and row["hour"] == self._panel.hours - 1:
                continue
            close = max(one for one in closes if one <= opened)
            side = "buy" if row["size_base"] > 0 else "sell"
            size = abs(row["size_base"])
            known = grouped.setdefault(
                (close, row["name"], _REBALANCE, side), {"size_base": 0.0, "worth": 0.0, "fee": 0.0, "opened": opened}
            )
            known["size_base"] += size
            known["worth"] += size * row["price"]
            known["fee"] += row["fee"]
        for known in grouped.values():
            known["price"] = known["worth"] / known["size_base"]
        return grouped

    def _compare(
        self,
        close: datetime,
        name: str,
        what: str,
        theirs: Any,  # noqa: ANN401 - any value
        ours: Any,  # noqa: ANN401 - as above
        explanation: str | None = None,
    ) -> None:
        self._values += 1
        if isinstance(theirs, float) and isinstance(ours, float):
            near = self._near if what in ("equity", "funding", "fee") else 0.0
            if isclose(theirs, ours, rel_tol=_RELATIVE, abs_tol=near):
                return
        elif theirs == ours:
            return
        self._note(close, name, what, _write(theirs), _write(ours), explanation)

    def _note(
        self, close: datetime, name: str, what: str, theirs: str, ours: str, explanation: str | None = None
    ) -> None:
        self._found.append(
            Difference(
                position_id=f"{close:%Y-%m-%d %H:%M}",
                asset=name,
                what=what,
                backtest=theirs,
                replay=ours,
                explanation=explanation,
            )
        )


def _write(value: Any) -> str:  # noqa: ANN401 - any value
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return "not known" if value is None else repr(value) if isinstance(value, float) else str(value)
