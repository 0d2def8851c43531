"""Following of a source: rounds of requests, and how far everything is known.

A round reads, at the source's instant T, every bar that closed before T's minute, the opens of that minute, what was
settled, and the contracts. After a whole round everything is known up to the end of T's minute, and the exchange's
clock may go that far. A round that fails takes nothing back and nothing forward: the clock stands still, and after
some seconds the exchange says that it is in maintenance.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from types import TracebackType

from pairity.errors import VenueUnreachableError
from paper_exchange.clock import FollowedClock
from paper_exchange.events.venue_state import Maintenance
from paper_exchange.market.market import Bar, Instrument
from paper_exchange.mirror.mirror_market import KINDS, Followed, MirrorMarket, find_typical_price
from paper_exchange.mirror.rows import (
    MINUTE_MS,
    SourceBar,
    read_bar,
    read_funding,
    read_instrument,
    read_interest,
    read_settlement,
)
from paper_exchange.mirror.source import Source, SourceError
from paper_exchange.wire import Json

DAY_MS = 24 * 60 * MINUTE_MS
CANDLES = {
    "last": ("market/candles", "market/history-candles"),
    "mark": ("market/mark-price-candles", "market/history-mark-price-candles"),
}
"""Endpoints of the newest bars, and of older ones."""
_PAGE = {"last": 300, "mark": 100}
_MOST_PAGES = 2_000


@dataclass(frozen=True, slots=True)
class Patience:
    """How a source is followed, in seconds.

    `look_s`: between two looks at its time. `outage_s`: how long it may be out of reach, or a round unfinished, before
    the exchange says so. `gap_s`: how long after a minute its bar may still come; then it is a hole. `funding_s`: how
    long after a settlement its rate may still come; then the account is not charged, and the state says so.
    """

    look_s: float = 2.0
    outage_s: float = 15.0
    gap_s: float = 5.0
    funding_s: float = 300.0


class Follower:
    """A market that follows `source`; `open` it, then use it as a context while it is served."""

    def __init__(self, source: Source, names: Sequence[str], patience: Patience | None = None) -> None:
        self.market: MirrorMarket
        self.clock: FollowedClock
        self.on_new_value: Callable[[str, Decimal, Decimal], None] = _ignore
        """Called with an instrument and its old and new contract value, before the new one is in force."""
        self._source, self._names = source, tuple(names)
        self._patience = patience or Patience()
        self._task: asyncio.Task[None] | None = None
        self._done_s = time.monotonic()
        self._known_minute_ms = -1
        self._next_funding: dict[str, int] = {}
        self._missed: list[str] = []
        self._gaps = 0
        self._reason = ""

    async def open(self, history_days: int) -> None:
        """Read contracts and history; VenueUnreachableError where the source does not give them."""
        try:
            heard_ms = await self._source.get_time()
            start_ms = heard_ms // MINUTE_MS * MINUTE_MS - history_days * DAY_MS
            self.market = MirrorMarket(f"mirror of {self._source.address.origin}", start_ms, self._names)
            while True:
                heard_ms = await self._source.get_time()
                if await self._read_round(heard_ms):
                    break
                await asyncio.sleep(self._patience.look_s)
        except SourceError as error:
            raise VenueUnreachableError(
                f"{self._source.address.origin} cannot be followed: {error}",
                "give --from the address of an OKX v5 API that serves these instruments (--follow)",
            ) from None
        self.clock = FollowedClock(heard_ms, self._known_minute_ms + MINUTE_MS - 1)
        self._done_s = time.monotonic()

    async def __aenter__(self) -> Follower:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def list_outages(self, now_ms: int) -> list[Maintenance]:
        """Return a maintenance that refuses requests while the source is out of reach; nothing while it is followed."""
        silent_s = time.monotonic() - self._done_s
        if silent_s <= self._patience.outage_s:
            return []
        title = f"The source cannot be followed: {self._reason or 'no answer'}"
        return [Maintenance(title, now_ms - int(silent_s * 1000), now_ms + 60 * MINUTE_MS, refuses=True)]

    def describe(self) -> dict[str, Json]:
        """Return how the source is followed: its address, the lag, holes, and settlements that were never known."""
        return {
            "source": self._source.address.url,
            "lag_ms": self.clock.lag_ms(),
            "silent_ms": int((time.monotonic() - self._done_s) * 1000),
            "known_until_ms": self.clock.known_until_ms,
            "missing_bars": self._gaps,
            "missed_settlements": list(self._missed),
            "reason": self._reason,
        }

    async def _follow(self) -> None:
        while True:
            try:
                heard_ms = await self._source.get_time()
                if heard_ms // MINUTE_MS * MINUTE_MS <= self._known_minute_ms or await self._read_round(heard_ms):
                    self._done_s, self._reason = time.monotonic(), ""
                self.clock.hear(heard_ms, self._known_minute_ms + MINUTE_MS - 1)
                wait_s = (self._known_minute_ms + MINUTE_MS - heard_ms) / 1000
            except SourceError as error:
                self._reason, wait_s = str(error), self._patience.look_s
            except Exception as error:  # noqa: BLE001 - whatever a source sends: the exchange stays, and says so
                self._reason, wait_s = f"{type(error).__name__}: {error}", self._patience.look_s
            await asyncio.sleep(min(self._patience.look_s, max(wait_s, 0.2)))

    async def _read_round(self, heard_ms: int) -> bool:
        """Read everything up to the source's instant; return whether it is complete. Only then it counts as known."""
        minute_ms = heard_ms // MINUTE_MS * MINUTE_MS
        series = [(name, kind) for name in self._names for kind in KINDS]
        read = await asyncio.gather(*(self._read_series(name, kind, minute_ms) for name, kind in series))
        traded = zip(read, series, strict=True)
        await self._read_contracts({name: rows for rows, (name, kind) in traded if kind == "last"})
        late_ms = heard_ms - minute_ms
        for rows, (name, kind) in zip(read, series, strict=True):
            patient = self._trades(name) and late_ms < self._patience.gap_s * 1000
            if not _is_complete(rows, self.market.newest_ms(name, kind), minute_ms, patient=patient):
                self._reason = f"the bar of {name} ({kind}) before {minute_ms} is not closed yet"
                return False
        funding = await asyncio.gather(*(self._read_funding(name, heard_ms) for name in self._names))
        if not all(funding):
            return False
        # Without it nothing else is unknown: it is then shown as not known, and nobody waits.
        with suppress(SourceError):
            await self._read_interest(heard_ms)
        for rows, (name, kind) in zip(read, series, strict=True):
            self._take(name, kind, rows, minute_ms)
        self._known_minute_ms = minute_ms
        return True

    async def _read_series(self, name: str, kind: Followed, minute_ms: int) -> list[SourceBar]:
        """Return the bars after the newest known one, ascending, those of later minutes than T's left out."""
        after_ms = max(self.market.newest_ms(name, kind), self.market.start_ms - 1)
        wanted = min(_PAGE[kind], (minute_ms - after_ms) // MINUTE_MS + 1)
        newest, older = CANDLES[kind]
        found: list[SourceBar] = []
        cursor: dict[str, str] = {}
        for page in range(_MOST_PAGES):
            path = older if page else newest
            rows = await self._source.get(path, instId=name, bar="1m", limit=str(max(wanted, 2)), **cursor)
            bars = [read_bar(row, traded=kind == "last") for row in rows]
            found += [each for each in bars if after_ms < each.bar.open_ms <= minute_ms]
            oldest_ms = min((each.bar.open_ms for each in bars), default=after_ms)
            if oldest_ms <= after_ms + MINUTE_MS or cursor == {"after": str(oldest_ms)}:
                unique = {each.bar.open_ms: each for each in found}
                return [unique[open_ms] for open_ms in sorted(unique)]
            cursor = {"after": str(oldest_ms)}
        raise SourceError(f"candles: {name} has no end")

    def _trades(self, name: str) -> bool:
        """Whether new bars of an instrument are to be expected."""
        known = self.market.instruments.get(name)
        return known is None or known.state == "live"

    def _take(self, name: str, kind: Followed, rows: Sequence[SourceBar], minute_ms: int) -> None:
        before_ms = self.market.newest_ms(name, kind)
        closed = [each.bar for each in rows if each.bar.open_ms < minute_ms]
        forming = next((each.bar for each in rows if each.bar.open_ms == minute_ms), None)
        self.market.add_bars(name, kind, closed, forming)
        if before_ms >= 0:
            self._gaps += (minute_ms - before_ms) // MINUTE_MS - 1 - len(closed)

    async def _read_funding(self, name: str, heard_ms: int) -> bool:
        """Read what was settled; False while a settlement is due whose rate is not known."""
        rows = await self._source.get("public/funding-rate", instId=name)
        if not rows and not self._trades(name):
            return True
        if not rows:
            raise SourceError(f"funding-rate: nothing of {name}")
        state = read_funding(rows[0])
        due_ms = self._next_funding.get(name)
        if due_ms is None or heard_ms >= due_ms:
            for row in await self._source.get("public/funding-rate-history", instId=name, limit="100"):
                settlement = read_settlement(row)
                if settlement.settle_ms <= heard_ms:
                    self.market.add_settlement(name, settlement)
            if state.settled is not None and state.settled.settle_ms <= heard_ms:
                self.market.add_settlement(name, state.settled)
        if due_ms is not None and heard_ms >= due_ms and self.market.last_settlement_ms(name) < due_ms:
            if heard_ms - due_ms < self._patience.funding_s * 1000:
                self._reason = f"the funding of {name} at {due_ms} is not known yet"
                return False
            self._missed.append(f"{name} {due_ms}")
        self._next_funding[name] = state.next_ms
        return True

    async def _read_contracts(self, bars: dict[str, list[SourceBar]]) -> None:
        rows = await self._source.get("public/instruments", instType="SWAP")
        listed = {row.get("instId"): row for row in rows if isinstance(row, dict)}
        contracts = dict(self.market.instruments)
        for name in self._names:
            old = contracts.get(name)
            if name not in listed:
                if old is None:
                    raise SourceError(f"instruments: {name} is not listed")
                # One list is no proof of a delisting: the position stays, and nothing is traded.
                contracts[name] = _suspend(old)
                continue
            price = self._find_price(name, [each.bar for each in bars[name]])
            try:
                contracts[name] = new = read_instrument(listed[name], price)
            except SourceError:
                if old is None:
                    raise
                contracts[name] = _suspend(old)
                continue
            if old is not None and old.ct_val != new.ct_val:
                self.on_new_value(name, old.ct_val, new.ct_val)
        self.market.instruments = contracts

    def _find_price(self, name: str, bars: Sequence[Bar]) -> float:
        known = self.market.bars(name, self.market.start_ms, self.market.start_ms + DAY_MS)
        return find_typical_price(known or bars)

    async def _read_interest(self, heard_ms: int) -> None:
        for row in await self._source.get("public/open-interest", instType="SWAP"):
            name = row.get("instId") if isinstance(row, dict) else None
            if name in self._names and (value := read_interest(row)) is not None:
                self.market.add_interest(name, heard_ms, value)


def _is_complete(rows: Sequence[SourceBar], newest_ms: int, minute_ms: int, *, patient: bool) -> bool:
    """Whether every bar before T's minute is closed; where one is `patient`, the last of them must be there, too."""
    if any(not each.closed for each in rows if each.bar.open_ms < minute_ms):
        return False
    newest = max((each.bar.open_ms for each in rows if each.closed), default=newest_ms)
    return newest >= minute_ms - MINUTE_MS or not patient


def _suspend(contract: Instrument) -> Instrument:
    return replace(contract, state="suspend")


def _ignore(_: str, __: Decimal, ___: Decimal) -> None:
    pass
