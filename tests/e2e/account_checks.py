"""Journal and venue compared from outside: through ccxt, with sums of their own."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import ccxt

from pairity.timeline import to_ms
from pairity.universe import inst_id
from serving.journal import Purpose


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
