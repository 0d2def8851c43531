"""The limiter: measures the account at decisions and in the watch, and draws the consequences of its limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from pairity.errors import UnconfirmedError, VenueError
from pairity.strategy.types import Entry
from pairity.universe import exact, inst_id
from serving.execution.venue_records import Balance, VenueBill, VenuePosition
from serving.limits.account_limits import check_account
from serving.limits.confirmation import Confirmation
from serving.limits.entry_limits import check_entry, check_increase
from serving.limits.measuring import mark_equity, measure_account
from serving.limits.records import AccountMeasures, AssetMeasures, Consequence
from serving.parts import GuardParts

CAUSE = "limits"
"""Cause of guarding while a limit of the account is exceeded."""
EQUITY = "equity"
"""Cause of guarding while nothing confirms the equity that the balance shows."""
_USDT = "USDT"
_UNREAD_FOR = timedelta(minutes=1)
"""Time without a try between decisions after positions or bills could not be read: they must not hold up the watch."""
_READINGS, _APART = 3, timedelta(seconds=1)
"""How often, and how far apart, an equity is read that nothing confirms: bills follow the cash within a second."""
_MEASURED_FOR = timedelta(minutes=5)
"""How long measures count as the present ones between two decisions."""


class Limiter:
    """Limits of one account. What is beyond one becomes a cause of guarding, or a halt (`Supervisor`)."""

    def __init__(self, parts: GuardParts) -> None:
        self._parts = parts
        self._supervisor = parts.supervisor
        self._venue = parts.executor.desk.venue
        self._confirmation = Confirmation()
        self._measured: AccountMeasures | None = None
        self._unread_at: datetime | None = None

    @property
    def measured(self) -> AccountMeasures | None:
        """The last measures; None before the first."""
        return self._measured

    def is_due(self, now: datetime) -> bool:
        """Return whether the last measures are too old to be the present ones."""
        if self._measured is None:
            return self._unread_at is None or now - self._unread_at >= _UNREAD_FOR
        return now - self._measured.at >= _MEASURED_FOR

    async def measure(self) -> Balance:
        """Read the account, mark its equity in the journal, and follow its limits; return its balance.

        An equity that nothing confirms, or of which what confirms it cannot be read, is neither marked nor compared
        with limits: the process guards until it is. A drawdown over which a person has resumed trading counts as seen:
        the peak begins anew there. Raises VenueError where the balance cannot be read, JournalError where the mark
        cannot be written.
        """
        journal, limits = self._parts.journal, self._parts.settings.limits
        balance = await self._venue.balance()
        try:
            balance, rows, newest, at = await self._confirm(balance)
            mark = await mark_equity(self._venue, journal, balance, at, newest)
        except VenueError as error:
            read = isinstance(error, UnconfirmedError)
            self._measured, self._unread_at = None, None if read else self._parts.clock.now()
            self._supervisor.guard(EQUITY, error.what if read else f"the equity is not confirmed: {error.what}")
            return balance
        self._supervisor.clear(EQUITY)
        self._measured = measured = measure_account(journal, mark, rows, self._parts.contracts, balance.margin_ratio)
        breaches = check_account(measured, limits)
        halts = [breach for breach in breaches if breach.consequence is Consequence.HALT]
        if halts:
            self._supervisor.halt(str(halts[0]))
        elif breaches:
            self._supervisor.guard(CAUSE, str(breaches[0]))
        else:
            self._supervisor.clear(CAUSE)
        return balance

    async def _confirm(self, balance: Balance) -> tuple[Balance, Sequence[VenuePosition], VenueBill | None, datetime]:
        """Return the balance, read anew where its equity has to be confirmed once more, and what confirms it.

        That are the positions and the newest bill, with the instant at which it was asked for.
        Raises UnconfirmedError where nothing confirms it, another VenueError where what would cannot be read.
        """
        clock, doubt = self._parts.clock, ""
        for reading in range(_READINGS):
            if reading:
                await clock.sleep_until(clock.now() + _APART)
                balance = await self._venue.balance()
            rows = await self._venue.position_rows()
            asked_at = clock.now()
            bill = await self._venue.newest_bill(_USDT)
            last = self._parts.journal.equity.last()
            found = self._confirmation.find_doubt(balance, bill, rows, last, clock.now())
            if found is None:
                return balance, rows, bill, asked_at
            doubt = found
        raise UnconfirmedError(doubt, "compare the account with what the venue's site shows, if that stays so")

    async def find_refusal(self, entry: Entry) -> str | None:
        """Return which limit an entry would exceed, or None; one that has begun already is not measured again.

        An entry that passes counts as open from here on, until the account is measured again. Raises VenueError.
        """
        journal, contracts = self._parts.journal, self._parts.contracts
        if journal.intents(entry.position_id):
            return None
        if self._measured is None:
            await self.measure()
        if self._measured is None:
            return self._supervisor.causes[EQUITY]
        assets = {leg.asset: await self._measure_asset(leg.asset, leg.reference_price) for leg in entry.legs}
        breaches = check_entry(entry, self._measured, assets, contracts, self._parts.settings.limits)
        if breaches:
            return str(breaches[0])
        sizes = [contracts[leg.asset].notional(leg.contracts, exact(leg.reference_price)) for leg in entry.legs]
        self._measured = self._measured.add_notional(sum(sizes, Decimal(0)))
        return None

    async def find_increase_refusal(self, asset: str, added: Decimal, after: Decimal, close: float) -> str | None:
        """Return which limit more of a name of a book would exceed, or None: `added` contracts, `after` in all.

        `close`: that of the decision. What passes counts as held from here on, until the account is measured again.
        Raises VenueError.
        """
        if self._measured is None:
            await self.measure()
        if self._measured is None:
            return self._supervisor.causes[EQUITY]
        spec, price = self._parts.contracts[asset], exact(close)
        more, whole = spec.notional(added, price), spec.notional(after, price)
        measured = await self._measure_asset(asset, close)
        breaches = check_increase(measured, more, whole, self._measured, self._parts.settings.limits)
        if breaches:
            return str(breaches[0])
        self._measured = self._measured.add_notional(more)
        return None

    async def _measure_asset(self, asset: str, close: float) -> AssetMeasures:
        name = inst_id(asset)
        mark, settled = await self._venue.mark_price(name), await self._venue.settled_funding(name)
        return AssetMeasures(
            asset,
            close=exact(close),
            mark=mark,
            funding_rate=None if settled is None else settled.rate,
            funding_hours=None if settled is None else settled.hours,
        )
