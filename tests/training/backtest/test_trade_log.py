import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.training.synthetic_run import digest, run
from training.backtest.trade_log import group_by_position

PINNED = {
    "base": "5f158de243e5cbbdca3344828efaa84f5b13dfb5bce2a3e14d9f88362940b0ca",
    "both": "ba4a03c03ae2e3d6e76b9f731c5e07c05f04ea8cd6e8560baa6b0fc024d7c3b6",
}
"""A change of a digest is a change of the strategy or of the books, to be explained."""


@pytest.mark.parametrize("legs", ["base", "both"])
def test_the_same_frames_give_the_same_trade_log_byte_for_byte(legs):
    assert digest(legs) == PINNED[legs]


@pytest.mark.parametrize("threads", [pytest.param("1", marks=pytest.mark.slow), "3"])
def test_the_number_of_threads_changes_nothing(threads):
    command = [sys.executable, "-m", "tests.training.synthetic_run"]
    environment = os.environ | {"POLARS_MAX_THREADS": threads, "PYTHONHASHSEED": threads}
    root = Path(__file__).parents[3]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [PINNED["base"], PINNED["both"]]


def test_positions_add_up_their_legs():
    log = run("both").trades
    table = group_by_position(log)
    assert 0 < table.height < log.height
    assert set(table["legs"]) == {2}
    for name in ("net_pnl", "fees", "funding", "slippage", "traded_notional"):
        assert table[name].sum() == pytest.approx(log[name].sum())
    assert table["opened_at"].is_sorted()
    first = log.filter(pl.col("position_id") == table["position_id"][0])
    assert table["net_pnl"][0] == pytest.approx(first["net_pnl"].sum())
    assert table["exit_reason"][0] == first["exit_reason"][0]


def test_no_trades_are_no_positions():
    assert group_by_position(run("base").trades.clear()).is_empty()
