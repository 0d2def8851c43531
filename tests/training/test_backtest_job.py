"""Backtests without training: a run's scores and its model trade as they did in training; ranges, grids, decisions."""

import json

import polars as pl
import pytest
from click.testing import CliRunner

from feature_repo.catalog import PAIR_HOURLY
from feature_repo.offline_files import scan_view
from pairity.errors import ConfigError, MissingDataError, RegistryError, TimeRangeError, UnknownNameError
from pairity.evaluation_settings import EvaluationSettings
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings
from pairity_cli.main import main
from tests.training.generated import HOUR, START
from tests.training.published import NOW, brute_join, publish_all, publish_single_assets, settings_for
from training import job
from training.backtest.settings_grid import parse_grid
from training.backtest_job import run_recorded_backtest
from training.data.contracts import note_assumed_contracts, read_traded_contracts
from training.leaderboard import compare_families
from training.models.families import find_family
from training.reports import leaderboard_files, leaderboard_runs
from training.reports.contents import read_run
from training.score_sources import choose_source
from training.trials.ledger import TrialLedger

FAMILIES = ("always_revert", "btc_eth_baseline", "lagged_linear")
UTC_US = pl.Datetime("us", "UTC")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    settings = settings_for(tmp_path_factory.mktemp("home")).model_copy(
        update={"evaluation": EvaluationSettings(train_bars=160, test_bars=60)}
    )
    publish_all(settings)
    publish_single_assets(settings)
    join = brute_join(settings)
    trained = job.train(settings, SilentProgress(), now=NOW, join=join)
    board = compare_families(settings, [find_family(n) for n in FAMILIES], join, NOW, SilentProgress())
    leaderboard_files.write_leaderboard(settings, board)
    return settings, join, trained, board, leaderboard_runs.record_leaderboard(settings, board)


def backtest(home, grid=None, since=None, until=None, **named):
    settings, join, *_ = home
    source = choose_source(settings, **{"model": None, "rule": None, "run": None, "family": None} | named)
    return run_recorded_backtest(
        settings, source, SilentProgress(), now=NOW, since=since, until=until, grid=grid, join=join
    )


def test_scores_of_a_run_and_its_registered_model_trade_as_they_did_in_training(home):
    settings, _, trained, _, _ = home
    own = pl.read_csv(Layout.of(settings).reports / "training" / "trades_model.csv", try_parse_dates=True)
    for named in ({"run": trained.model.run_id[:10]}, {"model": "1", "since": trained.test_start}):
        report = backtest(home, until=trained.test_end, **named)
        assert report.contenders[0].metrics == trained.backtests["model"]
        assert report.contenders[1].metrics == trained.backtests["btc"]
        trades = report.contenders[0].result.trades
        assert trades["net_pnl"].to_list() == own["net_pnl"].to_list()
        assert trades["position_id"].to_list() == own["position_id"].to_list()
    assert trades.height > 0


@pytest.mark.slow
def test_scores_of_every_family_of_a_leaderboard_trade_as_they_did_there(home):
    _, _, _, board, run_id = home
    for standing in board.standings:
        if standing.family == "btc":
            continue
        name = standing.family.removesuffix("_two_legs")
        report = backtest(home, run=run_id, family=standing.family if name in FAMILIES else name)
        assert report.contenders[0].metrics == standing.contender.metrics, standing.family
        assert report.assessments.is_empty() == (standing.family == "lagged_linear")
    with pytest.raises(RegistryError, match=r"has no scores.parquet"):
        backtest(home, run=run_id)
    with pytest.raises(UnknownNameError, match="unknown family in run"):
        backtest(home, run=run_id, family="pair_forest")


def test_every_pair_of_every_decision_stands_in_the_table_with_its_reason(home):
    settings, _, _, _, _ = home
    report = backtest(home, rule="always_revert", since=START + 30 * HOUR, until=START + 200 * HOUR)
    rows = report.assessments
    hours = [START + number * HOUR for number in range(30, 201)]
    pairs = [pair.pair_id for pair in settings.universe.pairs]
    assert rows.select("time", "pair_id").rows() == [(hour, pair) for hour in hours for pair in pairs]
    stored = {
        (r["event_timestamp"], r["pair_id"]): r
        for r in scan_view(Layout.of(settings), PAIR_HOURLY).collect().to_dicts()
    }
    opened = report.contenders[0].result.trades.select("decided_at", "pair_id").rows()
    for row in rows.to_dicts():
        z = stored[row["time"], row["pair_id"]]["z_score"]
        assert row["z_score"] == z
        assert row["divergence_score"] == abs(z)
        assert row["taken"] == (row["rejected"] == "")
        if abs(z) <= 1.0:
            assert row["rejected"] == "|z| not above 1.0"
        if (row["time"], row["pair_id"]) in opened:
            assert row["taken"]
    taken = rows.filter("taken")
    assert len(opened) <= taken.height <= len(opened) + report.contenders[0].metrics["unfilled_entries"]
    best = rows.group_by("time", maintain_order=True).agg(
        pl.col("divergence_score").filter("taken").max().alias("own"), pl.col("divergence_score").max().alias("all")
    )
    assert best.drop_nulls("own").filter(pl.col("own") < pl.col("all")).height < taken.height
    written = pl.read_csv(Layout.of(settings).reports / "backtest" / "decisions.csv", infer_schema_length=None)
    assert written.height == rows.height
    assert written["rejected"].fill_null("").to_list() == rows["rejected"].to_list()


@pytest.mark.slow
def test_any_setting_of_the_strategy_can_be_a_grid_and_every_trial_counts(home):
    settings, _, _, _, _ = home
    before = TrialLedger.of(settings).read().count().trials
    grid = parse_grid(["z_entry=0.8,1.6", "legs=base,both", "max_concurrent_positions=2"])
    report = backtest(home, rule="always_revert", grid=grid, until=START + 150 * HOUR)
    table = report.grid.table()
    assert table.select("z_entry", "legs", "max_concurrent_positions").rows() == [
        (0.8, "base", 2.0),
        (0.8, "both", 2.0),
        (1.6, "base", 2.0),
        (1.6, "both", 2.0),
    ]
    for point, metrics in zip(report.grid.points, report.grid.metrics, strict=True):
        strategy = settings.strategy.model_copy(update=point.changes())
        changed = settings.model_copy(update={"strategy": strategy})
        alone = backtest((changed, *home[1:]), rule="always_revert", until=START + 150 * HOUR)
        assert alone.contenders[0].metrics == metrics
    traded = sum(bool(metrics["trades"]) for metrics in report.grid.metrics)
    assert report.trials.trials == before + 1 + traded
    contents = read_run(Layout.of(settings), report.run_id)
    assert {line.key for line in contents.lines} == {"model", "btc"}
    assert contents.tables["grid"].height == 4


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["z_entry"], "no part of a grid"),
        (["z_entry=1,,2"], "no part of a grid"),
        (["z_entry="], "no part of a grid"),
        (["z_entri=1"], "unknown setting of the strategy"),
        (["leverage=1,2"], "cannot vary strategy.leverage"),
        (["z_entry=1", "z_entry=2"], "names z_entry twice"),
        (["z_entry=nan"], "no value of z_entry"),
        (["exit_z=-inf,0"], "no value of exit_z"),
    ],
)
def test_a_grid_that_is_none_is_refused(texts, message):
    with pytest.raises(ConfigError, match=message):
        parse_grid(texts)


def test_a_grid_that_cannot_be_run_is_refused_before_anything_is_logged(home):
    settings = home[0]
    before = TrialLedger.of(settings).read().count().trials
    for text, message in (
        ("z_entry=1,1.0", "2 points, 1 of them different"),
        ("z_entry=-1", "cannot be run"),
        ("legs=one", "cannot be run"),
        (f"z_entry={','.join(str(1 + n / 1000) for n in range(2001))}", "at most 2000"),
    ):
        with pytest.raises(ConfigError, match=message):
            backtest(home, rule="always_revert", grid=parse_grid([text]))
    with pytest.raises(ConfigError, match="single assets"):
        backtest(home, run=home[4], family="lagged_linear", grid=parse_grid(["z_entry=1,2"]))
    assert TrialLedger.of(settings).read().count().trials == before


def test_a_range_that_the_model_has_seen_or_that_has_no_bar_is_refused(home):
    with pytest.raises(TimeRangeError, match="the model was trained on data up to"):
        backtest(home, model="champion", since=START + 40 * HOUR)
    with pytest.raises(TimeRangeError, match="no bar to backtest"):
        backtest(home, rule="always_revert", since=START + 4000 * HOUR)
    with pytest.raises(TimeRangeError, match="no bar to backtest"):
        backtest(home, rule="always_revert", since=START + 60 * HOUR, until=START + 50 * HOUR)
    odd = backtest(home, rule="always_revert", since=START + 40.3 * HOUR, until=START + 60.9 * HOUR)
    times = odd.contenders[0].result.equity["time"]
    assert (times[0], times[-1]) == (START + 41 * HOUR, START + 60 * HOUR)
    whole = backtest(home, rule="zero_forecast", since=START - 40 * HOUR, until=NOW)
    assert any(note.startswith("features are known from 2025-03-01 00:00") for note in whole.notes)
    assert whole.contenders[0].metrics["trades"] == 0


def test_sources_are_named_one_at_a_time(home):
    settings = home[0]
    for named, message in (
        ({"model": "1", "rule": "always_revert"}, "more than one"),
        ({"family": "pair_forest"}, "without --run"),
        ({"rule": "pair_forest"}, "unknown rule"),
        ({"model": "77"}, "unknown version"),
        ({"run": "f" * 32}, "unknown run"),
    ):
        with pytest.raises(ConfigError, match=message):
            backtest(home, **named)
    smaller = settings.model_copy(update={"universe": settings.universe.model_copy(update={"assets": ("BTC", "ETH")})})
    with pytest.raises(ConfigError, match="was trained on BTC,ETH,SOL"):
        choose_source(smaller, model="1", rule=None, run=None, family=None)


def test_contracts_of_recordings_of_another_venue_are_assumed_and_said_so(tmp_path):
    settings = settings_for(tmp_path)
    layout = publish_all(settings)
    layout.contracts.unlink()
    with pytest.raises(MissingDataError):
        read_traded_contracts(settings, layout)
    other = settings.model_copy(update={"features": settings.features.model_copy(update={"venue": "binance_um"})})
    specs = read_traded_contracts(other, layout)
    assert set(specs) == {"BTC", "ETH", "SOL"}  # prices of about 50, 100 and 150
    assert [float(spec.lot_sz) for spec in (specs["BTC"], specs["ETH"], specs["SOL"])] == [0.01, 0.01, 0.01]
    assert all(0.3 < float(s.lot_sz) * 50 * (n + 1) < 3.2 for n, s in enumerate(specs.values()))
    assert "assumed" in note_assumed_contracts(other)[0]
    assert note_assumed_contracts(settings) == []


def test_the_command_prints_what_it_did_and_refuses_with_a_reason(home, monkeypatch):
    settings = home[0]
    monkeypatch.chdir(settings.root)
    for name, value in (("HOME", str(settings.root)), ("UNIVERSE__ASSETS", json.dumps(settings.universe.assets))):
        monkeypatch.setenv(f"PAIRITY_{name}", value)
    run = ["backtest", "--rule", "always_revert", "--since", "2025-03-03", "--until", "2025-03-05"]
    done = CliRunner().invoke(main, [*run, "--grid", "z_entry=1,2", "--legs", "both"])
    assert done.exit_code == 0, done.output
    for text in (
        "rule always_revert",
        "buy and hold BTC",
        "49 bars, 2025-03-03 00:00 to 2025-03-05 00:00",
        "decisions.csv",
    ):
        assert text in done.output
    assert isinstance(Settings(), Settings)
    refused = CliRunner().invoke(main, [*run, "--grid", "z_entri=1"])
    assert refused.exit_code != 0
    assert "did you mean 'z_entry'" in refused.output
