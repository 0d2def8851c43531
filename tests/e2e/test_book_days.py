"""Days of a book on recorded hours: the trading process over the wire, killed and troubled, beside the backtest.

What equals what: decisions and contracts exactly; equity at each decision's closes, fees and funding to a millionth of
a USDT. The backtest fills at the exchange's quotes around the next bar's open, and funding is paid on its mark prices.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from feature_repo.contract_specs import read_contracts
from pairity.books.families import BOOK_FAMILIES
from pairity.layout import Layout
from pairity.timeline import from_ms
from tests.e2e.book_life import (
    ASSETS,
    Trader,
    backtest,
    collect,
    compare,
    count_far_from_target,
    cut,
    make_place,
    playing,
    read_orders,
    settings_of,
    store_contracts,
)

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.recorded, pytest.mark.timeout(7200)]
FIRST = datetime(2025, 2, 8, tzinfo=UTC)
"""Funding of all names is recorded from the day before on; names need 2,160 hours before."""
DAYS = int(os.environ.get("BOOK_DAYS", "5"))
"""The recording has 91 of them."""
PAIR_DAYS = int(os.environ.get("BOOK_PAIR_DAYS", "20"))
"""Of the book of pairs, which decides three times a day."""
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


@pytest.mark.parametrize(
    ("family", "days", "assets"),
    [("trend_carry_book", DAYS, ASSETS), ("pair_continuation", PAIR_DAYS, ASSETS[:14]), ("carry_book", 3, ASSETS)],
)
def test_a_book_that_is_killed_and_troubled_is_the_backtests(recordings, tmp_path, family, days, assets):
    every = timedelta(hours=BOOK_FAMILIES[family].every_hours)
    last = FIRST + timedelta(days=days) - every
    place = make_place(tmp_path / "home", assets, family)
    since, until = FIRST - timedelta(days=111), last + timedelta(days=1)
    folder = cut(recordings, tmp_path / "recorded", assets, since, until)
    collect(place, folder, since, until)
    decisions = (last - FIRST) // every + 1
    with playing(folder, FIRST) as exchange:
        store_contracts(place, exchange)
        trader, killed = Trader(place, exchange), 0
        for kill_at in (*KILLS, None):
            left = decisions - (from_ms(exchange.state()["now_ms"]) - FIRST) // every - 1
            for kind, path, count, params in FAULTS:
                # What is refused is tried again some seconds later, when a process with one decision left has ended.
                if kind != "code" or left > 1:
                    exchange.post("faults", {"kind": kind, "path": path, "count": count, "params": params})
            done = trader.run(left, kill_at)
            if done.returncode == 0:
                break
            assert done.returncode == -9, done.stdout[-3000:] + done.stderr[-3000:]
            killed += 1
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert killed >= 2
        compared = compare(place, exchange, backtest(place, folder, FIRST, last), FIRST, last)
        print(f"{family}: {killed} kills; {compared}")
        assert compared.differences == ()
        assert compared.decisions == decisions
        assert max(compared.equity_gap, compared.fee_gap, compared.funding_gap) < 1e-6
        assert count_far_from_target(place, read_contracts(Layout.of(settings_of(place)))) == []
    check_parity_and_origin(place, last, family)


def check_parity_and_origin(place, last, family):
    """What was read online is the offline store's; the weight behind the last order follows from the raw lake."""
    parity = place.run("parity", timeout_s=1200)
    print(parity.stdout)
    assert parity.returncode == 0, parity.stdout + parity.stderr
    assert "all identical, bit for bit" in parity.stdout
    why = place.run("why", "--at", f"{last + timedelta(hours=1):%Y-%m-%dT%H:%M}")
    assert why.returncode == 0, why.stderr
    assert family in why.stdout
    order = read_orders(place)[-1].client_order_id
    traced = place.run("trace", order, "--chain", timeout_s=1200)
    assert traced.returncode == 0, traced.stdout + traced.stderr
    chain = json.loads(traced.stdout)
    assert chain["score"]["kind"] == "weight"
    assert chain["score"]["same_from_journal"] is True
    assert chain["score"]["same_from_lake"] is True
    assert chain["raw"]["different"] == []
    assert chain["raw"]["parts"]
