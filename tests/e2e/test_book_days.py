"""Days of a book on recorded hours: the trading process over the wire, killed and troubled, beside the backtest.

What equals what: decisions and contracts exactly; equity at each decision's closes, fees and funding to a millionth of
a USDT. The backtest fills at the exchange's quotes around the next bar's open, and funding is paid on its mark prices.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from feature_repo.contract_specs import read_contracts
from pairity.layout import Layout
from pairity.timeline import from_ms
from tests.e2e.book_life import (
    Trader,
    backtest,
    collect,
    compare,
    count_far_from_target,
    cut,
    make_place,
    playing,
    settings_of,
    store_contracts,
)

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.recorded, pytest.mark.timeout(7200)]
FIRST = datetime(2025, 2, 8, tzinfo=UTC)
"""Funding of all names is recorded from the day before on; names need 2,160 hours before."""
DAYS = int(os.environ.get("BOOK_DAYS", "5"))
"""The recording has 91 of them."""
KILLS = (60, -95, 140, -333, 410, -512, 777)
"""Commits of the journal at which one process after another is killed: after them, or with a minus sign before."""
FAULTS = (
    ("reset", "POST trade/order", 1, {"executed": True}),
    ("code", "POST trade/order", 1, {"code": "51028", "msg": "Contract under delivery", "http_status": 200}),
    ("html_503", "GET trade/order", 2, {}),
)
"""Before each process: an order whose answer is lost, one that is refused, look-ups that fail."""


@pytest.fixture(scope="module")
def recordings() -> Path:
    where = os.environ.get("PAIRITY_RECORDED_DATA")
    if not where:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded hours")
    return Path(where) / "okx_swap"


def test_a_book_that_is_killed_and_troubled_is_the_backtests(recordings, tmp_path):
    last = FIRST + timedelta(days=DAYS - 1)
    place = make_place(tmp_path / "home")
    assets = settings_of(place).universe.assets
    since, until = FIRST - timedelta(days=111), last + timedelta(days=1)
    folder = cut(recordings, tmp_path / "recorded", assets, since, until)
    collect(place, folder, since, until)
    with playing(folder, FIRST) as exchange:
        store_contracts(place, exchange)
        trader, killed = Trader(place, exchange), 0
        for kill_at in (*KILLS, None):
            for kind, path, count, params in FAULTS:
                exchange.post("faults", {"kind": kind, "path": path, "count": count, "params": params})
            passed = (from_ms(exchange.state()["now_ms"]) - FIRST) // timedelta(days=1) + 1
            done = trader.run(DAYS - passed, kill_at)
            if done.returncode == 0:
                break
            assert done.returncode == -9, done.stdout[-3000:] + done.stderr[-3000:]
            killed += 1
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert killed >= 3
        compared = compare(place, exchange, backtest(place, folder, FIRST, last), FIRST, last)
        print(f"{killed} kills; {compared}")
        assert compared.differences == ()
        assert compared.decisions == DAYS
        assert max(compared.equity_gap, compared.fee_gap, compared.funding_gap) < 1e-6
        assert count_far_from_target(place, read_contracts(Layout.of(settings_of(place)))) == []
    why = place.run("why", "--at", f"{last + timedelta(hours=1):%Y-%m-%dT%H:%M}")
    assert why.returncode == 0, why.stderr
    assert "trend_carry_book" in why.stdout
