"""Binance's public archive: whole months as ZIP files, days where a month is not complete yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import polars as pl

from feature_repo.raw_datasets import find_dataset as declared
from ingestion.lake.spans import Span
from ingestion.sources import binance_files
from ingestion.sources.http import Http
from pairity.timeline import DAY, month_start, months_between, next_month

_KINDS = {"candles_1m": "klines", "candles_1h": "klines", "funding": "fundingRate", "trade_bars_1m": "aggTrades"}
_BARS = {"candles_1m": "1m", "candles_1h": "1h"}


@dataclass
class BinanceArchive:
    """`market` um: USDT-margined futures; spot: spot. `ticks`: which trades become bars.

    A month's archive is asked for first; where it does not exist, the days'. A day without an archive has no rows.
    """

    http: Http
    url: str
    market: Literal["um", "spot"] = "um"
    ticks: Literal["aggTrades", "trades"] = "aggTrades"
    name: str = field(default="binance-archive", init=False)

    @property
    def venue(self) -> str:
        """Spot and futures are venues of their own."""
        return f"binance_{self.market}"

    @property
    def datasets(self) -> tuple[str, ...]:
        """Spot knows no funding."""
        return tuple(name for name in _KINDS if self.market == "um" or name != "funding")

    def assets(self) -> tuple[str, ...]:
        """The archive has no list of its own."""
        return ()

    def units(self, dataset: str, since: datetime, until: datetime) -> Iterator[Span]:
        """Calendar months."""
        for month in months_between(since, until):
            yield max(month, since), min(next_month(month), until)

    def fetch(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | None:
        """See `Source.fetch`; [since, until) lies in one month."""
        month = month_start(since)
        whole = self._archive(dataset, asset, f"{month:%Y-%m}", "monthly")
        if whole is not None:
            found = [whole]
        elif dataset == "funding":  # has no daily files
            found = []
        else:
            days = [since.replace(hour=0, minute=0, second=0, microsecond=0)]
            while days[-1] + DAY < until:
                days.append(days[-1] + DAY)
            daily = (self._archive(dataset, asset, f"{day:%Y-%m-%d}", "daily") for day in days)
            found = [rows for rows in daily if rows is not None]
        if not found:
            return None
        time = declared(dataset).time
        rows = pl.concat(found).filter(pl.col(time).is_between(since, until, closed="left"))
        return rows.unique(maintain_order=True).sort(time)

    def _archive(self, dataset: str, asset: str, period: str, span: Literal["monthly", "daily"]) -> pl.DataFrame | None:
        kind = self.ticks if dataset == "trade_bars_1m" else _KINDS[dataset]
        symbol, bar = f"{asset}USDT", _BARS.get(dataset)
        folder = "spot" if self.market == "spot" else "futures/um"
        file = f"{symbol}-{bar or kind}-{period}.zip"
        where = "/".join(part for part in (self.url.rstrip("/"), "data", folder, span, kind, symbol, bar, file) if part)
        archive = self.http.get(where)
        if archive is None:
            return None
        binance_files.check_sum(archive, self.http.get(f"{where}.CHECKSUM"), where)
        csv = binance_files.unzipped(archive, where)
        if kind == "klines":
            return binance_files.klines(csv, dataset, where)
        if kind == "fundingRate":
            return binance_files.funding(csv, where)
        return binance_files.trade_bars(csv, where)
