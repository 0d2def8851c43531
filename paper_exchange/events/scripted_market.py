"""A market whose instruments change, stop trading and go, as events say; between events it plays what it wraps.

Where an instrument does not trade, its traded bars are missing and its last price stands still; mark and index go on.
A bar belongs to a halt if it opens in it. Funding follows the interval in force: a settlement of a shorter one pays its
share of the last rate that the market settled, so nothing of the future leaks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from paper_exchange.market.listings import follow_listings, list_every
from paper_exchange.market.market import Bar, Funding, Instrument, Market, PriceKind
from paper_exchange.wire import Json

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
USUAL_MS = 8 * HOUR_MS
_FIELDS = {
    "ctVal": "ct_val",
    "lotSz": "lot_sz",
    "minSz": "min_sz",
    "tickSz": "tick_sz",
    "maxMktSz": "max_market_sz",
    "maxLmtSz": "max_limit_sz",
    "maxStopSz": "max_stop_sz",
    "lever": "max_leverage",
}


@dataclass(slots=True)
class _Halt:
    """A span [since_ms, until_ms) without trades; until_ms None is still going on."""

    since_ms: int
    until_ms: int | None = None

    def covers(self, at_ms: int) -> bool:
        return self.since_ms <= at_ms and (self.until_ms is None or at_ms < self.until_ms)


class ScriptedMarket:
    """`played` with changes. Events change it at their instants, never for what lies before them.

    `instruments` are those of the present; one that is gone stays, with the state `expired`.
    """

    def __init__(self, played: Market) -> None:
        self._played = played
        self.label, self.start_ms, self.end_ms = played.label, played.start_ms, played.end_ms
        self._changes: dict[str, dict[str, Json]] = defaultdict(dict)
        self._changed: tuple[Mapping[str, Instrument], Mapping[str, Instrument]] | None = None
        self._halts: dict[str, list[_Halt]] = defaultdict(list)
        self._ended: dict[str, int] = {}
        self._intervals: dict[str, list[tuple[int, int]]] = defaultdict(list)

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Instruments of the present, changed as events said."""
        played = self._played.instruments
        if self._changed is None or self._changed[0] is not played:
            self._changed = played, self._apply_changes(played)
        return self._changed[1]

    @property
    def every_instrument(self) -> Mapping[str, Instrument]:
        """All instruments, those that are not listed yet included."""
        return self._apply_changes(list_every(self._played))

    def follow(self, now_ms: Callable[[], int]) -> None:
        """Show from here on only what is listed at the instant that `now_ms` says."""
        follow_listings(self._played, now_ms)

    def set_state(self, inst_id: str, state: str, at_ms: int) -> None:
        """Let an instrument trade, or not, from an instant on."""
        halts = self._halts[inst_id]
        if halts and halts[-1].until_ms is None:
            halts[-1].until_ms = at_ms
        if state not in ("live", "post_only"):
            halts.append(_Halt(at_ms))
        self._replace(inst_id, state=state)

    def change(self, inst_id: str, values: Mapping[str, Decimal]) -> None:
        """Give an instrument new values, by the venue's names; a new minimum is the new lot, too, if none is given."""
        changes = {_FIELDS[name]: value for name, value in values.items()}
        if "min_sz" in changes:
            changes.setdefault("lot_sz", changes["min_sz"])
        self._replace(inst_id, **changes)

    def set_funding_hours(self, inst_id: str, hours: int, at_ms: int) -> None:
        """Settle funding every `hours` from an instant on."""
        self._intervals[inst_id].append((at_ms, hours * HOUR_MS))

    def end(self, inst_id: str, at_ms: int) -> None:
        """Let an instrument go for good: nothing of it is known from `at_ms` on."""
        self._ended[inst_id] = at_ms
        self._replace(inst_id, state="expired")

    def find_interval(self, inst_id: str) -> int | None:
        """Return the interval of funding that an event has set, in milliseconds; None where none has."""
        return self._intervals[inst_id][-1][1] if self._intervals.get(inst_id) else None

    def bar_ms(self, inst_id: str) -> int:
        """Return the size of the finest bars, in milliseconds."""
        return self._played.bar_ms(inst_id)

    def bars(self, inst_id: str, since_ms: int, until_ms: int, kind: PriceKind = "last") -> Sequence[Bar]:
        """Return the finest bars of [since_ms, until_ms) that are there."""
        bars = self._played.bars(inst_id, since_ms, min(until_ms, self._ended.get(inst_id, until_ms)), kind)
        if kind != "last" or not self._halts.get(inst_id):
            return bars
        return [bar for bar in bars if self._find_halt(inst_id, bar.open_ms) is None]

    def bar_at(self, inst_id: str, at_ms: int, kind: PriceKind = "last") -> Bar | None:
        """Return the bar that contains `at_ms`, or the newest before a halt or the end."""
        bar = self._played.bar_at(inst_id, min(at_ms, self._ended.get(inst_id, at_ms + 1) - 1), kind)
        while kind == "last" and bar is not None and (halt := self._find_halt(inst_id, bar.open_ms)) is not None:
            bar = self._played.bar_at(inst_id, halt.since_ms - 1, kind)
        return bar

    def funding(self, inst_id: str, since_ms: int, until_ms: int) -> Sequence[Funding]:
        """Return the settlements of [since_ms, until_ms), at the interval in force at each."""
        until_ms = min(until_ms, self._ended.get(inst_id, until_ms))
        changes = self._intervals.get(inst_id, [])
        if not changes:
            return self._played.funding(inst_id, since_ms, until_ms)
        # Before the first change the market settles as it did.
        settled = list(self._played.funding(inst_id, since_ms, min(until_ms, changes[0][0] + 1)))
        ends = [at_ms for at_ms, _ in changes[1:]] + [until_ms]
        for (changed_ms, interval_ms), end_ms in zip(changes, ends, strict=True):
            first = max(since_ms, changed_ms + 1)
            for at_ms in range(-(-first // interval_ms) * interval_ms, min(end_ms + 1, until_ms), interval_ms):
                settled.extend(self._scale_last_rate(inst_id, at_ms, interval_ms))
        return settled

    def open_interest(self, inst_id: str, at_ms: int) -> float | None:
        """Return the open interest in base units known at `at_ms`."""
        return self._played.open_interest(inst_id, at_ms)

    def _replace(self, inst_id: str, **changes: Json) -> None:
        self._changes[inst_id].update(changes)
        self._changed = None

    def _apply_changes(self, played: Mapping[str, Instrument]) -> Mapping[str, Instrument]:
        changes = self._changes
        return {name: replace(item, **changes[name]) if name in changes else item for name, item in played.items()}

    def _scale_last_rate(self, inst_id: str, at_ms: int, interval_ms: int) -> list[Funding]:
        """Return the settlement at an instant, from the last one of the played market; nothing where there is none."""
        before = self._played.funding(inst_id, at_ms - DAY_MS, at_ms + 1)
        if not before:
            return []
        return [Funding(at_ms, round(before[-1].rate * interval_ms / USUAL_MS, 16))]

    def _find_halt(self, inst_id: str, at_ms: int) -> _Halt | None:
        return next((halt for halt in self._halts.get(inst_id, ()) if halt.covers(at_ms)), None)


def read_set_interval(market: Market, inst_id: str) -> int | None:
    """Return the interval of funding that an event has set, in milliseconds; None where none has, or can."""
    return market.find_interval(inst_id) if isinstance(market, ScriptedMarket) else None
