"""Binance's public archive: whole months as ZIP files, days where a month is not complete yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import polars as pl

from feature_repo.raw_datasets import find_dataset as declared
from ingestion.sources import binance_files
from ingestion.sources.blocking import BlockingSource
from ingestion.sources.http import Http, TooLargeError
from ingestion.sources.remarks import Remarks
from pairity.timeline import DAY, month_start

_KINDS = {"candles_1m": "klines", "candles_1h": "klines", "funding": "fundingRate", "trade_bars_1m": "aggTrades"}
_BARS = {"candles_1m": "1m", "candles_1h": "1h"}


@dataclass
class BinanceArchive(BlockingSource):
    """Archives of one market: `um` is USDT-margined futures. `ticks` says which kind of trades becomes bars.

    A month's archive is tried first; where there is none, or trades of a month are more than one archive may hold,
    those of its days. A day without an archive has no rows.
    """

    http: Http
    url: str
    market: Literal["um", "spot"] = "um"
    ticks: Literal["aggTrades", "trades"] = "aggTrades"
    name: str = field(default="binance-archive", init=False)
    remarks: Remarks = field(default_factory=Remarks, init=False, repr=False, compare=False)

    @property
    def venue(self) -> str:
        """Venue in the lake: spot and futures are venues of their own."""
        return f"binance_{self.market}"

    @property
    def datasets(self) -> tuple[str, ...]:
        """Datasets of the market: there is no funding in spot."""
        return tuple(name for name in _KINDS if self.market == "um" or name != "funding")

    def list_assets(self) -> tuple[str, ...]:
        """Return nothing: the archive has no list of its own."""
        return ()

    def read(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | None:
        """Return the rows of [since, until), which lies in one month; None where there is no archive."""
        month = month_start(since)
        whole = self._whole_month(dataset, asset, f"{month:%Y-%m}")
        if whole is not None:
            frames = [whole]
        elif dataset == "funding":  # has no daily files
            frames = []
        else:
            days = [since.replace(hour=0, minute=0, second=0, microsecond=0)]
            while days[-1] + DAY < until:
                days.append(days[-1] + DAY)
            daily = (self._archive(dataset, asset, f"{day:%Y-%m-%d}", "daily") for day in days)
            frames = [rows for rows in daily if rows is not None]
        if not frames:
            return None
        time = declared(dataset).time
        rows = pl.concat(frames).filter(pl.col(time).is_between(since, until, closed="left"))
        return rows.unique(maintain_order=True).sort(time)

    def _whole_month(self, dataset: str, asset: str, period: str) -> pl.DataFrame | None:
        try:
            return self._archive(dataset, asset, period, "monthly")
        except TooLargeError:
            if dataset != "trade_bars_1m":
                raise
            return None

    def _archive(self, dataset: str, asset: str, period: str, span: Literal["monthly", "daily"]) -> pl.DataFrame | None:
        kind = self.ticks if dataset == "trade_bars_1m" else _KINDS[dataset]
        symbol, bar = f"{asset}USDT", _BARS.get(dataset)
        folder = "spot" if self.market == "spot" else "futures/um"
        file = f"{symbol}-{bar or kind}-{period}.zip"
        where = "/".join(part for part in (self.url.rstrip("/"), "data", folder, span, kind, symbol, bar, file) if part)
        limits = binance_files.OF_TRADES if dataset == "trade_bars_1m" else binance_files.OF_BARS
        archive = self.http.get(where, limit=limits.size)
        if archive is None:
            return None
        checksum = self.http.get(f"{where}.CHECKSUM", limit=binance_files.CHECKSUM_SIZE)
        binance_files.verify_checksum(archive, checksum, where)
        csv = binance_files.unzip_csv(archive, where, limits)
        if kind == "klines":
            return binance_files.read_klines(csv, dataset, where)
        if kind == "fundingRate":
            return binance_files.read_funding(csv, where)
        return binance_files.read_trade_bars(csv, where, lambda what: self.remarks.note(asset, dataset, what))
