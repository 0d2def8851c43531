"""What models of outcomes ask of pairs, read from the store: the kernels' bits, the version that was known, no gaps."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, PAIR_SPREADS
from feature_repo.offline_files import publish, scan_view
from model_registry.outcome_fits import PAIR_COLUMNS, list_pairs
from pairity.layout import Layout
from tests.training.published import NOW, publish_all, settings_for
from training.books.pair_features import compute_pair_columns
from training.books.stored_market import load_market
from training.books.stored_pairs import StoredPairs

NAMES = ("BTC", "ETH", "SOL", "XRP")
SPREAD = PAIR_COLUMNS.index("spread_volatility_720h")


@pytest.fixture
def settings(tmp_path):
    made = settings_for(tmp_path, ("SOL", "ETH", "BTC", "XRP"))  # pairs of books are in the order of the alphabet
    universe = made.universe.model_copy(update={"pair_assets": ("SOL", "ETH", "BTC")})
    publish_all(made, bars=1_150)
    return made.model_copy(update={"universe": universe})


def read(settings, until=None):
    panel = load_market(settings, NOW, until).history.panel
    hour = next(row for row in range(panel.hours - 9, 0, -1) if panel.close_of(row).hour % 8 == 0)
    return panel, hour, StoredPairs(settings, NOW)


def test_stored_rows_are_the_kernels_bits_either_way_round_and_the_rest_is_computed(settings):
    panel, hour, stored = read(settings)
    expected = compute_pair_columns(panel, hour, NAMES)
    assert not np.isnan(expected).any()
    assert {pair.pair_id for pair in settings.universe.pairs} == {"SOL__ETH", "SOL__BTC", "ETH__BTC"}
    np.testing.assert_array_equal(stored(panel, hour, NAMES), expected)
    for other in (hour - 3, hour - 8):
        np.testing.assert_array_equal(stored(panel, other, NAMES), compute_pair_columns(panel, other, NAMES))


def test_the_version_that_was_known_at_the_decision_is_seen(settings):
    layout = Layout.of(settings)
    panel, hour, _ = read(settings)
    close, place = panel.close_of(hour), list_pairs(NAMES).index(("BTC", "ETH"))
    pair = next(one.pair_id for one in settings.universe.pairs if set(one.assets) == {"BTC", "ETH"})
    own = scan_view(layout, PAIR_SPREADS).filter(pl.col("pair_id") == pair, pl.col(EVENT_TIME) == close).collect()
    for value, waited in ((0.5, timedelta(milliseconds=2)), (0.7, timedelta(days=1))):
        known = pl.lit(close + waited).dt.cast_time_unit("us").alias(CREATED_TIME)
        changed = own.with_columns(pl.lit(value).alias("spread_volatility_720h"), known)
        publish(layout, PAIR_SPREADS, changed.select(PAIR_SPREADS.columns).cast(dict(own.schema)))
    found = StoredPairs(settings, NOW)(panel, hour, NAMES)
    assert found[place, SPREAD] == 0.5
    assert (found[:, SPREAD] != 0.5).sum() == len(found) - 1


def test_hours_of_before_the_view_was_computed_are_computed_from_the_bars(settings):
    panel, hour, _ = read(settings)
    expected = compute_pair_columns(panel, hour, NAMES)
    for path in (Layout.of(settings).features / PAIR_SPREADS.name).rglob("*.parquet"):
        path.unlink()
    np.testing.assert_array_equal(StoredPairs(settings, NOW)(panel, hour, NAMES), expected)
