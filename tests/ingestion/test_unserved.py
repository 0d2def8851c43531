"""What a source does not serve is one line, whatever the number of instruments and datasets."""

import asyncio
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from ingestion.pipeline import collect_history
from ingestion.sources.folders import ParquetFolder
from pairity.progress import SilentProgress
from pairity.settings import Settings
from tests.feature_repo.transforms.markets import candles

SINCE = datetime(2025, 3, 10, tzinfo=UTC)
MANY = tuple(f"A{number}" for number in range(15))


class Heard(SilentProgress):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.mark.parametrize(
    ("assets", "datasets", "said"),
    [
        (("BTC", "ETH"), ("candles_1m", "funding"), "2 of what was asked for: funding of BTC, ETH"),
        (
            ("BTC", "ETH"),
            ("candles_1m", "funding", "open_interest"),
            "4 of what was asked for: funding, open_interest of BTC, ETH",
        ),
        (MANY, ("candles_1m", "funding"), f"15 of what was asked for: funding of {', '.join(MANY[:12])} and 3 more"),
        (
            ("BTC", "XRP"),
            ("candles_1m", "funding"),
            "1 of what was asked for: funding of BTC",
        ),  # XRP has no file at all
    ],
)
def test_one_line_names_count_datasets_and_assets(tmp_path, assets, datasets, said):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in assets:
        if name != "XRP":
            rows = candles((name,), 60, bar=timedelta(minutes=1), start=SINCE, volatility=0.001)
            columns = (pl.col("open_time").dt.epoch("ms").alias("ts"), "open", "high", "low", "close", "volume")
            rows.select(*columns).write_parquet(folder / f"{name}-USDT.parquet")
    heard, now = Heard(), SINCE + timedelta(days=9)
    source = ParquetFolder(folder)
    report = asyncio.run(
        collect_history(
            Settings(home=tmp_path / "home"), source, assets, datasets, SINCE, SINCE + timedelta(hours=1), now, heard
        )
    )
    lines = [line for line in heard.lines if "does not serve" in line]
    assert lines == [f"parquet-folder does not serve {said}"]
    assert report.ok == (
        "XRP" not in assets
    )  # an instrument without candles is a failure, one that lacks funding is none
