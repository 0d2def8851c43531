"""`pairity risk-factors` over a real lake: table, Parquet and picture; only what features may be computed from."""

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal

from feature_repo.chunks import compute_views
from feature_repo.raw_datasets import DATASETS
from feature_repo.transforms.exposures import compute_minute_exposures
from ingestion import minute_exposures
from ingestion.lake import Lake
from pairity.layout import Layout
from pairity.settings import FeatureSettings
from pairity_cli.commands.risk_factors import _choose_usual
from pairity_cli.main import main
from tests.feature_repo.test_continued_chunk import reading, with_columns_of
from tests.feature_repo.transforms.markets import (
    DAY,
    HOUR,
    MINUTE,
    assert_same_bits,
    candles,
    compute_asset_exposures,
    recorded_candles,
)
from tests.feature_repo.transforms.markets import settings as settings_for
from tests.oracles import risk_factors_pandas as oracle
from validation.quarantine import Quarantine

START = datetime(2025, 3, 1, tzinfo=UTC)
NAMES = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA")
SETTINGS = FeatureSettings(risk_days=2, exposure_minutes=240)


@pytest.fixture(scope="module")
def minutes():
    rows = candles(NAMES, 4 * 1440, bar=MINUTE, start=START, gaps=0.005, volatility=0.0008)
    return rows.with_columns(pl.lit(None, pl.Float64).alias("trade_count"))


def stored(home, rows, venue="okx"):
    lake = Lake(Layout(home), durable=False, venue=venue)
    with lake.writing():
        for asset in rows["asset"].unique(maintain_order=True):
            own = rows.filter(pl.col("asset") == asset).drop("asset")
            lake.write("candles_1m", asset, DATASETS["candles_1m"].conform(own))


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environment = {
        "PAIRITY_HOME": str(tmp_path / "var"),
        "PAIRITY_UNIVERSE__ASSETS": json.dumps(NAMES),
        "PAIRITY_FEATURES__RISK_DAYS": "2",
        "PAIRITY_FEATURES__EXPOSURE_MINUTES": "240",
    }

    def call(*arguments, **more):
        return CliRunner().invoke(main, ["risk-factors", *arguments], env=environment | more)

    return call


def check_returns(rows, factors, minutes):
    """Returns beside the exposures against pandas: the asset's, the factors' of the design, and all thirteen series."""
    frame = minutes.to_pandas()
    returns, liquidity = oracle.returns_of(frame), oracle.volumes_of(frame)
    days = [pd.Timestamp(START + day * DAY) for day in (2, 3)]
    scored = {day: oracle.scores(returns, liquidity, day, 2).apply(oracle.terciles) for day in days}
    membership = {day: table.set_axis(["liquidity", "volatility", "momentum"], axis=1) for day, table in scored.items()}
    theirs = oracle.factors(returns, membership)
    for kind in ("liquidity", "volatility", "momentum"):
        theirs[kind] = theirs[f"{kind}_high"] - theirs[f"{kind}_low"]
    theirs.index += pd.Timedelta(minutes=1)
    own = factors.to_pandas().set_index("time")
    assert set(own.columns) == set(theirs.columns)
    expected = theirs.loc[own.index, own.columns]
    np.testing.assert_allclose(own.to_numpy(), expected.to_numpy(), atol=1e-15)
    for name in (column for column in rows.columns if column.startswith("return_")):
        own = rows.filter(pl.col("asset") == "BTC").to_pandas().set_index("time")[name]
        np.testing.assert_allclose(own, theirs.loc[own.index, name.removeprefix("return_")], atol=1e-15)
    asset = rows.filter(pl.col("asset") == "BTC").to_pandas().set_index("time")["return"]
    np.testing.assert_allclose(asset, returns["BTC"].loc[asset.index - pd.Timedelta(minutes=1)], atol=1e-15)


def test_without_since_all_that_is_stored_is_fitted(run, tmp_path, minutes):
    stored(tmp_path / "var", minutes)
    done = run("--assets", "BTC")
    assert done.exit_code == 0, done.output
    rows = pl.read_parquet(tmp_path / "var" / "reports" / "risk-factors" / "exposures-spreads4.parquet")
    assert rows["time"].min() <= START + 2 * DAY + 4 * HOUR + 20 * MINUTE
    assert rows["time"].max() == START + 4 * DAY
    assert "no minute of the universe's assets is stored of venue okx before 2025-02-01 00:00 UTC" in (
        run("--until", "2025-02-01").output
    )
    assert "e-0" not in done.output
    constants = [line.split()[-1] for line in done.output.splitlines() if line.startswith("const ")]
    assert len(constants) == 2
    assert all(float(value) != 0 for value in constants), "a return per minute has no digit among four decimals"
    assert float(constants[0]) == pytest.approx(rows["const"].mean(), rel=1e-3)


@pytest.mark.slow
def test_where_no_asset_is_named_those_of_the_usual_four_that_the_universe_has_are_shown(run, tmp_path, minutes):
    few = ("SOL", "XRP", "ETH", "BTC", "DOGE", "ADA")
    stored(tmp_path / "var", minutes.filter(pl.col("asset").is_in(few)))
    done = run(PAIRITY_UNIVERSE__ASSETS=json.dumps(few))
    assert done.exit_code == 0, done.output
    assert "exposures of XRP, ETH, BTC, of 6 assets of the universe: --assets names others" in done.output
    short = run("--assets", "BTC", "--since", "2025-03-01", "--until", "2025-03-01T02:00")
    assert "no exposure of BTC can be computed from 2025-03-01 00:00 UTC to 2025-03-01 02:00 UTC" in short.output
    named = run("--assets", "BTC", PAIRITY_UNIVERSE__ASSETS=json.dumps(few))
    assert "names others" not in named.output


def test_a_universe_without_the_usual_four_shows_its_first_ones():
    assert _choose_usual(["SOL", "BNB", "BTC"]) == ("BNB", "BTC")
    assert _choose_usual(["SOL", "DOGE", "ADA", "DOT", "LINK"]) == ("SOL", "DOGE", "ADA", "DOT")


def test_a_venue_without_minutes_is_named(run, tmp_path, minutes):
    stored(tmp_path / "var", minutes)
    done = run(PAIRITY_FEATURES__VENUE="binance_um")
    assert done.exit_code == 4
    assert "no minute of the universe's assets is stored of venue binance_um before 20" in done.output


@pytest.mark.slow
def test_without_since_too_many_minutes_are_cut_and_said(run, tmp_path, monkeypatch):
    """What is left gives the same numbers: the lead-in of days is part of what is read."""
    rows = candles(NAMES, 5 * 1440, bar=MINUTE, start=START, gaps=0.005, volatility=0.0008)
    stored(tmp_path / "var", rows.with_columns(pl.lit(None, pl.Float64).alias("trade_count")))
    path = tmp_path / "var" / "reports" / "risk-factors" / "exposures-spreads4.parquet"
    whole = run("--assets", "BTC")
    assert whole.exit_code == 0, whole.output
    assert "left out" not in whole.output
    everything = pl.read_parquet(path)
    monkeypatch.setattr(minute_exposures, "MOST_MINUTES", 1)
    cut = run("--assets", "BTC")
    assert cut.exit_code == 0, cut.output
    assert "note: minutes before 2025-03-02 00:00 UTC are left out; --since takes more of them" in cut.output
    few = pl.read_parquet(path)
    assert few["time"].min() == START + 3 * DAY + 241 * MINUTE
    same = everything.filter(pl.col("time") >= few["time"].min())
    assert_frame_equal(few, same, rel_tol=1e-9, abs_tol=1e-15)


RANGE = ("--since", "2025-03-04T05:30", "--until", "2025-03-05")


@pytest.mark.parametrize(
    ("design", "prefix"), [pytest.param("spreads4", "s4_", marks=pytest.mark.slow), ("buckets10", "b10_")]
)
def test_every_minute_as_table_parquet_and_picture(run, tmp_path, minutes, design, prefix):
    stored(tmp_path / "var", minutes)
    done = run(*RANGE, "--assets", "eth,BTC", "--design", design)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "var" / "reports" / "risk-factors"
    rows = pl.read_parquet(folder / f"exposures-{design}.parquet")
    assert rows["asset"].unique(maintain_order=True).to_list() == ["BTC", "ETH"]
    assert rows["time"].min() > START + 3 * DAY + 5.5 * HOUR
    assert rows["time"].max() == START + 4 * DAY
    assert rows.height >= 2 * 0.99 * 1110
    assert (folder / f"exposures-{design}.png").read_bytes().startswith(b"\x89PNG")
    endings = ("csv", "parquet", "png")
    names = [f"exposures-{design}.{ending}" for ending in endings] + [f"factor-returns.{ending}" for ending in endings]
    assert sorted(path.name for path in folder.iterdir()) == names
    check_returns(rows, pl.read_parquet(folder / "factor-returns.parquet"), minutes)
    assert pl.read_csv(folder / f"exposures-{design}.csv").columns == rows.columns
    rows = rows.select(pl.exclude("^return.*$"))
    for expected in ("mean over all minutes", "up to 2025-03-05 00:00 UTC", "market", "adj. R²", "BTC", "ETH"):
        assert expected in done.output
    hourly = compute_asset_exposures(minutes.lazy(), START, START + 4 * DAY, SETTINGS).collect()
    hourly = hourly.filter(pl.col("asset").is_in(["BTC", "ETH"]), pl.col("event_timestamp") > rows["time"].min())
    ours = rows.filter(pl.col("time").dt.minute() == 0).rename({"time": "event_timestamp"})
    columns = [pl.col(f"{prefix}{name}").alias(name) for name in ours.columns[2:]]
    assert_same_bits(ours, hourly.select("asset", "event_timestamp", *columns))


def test_an_hour_with_a_minute_that_is_held_back_is_not_used(run, tmp_path, minutes):
    hour = START + 3 * DAY + 2 * HOUR
    bad = (pl.col("asset") == "SOL") & (
        pl.col("open_time") == minutes.filter(pl.col("asset") == "SOL", pl.col("open_time") > hour)["open_time"].min()
    )
    stored(tmp_path / "var", minutes.filter(~bad))
    refused = DATASETS["candles_1m"].conform(minutes.filter(bad).drop("asset"))
    refused = refused.with_columns(pl.lit(["price_jump"]).alias("broken_rules"))
    Quarantine.read(Layout(tmp_path / "var")).withhold("candles_1m", "SOL/2025-03", refused, now=START + 9 * DAY)
    assert run(*RANGE, "--assets", "BTC").exit_code == 0
    found = pl.read_parquet(tmp_path / "var" / "reports" / "risk-factors" / "exposures-spreads4.parquet")
    hidden = (pl.col("asset") == "SOL") & (pl.col("open_time").dt.truncate("1h") == hour)
    without = minutes.filter(~hidden, pl.col("open_time") >= START + DAY)
    expected = compute_minute_exposures(without, "spreads4", SETTINGS, ("BTC",))
    assert_same_bits(
        found.select(pl.exclude("^return.*$")),
        expected.filter(pl.col("time") > START + 3 * DAY + 5.5 * HOUR).drop_nulls("r2"),
    )


def without_trades(minutes, asset, since, until):
    """The market with an asset that stands still from `since` to `until`."""
    still = (pl.col("asset") == asset) & pl.col("open_time").is_between(since, until, closed="left")
    price = minutes.filter(pl.col("asset") == asset, pl.col("open_time") < since)["close"][-1]
    return minutes.with_columns(
        *(pl.when(still).then(price).otherwise(name).alias(name) for name in ("open", "high", "low", "close")),
        *(pl.when(still).then(0.0).otherwise(name).alias(name) for name in ("volume", "volume_quote")),
    )


@pytest.mark.parametrize("died", [START + 3 * DAY - HOUR, pytest.param(START + 20 * HOUR, marks=pytest.mark.slow)])
def test_minutes_of_a_dead_contract_have_no_exposure_and_that_is_said(run, tmp_path, minutes, died):
    """Dead since two hours before the range, or since before the first minute that factors are made of."""
    rows = without_trades(minutes, "ADA", died, START + 4 * DAY)
    stored(tmp_path / "var", rows)
    limit = {"PAIRITY_FEATURES__DEAD_AFTER_HOURS": "5"}
    done = run("--since", "2025-03-04T05:30", "--until", "2025-03-05", "--assets", "BTC,ADA", **limit)
    assert done.exit_code == 0, done.output
    assert "ADA is left out from" in done.output
    found = pl.read_parquet(tmp_path / "var" / "reports" / "risk-factors" / "exposures-spreads4.parquet")
    assert set(found["asset"]) == {"BTC"}
    refused = run("--since", "2025-03-04T05:30", "--until", "2025-03-05", "--assets", "ADA", **limit)
    assert refused.exit_code == 4
    assert "and ADA did not trade (`pairity anomalies`)" in refused.output


@pytest.mark.slow
def test_full_hours_of_a_market_with_a_dead_contract_have_the_bits_of_the_view(run, tmp_path, minutes):
    """The stretch ends within the range: what was dead is left out of the view and of the study alike."""
    rows = without_trades(minutes, "ADA", START + 3 * DAY + 2 * HOUR, START + 3 * DAY + 20 * HOUR + 7 * MINUTE)
    stored(tmp_path / "var", rows)
    done = run(*RANGE, "--assets", "BTC,ADA", PAIRITY_FEATURES__DEAD_AFTER_HOURS="5")
    assert done.exit_code == 0, done.output
    own = pl.read_parquet(tmp_path / "var" / "reports" / "risk-factors" / "exposures-spreads4.parquet")
    dead_from, back = START + 3 * DAY + 7 * HOUR, START + 3 * DAY + 20 * HOUR + 7 * MINUTE
    ada = own.filter(pl.col("asset") == "ADA")["time"]
    assert not ada.is_between(dead_from, back).any()
    assert (ada > back).any()
    config = settings_for(NAMES, SETTINGS.model_copy(update={"dead_after_hours": 5}))
    read = reading({"candles_1m": with_columns_of("candles_1m", rows)})
    hourly = compute_views(read, START, START + 4 * DAY, config, ["asset_exposures"])["asset_exposures"]
    hourly = hourly.filter(
        pl.col("asset").is_in(["BTC", "ADA"]), pl.col("event_timestamp") > START + 3 * DAY + 6 * HOUR
    )
    ours = own.select(pl.exclude("^return.*$")).filter(pl.col("time").dt.minute() == 0)
    ours = ours.rename({"time": "event_timestamp"}).filter(pl.col("event_timestamp") > START + 3 * DAY + 6 * HOUR)
    columns = [pl.col(f"s4_{name}").alias(name) for name in ours.columns[2:]]
    theirs = hourly.select("asset", "event_timestamp", *columns).drop_nulls("r2")
    assert_same_bits(ours.sort("asset", "event_timestamp"), theirs)


@pytest.mark.slow
def test_a_universe_that_features_are_computed_from(run, tmp_path, minutes):
    stored(tmp_path / "var", minutes, venue="binance_um")
    refused = run(*RANGE)
    assert refused.exit_code == 4
    assert "no minute of the universe's assets is stored of venue okx before 2025-03-05 00:00 UTC" in refused.output
    assert "features.venue (PAIRITY_FEATURES__VENUE)" in refused.output
    assert not (tmp_path / "var" / "reports").exists()
    assert run(*RANGE, PAIRITY_FEATURES__VENUE="binance_um").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("--assets", "BTC,LTC"), 2), (("--since", "2025-03-05", "--until", "2025-03-04"), 2), (("--design", "x"), 2)],
)
def test_bad_input_is_refused(run, arguments, code):
    assert run(*arguments).exit_code == code


@pytest.mark.slow
@pytest.mark.recorded
def test_four_coins_of_a_recorded_market_by_the_minute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "TON", "TRX")
    stored(tmp_path / "var", recorded_candles("1m_20250318_20250417", names, MINUTE))
    environment = {"PAIRITY_HOME": str(tmp_path / "var"), "PAIRITY_UNIVERSE__ASSETS": json.dumps(names)}
    for design in ("spreads4", "buckets10"):
        arguments = ["risk-factors", "--since", "2025-03-28", "--until", "2025-04-17", "--design", design]
        done = CliRunner().invoke(main, arguments, env=environment)
        assert done.exit_code == 0, done.output
        rows = pl.read_parquet(tmp_path / "var" / "reports" / "risk-factors" / f"exposures-{design}.parquet")
        assert rows.height == 4 * 20 * 1440
        r2 = dict(rows.group_by("asset").agg(pl.col("r2").mean()).iter_rows())
        assert set(r2) == {"BTC", "ETH", "BNB", "XRP"}
        assert 0.65 < min(r2.values()) < max(r2.values()) < 0.97
        assert np.isfinite(rows.drop("asset", "time").to_numpy()).all()
        assert (rows["adj_r2"] < rows["r2"]).all()
