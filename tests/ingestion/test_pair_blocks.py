"""Many pairs are published in blocks: the same rows as all at once, and a second run adds none."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from feature_repo.catalog import PAIR_HOURLY, VIEWS
from feature_repo.offline_files import scan_view
from feature_repo.raw_datasets import DATASETS
from ingestion import publishing
from ingestion.lake import Lake
from ingestion.pipeline import publish_features
from pairity.layout import Layout
from pairity.pair_cost import describe_pair_cost
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings
from pairity.universe import pairs_of
from tests.feature_repo.transforms.markets import DAY, candles

START = datetime(2025, 3, 30, tzinfo=UTC)
NAMES = ("A", "B", "C", "D")
HOURS = 24 * 5


def publish(home, now=START + 9 * DAY, **universe):
    settings = Settings(home=home, universe=UniverseSettings(assets=NAMES, min_aligned_bars=3, **universe))
    lake = Lake(Layout.of(settings), durable=False)
    rows = candles(NAMES, HOURS, start=START, seed=2)
    if not lake.contents():
        with lake.writing():
            for name in NAMES:
                own = rows.filter(pl.col("asset") == name).drop("asset")
                lake.write("candles_1h", name, DATASETS["candles_1h"].conform(own))
    report = publish_features(settings, START + HOURS // 24 * DAY, now, SilentProgress())
    return settings, {view.view: view for view in report.views}


def read(settings, view):
    return scan_view(Layout.of(settings), view).collect().sort(view.entity, "event_timestamp")


@pytest.mark.slow
def test_blocks_publish_what_all_at_once_would(tmp_path, monkeypatch):
    whole, counted = publish(tmp_path / "whole")
    monkeypatch.setattr(publishing, "PAIRS_AT_ONCE", 4)
    blocks, in_blocks = publish(tmp_path / "blocks")
    for view in VIEWS.values():
        assert read(blocks, view).equals(read(whole, view))
    assert in_blocks == counted
    assert in_blocks[PAIR_HOURLY.name].online_rows == 6
    assert read(whole, PAIR_HOURLY)["pair_id"].n_unique() == 6
    # Another number of pairs makes every month due again: stored pairs are compared, block by block.
    more, again = publish(tmp_path / "blocks", pair_assets=NAMES)
    assert again[PAIR_HOURLY.name].new_rows == 0
    assert again[PAIR_HOURLY.name].unchanged_rows == counted[PAIR_HOURLY.name].new_rows
    assert read(more, PAIR_HOURLY).equals(read(whole, PAIR_HOURLY))


def test_only_the_pairs_that_are_traded_are_computed(tmp_path):
    settings, counted = publish(tmp_path, pair_assets=("C", "A"))
    assert settings.universe.traded == ("A", "C")
    assert read(settings, PAIR_HOURLY)["pair_id"].unique().to_list() == ["A__C"]
    assert counted["asset_cross_section"].new_rows == 4 * HOURS


def test_pairs_are_cut_without_a_rest():
    pairs = pairs_of([f"C{number}" for number in range(70)])
    blocks = publishing.split_pairs(pairs)
    assert [len(block) for block in blocks] == [500, 500, 500, 500, 415]
    assert [pair for block in blocks for pair in block] == list(pairs)
    assert publishing.split_pairs(()) == ()


@pytest.mark.parametrize(("count", "said"), [(2, None), (50, None), (51, "1,275 pairs"), (300, "44,850 pairs")])
def test_many_pairs_say_what_they_cost(count, said):
    cost = describe_pair_cost([f"C{number}" for number in range(count)])
    assert (cost is None) == (said is None)
    if cost is not None:
        assert said in cost
        assert "universe.pair_assets" in cost
        assert "e+" not in cost


def test_the_cost_is_that_of_the_guide_to_sizes():
    cost = describe_pair_cost([f"C{number}" for number in range(300)])
    assert cost is not None
    assert "32,292,000 rows for each month of features, about 3.6 GB on the disk and 5.9 minutes of a processor" in cost
    guide = Path("docs/sizing.md").read_text()
    assert "| features of a pair, judged and published | 11.0 µs an hour" in guide
    assert "104 bytes an hour in `pair_hourly`; 57 every eighth hour" in guide
