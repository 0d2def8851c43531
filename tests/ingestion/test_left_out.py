"""Assets that are delisted, suspended or not open yet: left out with reason and date, and the others go on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from feature_repo.contract_specs import read_contracts
from feature_repo.raw_files import scan_versions
from ingestion.pipeline import ingest
from pairity.layout import Layout
from pairity.timeline import to_ms
from paper_exchange.events.scripted_market import ScriptedMarket
from tests.ingestion.venue import HOUR, NOW, UNTIL, synthetic, venue

SOL = "SOL-USDT-SWAP"


def run(okx, home, *, hours=26, until=UNTIL, assets=("BTC", "ETH", "SOL"), live=False):
    return asyncio.run(ingest(okx.settings(home, assets=assets), until - hours * HOUR, until, clock=okx, live=live))


def reasons(report):
    return {failure.asset: failure.reason for failure in report.failures if failure.dataset == "candles"}


def stored(home, asset):
    return scan_versions(Layout(home), "candles_1m", "okx", asset).collect().height


@pytest.mark.parametrize("live", [pytest.param(False, marks=pytest.mark.slow), True])
def test_one_that_the_venue_never_listed_is_left_out(okx, tmp_path, live):
    report = run(okx, tmp_path, assets=("BTC", "ETH", "NOPE"), live=live)
    assert reasons(report) == {
        "NOPE": "the venue does not list it (seen 2026-01-02 05:00 UTC), and nothing of it is stored: it is not listed "
        "yet, or spelt otherwise"
    }
    assert {*read_contracts(Layout(tmp_path))} == {"BTC", "ETH"}
    assert stored(tmp_path, "BTC") > 1000
    assert {pair.pair_id for pair in report.left_out} == {"BTC__NOPE", "ETH__NOPE"}


def test_one_that_is_delisted_between_two_runs_keeps_its_history_and_its_last_bar_is_said(tmp_path):
    market = ScriptedMarket(synthetic())
    with venue(market) as okx:
        first = run(okx, tmp_path)
        assert first.ok
        market.end(SOL, to_ms(NOW))
        okx.step_to(NOW + 3 * HOUR)
        before = stored(tmp_path, "SOL")
        report = run(okx, tmp_path, until=UNTIL + 3 * HOUR)
    assert reasons(report)["SOL"].endswith("delisted after its last bar of 2026-01-02 04:59 UTC")
    assert "seen 2026-01-02 08:00 UTC" in reasons(report)["SOL"]
    assert stored(tmp_path, "SOL") == before
    assert stored(tmp_path, "BTC") > before
    assert report.left_out == ()  # its history has features


@pytest.mark.parametrize(
    ("state", "words"),
    [
        pytest.param("suspend", "state suspend", marks=pytest.mark.slow),
        ("preopen", "opens 2026-01-05 00:00"),
        pytest.param("settling", "settling", marks=pytest.mark.slow),
    ],
)
def test_one_that_does_not_trade_now_is_said_with_the_date(tmp_path, state, words):
    market = ScriptedMarket(synthetic())
    lists_ms = to_ms(NOW.replace(day=5, hour=0, minute=0, second=0))
    market._replace(SOL, state=state, list_ms=lists_ms)
    with venue(market) as okx:
        report = run(okx, tmp_path)
    assert words in reasons(report)["SOL"]
    assert "seen 2026-01-02 05:00 UTC" in reasons(report)["SOL"]
    assert "BTC__ETH" not in {pair.pair_id for pair in report.left_out}
    assert stored(tmp_path, "ETH") > 1000


def test_one_that_is_listed_while_others_trade_is_taken_up(tmp_path):
    market = synthetic()
    late = {name: replace(item, list_ms=0) for name, item in market.instruments.items()}
    sol = late.pop(SOL)
    market.instruments = late
    with venue(market) as okx:
        assert "SOL" in reasons(run(okx, tmp_path))
        market.instruments = {**late, SOL: sol}
        okx.step_to(NOW + timedelta(hours=2))
        report = run(okx, tmp_path, until=UNTIL + 2 * HOUR)
    assert report.ok
    assert stored(tmp_path, "SOL") > 1000
