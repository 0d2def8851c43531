"""Binance's public archive: whole months as ZIP files, days where a month is not complete yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import polars as pl

from feature_repo.raw_datasets import find_dataset as declared
from ingestion.lake.spans import Span, subtract
from ingestion.sources import binance_files
from ingestion.sources.blocking import BlockingSource
from ingestion.sources.http import Http, TooLargeError
from ingestion.sources.protocol import UnitAnswer
from ingestion.sources.remarks import Remarks
from pairity.errors import VenueAnswerError
from pairity.timeline import DAY, format_instant, month_start, next_month

_KINDS = {"candles_1m": "klines", "candles_1h": "klines", "funding": "fundingRate", "trade_bars_1m": "aggTrades"}
_BARS = {"candles_1m": "1m", "candles_1h": "1h"}


@dataclass
class BinanceArchive(BlockingSource):
    """Archives of one market: `um` is USDT-margined futures. `ticks` says which kind of trades becomes bars.

    A month's archive is tried first; where there is none, it cannot be used, or trades of a month are more than one
    archive may hold, those of its days. A day without an archive has no rows, and is asked for again.
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

    def read(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | UnitAnswer | None:
        """Return the rows of [since, until), which lies in one month; None where there is no archive.

        A month that cannot be used is named, and its days are read instead; days that a month lacks are filled from
        theirs. Without a month, only days with an archive are proven. VenueAnswerError where nothing can be used.
        """
        left_out: list[str] = []
        month = self._whole_month(dataset, asset, since, left_out)
        frames = [] if month is None else [month]
        unproven = [] if month is not None else [(since, until)]
        proven: list[Span] = []
        for day in [] if dataset == "funding" else _lacking_days(dataset, month, since, until):  # which has no days
            span = max(day, since), min(day + DAY, until)
            try:
                rows = self._archive(dataset, asset, (day, day + DAY), left_out)
            except VenueAnswerError as error:
                left_out.append(error.what)
                unproven.append(span)
                continue
            if rows is not None:
                frames.append(rows)
                proven.append(span)
        if not frames:
            if left_out:
                raise VenueAnswerError("; ".join(left_out), "nothing of it was stored")
            return None
        rows = _combine(dataset, frames, since, until)
        answered = subtract((since, until), [part for span in unproven for part in subtract(span, proven)])
        if answered == ((since, until),) and not left_out:
            return rows
        return UnitAnswer(rows, proven=answered, left_out=tuple(left_out))

    def _whole_month(self, dataset: str, asset: str, since: datetime, left_out: list[str]) -> pl.DataFrame | None:
        month = month_start(since)
        try:
            return self._archive(dataset, asset, (month, next_month(month)), left_out)
        except TooLargeError as error:
            if dataset != "trade_bars_1m":
                left_out.append(error.what)
        except VenueAnswerError as error:
            left_out.append(error.what)
        return None

    def _archive(self, dataset: str, asset: str, of: Span, left_out: list[str]) -> pl.DataFrame | None:
        """Return the rows of the archive of a month or a day; what lies outside of it is named in `left_out`."""
        is_day = of[1] - of[0] == DAY
        span, period = ("daily", f"{of[0]:%Y-%m-%d}") if is_day else ("monthly", f"{of[0]:%Y-%m}")
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
            rows = binance_files.read_klines(csv, dataset, where)
        elif kind == "fundingRate":
            rows = binance_files.read_funding(csv, where)
        else:
            rows = binance_files.read_trade_bars(csv, where, lambda what: self.remarks.note(asset, dataset, what))
        if rows.is_empty() and dataset != "trade_bars_1m":  # an hour may have no trade, but never no candle
            raise VenueAnswerError(f"{where} has no rows: nothing of it is proven", "nothing of it was stored")
        time = declared(dataset).time
        outside = rows.filter(pl.col(time).is_between(*of, closed="left").not_())
        if outside.height:
            left_out.append(
                f"{where} has {outside.height} rows outside of {period}, such as one of "
                f"{format_instant(outside[time][0])}"
            )
        return rows.join(outside, on=time, how="anti", maintain_order="left") if outside.height else rows


def _lacking_days(dataset: str, month: pl.DataFrame | None, since: datetime, until: datetime) -> list[datetime]:
    """Return the days of [since, until) of which the month's rows are not all there; all of them without a month.

    A minute without trades has no bar: of those, only a day without any is lacking.
    """
    day, days = since.replace(hour=0, minute=0, second=0, microsecond=0), []
    while day < until:
        days.append(day)
        day += DAY
    if month is None:
        return days
    kind = declared(dataset)
    counts = dict(month.group_by(pl.col(kind.time).dt.truncate("1d")).len().iter_rows())
    expected = 1 if dataset == "trade_bars_1m" else DAY // kind.known_after
    return [day for day in days if counts.get(day, 0) < expected]


def _combine(dataset: str, frames: list[pl.DataFrame], since: datetime, until: datetime) -> pl.DataFrame:
    """Return the rows of [since, until): of a later frame those alone whose instants no earlier one has."""
    time, rows = declared(dataset).time, frames[0]
    for more in frames[1:]:
        rows = pl.concat([rows, more.join(rows, on=time, how="anti", maintain_order="left")])
    wanted = rows.filter(pl.col(time).is_between(since, until, closed="left"))
    return wanted.unique(maintain_order=True).sort(time)
