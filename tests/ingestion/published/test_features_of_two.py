"""Features of two jobs at once are those of one job after the other: every version, bit for bit."""

from __future__ import annotations

import polars as pl
import pytest

from feature_repo.catalog import VIEWS
from feature_repo.offline_files import scan_view
from feature_repo.raw_datasets import DATASETS
from ingestion.pipeline import publish_features
from ingestion.published import follow
from ingestion.published.state import ROOT
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings, UniverseSettings
from tests.feature_repo.rows import as_bits
from tests.feature_repo.transforms.markets import DAY, candles
from tests.ingestion.published.homes import ADDRESS, contents, lake_of, use_store
from tests.ingestion.test_pair_blocks import HOURS, NAMES, START

UNTIL, NOW = START + HOURS // 24 * DAY, START + 9 * DAY
ROWS = candles(NAMES, HOURS, start=START, seed=2)


def make_home(folder, address):
    universe = UniverseSettings(assets=NAMES, min_aligned_bars=3)
    return Settings(home=folder, universe=universe, cluster={"lake": address})


def write(settings, names):
    lake = lake_of(settings)
    with lake.writing():
        for name in names:
            own = ROWS.filter(asset=name).drop("asset")
            lake.write("candles_1h", name, DATASETS["candles_1h"].conform(own))


def work(settings, names):
    """Rows of some assets, and the features that follow from what is there."""
    write(settings, names)
    publish_features(settings, UNTIL, NOW, SilentProgress())


def read(settings, view):
    rows = scan_view(Layout.of(settings), view).collect()
    return as_bits(rows.sort(pl.all().exclude(pl.Float64)))


@pytest.mark.slow
def test_a_job_that_was_overtaken_computes_features_again(tmp_path, monkeypatch):
    store = use_store(monkeypatch)
    alone = make_home(tmp_path / "alone", None)
    work(alone, NAMES[:3])
    work(alone, NAMES[3:])
    one, two = (make_home(tmp_path / name, ADDRESS) for name in ("one", "two"))

    def overtake(number):
        if store.requests[number] == ("replace", ROOT):
            store.before = None
            work(one, NAMES[:3])

    store.before = overtake
    work(two, NAMES[3:])
    follow(one)
    assert contents(one) == contents(two) == contents(alone)
    for view in VIEWS.values():
        assert read(one, view).equals(read(alone, view)), view.name
    names = [
        {path.relative_to(home.root).as_posix() for path in home.root.rglob("*.parquet")} for home in (one, two, alone)
    ]
    assert names[0] == names[1] == names[2], "a name is the digest of a content"
