"""Figures of positions as OKX answered them, computed again by the exchange's own functions.

Two kinds of sources: rows that ccxt carries in its source as samples of real answers, and recorded payloads.
"""

import inspect
import json
import os
import re
from decimal import Decimal
from pathlib import Path

import ccxt
import pytest

from paper_exchange.account.filling import fill
from paper_exchange.account.orders import Order
from paper_exchange.account.positions import Position
from tests.paper_exchange.handmade_market import BTC, Desk, contract, flat

EXACT = Decimal("1e-11")  # relative: the market hands the mark over as a float


def read_samples(function):
    """Rows that a function of ccxt shows in its comments, as dicts of text."""
    text = re.sub(r"^\s*#", "", inspect.getsource(function), flags=re.MULTILINE)
    flat_objects = re.findall(r"\{[^{}]*\}", text)
    rows = [dict(re.findall(r"""['"]?(\w+)['"]?\s*:\s*['"]([^'"]*)['"]""", item)) for item in flat_objects]
    return [row for row in rows if "posId" in row]


def number(row, name):
    return Decimal(row[name])


def test_an_open_cross_position():
    [row] = [row for row in read_samples(ccxt.okx.parse_position) if "liqPx" in row]
    size, average, ct_val = number(row, "pos"), number(row, "avgPx"), Decimal("0.01")
    mark = average + number(row, "upl") / (size * ct_val)
    desk = Desk({BTC: flat(float(mark))}, position_mode="long_short_mode")
    desk.account.leverage[BTC] = number(row, "lever")
    position = Position(inst_id=BTC, ct_val=ct_val, pos_id="1", opened_ms=0, pos_side="long", size=size, avg_px=average)
    desk.account.positions[position.holding] = position
    required = mark * size * ct_val * (Decimal("0.004") + desk.account.taker)
    desk.account.ledger.cash = number(row, "mgnRatio") * required - number(row, "upl")
    [shown] = desk.get("account/positions")
    for name in ("pos", "posSide", "mgnMode", "margin", "avgPx", "lever"):
        assert shown[name] == row[name], name
    for name in ("imr", "mmr", "upl", "uplRatio", "mgnRatio"):
        assert abs(number(shown, name) / number(row, name) - 1) < EXACT, name
    # As many digits as the venue shows, and not on the tick.
    assert abs(number(shown, "liqPx") / number(row, "liqPx") - 1) < EXACT
    assert len(shown["liqPx"]) >= len(row["liqPx"]) - 1


def closed_rows():
    rows = [row for row in read_samples(ccxt.okx.parse_position) if "closeAvgPx" in row]
    return rows + [row for row in read_samples(ccxt.okx.fetch_positions_history) if "closeAvgPx" in row]


CONTRACTS = {"SUSHI-USDT-SWAP": "1", "XRP-USDT-SWAP": "100", "ETH-USDT-SWAP": "0.1"}


def trade(desk, row, rates):
    """Open and close what a row of positions-history tells, at its average prices; fees by `rates`."""
    inst_id, isolated = row["instId"], row["mgnMode"]
    account, sign = desk.account, 1 if row["direction"] == "long" else -1
    desk.account.leverage[inst_id if isolated == "cross" else f"{inst_id} isolated net"] = number(row, "lever")
    size = number(row, "closeTotalPos")
    for name, price, rate in zip(("open", "close"), ("openAvgPx", "closeAvgPx"), rates, strict=True):
        account.taker = rate
        order = Order(
            ord_id=name,
            client_id="",
            inst_id=inst_id,
            side="buy" if (sign > 0) == (name == "open") else "sell",
            kind="market",
            size=size,
            price=None,
            reduce_only=False,
            created_ms=0,
            margin_mode=isolated,
        )
        account.take(order)
        fill(account, order, size, number(row, price), taker=True)


def check_closed(row, rates):
    inst_id = row["instId"]
    specified = {inst_id: contract(inst_id, ct_val=Decimal(CONTRACTS[inst_id]))}
    desk = Desk({inst_id: flat(1)}, instruments=specified, balance=10**6)
    trade(desk, row, rates)
    position, _, how = desk.account.closed_positions[0]
    assert how == row["type"]
    position.funding = number(row, "fundingFee")
    if rates == (0, 0):  # several fills, of which the row says the sum of fees alone
        position.fee = number(row, "fee")
    [shown] = desk.get("account/positions-history")
    for name in ("pnl", "fee", "fundingFee", "liqPenalty", "realizedPnl", "pnlRatio", "openAvgPx", "closeAvgPx"):
        assert abs(number(shown, name) - number(row, name)) < Decimal("1e-10"), name
    for name in ("closeTotalPos", "mgnMode", "uly", "ccy", "triggerPx"):
        assert shown[name] == row[name], name
    assert number(shown, "lever") == number(row, "lever")


def test_closed_positions():
    sushi, xrp = closed_rows()
    check_closed(sushi, (Decimal("0.0002"), Decimal("0.0005")))  # opened as maker, closed as taker
    check_closed(xrp, (Decimal(0), Decimal(0)))


def recorded(name):
    root = os.environ.get("PAIRITY_RECORDED_DATA")
    if root is None:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: there are no recorded payloads to compare with")
    return json.loads((Path(root) / "payloads" / "okx" / "nautilus_trader" / name).read_text())["data"]


@pytest.mark.recorded
def test_a_recorded_isolated_position():
    [row] = recorded("http_get_account_positions-history.json")
    check_closed(row, (Decimal("0.0007"), Decimal("0.0007")))


@pytest.mark.recorded
def test_the_fee_of_a_recorded_order():
    [row] = recorded("http_get_orders_history.json")
    desk = Desk({BTC: flat(1)}, taker=Decimal("0.0007"), balance=10**6, position_mode="long_short_mode")
    order = Order(
        ord_id="1",
        client_id="",
        inst_id=BTC,
        side=row["side"],
        kind=row["ordType"],
        size=number(row, "sz"),
        price=None,
        reduce_only=False,
        created_ms=0,
        margin_mode=row["tdMode"],
        pos_side=row["posSide"],
        leverage=number(row, "lever"),
    )
    desk.account.take(order)
    fill(desk.account, order, order.size, number(row, "fillPx"), taker=True)
    [shown] = desk.get("trade/orders-history")
    for name in ("accFillSz", "avgPx", "fillPx", "fillSz", "fee", "pnl", "state", "posSide", "tdMode", "reduceOnly"):
        assert shown[name] == row[name], name
