"""Run as a script: prints the bits of all features of a seeded market; its thread count is its process's own."""

import polars as pl

from feature_repo.transforms.asset_books import compute_asset_books
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours
from feature_repo.transforms.pairs import compute_pair_hourly
from pairity.settings import FeatureSettings
from pairity.universe import pairs_of
from tests.feature_repo.transforms.markets import (
    MINUTE,
    START,
    bits,
    build_hourly_bars,
    candles,
    inflows,
    settlements,
)

ASSETS = ("A", "B", "C", "D", "E", "F")


def main() -> None:
    minutes = candles(ASSETS, 60 * 260, bar=MINUTE, seed=11, gaps=0.05, volatility=0.001)
    bars = build_hourly_bars(minutes.lazy()).collect()
    funding, inflow = settlements(ASSETS, 260), inflows(ASSETS, 260)
    assets = compute_asset_hourly(bars.lazy(), funding.lazy(), FeatureSettings(), inflow.lazy()).collect()
    pairs = compute_pair_hourly(assets.lazy(), pairs_of(ASSETS), FeatureSettings(), 200).collect()
    hours = adopt_native_hours(candles(ASSETS, 900, seed=12, gaps=0.02).lazy())
    slow = compute_asset_hourly(hours, settlements(ASSETS, 900).lazy(), FeatureSettings())
    books = compute_asset_books(slow, settlements(ASSETS, 900).lazy(), after=START).collect()
    print(pl.thread_pool_size(), bits(bars), bits(assets), bits(pairs), bits(books))


if __name__ == "__main__":
    main()
