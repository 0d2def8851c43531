"""`pairity serve --book` as a person runs it: ingestion, features hour by hour, a decision, screens, flat again."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from tests.e2e.made_up_recording import START, make_recording
from tests.e2e.running import Place, paper_exchange

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(3600)]
DAYS = 92
"""Days of history: names need ninety."""
ASSETS = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "AVAX")
SETTINGS = {
    "PAIRITY_UNIVERSE__ASSETS": json.dumps(ASSETS),
    "PAIRITY_UNIVERSE__PAIR_ASSETS": json.dumps(ASSETS[:2]),
    "PAIRITY_SERVE__LEASE": "false",
}


def test_a_book_is_traded_explained_and_closed(tmp_path):
    place = Place(tmp_path / "home", SETTINGS)
    folder = make_recording(tmp_path / "recorded", ASSETS, 24 * DAYS + 8)
    first = START + timedelta(days=DAYS)
    market = ("--market", "recorded", "--data", str(folder), "--balance", "50000")
    with paper_exchange(*market, "--start", f"{first - timedelta(minutes=90):%Y-%m-%dT%H:%M:%SZ}") as exchange:
        options = ("--exchange-url", exchange.url, "--control-url", exchange.control)
        done = place.run("ingest", *options, "--since", START.isoformat(), timeout_s=3000)
        assert done.returncode == 0, done.stdout + done.stderr
        traded = place.run("serve", *options, "--book", "trend_carry_book", "--cycles", "3", timeout_s=3000)
        assert traded.returncode == 0, traded.stdout + traded.stderr
        print(traded.stdout)
        assert "rebalance 1" in traded.stdout
        assert re.search(r"trend_carry_book: [6-8] of 8 names traded", traded.stderr)
        assert re.search(r"^[6-8] names held; the last decision, of ", traded.stdout, re.MULTILINE)
        why = place.run("why", "--at", f"{first + timedelta(minutes=30):%Y-%m-%dT%H:%M}")
        assert why.returncode == 0, why.stderr
        assert "over volatility" in why.stdout
        parity = place.run("parity", timeout_s=1200)
        assert parity.returncode == 0, parity.stdout + parity.stderr
        assert "16 vectors" in parity.stdout
        assert "all identical, bit for bit" in parity.stdout
        chain = json.loads(place.run("trace", "latest", "--chain", timeout_s=1200).stdout)
        assert chain["score"]["kind"] == "weight"
        assert chain["score"]["same_from_journal"] is True
        assert chain["score"]["same_from_lake"] is True
        assert chain["raw"]["different"] == []
        refused = place.run("serve", *options, "--cycles", "1")
        assert refused.returncode == 2
        assert "--book trend_carry_book" in refused.stderr
        assert place.run("halt", "--flatten", "--reason", "enough").returncode == 0
        ended = place.run("serve", *options, "--book", "trend_carry_book", "--cycles", "1", timeout_s=3000)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "0 names held" in ended.stdout


def test_the_volatility_behind_a_target_is_measured_again_to_the_same_float(tmp_path):
    """Sixty days of decisions of names that are ninety days old: what is scaled by follows from the stored data."""
    days = 155
    place = Place(tmp_path / "home", {**SETTINGS, "PAIRITY_BOOKS__VOLATILITY_TARGET": "0.1"})
    folder = make_recording(tmp_path / "recorded", ASSETS, 24 * days + 8)
    first = START + timedelta(days=days)
    market = ("--market", "recorded", "--data", str(folder), "--balance", "50000")
    with paper_exchange(*market, "--start", f"{first - timedelta(minutes=90):%Y-%m-%dT%H:%M:%SZ}") as exchange:
        options = ("--exchange-url", exchange.url, "--control-url", exchange.control)
        done = place.run("ingest", *options, "--since", START.isoformat(), timeout_s=3000)
        assert done.returncode == 0, done.stdout + done.stderr
        traded = place.run("serve", *options, "--book", "trend_book", "--cycles", "2", timeout_s=3000)
        assert traded.returncode == 0, traded.stdout + traded.stderr
    parity = place.run("parity", "--all", "--json", timeout_s=1200)
    assert parity.returncode == 0, parity.stdout + parity.stderr
    (row,) = (row for row in json.loads(parity.stdout)["tables"][0]["rows"] if row["service"] == "book")
    assert (row["feature"], row["compared"], row["differ"]) == ("realised_volatility", 1, 0)
    found = json.loads(place.run("trace", "latest", "--chain", timeout_s=1200).stdout)["volatility"]
    assert found["same"] is True
    assert 0 < found["recorded"] == found["measured_again"]
    assert found["names"] == list(ASSETS)
