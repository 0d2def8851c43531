"""Margin, funding and liquidation, and what positions and balance show of them.

Formulas: docs/okx-protocol.md, Margin, profit and liquidation.
"""

from contextlib import suppress
from decimal import Decimal

import pytest

from paper_exchange.account.refusals import Refused
from paper_exchange.wire import WireError
from tests.paper_exchange.handmade_market import BTC, ETH, Desk, flat, minute

CALM = (100, 100, 100, 100)
TAKER, MAINTENANCE, CT_VAL = Decimal("0.0005"), Decimal("0.004"), Decimal("0.01")


def lever(desk, value, inst=BTC):
    desk.post("account/set-leverage", {"instId": inst, "lever": str(value), "mgnMode": "cross"})


def number(row, name):
    return Decimal(row[name])


def test_a_position_and_the_balance_that_it_needs():
    desk = Desk({BTC: flat(100, 1) + flat(110)}, marks={BTC: [CALM, *flat(111)]})
    desk.order("buy", 10)
    desk.to(1)
    [row] = desk.get("account/positions", instId=BTC)
    average = Decimal("100.1")
    assert number(row, "avgPx") == average
    assert number(row, "markPx") == 111
    assert (number(row, "idxPx"), number(row, "last")) == (110, 110)
    assert number(row, "upl") == (111 - average) * 10 * CT_VAL
    assert number(row, "imr") == 111 * 10 * CT_VAL / 3
    assert number(row, "mmr") == 111 * 10 * CT_VAL * MAINTENANCE
    assert abs(number(row, "bePx") - average * (1 + TAKER) / (1 - TAKER)) < Decimal("1e-15")
    assert number(row, "fee") == -average * 10 * CT_VAL * TAKER == number(row, "realizedPnl")
    [account] = desk.get("account/balance")
    [usdt] = account["details"]
    assert number(usdt, "eq") == number(usdt, "cashBal") + number(row, "upl")
    assert number(usdt, "availEq") == number(usdt, "eq") - number(row, "imr")
    ratio = number(usdt, "eq") / (111 * 10 * CT_VAL * (MAINTENANCE + TAKER))
    assert abs(number(row, "mgnRatio") - ratio) < Decimal("1e-15")


def test_what_is_free_after_the_largest_order_is_next_to_nothing():
    desk = Desk({BTC: flat(100)}, balance=10)
    size = Decimal(30)
    while not desk.account.positions:
        with suppress(Refused):
            desk.order("buy", size)
        size -= CT_VAL
    account = desk.account
    left = account.equity() - account.initial_margin()
    cost_of_a_lot = CT_VAL * CT_VAL * (Decimal(100) / 3 + Decimal("0.1") + Decimal("0.06"))
    assert 0 <= left < cost_of_a_lot


def test_resting_orders_freeze_margin_and_give_it_back():
    desk = Desk({BTC: flat(100)}, balance=10)
    order = desk.order("buy", 20, kind="limit", px="99")
    frozen = Decimal(99) * 20 * CT_VAL / 3
    [usdt] = desk.get("account/balance")[0]["details"]
    assert (number(usdt, "ordFrozen"), number(usdt, "availEq")) == (frozen, 10 - frozen)
    with pytest.raises(Refused, match="51008"):
        desk.order("buy", 20)
    desk.post("trade/cancel-order", {"instId": BTC, "ordId": order.ord_id})
    assert desk.order("buy", 20).state == "filled"


def test_an_order_that_only_closes_needs_no_margin():
    desk = Desk({BTC: flat(100, 1) + flat(70)}, balance=10)
    desk.order("buy", 29)
    desk.to(1)
    assert desk.account.available() == 0
    assert desk.order("sell", 29).state == "filled"


def test_an_amendment_must_be_affordable_and_leaves_a_refused_order_alone():
    desk = Desk({BTC: flat(100)}, balance=10)
    order = desk.order("buy", 1, kind="limit", px="99")

    def amend(**changes):
        return desk.post("trade/amend-order", {"instId": BTC, "ordId": order.ord_id, **changes})["data"][0]["sCode"]

    assert amend(newSz="5000") == "51008"
    assert amend(newPx="200") == "51137"
    assert amend(newPx="99.05") == "51006"
    assert amend(newSz="1.005") == "51121"
    assert amend() == "51500"
    assert (order.size, order.price, order.state) == (1, 99, "live")
    assert amend(newSz="20") == "0"  # its own margin is not counted twice
    assert amend(newSz="5000", cxlOnFail="true") == "51008"
    assert (order.size, order.state) == (20, "canceled")


def test_an_amended_price_meets_the_market():
    desk = Desk({BTC: flat(100)})
    limit, shy = desk.order("buy", 1, kind="limit", px="99"), desk.order("buy", 1, kind="post_only", px="99")
    for order in (limit, shy):
        desk.post("trade/amend-order", {"instId": BTC, "ordId": order.ord_id, "newPx": "101"})
    assert (limit.state, limit.fill_px) == ("filled", Decimal("100.1"))
    assert (shy.state, shy.cancel_source) == ("canceled", "31")


def test_amending_the_legs_of_a_resting_order():
    desk = Desk({BTC: flat(100)})
    legs = [{"slTriggerPx": "95", "slOrdPx": "-1", "tpTriggerPx": "110", "tpOrdPx": "-1"}]
    order = desk.order("buy", 1, kind="limit", px="99", attachAlgoOrds=legs)

    def amend(**changes):
        body = {"instId": BTC, "ordId": order.ord_id, "attachAlgoOrds": [changes]}
        return desk.post("trade/amend-order", body)["data"][0]["sCode"]

    attach_id = order.attached[0].attach_id
    assert amend(attachAlgoId="7", newSlTriggerPx="96") == "51527"
    assert amend(attachAlgoId=attach_id, newSlTriggerPx="99.5") == "51047"
    assert amend(attachAlgoId=attach_id, newSlTriggerPx="96", newTpTriggerPx="0") == "0"
    assert (order.attached[0].sl_trigger, order.attached[0].tp_trigger) == (96, None)


def test_funding_is_paid_on_the_mark_at_its_time_and_by_who_holds_then():
    settlements = {BTC: [(minute(2), 0.001), (minute(4), -0.002)]}
    desk = Desk({BTC: flat(100)}, marks={BTC: flat(102)}, fundings=settlements)
    desk.to(1)
    desk.order("buy", 10)
    desk.to(2)
    paid = -Decimal("0.001") * 102 * 10 * CT_VAL
    [bill] = desk.get("account/bills", type="8")
    assert (bill["subType"], bill["ordId"], bill["ts"]) == ("173", "", str(minute(2)))
    assert number(bill, "balChg") == number(bill, "pnl") == paid
    assert (number(bill, "px"), number(bill, "sz"), bill["fee"]) == (102, 10, "0")
    desk.to(5)
    earned = Decimal("0.002") * 102 * 10 * CT_VAL
    booked = [(row["subType"], number(row, "balChg")) for row in desk.get("account/bills", type="8")]
    assert booked == [("174", earned), ("173", paid)]
    [row] = desk.get("account/positions")
    assert number(row, "fundingFee") == paid + earned
    late = Desk({BTC: flat(100)}, fundings=settlements)
    late.to(2)
    late.order("buy", 10)  # at the very instant, after the settlement
    late.to(3)
    assert late.get("account/bills", type="8") == []


@pytest.mark.parametrize(("side", "sign"), [("buy", 1), ("sell", -1)])
def test_the_shown_liquidation_price_is_where_margin_runs_out(side, sign):
    desk = Desk({BTC: flat(100)}, balance=10)
    lever(desk, 10)
    order = desk.order(side, 90)
    cash = desk.account.ledger.cash
    shown = number(desk.get("account/positions")[0], "liqPx")
    tick = Decimal("0.1")

    def ratio(mark):
        equity = cash + (mark - order.fill_px) * 90 * sign * CT_VAL
        return equity / (mark * 90 * CT_VAL * (MAINTENANCE + TAKER))

    assert ratio(shown + sign * tick) > 1 > ratio(shown - sign * tick)
    assert abs(ratio(shown) - 1) < Decimal("1e-14")  # not rounded to the tick


@pytest.mark.parametrize(
    ("bar", "price"),
    [
        ((100, 100, 89.6, 95), None),
        ((100, 100, 89.5, 100), "89.5"),  # reached inside the bar, though it closed well
        ((88, 90, 60, 90), "88"),  # gapped through: at the open
    ],
)
def test_liquidation_inside_a_bar(bar, price):
    desk = Desk({BTC: [CALM, bar, *flat(100)], ETH: flat(100)}, balance=10)
    lever(desk, 10)
    desk.order("buy", 90)
    resting = desk.order("buy", 1, inst=ETH, kind="limit", px="99")
    desk.algo("sell", 90, slTriggerPx="80", slOrdPx="-1", reduceOnly=True)
    assert Decimal("89.4") < number(desk.get("account/positions")[0], "liqPx") < Decimal("89.5")
    desk.to(2)
    if price is None:
        assert (desk.size(), resting.state) == (90, "live")
        return
    assert (desk.size(), resting.state, resting.cancel_source) == (0, "canceled", "3")
    fill, bill = desk.get("trade/fills", instId=BTC)[0], desk.get("account/bills", type="5")[0]
    assert (number(fill, "fillPx"), bill["subType"]) == (Decimal(price), "107")
    assert int(fill["tradeId"]) < 0
    assert desk.get("trade/order", instId=BTC, ordId=fill["ordId"])[0]["category"] == "full_liquidation"
    [closed] = desk.get("account/positions-history")
    assert closed["type"] == "3"
    assert number(closed, "realizedPnl") == number(closed, "pnl") + number(closed, "fee") + number(closed, "fundingFee")


@pytest.mark.parametrize("stops", [[2], [1, 2], [2, 3], [3]])
def test_a_gap_after_a_hole_liquidates_at_its_open_whoever_looks_when(stops):
    desk = Desk({BTC: [CALM, None, (130, 131, 129, 130), *flat(130)]}, balance=10)
    lever(desk, 10)
    desk.order("sell", 90)
    for at in stops:
        desk.to(at)
    [fill] = desk.get("account/bills", type="5")
    assert (fill["px"], fill["ts"], desk.size()) == ("130", str(minute(2)), 0)


def test_the_nearer_of_stop_and_liquidation_comes_first():
    desk = Desk({BTC: [CALM, (100, 100, 60, 100), *flat(100)]}, balance=10)
    lever(desk, 10)
    desk.order("buy", 90, attachAlgoOrds=[{"slTriggerPx": "92", "slOrdPx": "-1"}])
    desk.to(2)
    assert desk.get("trade/fills")[0]["fillPx"] == "91.9"
    assert desk.get("account/bills", type="5") == []


def test_one_instrument_can_take_the_other_down():
    desk = Desk({BTC: [CALM, (100, 100, 60, 60), *flat(60)], ETH: flat(100)}, balance=20)
    for inst in (BTC, ETH):
        lever(desk, 10, inst)
        desk.order("buy", 80, inst=inst)
    desk.to(2)
    assert (desk.size(BTC), desk.account.ledger.cash > 0) == (0, True)
    desk = Desk({BTC: [CALM, (60, 60, 60, 60), *flat(60)], ETH: flat(100)}, balance=20)
    for inst in (BTC, ETH):
        lever(desk, 10, inst)
        desk.order("buy", 80, inst=inst)
    desk.to(1)  # BTC opens where nothing is left: both are closed at their marks
    assert desk.account.positions == {}
    assert [f["fillPx"] for f in desk.get("trade/fills")[:2]] == ["100", "60"]


def test_leverage_that_the_account_or_its_orders_cannot_carry():
    desk = Desk({BTC: flat(100), ETH: flat(100)}, balance=10)
    lever(desk, 10)
    desk.order("buy", 90)
    for value, code in (("101", "59102"), ("1", "59103"), ("0", "51000"), ("x", "51000")):
        with pytest.raises(WireError) as refused:
            lever(desk, value)
        assert refused.value.code == code
    desk.order("sell", 1, kind="limit", px="101")
    with pytest.raises(WireError, match="59107"):
        lever(desk, 20)
    assert desk.get("account/leverage-info", instId=BTC, mgnMode="cross")[0]["lever"] == "10"
