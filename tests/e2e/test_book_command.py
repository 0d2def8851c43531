"""`pairity serve --book` as a person runs it: ingestion, features hour by hour, a decision, screens, flat again."""

from __future__ import annotations

import json

import pytest

from tests.e2e.running import Place, paper_exchange

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(3600)]
ASSETS = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "AVAX")
SETTINGS = {
    "PAIRITY_UNIVERSE__ASSETS": json.dumps(ASSETS),
    "PAIRITY_UNIVERSE__PAIR_ASSETS": json.dumps(ASSETS[:2]),
    "PAIRITY_SERVE__LEASE": "false",
}


def test_a_book_is_traded_explained_and_closed(tmp_path):
    place = Place(tmp_path / "home", SETTINGS)
    market = ("--market", "synthetic", "--assets", str(len(ASSETS)), "--history", "95", "--balance", "50000")
    with paper_exchange(*market, "--start", "2026-01-01T22:30:00Z") as exchange:
        options = ("--exchange-url", exchange.url, "--control-url", exchange.control)
        done = place.run("ingest", *options, "--since", "94d", timeout_s=3000)
        assert done.returncode == 0, done.stdout + done.stderr
        traded = place.run("serve", *options, "--book", "trend_carry_book", "--cycles", "3", timeout_s=3000)
        assert traded.returncode == 0, traded.stdout + traded.stderr
        print(traded.stdout)
        assert "rebalance 1" in traded.stdout
        assert "trend_carry_book: 8 of 8 names traded" in traded.stdout + traded.stderr
        why = place.run("why", "--at", "2026-01-02T00:30")
        assert why.returncode == 0, why.stderr
        assert "over volatility" in why.stdout
        refused = place.run("serve", *options, "--cycles", "1")
        assert refused.returncode == 2
        assert "--book trend_carry_book" in refused.stderr
        assert place.run("halt", "--flatten", "--reason", "enough").returncode == 0
        ended = place.run("serve", *options, "--book", "trend_carry_book", "--cycles", "1", timeout_s=3000)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "0 names held" in ended.stdout
