"""Recordings of another venue through every study, from `collect` to `leaderboard`, with no exchange and no network."""

import json
import os
import re
import socket
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from pairity_cli.main import main

RECORDED = os.environ.get("PAIRITY_RECORDED_DATA")
ASSETS = ("BTC", "ETH", "BNB", "XRP")
SETTINGS = {
    "FEATURES__VENUE": "binance_um",
    "UNIVERSE__ASSETS": json.dumps(ASSETS),
    "MODEL__N_ESTIMATORS": "20",
    "STRATEGY__MAX_POSITION_USDT": "10000",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.skipif(RECORDED is None, reason="PAIRITY_RECORDED_DATA names no recorded market data"),
]


@pytest.fixture
def pairity(tmp_path, monkeypatch):
    """Run a command in a data directory of its own; whoever opens a connection fails."""
    monkeypatch.chdir(tmp_path)
    for name, value in {**SETTINGS, "HOME": str(tmp_path / "var")}.items():
        monkeypatch.setenv(f"PAIRITY_{name}", value)

    def refuse(_socket, address, *_):
        raise AssertionError(f"a connection to {address} was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)

    def run(*arguments, code=0):
        done = CliRunner().invoke(main, list(arguments))
        assert done.exit_code == code, f"{arguments}: {done.output}{done.exception!r}"
        return done.output

    return run


def test_every_study_runs_on_recordings_of_another_venue(pairity, tmp_path):
    folder, reports = Path(RECORDED) / "binance_um", tmp_path / "var" / "reports"
    source = ("collect", "--source", "parquet-folder", "--venue", "binance_um", "--folder")
    hours = ("--datasets", "candles_1h,funding", "--since", "2024-01-01", "--until", "2024-04-01")
    assert "binance_um" in pairity(*source, str(folder), *hours)
    again = pairity(*source, str(folder), *hours)
    assert set(re.findall(r"candles_1h\s+[\d,]+\s+(\d+)", again)) == {"0"}
    minutes = ("--datasets", "candles_1m", "--since", "2025-01-28", "--until", "2025-02-08")
    pairity(*source, str(folder / "1m_20250127_20250226"), *minutes)
    pairity("features", "--until", "2024-04-01")

    assert "candles_1h" in pairity("data")
    assert "6 of 6 pairs are used" in pairity("pairs")
    assert re.search(r"win rate \d\d\.\d\d%:", pairity("lags", "BTC", "--since", "2024-01-01"))
    assert "bars of 4h" in pairity(
        "lags", "ETH", "--interval", "4h", "--horizon", "2", "--lags", "3", "--model", "boosted"
    )
    assert "of candles_1m" in pairity("lags", "BTC", "--interval", "15m")
    assert "trade sheet of 2024-03-20" in pairity("trade-sheet", "--date", "2024-03-20")
    pairity("trade-sheet", "--evaluate", "--from", "2024-03-01", "--to", "2024-03-20")
    assert "mean over all minutes" in pairity("risk-factors", "--since", "2025-02-06", "--until", "2025-02-07")
    parts = pairity("export", "pair_hourly", "asset_lags", "--labels", "--split", "2024-02-15,2024-03-10")
    assert re.search(r"valid\s+\d", parts)
    pairity("lookahead", "--month", "2024-03", "--samples", "1", "--views", "pair_hourly,asset_lags")

    trained = pairity("train", "--no-compare")
    assert "contracts of binance_um are assumed" in trained
    assert "champion: first model, on trial" in trained
    for named in (("--model", "1"), ("--rule", "always_revert", "--since", "2024-03-01", "--grid", "z_entry=1,1.5")):
        tested = pairity("backtest", *named)
        assert "contracts of binance_um are assumed" in tested
        decisions = pl.read_csv(reports / "backtest" / "decisions.csv", infer_schema_length=None)
        assert decisions["pair_id"].n_unique() == 6
    board = pairity("leaderboard", "--train-bars", "900", "--test-bars", "500")
    for family in (
        "pair_forest",
        "pair_boosting",
        "lagged_linear",
        "vwap_distance",
        "btc_eth_baseline",
        "always_revert",
    ):
        assert family in board
    run = re.search(r"run ([0-9a-f]{32})", board)[1]
    assert "scores of run" in pairity("backtest", "--run", run, "--family", "pair_boosting")
    pairity("report", run)
    assert list(reports.glob("*.html"))
    assert "pair_forest" in pairity("models")
