"""One setting each brings taker volumes, order books and liquidations into the features of the next live hour."""

import asyncio
from datetime import timedelta

import polars as pl
import pytest

from feature_repo.catalog import ASSET_MICROSTRUCTURE
from feature_repo.offline_files import scan_view
from ingestion.pipeline import Pipeline
from pairity.layout import Layout
from pairity.settings import IngestSettings
from tests.ingestion.venue import ASSETS, HOUR, UNTIL

BOOK = ("book_spread_bps", "depth_imbalance", "depth_imbalance_20")
LAG = timedelta(seconds=30)


def hour_after(okx, home, **switches):
    """The microstructure of the hour that closes at UNTIL + 1 h, after a backfill with the same settings."""
    settings = okx.settings(home, **switches)

    async def run():
        async with Pipeline(settings, okx) as pipeline:
            await pipeline.run(UNTIL - 6 * HOUR, UNTIL)
            okx.step_to(UNTIL + HOUR - timedelta(minutes=5))
            await pipeline.run(UNTIL, UNTIL + HOUR - timedelta(minutes=5), live=True)
            okx.step_to(UNTIL + HOUR + LAG)
            return await pipeline.run(UNTIL, UNTIL + HOUR, live=True)

    report = asyncio.run(run())
    assert not report.failures
    rows = scan_view(Layout.of(settings), ASSET_MICROSTRUCTURE).filter(pl.col("event_timestamp") == UNTIL + HOUR)
    return rows.sort("asset", "created_timestamp").unique("asset", keep="last").collect()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("switches", "known"),
    [({}, ()), ({"order_book": True}, BOOK), ({"taker_volume": True}, ("taker_buy_ratio",))],
)
def test_one_setting_each(okx, tmp_path, switches, known):
    rows = hour_after(okx, tmp_path, **switches)
    assert rows.height == len(ASSETS)
    for name in (*BOOK, "taker_buy_ratio"):
        assert rows[name].null_count() == (0 if name in known else len(ASSETS)), name
    if "taker_buy_ratio" in known:
        assert rows["taker_buy_ratio"].is_between(0, 1).all()


def test_a_dataset_is_collected_once_however_often_it_is_asked_for():
    assert IngestSettings().collected == IngestSettings().datasets
    own = IngestSettings(datasets=("funding", "book_tops"), order_book=True, taker_volume=True, liquidations=True)
    assert own.collected == ("funding", "book_tops", "taker_volume_1h", "liquidations")
