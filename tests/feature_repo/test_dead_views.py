"""A dead contract is in no view: not in exposures, terciles, factor returns or distances from VWAP either."""

import polars as pl
import pytest

from feature_repo.catalog import ASSET_EXPOSURES, ASSET_RISK_BUCKETS, EVENT_TIME, FACTOR_RETURNS, VIEWS
from feature_repo.chunks import Chunk, compute_views
from pairity.settings import FeatureSettings
from tests.feature_repo.test_chunks import MAY
from tests.feature_repo.test_continued_chunk import assert_continues, reading, with_columns_of
from tests.feature_repo.transforms.markets import DAY, HOUR, MINUTE, assert_same_bits, candles
from tests.feature_repo.transforms.markets import settings as settings_for

NAMES = ("A", "B", "C", "D", "E", "F")
LIMIT = 5
SHORT = FeatureSettings(risk_days=2, exposure_minutes=720, dead_after_hours=LIMIT)
FROM = MAY + 38 * HOUR + 30 * MINUTE
"""The last minute that F trades closes here: the hour that begins 30 minutes later is the first still one."""
DEAD = MAY + (39 + LIMIT) * HOUR
BACK = MAY + 3 * DAY + 17 * MINUTE
END = MAY + 4 * DAY
VALUES = ("open", "high", "low", "close")


def minutes_of(*, gaps=0.0):
    days = 12
    rows = candles(NAMES, days * 1440, bar=MINUTE, start=MAY - 8 * DAY, seed=5, gaps=gaps, volatility=0.001)
    rows = rows.with_columns(pl.when(pl.col("volume") == 0).then(1.0).otherwise("volume").alias("volume"))
    stops = rows.filter(pl.col("asset") == "F", pl.col("open_time") < FROM)["close"][-1]
    still = (pl.col("asset") == "F") & pl.col("open_time").is_between(FROM, BACK, closed="left")
    return rows.with_columns(
        *(pl.when(still).then(stops).otherwise(name).alias(name) for name in VALUES),
        *(pl.when(still).then(0.0).otherwise(name).alias(name) for name in ("volume", "volume_quote")),
    ).with_columns((pl.col("volume") // 3.0).alias("trade_count"))


def frames_of(minutes):
    return {"candles_1m": with_columns_of("candles_1m", minutes)}


def computed(minutes):
    return compute_views(reading(frames_of(minutes)), MAY, END, settings_for(NAMES, SHORT))


@pytest.fixture(scope="module")
def whole():
    return computed(minutes_of())


def is_dead(asset="F"):
    """Hours at whose close F is dead."""
    return (pl.col("asset") == asset) & pl.col(EVENT_TIME).is_between(DEAD, BACK - 17 * MINUTE)


@pytest.mark.parametrize("gaps", [0.0, 0.02])
def test_no_view_has_a_row_of_it(whole, gaps):
    found = computed(minutes_of(gaps=gaps)) if gaps else whole
    for name, view in VIEWS.items():
        if view.entity == "asset":
            own = found[name]
            assert own.filter(is_dead()).is_empty(), name
            assert own.filter(pl.col("asset") == "F", pl.col(EVENT_TIME) < DEAD).height, name
    pairs = found["pair_hourly"].filter(pl.col(EVENT_TIME).is_between(DEAD, BACK - 17 * MINUTE))
    assert pairs.height
    assert not pairs["pair_id"].str.contains("F").any()


def test_factors_and_terciles_of_the_others_are_those_of_a_market_without_it(whole):
    """From the death on no bar of it counts; a bar again from its first trade on."""
    rows = minutes_of()
    absent = rows.filter(
        ~((pl.col("asset") == "F") & pl.col("open_time").is_between(DEAD - MINUTE, BACK, closed="left"))
    )
    expected = computed(absent)
    market = [
        each[FACTOR_RETURNS.name].filter(pl.col(EVENT_TIME) >= DEAD).select(EVENT_TIME, "market", "assets_observed")
        for each in (whole, expected)
    ]
    assert market[0].height == 53
    assert_same_bits(*market)
    # A market without its minutes would still rank it at the first midnight, of those before.
    for name, since in (
        (FACTOR_RETURNS.name, MAY + 73 * HOUR),
        (ASSET_RISK_BUCKETS.name, MAY + 72 * HOUR),
        (ASSET_EXPOSURES.name, MAY + 85 * HOUR),
    ):
        others, theirs = (each[name].filter(pl.col(EVENT_TIME) >= since) for each in (whole, expected))
        assert others.height
        assert_same_bits(others, theirs)


def test_it_has_no_tercile_on_a_midnight_soon_after_its_death(whole):
    """Two days of minutes are there but for four hours: without the rule it would be ranked."""
    rows = whole[ASSET_RISK_BUCKETS.name]
    at = pl.col(EVENT_TIME) == MAY + 2 * DAY
    assert set(rows.filter(at)["asset"]) == set(NAMES) - {"F"}
    assert rows.filter(at, pl.col("momentum_bucket").is_null()).is_empty()


AROUND = (38, 43, 44, 49, 72, 73, 96)


@pytest.mark.parametrize(
    "hours", [AROUND, pytest.param((*range(38, 50), 71, *AROUND[4:], 74), marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_a_continued_chunk_has_the_same_rows(hours):
    closes = [MAY + hour * HOUR for hour in sorted(hours)]
    assert assert_continues(reading(frames_of(minutes_of(gaps=0.02))), settings_for(NAMES, SHORT), closes)


def test_a_correction_that_brings_a_trade_takes_the_death_back():
    rows = minutes_of()
    config = settings_for(NAMES, SHORT)
    chunk = Chunk(MAY, config)
    chunk.advance(reading(frames_of(rows)), MAY + 48 * HOUR)
    traded = (pl.col("asset") == "F") & (pl.col("open_time") == MAY + 46 * HOUR + 5 * MINUTE)
    corrected = rows.with_columns(pl.when(traded).then(1.0).otherwise("volume").alias("volume"))
    read = reading(frames_of(corrected))
    changed = chunk.advance(read, MAY + 48 * HOUR, changed_at=MAY + 46 * HOUR + 6 * MINUTE)
    whole = compute_views(read, MAY, MAY + 48 * HOUR, config)
    for name in (ASSET_EXPOSURES.name, FACTOR_RETURNS.name, "asset_hourly"):
        later = pl.col(EVENT_TIME) > MAY + 46 * HOUR
        assert_same_bits(changed[name].filter(later), whole[name].filter(later))
    assert changed["asset_hourly"].filter(pl.col("asset") == "F")[EVENT_TIME].to_list() == [
        MAY + 47 * HOUR,
        MAY + 48 * HOUR,
    ]
