"""Feeds of market data: rows of the public endpoints, candles, trades and books, pushed as they change."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from itertools import chain, zip_longest

from paper_exchange.wire import Json
from paper_exchange.ws.view import Payload, View

CANDLE_PAGE, REFERENCE_PAGE, TRADE_PAGE = "300", "100", "500"
"""Most candles and trades that one step of the clock pushes; of older ones a subscriber is not told."""
FULL_DEPTH = 400
_CHECKED_LEVELS = 25
_TIMES = ("ts", "seqId")
Sides = dict[str, dict[str, list[str]]]


@dataclass(slots=True)
class RowFeed:
    """Rows of an endpoint: all of them when one has changed, not before `gap_ms`, and every `repeat_ms` in any case.

    Times are of the exchange's clock, in milliseconds; what only its own time tells apart has not changed. With
    `changes_only`, later pushes hold the changed rows alone.
    """

    path: str
    params: dict[str, str]
    gap_ms: int
    repeat_ms: int | None = None
    changes_only: bool = False
    _sent_ms: int = 0
    _sent: list[Json] = field(default_factory=list)

    def open(self, view: View) -> list[Payload]:
        """Return all rows."""
        self._sent, self._sent_ms = [], view.now_ms - self.gap_ms
        return self.update(view)

    def update(self, view: View) -> list[Payload]:
        """Return the rows if it is time for them."""
        age_ms = view.now_ms - self._sent_ms
        if age_ms < self.gap_ms:
            return []
        rows = view.ask(self.path, **self.params)
        known = [_without_times(row) for row in rows]
        repeated = self.repeat_ms is not None and age_ms >= self.repeat_ms
        if known == self._sent and not repeated:
            return []
        shown = [row for row, key in zip(rows, known, strict=True) if key not in self._sent or repeated]
        self._sent, self._sent_ms = known, view.now_ms
        data = shown if self.changes_only else rows
        return [{"data": data}] if data else []


@dataclass(slots=True)
class CandleFeed:
    """Candles of one size, each in a message of its own: the forming one as it changes, and closed ones once more."""

    path: str
    inst_id: str
    bar: str
    limit: str
    _newest: list[str] = field(default_factory=list)
    _looked: int = -1

    def open(self, view: View) -> list[Payload]:
        """Return the newest candle."""
        newest = view.ask(self.path, instId=self.inst_id, bar=self.bar, limit="1")
        self._newest = newest[0] if newest else []
        return [{"data": newest}] if newest else []

    def update(self, view: View) -> list[Payload]:
        """Return the candles that have changed, oldest first."""
        # Between two closes of the finest bars nothing can be new.
        looked, self._looked = self._looked, _number_bar(view, self.inst_id.removesuffix("-SWAP") + "-SWAP")
        if looked == self._looked:
            return []
        since = {"before": str(int(self._newest[0]) - 1)} if self._newest else {}
        rows = view.ask(self.path, instId=self.inst_id, bar=self.bar, limit=self.limit, **since)
        changed = [row for row in reversed(rows) if row != self._newest]
        if changed:
            self._newest = changed[-1]
        return [{"data": [row]} for row in changed]


@dataclass(slots=True)
class TradeFeed:
    """Public trades since the last push; right after the subscription the newest one."""

    inst_id: str
    _last_id: int = 0
    _looked: int = -1

    def open(self, view: View) -> list[Payload]:
        """Return the newest trade."""
        return self._push(view.ask("market/trades", instId=self.inst_id, limit="1"))

    def update(self, view: View) -> list[Payload]:
        """Return the new trades in one message, oldest first."""
        looked, self._looked = self._looked, _number_bar(view, self.inst_id)
        if looked == self._looked:
            return []
        rows = view.ask("market/trades", instId=self.inst_id, limit=TRADE_PAGE)
        return self._push([row for row in reversed(rows) if int(row["tradeId"]) > self._last_id])

    def _push(self, rows: list[Json]) -> list[Payload]:
        if not rows:
            return []
        self._last_id = int(rows[-1]["tradeId"])
        return [{"data": [{**row, "count": "1", "seqId": int(row["tradeId"])} for row in rows]}]


@dataclass(slots=True)
class TopFeed:
    """The best levels of a book, whole, whenever they change."""

    inst_id: str
    levels: int
    _sent: Json = None
    _second: int = -1

    def open(self, view: View) -> list[Payload]:
        """Return the levels."""
        self._sent, self._second = None, -1
        return self.update(view)

    def update(self, view: View) -> list[Payload]:
        """Return the levels if they have changed."""
        if not _is_new_book(view, self._second):
            return []
        self._second = view.now_ms // 1000
        books = view.ask("market/books", instId=self.inst_id, sz=str(self.levels))
        known = [_without_times(book) for book in books]
        if not books or known == self._sent:
            return []
        self._sent = known
        named = {"instId": self.inst_id} if self.levels > 1 else {}
        return [{"data": [{**books[0], **named}]}]


@dataclass(slots=True)
class BookFeed:
    """A book of 400 levels: a snapshot, then the levels that changed, of size 0 where they are gone.

    Each update names the one before it (`prevSeqId`); `checksum` is that of the best 25 levels after it.
    """

    inst_id: str
    _sequence: int = 0
    _second: int = -1
    _sides: Sides = field(default_factory=dict)

    def open(self, view: View) -> list[Payload]:
        """Return the snapshot."""
        books = view.ask("market/books", instId=self.inst_id, sz=str(FULL_DEPTH))
        if not books:
            return []
        self._sides = _key_levels(books[0])
        return [self._make("snapshot", books[0], books[0], previous=-1)]

    def update(self, view: View) -> list[Payload]:
        """Return the changed levels."""
        if not self._sides:
            return self.open(view)
        if not _is_new_book(view, self._second):
            return []
        self._second = view.now_ms // 1000
        books = view.ask("market/books", instId=self.inst_id, sz=str(FULL_DEPTH))
        if not books:
            return []
        now = _key_levels(books[0])
        changed = {side: _list_changes(self._sides[side], now[side]) for side in now}
        if not any(changed.values()):
            return []
        self._sides = now
        return [self._make("update", books[0], changed, previous=self._sequence)]

    def _make(self, action: str, book: Json, levels: Json, *, previous: int) -> Payload:
        self._sequence = max(int(book["seqId"]), self._sequence + 1)
        row = {
            "asks": levels["asks"],
            "bids": levels["bids"],
            "ts": book["ts"],
            "checksum": compute_checksum(book),
            "prevSeqId": previous,
            "seqId": self._sequence,
        }
        return {"action": action, "data": [row]}


def compute_checksum(book: Json) -> int:
    """Return the venue's checksum of a book: CRC-32, signed, of its best 25 bids and asks in turn, price and size."""
    pairs = zip_longest(book["bids"][:_CHECKED_LEVELS], book["asks"][:_CHECKED_LEVELS])
    text = ":".join(f"{level[0]}:{level[1]}" for level in chain.from_iterable(pairs) if level is not None)
    unsigned = zlib.crc32(text.encode())
    return unsigned - (1 << 32) if unsigned >= 1 << 31 else unsigned


def _number_bar(view: View, inst_id: str) -> int:
    """Return the number of the finest bar that contains this instant."""
    return view.now_ms // view.exchange.market.bar_ms(inst_id)


def _is_new_book(view: View, second: int) -> bool:
    """Whether the book may have changed: each second has another one, and own fills take from it."""
    return view.now_ms // 1000 != second or bool(view.bills)


def _key_levels(book: Json) -> Sides:
    return {side: {level[0]: level for level in book[side]} for side in ("asks", "bids")}


def _list_changes(before: dict[str, list[str]], now: dict[str, list[str]]) -> list[list[str]]:
    gone = [[price, "0", "0", "0"] for price in before if price not in now]
    return [*gone, *(level for price, level in now.items() if before.get(price) != level)]


def _without_times(row: Json) -> Json:
    return {name: value for name, value in row.items() if name not in _TIMES}
