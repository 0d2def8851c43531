"""Any exchange that ccxt knows: candles and funding of its linear USDT perpetuals."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import requests
from urllib3.exceptions import HTTPError

from feature_repo.knowledge_time import history_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT, RawDataset
from ingestion.lake.spans import Span, clip, subtract
from ingestion.sources.blocking import BlockingSource
from ingestion.sources.bounded_transport import DeadlineError
from ingestion.sources.ccxt_pages import Pager, Walk
from ingestion.sources.ccxt_session import bound, leave_rows_in
from ingestion.sources.file_rows import JITTER, place_on_hours
from ingestion.sources.http import SOURCE_BACKOFF
from ingestion.sources.instants import parse_ms
from ingestion.sources.protocol import UnitAnswer
from ingestion.sources.reading import count_of
from ingestion.sources.unreadable_rows import leave_out_unreadable
from pairity.bounded_numbers import OutOfBoundsError, parse_int, show
from pairity.errors import (
    ConfigError,
    DataError,
    UnknownNameError,
    VenueAnswerError,
    VenueRejectedError,
    VenueUnreachableError,
)
from pairity.number_formats import format_plain
from pairity.timeline import from_ms, to_ms

_BARS = {"candles_1m": "1m", "candles_1h": "1h"}
_PAGE, _FUNDING_PAGE = 300, 100
_NEWEST_ROWS = 100
"""Bars, or half hours of settlements, of which a market that trades must have some."""
_MILLISECOND = timedelta(milliseconds=1)
_FUNDING_MS = 3_600_000 // 2
"""Settlements are an hour apart at least; some come late by seconds."""
_FUNDING_BEFORE_MS = 86_400_000
"""Longest time that a rate is in force: an exchange may answer the one that was in force at the start."""
_FUNDING_END = {"okx": "after", "okxus": "after", "myokx": "after"}
"""How the end of a page of settlements is called where ccxt does not translate `until`."""
_LAST_MS = to_ms(datetime(2100, 1, 1, tzinfo=UTC))
_TOTAL_S = 300.0
"""Longest time of one answer."""
_TRY_LATER = "try again later: what was fetched before is kept"
_NOTHING_STORED = "nothing of it was stored"
_UNPROVEN = (
    "what lies between {} cannot be asked for: the exchange sends its newest rows first and ignores where a page shall "
    "end; the range does not count as fetched: collect it from another source"
)
_UNANSWERED = (
    "the exchange sent no row between {}, nor any of its newest ones: it may be in maintenance; the range does not "
    "count as fetched: run this again later"
)
_CONTRADICTED = (
    "the exchange sent no row between {}, and some when it was asked again: its answers cannot be relied on; the range "
    "does not count as fetched: run this again later"
)
_NAME = re.compile(r"\w{1,40}", re.ASCII)
# What code that trusts its input raises for an answer of another shape.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
# What `fetchOHLCV` calls volume differs between exchanges, and ccxt passes it on as it is.
_VOLUME_IN_COINS = frozenset({"okx", "binance", "binanceusdm", "bybit"})
_VOLUME_IN_CONTRACTS = frozenset({"gate"})
# Only the markets that are wanted, where ccxt would ask for all kinds.
_MARKETS = {"okx": {"fetchMarkets": {"types": ["swap"]}}}


@dataclass
class CcxtAny(BlockingSource):
    """One exchange by its ccxt id; `url` replaces its scheme and host (tests). Public data only: no key is used."""

    exchange: str
    retries: int = 4
    timeout_s: float = 30.0
    url: str | None = None
    sleep: Callable[[float], None] = time.sleep
    datasets: tuple[str, ...] = field(default=("candles_1m", "candles_1h", "funding"), init=False)
    _client: Any = field(default=None, init=False)
    _others: list[Mapping[str, Any]] = field(default_factory=list, init=False)
    """Rows of other instruments that the client left out."""

    @property
    def name(self) -> str:
        """Name as `pairity collect --source` takes it."""
        return f"ccxt:{self.exchange}"

    @property
    def venue(self) -> str:
        """Venue in the lake. Not the exchange's own name: rows of OKX's own source must not be mixed with these."""
        return f"ccxt_{self.exchange}"

    def list_assets(self) -> tuple[str, ...]:
        """Return the bases of all linear USDT perpetuals, as far as they are names (letters, digits, underscores)."""
        try:
            bases = [str(market["base"]) for market in self._open().markets.values() if _is_linear_usdt(market)]
        except _UNREADABLE as error:
            raise self._unreadable("load_markets", error) from None
        # They are printed, and become names of folders.
        return tuple(sorted(base for base in bases if _NAME.fullmatch(base)))

    def read(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | UnitAnswer | None:
        """Return the rows of [since, until); None for an instrument that the exchange does not have.

        Bars that have not closed at the exchange's time are left out. A `UnitAnswer` where part of the range is not
        proven, or lies before the instrument's listing.
        """
        client = self._open()
        market = client.markets.get(f"{asset}/USDT:USDT")
        if market is None or not _is_linear_usdt(market):
            return None
        try:
            if dataset == "funding":
                return self._funding(market, since, until)
            return self._candles(dataset, market, since, until)
        except (*_UNREADABLE, DataError, pl.exceptions.PolarsError) as error:
            raise self._unreadable(dataset, error) from None

    def _candles(
        self, dataset: str, market: dict[str, Any], since: datetime, until: datetime
    ) -> pl.DataFrame | UnitAnswer:
        kind, symbol, bar = DATASETS[dataset], market["symbol"], _BARS[dataset]
        coins, now = self._coins_per_unit(market), self._now()
        closed = min(until, now - kind.known_after + _MILLISECOND)

        def ask(symbol: str, at: int, limit: int, end: int | None) -> Any:  # noqa: ANN401 - ccxt is untyped
            return self._call("fetch_ohlcv", symbol, bar, at, limit, _ending("until", end))

        walk = Pager(
            what=f"{self.exchange} fetch_ohlcv of {symbol}",
            ask=partial(ask, symbol),
            at=lambda row: parse_ms(row[0], now),
            fewest_ms=kind.known_after // _MILLISECOND,
            limit=_PAGE,
            listed_ms=_listed_ms(market, now),
            newest_ms=to_ms(now),
            answers_now=lambda: self._answers_now(ask, market, to_ms(now - _NEWEST_ROWS * kind.known_after)),
        ).walk(since, until)
        names = ("open_time", "open", "high", "low", "close", "volume")
        frame = pl.DataFrame([row[:6] for row in walk.rows], schema=dict.fromkeys(names, pl.Float64), orient="row")
        opened = pl.col("open_time").cast(pl.Int64).cast(pl.Datetime("ms", "UTC")).cast(INSTANT)
        candles = frame.with_columns(opened, pl.col("volume") * coins)
        candles = candles.filter(pl.col("open_time") < closed).with_columns(history_known_at(kind))
        return _answer(kind, walk, candles, market, (since, until))

    def _funding(self, market: dict[str, Any], since: datetime, until: datetime) -> pl.DataFrame | UnitAnswer:
        symbol, now = market["symbol"], self._now()
        name = _FUNDING_END.get(self.exchange, "until")

        def ask(symbol: str, at: int, limit: int, end: int | None) -> Any:  # noqa: ANN401 - ccxt is untyped
            return self._call("fetch_funding_rate_history", symbol, at, limit, _ending(name, end))

        self._others.clear()
        # A stamp beside its hour may lie on the other side of an end of the range.
        walk = Pager(
            what=f"{self.exchange} fetch_funding_rate_history of {symbol}",
            ask=partial(ask, symbol),
            at=lambda row: parse_ms(row["timestamp"], now),
            value=lambda row: row["fundingRate"],
            fewest_ms=_FUNDING_MS,
            limit=_FUNDING_PAGE,
            slack_ms=JITTER // _MILLISECOND,
            before_ms=_FUNDING_BEFORE_MS,
            is_regular=False,
            listed_ms=_listed_ms(market, now),
            newest_ms=to_ms(now),
            answers_now=lambda: self._answers_now(ask, market, to_ms(now) - _NEWEST_ROWS * _FUNDING_MS),
        ).walk(since - JITTER, until + JITTER)
        kind = DATASETS["funding"]
        values = [(row["timestamp"], row["fundingRate"]) for row in walk.rows]
        frame = pl.DataFrame(values, schema={"stamp": pl.Int64, "funding_rate": pl.Float64}, orient="row")
        stamp = pl.col("stamp").cast(pl.Datetime("ms", "UTC")).cast(INSTANT).dt.truncate("1s")
        rows = place_on_hours(frame.with_columns(stamp)).filter(
            pl.col(kind.time).is_between(since, until, closed="left")
        )
        return _answer(kind, walk, rows, market, (since, until), self._find_strange(walk, (since, until), now))

    def _find_strange(self, walk: Walk, unit: Span, now: datetime) -> list[tuple[datetime, str]]:
        """Return instant and symbol of other instruments' rows in the unit where there is none of its own.

        An exchange that answers for all instruments has both.
        """
        own = pl.Series([row["timestamp"] for row in walk.rows], dtype=pl.Int64)
        strange: dict[datetime, str] = {}
        for row in self._others:
            at = parse_ms(row.get("timestamp"), now)
            if unit[0] <= from_ms(at) < unit[1] and not ((own - at).abs() <= JITTER // _MILLISECOND).any():
                strange[from_ms(at)] = str(row.get("symbol"))
        return sorted(strange.items())

    def _answers_now(self, ask: Callable[[str, int, int, int | None], Any], market: dict[str, Any], since: int) -> bool:
        """Return whether the exchange sends rows from `since` (ms) on, where a market that trades must have some.

        Of a market that is closed for good nothing can be new: another one is asked.
        """
        symbol = market["symbol"]
        if market.get("active") is False:
            others = (other for other in self._open().markets.values() if _is_linear_usdt(other))
            symbol = next((other["symbol"] for other in others if other.get("active") is not False), symbol)
        return bool(ask(symbol, since, _NEWEST_ROWS, None))

    def _now(self) -> datetime:
        """Return the exchange's time; where it does not tell it, the time here."""
        if not self._open().has.get("fetchTime"):
            return datetime.now(UTC)
        return from_ms(parse_int(self._call("fetch_time"), 0, _LAST_MS))

    def _unreadable(self, method: str, error: Exception) -> VenueAnswerError:
        said = f"{type(error).__name__}: {_brief(error)}"
        return VenueAnswerError(f"{self.exchange} {method}: the answer cannot be read ({said})", _NOTHING_STORED)

    def _coins_per_unit(self, market: dict[str, Any]) -> float:
        size = float(market.get("contractSize") or 0.0)
        if size == 1.0 or self.exchange in _VOLUME_IN_COINS:
            return 1.0
        if self.exchange in _VOLUME_IN_CONTRACTS and size > 0.0:
            return size
        raise ConfigError(
            f"whether {self.exchange} tells volumes of {market['symbol']} in coins or contracts of "
            f"{format_plain(size)} is unknown",
            "compare with the exchange's own page and add it to ingestion/sources/ccxt_any.py",
        )

    def _open(self) -> Any:  # noqa: ANN401 - ccxt is untyped
        import ccxt

        if self._client is None:
            if self.exchange not in ccxt.exchanges:
                raise UnknownNameError("ccxt exchange", self.exchange, ccxt.exchanges)
            client = getattr(ccxt, self.exchange)(
                {
                    "enableRateLimit": self.url is None,
                    "timeout": int(self.timeout_s * 1000),
                    "options": {"defaultType": "swap", **_MARKETS.get(self.exchange, {})},
                }
            )
            if self.url is not None:
                client.urls["api"] = _moved(client.urls["api"], self.url)
            bound(client, _TOTAL_S)
            self._others = leave_rows_in(client)
            self._client = client
            try:
                self._call("load_markets")
            except BaseException:
                self._client = None  # half of the markets are no markets
                raise
        return self._client

    def _call(self, method: str, *arguments: Any) -> Any:  # noqa: ANN401 - ccxt is untyped
        """Make one unified call; repeat it after transient failures only."""
        import ccxt

        for attempt in range(self.retries + 1):
            try:
                return getattr(self._client, method)(*arguments)
            except (ccxt.NetworkError, requests.RequestException, HTTPError) as error:  # ccxt lets some through
                if attempt == self.retries:
                    raise VenueUnreachableError(
                        f"{self.exchange} {method}: {type(error).__name__}: {_brief(error)}, {attempt + 1} times",
                        _TRY_LATER,
                    ) from None
                self.sleep(SOURCE_BACKOFF.delay_s(attempt))
            except ccxt.NotSupported:
                raise ConfigError(
                    f"ccxt's {self.exchange} does not support {method}", "choose another source"
                ) from None
            except DeadlineError as error:
                raise VenueUnreachableError(f"{self.exchange} {method}: the answer {error.what}", _TRY_LATER) from None
            except OutOfBoundsError as error:
                raise VenueAnswerError(f"{self.exchange} {method}: the answer {error.what}", _NOTHING_STORED) from None
            except ccxt.BadResponse as error:
                raise VenueAnswerError(f"{self.exchange} {method}: {_brief(error)}", _NOTHING_STORED) from None
            except ccxt.ExchangeError as error:
                raise VenueRejectedError(f"{self.exchange} {method}: {_brief(error)}", type(error).__name__) from None
            except _UNREADABLE as error:
                raise self._unreadable(method, error) from None
        raise AssertionError  # the loop returns or raises


def _ending(name: str, at: int | None) -> dict[str, int]:
    """Return the parameter that ends a page at `at`; none where the exchange shall end it."""
    return {} if at is None else {name: at}


def _listed_ms(market: dict[str, Any], now: datetime) -> int | None:
    """Return the exchange's listing time; None where it gives none that an instant can be."""
    try:
        return parse_ms(market.get("created"), now)
    except OutOfBoundsError:
        return None


def _answer(
    kind: RawDataset,
    walk: Walk,
    found: pl.DataFrame,
    market: dict[str, Any],
    unit: Span,
    strange: Sequence[tuple[datetime, str]] = (),
) -> pl.DataFrame | UnitAnswer:
    """Return the rows alone where they prove the whole range; `strange` are rows of other instruments in place of own.

    What a row of another instrument stands in place of is not proven.
    """
    symbol = str(market["symbol"])
    readable, unreadable, reasons = leave_out_unreadable(kind, found, symbol)
    rows = kind.conform(readable).sort(kind.time)
    open_parts = [
        part
        for span in (*walk.unproven, *walk.unanswered, *walk.contradicted, *((at, at + JITTER) for at, _ in strange))
        for part in clip([span], *unit)
    ]
    if not (open_parts or unreadable) and walk.before_listing is None:
        return rows
    for spans, said in ((walk.unproven, _UNPROVEN), (walk.unanswered, _UNANSWERED), (walk.contradicted, _CONTRADICTED)):
        reasons += [
            f"{symbol}: {said.format(*map(_describe_span, clip([span], *unit)))}"
            for span in spans
            if clip([span], *unit)
        ]
    if strange:
        at, other = strange[0]
        reasons.append(
            f"{symbol}: {count_of(len(strange))} of another instrument, such as {show(other)} at "
            f"{at:%Y-%m-%d %H:%M} UTC, where none of its own came: left out, and the instant does not count as fetched"
        )
    listed = None if walk.before_listing is None else from_ms(int(market["created"]))
    return UnitAnswer(
        rows, proven=subtract(unit, (*open_parts, *unreadable)), left_out=tuple(reasons), listed_at=listed
    )


def _describe_span(span: Span) -> str:
    return f"{span[0]:%Y-%m-%d %H:%M} and {span[1]:%Y-%m-%d %H:%M} UTC"


def _is_linear_usdt(market: dict[str, Any]) -> bool:
    return bool(market.get("swap") and market.get("linear") and market.get("settle") == "USDT")


def _moved(urls: Any, to: str) -> Any:  # noqa: ANN401 - nested dictionaries of addresses
    if isinstance(urls, dict):
        return {name: _moved(value, to) for name, value in urls.items()}
    parts = urlsplit(str(urls))
    return f"{to}{parts.path}"


def _brief(error: Exception) -> str:
    return str(error)[:160]
