"""All pairs at one instant against loops over the very bars; what is not known stays unknown."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from feature_repo.catalog import ASSET_HOURLY, PAIR_HOURLY
from feature_repo.offline_files import publish
from feature_repo.pair_overview import _find_common_bar, overview_pairs
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours
from feature_repo.transforms.pairs import compute_pair_hourly
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import FeatureSettings, Settings, UniverseSettings
from tests.feature_repo.transforms.markets import HOUR, START, candles, settlements
from tests.oracles.reversion_lstsq import reversion

NAMES = ("BTC", "ETH", "SOL", "XRP")
FEATURES = FeatureSettings(correlation_window_bars=48, hedge_window_bars=48)
COUNT = 260
END = START + COUNT * HOUR
LATER = END + timedelta(minutes=1)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Four assets: SOL begins 60 hours before the end, XRP lacks the last bar, one bar of ETH is corrected late."""
    settings = Settings(
        home=tmp_path_factory.mktemp("pairs"),
        universe=UniverseSettings(assets=NAMES, min_aligned_bars=100),
        features=FEATURES,
    )
    raw = candles(NAMES, COUNT, seed=3, gaps=0.005)
    raw = raw.filter((pl.col("asset") != "SOL") | (pl.col("open_time") >= END - 60 * HOUR))
    raw = raw.filter((pl.col("asset") != "XRP") | (pl.col("open_time") < END - HOUR))
    bars = compute_asset_hourly(adopt_native_hours(raw.lazy()), settlements(NAMES, COUNT).lazy(), FEATURES).collect()
    pairs = compute_pair_hourly(bars.lazy(), settings.universe.pairs, FEATURES, 100).collect()
    publish(Layout.of(settings), ASSET_HOURLY, bars)
    publish(Layout.of(settings), PAIR_HOURLY, pairs)
    corrected = bars.filter((pl.col("asset") == "ETH") & (pl.col("event_timestamp") == bars["event_timestamp"].max()))
    late = pl.lit(END + 5 * HOUR, pl.Datetime("us", "UTC")).alias("created_timestamp")
    publish(Layout.of(settings), ASSET_HOURLY, corrected.with_columns(late, close=pl.col("close") * 3))
    return settings, bars


def closes_of(bars, asset):
    own = dict(bars.filter(pl.col("asset") == asset).select("event_timestamp", "close").iter_rows())
    return [own.get(START + (number + 1) * HOUR, float("nan")) for number in range(COUNT)]


def correlation(first, second, window):
    """Pearson correlation of returns between neighbouring hours, of the hours that have both."""
    pairs = [
        (first[t] / first[t - 1] - 1, second[t] / second[t - 1] - 1) for t in range(len(first) - window, len(first))
    ]
    seen = [(a, b) for a, b in pairs if a == a and b == b]
    mean_a, mean_b = sum(a for a, _ in seen) / len(seen), sum(b for _, b in seen) / len(seen)
    cov = sum((a - mean_a) * (b - mean_b) for a, b in seen)
    return cov / (sum((a - mean_a) ** 2 for a, _ in seen) * sum((b - mean_b) ** 2 for _, b in seen)) ** 0.5


def test_measures_are_those_of_loops_over_the_bars(published):
    settings, bars = published
    found = overview_pairs(settings, LATER, None)
    assert found.bar == END
    assert found.pairs["pair_id"].to_list() == [pair.pair_id for pair in settings.universe.pairs]
    matrix = {row["asset"]: row for row in found.correlations.to_dicts()}
    for row in found.pairs.to_dicts():
        first, second = closes_of(bars, row["base"]), closes_of(bars, row["quote"])
        assert row["aligned_bars"] == sum(a == a and b == b for a, b in zip(first, second, strict=True))
        if row["left_out"] is not None:
            assert row["hedge_ratio"] is None
            continue
        ratio, half_life = reversion(first, second, 48)
        assert row["hedge_ratio"] == pytest.approx(ratio, rel=1e-9)
        assert row["half_life_h"] is None if half_life != half_life else row["half_life_h"] == pytest.approx(half_life)
        assert row["correlation_168h"] == pytest.approx(correlation(first, second, 48), rel=1e-9)
        assert matrix[row["base"]][row["quote"]] == matrix[row["quote"]][row["base"]] == row["correlation_168h"]
        assert row["spread"] == pytest.approx(first[-1] / second[-1], rel=1e-12)
    assert found.pairs["left_out"].null_count() == 1
    assert found.pairs["correlation_168h"].null_count() == 5
    assert [matrix[name][name] for name in NAMES] == [1.0, 1.0, 1.0, None]


def test_what_is_left_out_says_why(published):
    settings, _ = published
    reasons = dict(overview_pairs(settings, LATER, None).pairs.select("pair_id", "left_out").iter_rows())
    assert reasons["BTC__ETH"] is None
    assert reasons["BTC__SOL"].endswith("aligned bars, 100 are needed")
    assert reasons["BTC__XRP"] == f"no features at the bar that closed at {END:%Y-%m-%d %H:%M} UTC"
    listed = ["BTC-USDT-SWAP", "ETH-USDT-SWAP", "XRP-USDT-SWAP", "ETH-BTC", "XRP-BTC-SWAP"]
    pairs = overview_pairs(settings, LATER, listed).pairs
    rows = {row["pair_id"]: row for row in pairs.to_dicts()}
    assert (rows["BTC__ETH"]["exchange_symbol"], rows["BTC__ETH"]["is_inverted"]) == ("ETH-BTC", True)
    assert rows["BTC__XRP"]["exchange_symbol"] == "XRP-BTC-SWAP"
    assert rows["ETH__XRP"]["is_direct"] is False
    assert rows["BTC__SOL"]["left_out"] == "the venue does not list SOL-USDT-SWAP"


def test_nothing_is_shown_that_was_not_known_then(published):
    settings, _ = published
    before = overview_pairs(settings, END, None)  # its own bar is known a moment after its close
    assert before.bar == END - HOUR
    assert (
        overview_pairs(settings, END + 6 * HOUR, None).pairs["spread"].to_list()
        == overview_pairs(settings, LATER, None).pairs["spread"].to_list()
    )  # the correction of a bar alone changes no pair that was not computed again
    unknown = overview_pairs(settings, LATER, None).pairs
    assert unknown.select("is_direct", "is_inverted", "exchange_symbol").null_count().row(0) == (6, 6, 6)
    with pytest.raises(MissingDataError, match="no bar of any of 4 assets is known"):
        overview_pairs(settings, START, None)
    assert np.isfinite(before.correlations["BTC"].drop_nulls().to_numpy()).all()


def test_the_matrix_has_the_assets_of_the_pairs_alone(published):
    """Hundreds of assets have a cross-section; those without pairs have no correlations here."""
    settings, _ = published
    universe = settings.universe.model_copy(update={"pair_assets": ("SOL", "BTC", "ETH")})
    found = overview_pairs(settings.model_copy(update={"universe": universe}), LATER, None)
    assert found.correlations.columns == ["asset", "BTC", "ETH", "SOL"]
    assert found.correlations["asset"].to_list() == ["BTC", "ETH", "SOL"]


@pytest.mark.parametrize(("lasts", "found"), [([9, 5, 5, 4], 5), ([9, 9, 5, 4], 9), ([9], 9), ([9, 3], 9), ([], None)])
def test_an_asset_that_goes_on_alone_does_not_set_the_bar(lasts, found):
    rows = [(f"A{number}", START + hour * HOUR) for number, last in enumerate(lasts) for hour in range(last + 1)]
    schema = {"asset": pl.String, "event_timestamp": pl.Datetime("us", "UTC")}
    bar = _find_common_bar(pl.DataFrame(rows, schema=schema, orient="row"))
    assert bar == (None if found is None else START + found * HOUR)
