"""Two days with two legs and three positions, in real processes: journal and venue end equal, to the cent."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import ccxt
import pytest

from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.hedging import compute_hedge_error
from pairity.timeline import to_ms
from pairity.universe import exact, inst_id
from serving.journal import Journal, Purpose
from tests.e2e.running import Place, paper_exchange

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1500)]
CYCLES = 50
SETTINGS = {
    "PAIRITY_UNIVERSE__ASSETS": json.dumps(["BTC", "ETH", "SOL", "XRP", "ADA", "DOT", "AVAX", "LINK"]),
    "PAIRITY_STRATEGY__LEGS": "both",
    "PAIRITY_STRATEGY__MAX_CONCURRENT_POSITIONS": "3",
    "PAIRITY_STRATEGY__PROBABILITY_MIN": "0.4",
    "PAIRITY_STRATEGY__STOP_BOUNDS": "[0.01, 0.02]",
}


def client_of(url: str) -> ccxt.okx:
    exchange = ccxt.okx(
        {
            "apiKey": "paper",
            "secret": "paper",
            "password": "paper",
            "enableRateLimit": False,
            "urls": {"api": {"rest": url}},
            "options": {"defaultType": "swap", "fetchMarkets": {"types": ["swap"]}},
        }
    )
    exchange.headers = {"x-simulated-trading": "1"}
    return exchange


def read_cash(exchange: ccxt.okx) -> Decimal:
    return Decimal(exchange.privateGetAccountBalance()["data"][0]["details"][0]["cashBal"])


def read_all(call, key, **wanted):
    """All pages of a list of the venue, newest first."""
    rows = []
    while page := call({"limit": "100", **wanted, **({"after": rows[-1][key]} if rows else {})})["data"]:
        rows += page
    return rows


@pytest.mark.parametrize("kindness", [[], ["--unkind"]], ids=["kind", "unkind"])
def test_two_days_of_pairs_end_reconciled(kindness, tmp_path):
    with paper_exchange("--seed", "11", *kindness) as running:
        place = Place(tmp_path / "home", SETTINGS)
        options = ("--exchange-url", running.url, "--control-url", running.control)
        exchange = client_of(running.url)
        before = read_cash(exchange)
        for command in (
            ("ingest", *options, "--since", "22d"),
            ("train", "--no-compare"),
            ("serve", *options, "--cycles", str(CYCLES)),
        ):
            done = place.run(*command)
            assert done.returncode == 0, done.stdout + done.stderr
        journal = Journal.read(Layout.of(Settings(home=place.home)).journal)
        try:
            check_equal(journal, exchange)
            check_sizes(journal)
            check_cash(journal, exchange, read_cash(exchange) - before)
        finally:
            journal.close()


def check_equal(journal, exchange):
    """Positions and stops of the venue are those of the journal, leg by leg."""
    legs = [leg for record in journal.open_positions() for leg in record.position.legs]
    ours = {inst_id(leg.asset): leg.side.sign * leg.contracts for leg in legs}
    assert len(ours) == len(legs)
    there = {row["instId"]: Decimal(row["pos"]) for row in exchange.privateGetAccountPositions()["data"]}
    assert {name: size for name, size in there.items() if size} == ours
    stops = exchange.privateGetTradeOrdersAlgoPending({"ordType": "conditional,oco"})["data"]
    assert sorted(row["instId"] for row in stops) == sorted(ours)
    assert all(Decimal(row["sz"]) >= abs(ours[row["instId"]]) for row in stops)
    assert [intent for intent in journal.unsettled() if intent.purpose is not Purpose.PROTECT] == []


def check_sizes(journal):
    """Every position that was held had both legs, in the ratio of the decision; several were held at once."""
    whole = 0
    most = max(len(record.decision.state.positions) for record in journal.decisions())
    assert most == 3
    for record in journal.decisions():
        for entry in record.decision.entries:
            opened = journal.position(entry.position_id)
            if opened is None or (opened.close is not None and opened.close.exit_reason == "leg_risk"):
                continue
            ratio = next(s.hedge_ratio for s in record.decision.scores if s.pair == entry.pair)
            values = []
            for number, order in enumerate(entry.legs):
                intents = journal.intents(entry.position_id, number, Purpose.ENTRY)
                filled = sum((intent.filled_contracts for intent in intents), Decimal(0))
                assert 0 < filled <= order.contracts * Decimal("1.1")
                values.append(filled / order.contracts)
            assert compute_hedge_error(values[0], values[1], Decimal(1)) <= Decimal("0.11"), (entry, exact(ratio))
            whole += 1
    assert whole >= 5


def check_cash(journal, exchange, change):
    """What the account's cash changed by is what the journal booked, and what open positions have cost so far."""
    booked = Decimal(0)
    for record in journal.closed_positions():
        assert record.close.net_usdt is not None, record
        booked += record.close.net_usdt
    bills = read_all(exchange.privateGetAccountBills, "billId", instType="SWAP", type="8")
    fills = read_all(exchange.privateGetTradeFillsHistory, "billId", instType="SWAP")
    for record in journal.open_positions():
        orders = {intent.order_id for intent in journal.intents(record.position.position_id)}
        booked += sum((Decimal(row["fee"]) for row in fills if row["ordId"] in orders), Decimal(0))
        since = to_ms(record.position.opened_at - timedelta(seconds=1))
        names = {inst_id(leg.asset) for leg in record.position.legs}
        booked += sum(
            (Decimal(row["pnl"]) for row in bills if row["instId"] in names and int(row["ts"]) > since), Decimal(0)
        )
    assert abs(booked - change) < Decimal("0.005")
