"""A book as a person makes it champion: trained, judged, traded by `serve` alone; on a short history too."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from tests.e2e.made_up_recording import START, make_recording
from tests.e2e.running import Place, paper_exchange

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(3600)]
DAYS = 130
"""Days of history: names need ninety, and a test period lies behind them."""
ASSETS = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE")
SETTINGS = {
    "PAIRITY_UNIVERSE__ASSETS": json.dumps(ASSETS),
    "PAIRITY_UNIVERSE__PAIR_ASSETS": json.dumps(ASSETS[:2]),
    "PAIRITY_SERVE__LEASE": "false",
    "PAIRITY_MODEL__FAMILIES": json.dumps(["trend_carry_book", "always_revert"]),
}
FIRST = START + timedelta(days=DAYS)


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    folder = make_recording(tmp_path_factory.mktemp("market") / "recorded", ASSETS, 24 * DAYS + 24)
    start = f"{FIRST - timedelta(minutes=90):%Y-%m-%dT%H:%M:%SZ}"
    return ("--market", "recorded", "--data", str(folder), "--balance", "50000", "--start", start)


def test_a_book_is_trained_judged_and_traded_by_serve_alone(tmp_path, market):
    place = Place(tmp_path / "home", SETTINGS)
    with paper_exchange(*market) as exchange:
        options = ("--exchange-url", exchange.url, "--control-url", exchange.control)

        def run(*arguments: str, code: int = 0):
            done = place.run(*arguments, timeout_s=3000)
            assert done.returncode == code, done.stdout + done.stderr
            return done

        run("ingest", *options, "--since", START.isoformat())
        known_at = f"{FIRST - timedelta(minutes=80):%Y-%m-%dT%H:%M:%SZ}"
        trained = run("train", "--no-compare", "--as-known-at", known_at).stdout
        assert "Book: trend_carry_book" in trained
        assert "costs × 3: net return" in trained
        versions = run("models").stdout
        assert re.search(r"^2 +always_revert +challenger", versions, re.MULTILINE)
        assert re.search(r"^1 +trend_carry_book +champion", versions, re.MULTILINE)
        assert "version 1 is ON TRIAL" in versions
        traded = run("serve", *options, "--cycles", "2")
        assert "model     pair_forest version 1, champion; gate: failed" in traded.stderr
        assert re.search(r"trend_carry_book: [4-6] of 6 names traded", traded.stderr)
        assert re.search(r"^[4-6] names held", traded.stdout, re.MULTILINE)
        why = run("why", "--at", f"{FIRST + timedelta(minutes=30):%Y-%m-%dT%H:%M}").stdout
        assert "by pair_forest version 1: rebalance" in why
        run("promote", "2", "--force", "--reason", "a test")
        refused = run("serve", *options, "--cycles", "1", code=2)
        assert "champion version 2 is a model of pairs (always_revert)" in refused.stderr
        assert "--book trend_carry_book" in refused.stderr
        run("rollback", "--reason", "a test")
        assert re.search(r"names held", run("serve", *options, "--cycles", "1").stdout)


def test_history_that_names_need_is_fetched_at_the_start(tmp_path, market):
    place = Place(tmp_path / "home", SETTINGS)
    with paper_exchange(*market) as exchange:
        options = ("--exchange-url", exchange.url, "--control-url", exchange.control)
        since = (FIRST - timedelta(days=10)).isoformat()
        done = place.run("ingest", *options, "--since", since, timeout_s=3000)
        assert done.returncode == 0, done.stdout + done.stderr
        traded = place.run("serve", *options, "--book", "trend_carry_book", "--cycles", "2", timeout_s=3000)
        assert traded.returncode == 0, traded.stdout + traded.stderr
        assert re.search(r"trend_carry_book: [4-6] of 6 names traded", traded.stderr)
