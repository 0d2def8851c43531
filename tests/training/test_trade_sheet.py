"""The daily sheet through the real feature store, and its evaluation against a loop."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.catalog import ASSET_HOURLY, ASSET_VWAP_DISTANCE
from feature_repo.feature_store import apply_definitions, open_store
from feature_repo.offline_files import publish
from feature_repo.transforms.assets import compute_asset_hourly
from feature_repo.transforms.bars import adopt_native_hours
from feature_repo.transforms.vwap_distance import compute_vwap_distance
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.settings import FeatureSettings, Settings, UniverseSettings, VwapSettings
from pairity_cli.main import main
from tests.feature_repo.transforms.markets import HOUR, candles, settlements
from training.evaluation.ranking import evaluate_ranking
from training.trade_sheet import (
    build_trade_sheet,
    evaluate_sheets,
    find_decision_time,
    find_latest_day,
    write_evaluation,
    write_sheet,
)

START = datetime(2025, 3, 1, tzinfo=UTC)
NAMES = ("BTC", "ETH", "SOL", "XRP")
DAY = date(2025, 3, 11)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    settings = Settings(
        home=tmp_path_factory.mktemp("sheet"), universe=UniverseSettings(assets=NAMES), vwap=VwapSettings(top=2)
    )
    end = START + 24 * 14 * HOUR
    hours = adopt_native_hours(candles(NAMES, 24 * 14, start=START, seed=5).lazy())
    rows = compute_asset_hourly(hours, settlements((), 1).lazy(), FeatureSettings()).collect()
    layout = Layout.of(settings)
    publish(layout, ASSET_HOURLY, rows)
    publish(layout, ASSET_VWAP_DISTANCE, compute_vwap_distance(rows.lazy(), START, end, settings.vwap).collect())
    store = open_store(settings)
    apply_definitions(settings, store)
    return settings, store, rows


def test_the_sheet_is_decided_on_the_wall_clock_from_closed_bars(published):
    settings, store, rows = published
    assert find_decision_time(DAY, settings) == datetime(2025, 3, 11, 4, tzinfo=UTC)  # midnight in New York, in summer
    assert find_decision_time(date(2025, 3, 5), settings) == datetime(2025, 3, 5, 5, tzinfo=UTC)
    sheet = build_trade_sheet(settings, store, DAY, 2)
    bars = compute_vwap_distance(rows.lazy(), START, find_decision_time(DAY, settings), settings.vwap).collect()
    known = bars.filter(pl.col("event_timestamp") == find_decision_time(DAY, settings)).sort(
        "ranked_dist", descending=True
    )
    assert sheet["futures_ticker"].to_list() == [f"{asset}_USDT" for asset in known["asset"][:2]]
    assert sheet["dist"].to_list() == known["dist_from_vwap"][:2].to_list()
    assert sheet["rank"].to_list() == [1, 2]
    assert sheet["exit_date"].to_list() == [date(2025, 3, 12)] * 2
    csv, parquet = write_sheet(Layout.of(settings), sheet, DAY)
    assert pl.read_parquet(parquet).equals(sheet)
    assert csv.read_text().startswith(
        "date,futures_ticker,exp_vol,sharpe,rolling_return,avg_notional,dist,rank,exit_date,"
    )


def test_a_day_without_data_is_refused(published):
    settings, store, _ = published
    with pytest.raises(MissingDataError, match="no asset has a distance"):
        build_trade_sheet(settings, store, date(2025, 6, 1), 2)


def holed(tmp_path, missing, last=24 * 14, config=None):
    """A store without the hours of `missing` (asset, from, to), and nothing after `last` hours."""
    settings = Settings(home=tmp_path, universe=UniverseSettings(assets=NAMES), vwap=config or VwapSettings(top=4))
    hours = adopt_native_hours(candles(NAMES, last, start=START, seed=5).lazy())
    rows = compute_asset_hourly(hours, settlements((), 1).lazy(), FeatureSettings()).collect()
    asset, since, until = missing
    gone = (pl.col("asset") == asset) & (pl.col("event_timestamp") > since) & (pl.col("event_timestamp") <= until)
    rows = rows.filter(~gone)
    publish(Layout.of(settings), ASSET_HOURLY, rows)
    bars = compute_vwap_distance(rows.lazy(), START, START + last * HOUR, settings.vwap).collect()
    publish(Layout.of(settings), ASSET_VWAP_DISTANCE, bars)
    store = open_store(settings)
    apply_definitions(settings, store)
    return settings, store


def test_an_asset_without_the_newest_bar_does_not_stand_in_the_ranking_with_an_older_one(tmp_path):
    decided = datetime(2025, 3, 11, 4, tzinfo=UTC)
    settings, store = holed(tmp_path, ("BTC", decided - 4 * HOUR, decided))
    sheet = build_trade_sheet(settings, store, DAY, 4)
    assert sorted(sheet["futures_ticker"]) == ["ETH_USDT", "SOL_USDT", "XRP_USDT"]
    assert sheet["assets_ranked"].to_list() == [3, 3, 3]
    assert sheet["ranked_dist"].to_list() == pytest.approx([1.0, 2 / 3, 1 / 3])


def test_nothing_after_the_decision_changes_the_sheet(published, tmp_path):
    """Later hours are garbage, and a correction of the decided bar itself arrives a minute after the decision."""
    settings, store, rows = published
    decided = datetime(2025, 3, 11, 4, tzinfo=UTC)
    later = pl.col("event_timestamp") > decided
    prices = ("open", "high", "low", "close", "volume_base")
    garbage = rows.with_columns(pl.when(later).then(pl.col(name) * 7).otherwise(name).alias(name) for name in prices)
    other = settings.model_copy(update={"home": tmp_path})
    bars = compute_vwap_distance(garbage.lazy(), START, START + 24 * 14 * HOUR, other.vwap).collect()
    publish(Layout.of(other), ASSET_HOURLY, garbage)
    publish(Layout.of(other), ASSET_VWAP_DISTANCE, bars)
    own = bars.filter(pl.col("event_timestamp") == decided)
    arrived = pl.lit(decided + timedelta(minutes=1), pl.Datetime("us", "UTC")).alias("created_timestamp")
    publish(Layout.of(other), ASSET_VWAP_DISTANCE, own.with_columns(arrived, dist_from_vwap=0.0, ranked_dist=0.5))
    again = open_store(other)
    apply_definitions(other, again)
    assert build_trade_sheet(other, again, DAY, 4).equals(build_trade_sheet(settings, store, DAY, 4))


def test_data_that_ends_before_the_decision_makes_no_sheet(tmp_path):
    # The last bar closes at 20:00 in New York: within the TTL of the decision at midnight, and not what it wants.
    settings, store = holed(tmp_path, ("BTC", START, START))
    assert build_trade_sheet(settings, store, date(2025, 3, 14), 4).height == 4
    with pytest.raises(MissingDataError, match="closed at 2025-03-15 04:00"):
        build_trade_sheet(settings, store, date(2025, 3, 15), 4)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "UTC", "Europe/Berlin"])
def test_other_zones_and_hours_have_sheets_and_returns(tmp_path, zone):
    config = VwapSettings(time_zone=zone, rebalancing_hour=14, top=2)
    settings, store = holed(tmp_path, ("BTC", START, START), config=config)
    assert build_trade_sheet(settings, store, DAY, 4)["rank"].to_list() == [1, 2, 3, 4]
    assert evaluate_sheets(settings, store, date(2025, 3, 4), date(2025, 3, 9), 2).days == 6


@pytest.mark.parametrize(
    ("now", "hour", "day"),
    [
        (datetime(2025, 3, 11, 3, 59, tzinfo=UTC), 0, date(2025, 3, 10)),  # of New York it is still the 10th
        (datetime(2025, 3, 11, 4, tzinfo=UTC), 0, DAY),
        (datetime(2025, 3, 12, 3, tzinfo=UTC), 0, DAY),
        (datetime(2025, 3, 11, 23, 59, tzinfo=UTC), 20, date(2025, 3, 10)),
        (datetime(2025, 3, 12, 0, tzinfo=UTC), 20, DAY),
    ],
)
def test_the_newest_day_is_one_that_is_decided(now, hour, day):
    assert find_latest_day(now, Settings(vwap=VwapSettings(rebalancing_hour=hour))) == day


def test_an_evaluation_is_written_whole(published):
    settings, store, _ = published
    first, last = date(2025, 3, 4), date(2025, 3, 12)
    report = evaluate_sheets(settings, store, first, last, 2)
    measures, buckets = write_evaluation(Layout.of(settings), report, first, last)
    values = dict(pl.read_csv(measures).iter_rows())
    assert values["days"] == 9
    assert values["rank_ic"] == pytest.approx(report.rank_ic)
    assert pl.read_csv(buckets).columns == ["bucket", "mean_return", "count"]
    assert not list(measures.parent.glob(".*"))


def test_sheets_are_evaluated_on_what_followed(published):
    settings, store, rows = published
    first, last = date(2025, 3, 4), date(2025, 3, 12)
    report = evaluate_sheets(settings, store, first, last, 2)
    assert report.days == 9
    closes = {(a, t): c for a, t, c in rows.select("asset", "event_timestamp", "close").iter_rows()}
    tops, sheets, ics = [], [], []
    for number in range(9):
        day = first + timedelta(days=number)
        at, end = find_decision_time(day, settings), find_decision_time(day + timedelta(days=1), settings)
        signals = build_trade_sheet(settings, store, day, 4)
        order = [ticker.removesuffix("_USDT") for ticker in signals["futures_ticker"]]
        returns = [closes[a, end] / closes[a, at] - 1 for a in order]
        tops.append(np.mean(returns[:2]))
        sheets.append(set(order[:2]))
        ranks = np.argsort(np.argsort(returns))
        ics.append(np.corrcoef([3, 2, 1, 0], ranks)[0, 1])
    assert report.top_return == pytest.approx(np.mean(tops))
    assert report.rank_ic == pytest.approx(np.mean(ics))
    turnover = np.mean([len(b - a) / 2 for a, b in pairwise(sheets)])
    assert report.turnover == pytest.approx(turnover)
    assert report.net_return == pytest.approx(np.mean(tops) - 2 * 6e-4 * turnover)
    assert report.by_bucket["count"].to_list() == [9] * 4
    assert json.dumps(report.by_bucket.to_dicts())


def test_a_perfect_ranking_has_a_rank_correlation_of_one():
    rows = pl.DataFrame(
        {
            "day": [d for d in range(3) for _ in range(12)],
            "asset": [f"A{n:02}" for _ in range(3) for n in range(12)],
            "signal": [float(n) for _ in range(3) for n in range(12)],
            "forward_return": [n * 0.01 for _ in range(3) for n in range(12)],
        }
    )
    report = evaluate_ranking(rows, top=3, cost_bps_per_side=6.0)
    assert report.rank_ic == pytest.approx(1.0)
    assert report.rank_ic_t is None  # no two days differ
    assert report.turnover == 0.0
    assert report.by_bucket["bucket"].to_list() == list(range(1, 11))
    assert report.by_bucket["mean_return"].is_sorted()
    nothing = evaluate_ranking(rows.clear(), top=3, cost_bps_per_side=6.0)
    assert (nothing.days, nothing.rank_ic, nothing.net_return) == (0, None, None)
    assert nothing.net_low is None
    assert report.net_low is None  # no two days differ


def test_the_net_return_of_a_sheet_has_an_interval():
    rng = np.random.default_rng(5)
    drawn = rng.normal(0.001, 0.02, (40, 4))
    rows = pl.DataFrame(
        {
            "day": [day for day in range(40) for _ in range(4)],
            "asset": [f"A{n}" for _ in range(40) for n in range(4)],
            "signal": rng.normal(size=160),
            "forward_return": drawn.ravel(),
        }
    )
    report = evaluate_ranking(rows, top=1, cost_bps_per_side=6.0)
    before, nets = None, []
    for day in rows.partition_by("day", maintain_order=True):
        best = day.sort("signal", descending=True).row(0, named=True)
        nets.append(best["forward_return"] - (0.0012 if before not in {None, best["asset"]} else 0.0))
        before = best["asset"]
    reach = 2.022691 * np.std(nets, ddof=1) / 40**0.5  # Student's t with 39 degrees of freedom
    assert report.net_low == pytest.approx(report.net_return - reach, rel=1e-5)
    assert report.net_high == pytest.approx(report.net_return + reach, rel=1e-5)


def test_the_command_evaluates_sheets_of_the_size_that_was_asked_for(published, tmp_path, monkeypatch):
    """`--top` once held for a single sheet only: an evaluation was always of vwap.top assets."""
    settings, store, _ = published
    monkeypatch.chdir(tmp_path)
    environment = {
        "PAIRITY_HOME": str(settings.home),
        "PAIRITY_UNIVERSE__ASSETS": json.dumps(NAMES),
        "PAIRITY_VWAP__TOP": "4",
    }
    arguments = ["trade-sheet", "--evaluate", "--from", "2025-03-04", "--to", "2025-03-12", "--top", "2"]
    done = CliRunner().invoke(main, arguments, env=environment)
    assert done.exit_code == 0, done.output
    files = [Path(line) for line in done.output.splitlines() if line.endswith(".csv")]
    expected = evaluate_sheets(settings, store, date(2025, 3, 4), date(2025, 3, 12), 2)
    assert dict(pl.read_csv(files[0]).iter_rows())["top_return"] == pytest.approx(expected.top_return)
    assert expected.top_return != pytest.approx(expected.all_return)
    assert "net return of the sheet a day, 95% interval: " in done.output
