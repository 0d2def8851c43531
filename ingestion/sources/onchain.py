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
from ingestion.sources.http import Http
from pairity.errors import ConfigError, DataError, VenueAnswerError

_COVERED = ("BTC", "ETH")
_KIND = DATASETS["inflow"]


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
            days = [(str(row["date"]), float(row["inflow_total"])) for row in answer["result"]["data"]]
        except (KeyError, TypeError, ValueError) as error:
            raise VenueAnswerError(f"{self.url} sent an inflow answer without {error}: {str(answer)[:80]!r}") from None
        return _rows(pl.DataFrame(days, schema=["date", "inflow"], orient="row"), since, until)


@dataclass
class InflowCsv(BlockingSource):
    """A CSV with `date` (UTC day), `asset` and `inflow` (coins)."""

    file: Path
    venue: str = field(default="okx", init=False)
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
        return None if own.is_empty() else _rows(own, since, until)

    def _table(self) -> pl.DataFrame:
        if not self.file.is_file():
            raise ConfigError(f"no file {str(self.file)!r}", "give --folder the CSV with date, asset, inflow")
        try:
            rows = pl.read_csv(self.file, schema_overrides={"date": pl.String, "asset": pl.String})
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{self.file} cannot be read: {error}", "replace the file") from None
        missing = [name for name in ("date", "asset", "inflow") if name not in rows.columns]
        if missing:
            raise DataError(f"{self.file} lacks the columns {', '.join(missing)}; it has {rows.columns}")
        return rows.with_columns(pl.col("asset").str.to_uppercase())


def _rows(days: pl.DataFrame, since: datetime, until: datetime) -> pl.DataFrame:
    time = pl.col("date").str.slice(0, 10).str.to_datetime("%Y-%m-%d", time_unit="us").dt.replace_time_zone("UTC")
    rows = days.select(time.cast(INSTANT).alias("time"), pl.col("inflow").cast(pl.Float64))
    wanted = pl.col("time").is_between(since, until, closed="left")
    return _KIND.conform(rows.with_columns(history_known_at(_KIND)).filter(wanted)).sort("time")
