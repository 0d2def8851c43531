"""What a journal says of a book that was traded, as the comparison with its backtest reads it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest

from serving.journal.reading import ReadingJournal
from serving.replay.traded_book import read_traded_book
from tests.serving.books.book_scene import EQUITY, FIRST, MARKET, SPECS, START, backtest, book_scene
from tests.training.books.markets import make_panel
from training.books.replay_differences import ReplayedBook, compare_book

DAY = timedelta(days=1)
INTERVAL = {"port": 0, "lease": False, "interval_minutes": 1440}


def compare(scene, decided):
    """Compare the decisions before the last one."""
    journal = ReadingJournal.connect(scene.journal_path)
    try:
        traded = read_traded_book(journal, SPECS, FIRST + decided * DAY, Decimal(EQUITY))
    finally:
        journal.close()
    # Its last row is the close of the hour after the last decision that is compared.
    run = backtest(FIRST + (decided - 1) * DAY)
    panel = make_panel(MARKET, until=(FIRST + (decided - 1) * DAY - START) // timedelta(hours=1) + 3)
    return traded, compare_book(run, panel, ReplayedBook(*traded))


def test_a_book_that_was_traded_equals_its_backtest_value_by_value(tmp_path):
    with book_scene(tmp_path / "home", serve=INTERVAL) as scene:
        scene.trade(3)
        traded, found = compare(scene, 2)
    assert found.differences == ()
    assert found.decisions == 2
    assert found.executions == traded.executions.height > 4
    assert traded.account["equity"][0] == EQUITY
    assert abs(traded.account["funding"][1]) > 0.01
    assert set(traded.executions["origin"]) == {"rebalance"}


@pytest.mark.slow
def test_executions_of_stops_have_their_own_origin(tmp_path):
    """A stop a little away from the close is met within the day: the backtest knows nothing of it."""
    with book_scene(tmp_path / "home", serve=INTERVAL, books={"disaster_stop": 0.05}) as scene:
        scene.trade(5)
        traded, found = compare(scene, 4)
    stops = traded.executions.filter(pl.col("origin") == "stop")
    assert stops.height
    named = {(one.asset, one.what) for one in found.unexplained if "stop: " in one.replay}
    assert named == {(name, "executions") for name in stops["name"]}
