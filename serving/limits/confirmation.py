"""Confirmation of the account's equity by a second fact: one wrong balance halts nothing, and is no mark.

The balance says an equity. The newest bill says the cash after the last change of it, and the positions say what they
would earn and which margin is their own: together they make the same equity from other answers of the venue.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from pairity.names import INSTRUMENT
from serving.execution.venue_records import Balance, VenueBill, VenuePosition
from serving.journal import EquityMark

TOLERANCE = Decimal("0.01")
"""Share of the equity by which two facts may differ: prices move between two answers."""
BELIEVED_AFTER = timedelta(minutes=10)
"""How long an equity must stay before it is believed without a second fact: lists that lag catch up in seconds."""


class _Doubted(NamedTuple):
    """An equity that is doubted: since when, and by how much it is off what the other facts make."""

    since: datetime
    gap: Decimal


class Confirmation:
    """Confirmation of one account's equity, reading by reading; it keeps what is doubted, and since when."""

    def __init__(self) -> None:
        self._doubted: _Doubted | None = None
        self._known_gap = Decimal(0)
        """What the venue counts as equity, and neither bills nor positions show."""

    def find_doubt(
        self,
        balance: Balance,
        bill: VenueBill | None,
        positions: Iterable[VenuePosition],
        last: EquityMark | None,
        now: datetime,
    ) -> str | None:
        """Return why the equity of a balance cannot be taken for true now, None where it can.

        `bill` is the newest of the currency, `positions` are all that the venue shows. Without a bill, the cash has not
        changed for months: `last`, the mark before, stands in. An equity that stays off by the same amount for ten
        minutes is believed, unless it is none at all.
        """
        expected, fact = _expect(bill, positions, last)
        if expected is None:
            self._doubted = None
            return None if balance.equity > 0 else f"the balance shows an equity of {balance.equity} USDT"
        allowed = TOLERANCE * max(abs(expected), abs(balance.equity))
        gap = balance.equity - expected
        if abs(gap) <= allowed or (balance.equity > 0 and abs(gap - self._known_gap) <= allowed):
            self._doubted = None
            return None
        if self._doubted is None or abs(gap - self._doubted.gap) > allowed:
            self._doubted = _Doubted(now, gap)
        elif balance.equity > 0 and now - self._doubted.since >= BELIEVED_AFTER:
            self._known_gap, self._doubted = gap, None
            return None
        return f"the balance shows an equity of {balance.equity:.2f} USDT, {fact} {expected:.2f}"


def _expect(
    bill: VenueBill | None, positions: Iterable[VenuePosition], last: EquityMark | None
) -> tuple[Decimal | None, str]:
    """Return the equity that the other facts make, and their name; None where there are none."""
    if bill is None:
        return None if last is None else last.equity_usdt, "the mark before was"
    added = Decimal(0)
    for position in positions:
        if INSTRUMENT.accepts(position.instrument):  # others earn in coins
            added += (position.unrealised_pnl_usdt or Decimal(0)) + (position.margin_usdt or Decimal(0))
    return bill.balance + added, "the newest bill and the positions make"
