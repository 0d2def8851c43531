"""Figures of accounts as OKX answered them, computed again by the exchange's own functions.

Every field of a recorded row is an input, is computed, or stands in a table with the reason why it cannot be.
"""

import inspect
import json
import os
import re
from decimal import Decimal
from pathlib import Path

import ccxt.pro
import pytest

from paper_exchange.account.positions import Position
from tests.paper_exchange.handmade_market import ETH, Desk, contract, flat

XRP = "XRP-USDT-SWAP"
CLOSE = Decimal("1e-13")  # relative: the market hands prices over as floats, and the venue computed with floats
NAMES = "adl availPos pos posSide instId instType mgnMode lever ccy cTime uTime pTime posId tradeId"

OF_THE_POSITION = {
    "notionalUsd": "in US dollars at the price of USDT (0.99989 then); here USDT is worth one dollar",
    "adl": "rank among all accounts of the venue",
    "interest": "of spot margin",
    "liab": "of spot margin",
    "liabCcy": "of spot margin",
    "optVal": "of options",
}
OF_THE_BALANCE = {
    "eqUsd": "in US dollars at the price of USDT; here USDT is worth one dollar",
    "disEq": "in US dollars at the price of USDT; here USDT is worth one dollar",
}
COMPOSED = {
    "nautilus_trader/http_get_positions.json": "made up for a parser: 0.5 contracts at 10,000 are 5,000 dollars",
    "guide/trading__account__rest-api-get-positions.json": "a position of spot margin",
    "guide/trading__account__websocket-positions-channel.json": "inverse futures; its mark is not the one of its upl",
    "guide/trading__account__rest-api-get-positions-history.json": "an inverse swap",
    "nautilus_trader/ws_orders_adl.json": "made up: a fee of 0.3 contracts at 41,000 of 12.3",
    "nautilus_trader/ws_orders_liquidation.json": "made up: a fee of 0.5 contracts at 40,000 of 20",
    "nautilus_trader/ws_orders_trigger.json": "made up: a fee of 0.2%",
}
"""Rows of positions and fills that no account of linear swaps can have had, and why."""


def number(row, name):
    return Decimal(row[name])


def recorded(name):
    root = os.environ.get("PAIRITY_RECORDED_DATA")
    if root is None:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: there are no recorded payloads to compare with")
    return json.loads((Path(root) / "payloads" / "okx" / name).read_text())


def read_cross_sample():
    """The pushed position that ccxt.pro carries as a sample of a real message."""
    text = re.sub(r"^\s*#", "", inspect.getsource(ccxt.pro.okx), flags=re.MULTILINE)
    rows = [
        dict(re.findall(r"""['"]?(\w+)['"]?\s*:\s*['"]([^'"]*)['"]""", item))
        for item in re.findall(r"\{[^{}]*\}", text)
    ]
    [row] = [row for row in rows if row.get("instId") == XRP and "posId" in row]
    return row


def test_a_pushed_cross_position():
    row = read_cross_sample()
    mark, last, size = number(row, "markPx"), number(row, "last"), number(row, "pos")
    specified = {XRP: contract(XRP, ct_val=Decimal(100))}
    prices = {"marks": {XRP: flat(float(mark))}, "indices": {XRP: flat(float(row["idxPx"]))}}
    desk = Desk({XRP: flat(float(last))}, instruments=specified, **prices)
    desk.account.leverage[XRP] = number(row, "lever")
    position = Position(inst_id=XRP, ct_val=Decimal(100), pos_id="1", opened_ms=0, size=size)
    position.avg_px = number(row, "avgPx")
    desk.account.positions[XRP] = position
    # The maintenance rate of then, and the equity that the margin ratio tells.
    desk.account.maintenance_rate = lambda _: Decimal("0.005")
    required = mark * 100 * (Decimal("0.005") + desk.account.taker)
    desk.account.ledger.cash = number(row, "mgnRatio") * required - number(row, "upl")
    [shown] = desk.get("account/positions")
    for name in ("pos", "posSide", "mgnMode", "avgPx", "lever", "markPx", "idxPx", "last", "margin", "ccy"):
        assert shown[name] == row[name], name
    computed = ("imr", "mmr", "upl", "uplRatio", "uplLastPx", "uplRatioLastPx", "mgnRatio", "liqPx")
    for name in computed:
        assert abs(number(shown, name) / number(row, name) - 1) < Decimal("1e-11"), name
    usdt = number(row, "notionalUsd") / (mark * 100)
    assert abs(usdt - Decimal("0.99989")) < CLOSE
    left = {name for name, value in row.items() if value and name not in computed} - set(NAMES.split())
    left -= {"avgPx", "markPx", "idxPx", "last", "margin"}
    assert left <= set(OF_THE_POSITION)


@pytest.mark.recorded
def test_a_balance_beside_an_isolated_position():
    [total] = recorded("nautilus_trader/http_get_account_balance.json")["data"]
    [row] = total["details"]
    profit, equity = number(row, "isoUpl"), number(row, "isoEq")
    desk = Desk({ETH: flat(1600)}, instruments={ETH: contract(ETH, ct_val=Decimal("0.1"))})
    position = Position(inst_id=ETH, ct_val=Decimal("0.1"), pos_id="1", opened_ms=0, margin_mode="isolated")
    position.size, position.avg_px = Decimal("0.1"), 1600 - profit * 100
    position.margin = equity - profit
    desk.account.positions[position.holding] = position
    desk.account.ledger.cash = number(row, "cashBal")
    [shown_total] = desk.get("account/balance")
    [shown] = shown_total["details"]
    for name in set(row) - set(OF_THE_BALANCE) - {"uTime"}:
        if re.fullmatch(r"-?[0-9.]+", str(row[name])):
            assert shown[name] != "", name
            # As many digits as floats have: the recorded figures end at the sixteenth.
            assert abs(number(shown, name) - number(row, name)) < CLOSE * 100, name
        else:
            assert shown[name] == row[name], name
    usdt = number(row, "eqUsd") / number(row, "eq")
    for name, mine in (("totalEq", shown_total["totalEq"]), ("isoEq", shown_total["isoEq"])):
        assert abs(number(total, name) / usdt - Decimal(mine)) < Decimal("1e-11"), name
    assert abs(number(row, "disEq") / usdt - number(shown, "disEq")) < Decimal("1e-11")


@pytest.mark.recorded
def test_a_balance_of_cash_alone():
    [total] = recorded("nautilus_trader/ws_account.json")["data"]
    row = next(detail for detail in total["details"] if detail["ccy"] == "USDT")
    desk = Desk({ETH: flat(1600)}, balance=Decimal(row["cashBal"]))
    [shown] = desk.get("account/balance")[0]["details"]
    assert {name: shown[name] for name in set(row) - {"eqUsd", "coinUsdPrice", "uTime"}} == {
        name: value for name, value in row.items() if name not in ("eqUsd", "coinUsdPrice", "uTime")
    }
    assert abs(number(row, "eqUsd") - number(row, "eq") * number(row, "coinUsdPrice")) < CLOSE * 1000


@pytest.mark.recorded
def test_what_is_frozen_is_the_equity_that_is_not_available():
    rest = recorded("guide/trading__account__rest-api-get-balance.json")["examples"][0]["data"][0]["details"]
    pushed = [
        detail
        for message in recorded("guide/trading__account__websocket-account-channel.json")["examples"]
        for row in message.get("data", [])
        for detail in row["details"]
    ]
    for row in [*rest, *pushed]:
        assert abs(number(row, "eq") - number(row, "availEq") - number(row, "frozenBal")) < CLOSE * 100
    desk = Desk({ETH: flat(100, 1) + flat(101)}, balance=1_000)
    desk.order("buy", 60, inst=ETH, tdMode="isolated")
    desk.order("buy", 30, inst=ETH)
    desk.order("buy", 10, inst=ETH, kind="limit", px="100")
    desk.to(1)
    [shown] = desk.get("account/balance")[0]["details"]
    assert all(number(shown, name) != 0 for name in ("isoUpl", "imr", "ordFrozen"))
    assert abs(number(shown, "frozenBal") - number(shown, "eq") + number(shown, "availEq")) < CLOSE


@pytest.mark.recorded
@pytest.mark.parametrize("name", ["ws_orders.json", "ws_orders_optimal_limit_ioc.json"])
def test_fees_of_pushed_orders(name):
    [row] = recorded(f"nautilus_trader/{name}")["data"]
    value = number(row, "accFillSz") * Decimal("0.01") * number(row, "avgPx")
    rate = Decimal("0.0007") if name == "ws_orders.json" else Decimal("0.0005")
    assert -value * rate == number(row, "fee")


@pytest.mark.recorded
@pytest.mark.parametrize("name", COMPOSED)
def test_rows_that_cannot_be_computed_are_still_there(name):
    assert recorded(name)
