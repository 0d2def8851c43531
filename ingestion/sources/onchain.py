"""Coins that flow to exchanges, by day: from CryptoQuant, or from a CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.knowledge_time import history_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT
from ingestion.lake.spans import Span
from ingestion.sources.blocking import BlockingSource
from ingestion.sources.bounded_csv import brief, read_texts, refuse_non_numbers
from ingestion.sources.http import Http
from pairity.bounded_files import read_file
from pairity.bounded_json import MIB
from pairity.bounded_numbers import OutOfBoundsError, parse_float
from pairity.errors import ConfigError, DataError, VenueAnswerError

_COVERED = ("BTC", "ETH")
_KIND = DATASETS["inflow"]
_SIZE, _ROWS = 64 * MIB, 1_000_000


@dataclass
class CryptoQuant(BlockingSource):
    """Daily inflow of coins to all exchanges, from CryptoQuant. `http` carries the key in its headers."""

    http: Http
    url: str
    venue: str = field(default="okx", init=False)
    name: str = field(default="cryptoquant", init=False)
    datasets: tuple[str, ...] = field(default=("inflow",), init=False)

    def list_assets(self) -> tuple[str, ...]:
        """Return the two coins that are covered."""
        return _COVERED

    def units(self, dataset: str, since: datetime, until: datetime) -> Iterator[Span]:
        """Leave [since, until) whole: one answer holds years of days."""
        yield since, until

    def read(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | None:
        """Return the days of [since, until) in coins; None for a coin that is not covered."""
        if asset not in _COVERED:
            return None
        answer = self.http.json(
            f"{self.url}/v1/{asset.lower()}/exchange-flows/inflow",
            {
                "exchange": "all_exchange",
                "window": "day",
                "from": f"{since:%Y%m%dT%H%M%S}",
                "to": f"{until:%Y%m%dT%H%M%S}",
                "limit": "100000",
            },
        )
        try:
            days = [(str(row["date"])[:10], parse_float(row["inflow_total"])) for row in answer["result"]["data"]]
            if not days:
                return None
            return _rows(pl.DataFrame(days, schema=["date", "inflow"], orient="row"), since, until)
        except (KeyError, TypeError, OutOfBoundsError, DataError, pl.exceptions.PolarsError) as error:
            what = f"{self.url} sent an inflow answer that cannot be read: {type(error).__name__} {brief(error)}"
            raise VenueAnswerError(f"{what}: {str(answer)[:80]!r}", "nothing of it was stored") from None


@dataclass
class InflowCsv(BlockingSource):
    """A CSV with `date` (UTC day), `asset` and `inflow` (coins)."""

    file: Path
    venue: str = "okx"
    name: str = field(default="inflow-csv", init=False)
    datasets: tuple[str, ...] = field(default=("inflow",), init=False)

    def list_assets(self) -> tuple[str, ...]:
        """Return the assets of the file."""
        return tuple(sorted(self._table()["asset"].unique()))

    def units(self, dataset: str, since: datetime, until: datetime) -> Iterator[Span]:
        """Leave [since, until) whole: the file is read as a whole."""
        yield since, until

    def read(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | None:
        """Return the days of [since, until) in coins; None for a coin that the file does not have."""
        own = self._table().filter(pl.col("asset") == asset)
        try:
            return None if own.is_empty() else _rows(own, since, until)
        except (DataError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{self.file} cannot be read: {brief(error)}", "correct or replace the file") from None

    def _table(self) -> pl.DataFrame:
        if not self.file.is_file():
            raise ConfigError(f"no file {str(self.file)!r}", "give --folder the CSV with date, asset, inflow")
        try:
            rows = read_texts(read_file(self.file, _SIZE), _ROWS, quoted=True)
            missing = [name for name in ("date", "asset", "inflow") if name not in rows.columns]
            if missing:
                raise OutOfBoundsError(f"lacks the columns {', '.join(missing)}; it has {brief(rows.columns)}")
            refuse_non_numbers(rows, ["inflow"])
        except OutOfBoundsError as error:
            raise DataError(f"{self.file} {error.what}", "correct or replace the file") from None
        return rows.with_columns(pl.col("asset").str.to_uppercase())


def _rows(days: pl.DataFrame, since: datetime, until: datetime) -> pl.DataFrame:
    time = pl.col("date").str.slice(0, 10).str.to_datetime("%Y-%m-%d", time_unit="us").dt.replace_time_zone("UTC")
    rows = days.select(time.cast(INSTANT).alias("time"), pl.col("inflow").cast(pl.Float64))
    wanted = pl.col("time").is_between(since, until, closed="left")
    return _KIND.conform(rows.with_columns(history_known_at(_KIND)).filter(wanted)).sort("time")
