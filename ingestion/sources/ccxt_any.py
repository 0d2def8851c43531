"""Any exchange that ccxt knows: candles and funding of its linear USDT perpetuals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import polars as pl

from feature_repo.raw_datasets import DATASETS, INSTANT, KNOWN_AT
from ingestion.lake.spans import Span
from pairity.errors import ConfigError, UnknownNameError, VenueAnswerError, VenueRejectedError, VenueUnreachableError
from pairity.timeline import HISTORY_LAG, from_ms, months_between, next_month, to_ms

_BARS = {"candles_1m": "1m", "candles_1h": "1h"}
_PAGE = 300
# What `fetchOHLCV` calls volume differs between exchanges, and ccxt passes it on as it is.
_VOLUME_IN_COINS = frozenset({"okx", "binance", "binanceusdm", "bybit"})
_VOLUME_IN_CONTRACTS = frozenset({"gate"})
# Only the markets that are wanted, where ccxt would ask for all kinds.
_MARKETS = {"okx": {"fetchMarkets": {"types": ["swap"]}}}


@dataclass
class CcxtAny:
    """One exchange by its ccxt id; `url` replaces its scheme and host (tests). Public data only: no key is used."""

    exchange: str
    retries: int = 4
    timeout_s: float = 30.0
    url: str | None = None
    sleep: Callable[[float], None] = time.sleep
    datasets: tuple[str, ...] = field(default=("candles_1m", "candles_1h", "funding"), init=False)
    _client: Any = field(default=None, init=False)

    @property
    def name(self) -> str:
        """As `pairity collect --source` takes it."""
        return f"ccxt:{self.exchange}"

    @property
    def venue(self) -> str:
        """The exchange is the venue; OKX has a source of its own, whose rows these must not be mixed with."""
        return f"ccxt_{self.exchange}"

    def assets(self) -> tuple[str, ...]:
        """Bases of all linear USDT perpetuals."""
        markets = self._open().markets.values()
        return tuple(sorted(market["base"] for market in markets if _is_linear_usdt(market)))

    def units(self, dataset: str, since: datetime, until: datetime) -> Iterator[Span]:
        """Calendar months."""
        for month in months_between(since, until):
            yield max(month, since), min(next_month(month), until)

    def fetch(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | None:
        """See `Source.fetch`; bars that had not closed at the exchange's time are left out."""
        client = self._open()
        market = client.markets.get(f"{asset}/USDT:USDT")
        if market is None or not _is_linear_usdt(market):
            return None
        if dataset == "funding":
            return self._funding(market["symbol"], since, until)
        return self._candles(dataset, market, since, until)

    def _candles(self, dataset: str, market: dict[str, Any], since: datetime, until: datetime) -> pl.DataFrame:
        kind, symbol, bar = DATASETS[dataset], market["symbol"], _BARS[dataset]
        coins = self._coins_per_unit(market)
        closed = min(until, from_ms(int(self._call("fetch_time"))) - kind.known_after + timedelta(milliseconds=1))
        rows = self._pages(
            lambda at: self._call("fetch_ohlcv", symbol, bar, at, _PAGE), lambda row: row[0], since, until
        )
        names = ("open_time", "open", "high", "low", "close", "volume")
        frame = pl.DataFrame([row[:6] for row in rows], schema=dict.fromkeys(names, pl.Float64), orient="row")
        opened = pl.col("open_time").cast(pl.Int64).cast(pl.Datetime("ms", "UTC")).cast(INSTANT)
        candles = frame.with_columns(opened, pl.col("volume") * coins)
        known = (pl.col("open_time") + kind.known_after + HISTORY_LAG).alias(KNOWN_AT)
        return kind.conform(candles.filter(pl.col("open_time") < closed).with_columns(known)).sort("open_time")

    def _funding(self, symbol: str, since: datetime, until: datetime) -> pl.DataFrame:
        rows = self._pages(
            lambda at: self._call("fetch_funding_rate_history", symbol, at, 100),
            lambda row: row["timestamp"],
            since,
            until,
        )
        dataset = DATASETS["funding"]
        values = [(row["timestamp"], row["fundingRate"]) for row in rows]
        frame = pl.DataFrame(values, schema={"funding_time": pl.Int64, "funding_rate": pl.Float64}, orient="row")
        settled = pl.col("funding_time").cast(pl.Datetime("ms", "UTC")).cast(INSTANT).dt.truncate("1s")
        known = (pl.col("funding_time") + HISTORY_LAG).alias(KNOWN_AT)
        return dataset.conform(frame.with_columns(settled).with_columns(known)).sort("funding_time")

    def _pages(
        self, page: Callable[[int], list[Any]], at: Callable[[Any], int], since: datetime, until: datetime
    ) -> list[Any]:
        """All rows in [since, until), from old to new; exchanges may answer less than was asked for."""
        cursor, end = to_ms(since), to_ms(until)
        found: dict[int, Any] = {}
        while cursor < end:
            rows = [row for row in page(cursor) if at(row) >= cursor]
            found |= {at(row): row for row in rows if at(row) < end}
            newest = max((at(row) for row in rows), default=None)
            if newest is None:
                break
            cursor = newest + 1
        return [found[key] for key in sorted(found)]

    def _coins_per_unit(self, market: dict[str, Any]) -> float:
        size = float(market.get("contractSize") or 0.0)
        if size == 1.0 or self.exchange in _VOLUME_IN_COINS:
            return 1.0
        if self.exchange in _VOLUME_IN_CONTRACTS and size > 0.0:
            return size
        raise ConfigError(
            f"whether {self.exchange} tells volumes of {market['symbol']} in coins or contracts of {size:g} is unknown",
            "compare with the exchange's own page and add it to ingestion/sources/ccxt_any.py",
        )

    def _open(self) -> Any:  # noqa: ANN401 - ccxt is untyped
        import ccxt

        if self._client is None:
            if self.exchange not in ccxt.exchanges:
                raise UnknownNameError("ccxt exchange", self.exchange, ccxt.exchanges)
            client = getattr(ccxt, self.exchange)({
                "enableRateLimit": self.url is None, "timeout": int(self.timeout_s * 1000),
                "options": {"defaultType": "swap", **_MARKETS.get(self.exchange, {})},
            })  # fmt: skip
            if self.url is not None:
                client.urls["api"] = _moved(client.urls["api"], self.url)
            self._client = client
            self._call("load_markets")
        return self._client

    def _call(self, method: str, *arguments: Any) -> Any:  # noqa: ANN401 - ccxt is untyped
        """One unified call, repeated after transient failures only."""
        import ccxt

        for attempt in range(self.retries + 1):
            try:
                return getattr(self._client, method)(*arguments)
            except ccxt.NetworkError as error:
                if attempt == self.retries:
                    raise VenueUnreachableError(
                        f"{self.exchange} {method}: {type(error).__name__}: {_brief(error)}, {attempt + 1} times",
                        "try again later: what was fetched before is kept",
                    ) from None
                self.sleep(min(0.5 * 2**attempt, 60.0))
            except ccxt.NotSupported:
                raise ConfigError(
                    f"ccxt's {self.exchange} does not support {method}", "choose another source"
                ) from None
            except ccxt.BadResponse as error:
                raise VenueAnswerError(f"{self.exchange} {method}: {_brief(error)}") from None
            except ccxt.ExchangeError as error:
                raise VenueRejectedError(f"{self.exchange} {method}: {_brief(error)}", type(error).__name__) from None
        raise AssertionError  # the loop returns or raises


def _is_linear_usdt(market: dict[str, Any]) -> bool:
    return bool(market.get("swap") and market.get("linear") and market.get("settle") == "USDT")


def _moved(urls: Any, to: str) -> Any:  # noqa: ANN401 - nested dictionaries of addresses
    if isinstance(urls, dict):
        return {name: _moved(value, to) for name, value in urls.items()}
    parts = urlsplit(str(urls))
    return f"{to}{parts.path}"


def _brief(error: Exception) -> str:
    return str(error)[:160]
