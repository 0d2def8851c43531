"""Z-scores of pairs from the store: those of the panel's own computation, in the versions of their decisions."""

from datetime import timedelta

import polars as pl
import pytest

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, PAIR_BOOKS
from feature_repo.offline_files import publish, scan_view
from pairity.books.continuation import Z_COLUMN
from pairity.errors import MissingDataError
from pairity.timeline import HOUR
from tests.training.published import NOW, publish_all, settings_for
from training.books.history_features import compute_z_scores
from training.books.stored_market import load_market
from training.books.stored_scores import StoredScores

NAMES = ("BTC", "ETH", "SOL", "ADA")
"""Not in alphabetical order: the store's ratios of some pairs are the other way round."""
SORTED = tuple(sorted(NAMES))


@pytest.fixture
def home(tmp_path):
    settings = settings_for(tmp_path, NAMES)
    layout = publish_all(settings, bars=1_000)
    panel = load_market(settings, NOW, None).history.panel
    hour = next(hour for hour in range(900, 924) if panel.close_of(hour).hour % 8 == 0)
    return settings, layout, panel, hour


def change(layout, pair_id, close, known, z):
    own = scan_view(layout, PAIR_BOOKS).filter(pl.col("pair_id") == pair_id, pl.col(EVENT_TIME) == close).collect()
    assert own.height == 1
    publish(
        layout,
        PAIR_BOOKS,
        own.with_columns(pl.lit(known).alias(CREATED_TIME), pl.lit(z).alias(Z_COLUMN)).cast(dict(own.schema)),
    )


def test_stored_scores_have_the_bits_of_the_panels_own_whichever_name_comes_first(home):
    settings, _, panel, hour = home
    for row in (hour, hour - 8, hour - 800, hour + 1):
        computed = compute_z_scores(panel, row, SORTED)
        assert StoredScores(settings, NOW)(panel, row, SORTED) == computed
        assert len(computed) == (6 if row > 700 else 0)


def test_a_decision_sees_the_version_of_its_time(home):
    settings, layout, panel, hour = home
    close, lag = panel.close_of(hour), settings.features.decision_lag
    before = StoredScores(settings, NOW)(panel, hour, SORTED)
    change(layout, "SOL__ADA", close, close + lag, 1.25)
    change(layout, "BTC__ETH", close, close + lag + timedelta(milliseconds=1), 9.0)
    found = StoredScores(settings, NOW)(panel, hour, SORTED)
    assert found["ADA", "SOL"] == -1.25  # a correction that came in time, of the ratio the other way round
    assert found["BTC", "ETH"] == before["BTC", "ETH"]  # and one that did not
    assert StoredScores(settings, close)(panel, hour, SORTED) == {}


def test_pairs_that_are_not_in_the_store_are_computed(home):
    settings, layout, panel, hour = home
    change(layout, "SOL__ADA", panel.close_of(hour), panel.close_of(hour) + HOUR / 3600, 1.25)
    universe = settings.universe.model_copy(update={"pair_assets": ("BTC", "ETH")})
    few = settings.model_copy(update={"universe": universe})
    assert StoredScores(few, NOW)(panel, hour, SORTED) == compute_z_scores(panel, hour, SORTED)
    assert StoredScores(settings, NOW)(panel, hour, SORTED)["ADA", "SOL"] == -1.25


def test_a_home_without_these_rows_says_how_to_get_them(home):
    settings, layout, panel, hour = home
    for path in (layout.features / PAIR_BOOKS.name).rglob("*.parquet"):
        path.unlink()
    with pytest.raises(MissingDataError, match=r"(?s)pair_books are stored.*pairity features"):
        StoredScores(settings, NOW)(panel, hour, SORTED)
