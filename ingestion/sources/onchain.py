"""Coins that flow to exchanges, by day, from CryptoQuant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from feature_repo.knowledge_time import history_known_at
from feature_repo.raw_datasets import DATASETS, INSTANT
from ingestion.lake.spans import Span
from ingestion.sources.blocking import BlockingSource
from ingestion.sources.bounded_csv import brief
from ingestion.sources.http import Http
from ingestion.sources.protocol import NotServedError, UnitAnswer
from ingestion.sources.unreadable_rows import leave_out_outside
from pairity.bounded_numbers import OutOfBoundsError, parse_float
from pairity.errors import DataError, VenueAnswerError

_COVERED = ("BTC", "ETH")
_KIND = DATASETS["inflow"]
_ANY_DAY = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


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

    def read(self, dataset: str, asset: str, since: datetime, until: datetime) -> pl.DataFrame | UnitAnswer | None:
        """Return the days of [since, until) in coins; NotServedError for a coin that is not covered."""
        if asset not in _COVERED:
            raise NotServedError(f"{self.name} has the inflow of {' and '.join(_COVERED)} only")
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
            given = _rows(pl.DataFrame(days, schema=["date", "inflow"], orient="row"), *_ANY_DAY)
            rows, outside = leave_out_outside(_KIND, given, (since, until), f"{self.name} {asset}")
            return UnitAnswer(rows, ((since, until),), tuple(outside)) if outside else rows
        except (KeyError, TypeError, OutOfBoundsError, DataError, pl.exceptions.PolarsError) as error:
            what = f"{self.url} sent an inflow answer that cannot be read: {type(error).__name__} {brief(error)}"
            raise VenueAnswerError(f"{what}: {str(answer)[:80]!r}", "nothing of it was stored") from None


def _rows(days: pl.DataFrame, since: datetime, until: datetime) -> pl.DataFrame:
    time = pl.col("date").str.slice(0, 10).str.to_datetime("%Y-%m-%d", time_unit="us").dt.replace_time_zone("UTC")
    rows = days.select(time.cast(INSTANT).alias("time"), pl.col("inflow").cast(pl.Float64))
    wanted = pl.col("time").is_between(since, until, closed="left")
    return _KIND.conform(rows.with_columns(history_known_at(_KIND)).filter(wanted)).sort("time")
