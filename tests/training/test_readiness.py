"""What is told before training: funding that nobody knows, without which nothing is traded."""

from __future__ import annotations

import polars as pl
import pytest

from feature_repo.catalog import ASSET_HOURLY
from feature_repo.offline_files import publish
from pairity.layout import Layout
from tests.training.published import asset_rows, settings_for
from training.readiness import note_unknown_funding


@pytest.mark.parametrize(
    ("without", "said"),
    [
        ((), None),
        (("ETH",), "funding of ETH is not known"),
        (("BTC", "ETH", "SOL"), "funding of any asset is not known"),
    ],
)
def test_assets_whose_funding_is_known_in_no_hour_are_named(tmp_path, without, said):
    settings = settings_for(tmp_path)
    rows = asset_rows(settings, 30, 1)
    known = pl.when(~pl.col("asset").is_in(without)).then("funding_rate")
    publish(Layout.of(settings), ASSET_HOURLY, rows.with_columns(known.alias("funding_rate")))
    notes = note_unknown_funding(settings)
    assert len(notes) == (said is not None)
    assert said is None or notes[0].startswith(said)


def test_one_known_hour_is_enough(tmp_path):
    settings = settings_for(tmp_path)
    rows = asset_rows(settings, 30, 1)
    last = pl.col("event_timestamp") == rows["event_timestamp"].max()
    publish(Layout.of(settings), ASSET_HOURLY, rows.with_columns(pl.when(last).then("funding_rate")))
    assert note_unknown_funding(settings) == []


def test_funding_that_was_stored_after_the_features_is_told_with_what_helps(tmp_path):
    settings = settings_for(tmp_path)
    rows = asset_rows(settings, 30, 1)
    publish(Layout.of(settings), ASSET_HOURLY, rows.with_columns(funding_rate=pl.lit(None, pl.Float64)))
    late = pl.col("event_timestamp").max() + pl.duration(days=90)
    publish(Layout.of(settings), ASSET_HOURLY, rows.with_columns(created_timestamp=late))
    (note,) = note_unknown_funding(settings)
    assert note.startswith("funding of any asset was stored after the features were made")
    assert "remove features/ and run pairity features" in note
