"""Records of a comparison of journal and bills. Amounts are signed: negative where they were paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from serving.execution.venue_records import VenueBill


class Finding(StrEnum):
    """Kind of a difference."""

    NOT_HERE = "not in the journal"
    """The venue booked an execution of an order of ours, and the journal has none."""
    NOT_THERE = "not in the bills"
    """The journal has an execution for which the venue booked nothing."""
    FEE = "another fee"
    RESULT = "another result"
    FUNDING = "another funding"
    UNKNOWN = "no result in the journal"
    """A position was closed, and what it earned could not be read then."""
    FOREIGN = "not ours"
    """Executions or funding on this account that belong to no order or position of this journal."""
    GAP = "a balance that does not follow"
    """A bill's balance is not the one before it and its change: a bill is missing between the two."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; `here` is the journal's text of it and `there` the venue's, empty where there is none."""

    finding: Finding
    at: datetime
    instrument: str
    name: str
    """Position, order or bill that it is about."""
    here: str
    there: str

    @classmethod
    def of_bill(cls, finding: Finding, bill: VenueBill, there: str, name: str = "") -> Difference:
        """Return a difference about a bill for which the journal has nothing; it is named by its id, or by `name`."""
        return cls(
            finding=finding,
            at=bill.at,
            instrument=bill.instrument,
            name=name or f"bill {bill.bill_id}",
            here="",
            there=there,
        )


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What was compared in [since, until], and every difference, oldest first.

    `changes` sums the bills by currency and kind; together they are what the account's balances changed by.
    """

    since: datetime
    until: datetime
    executions: int
    """Executions of ours that the journal and the bills agree on."""
    positions: int
    """Closed positions whose funding they agree on."""
    changes: tuple[tuple[str, str, Decimal], ...]
    differences: tuple[Difference, ...]
