"""Stops, targets and triggers against bars: the open first, then the adverse extreme, then the other."""

from decimal import Decimal

import pytest

from paper_exchange.account.refusals import Refused
from tests.paper_exchange.handmade_market import BTC, Desk, flat

CALM = (100, 100, 100, 100)


def held_through(bar, *, side="buy", marks=None, after=99, **legs):
    """A position of one contract from 100, its legs, and one bar that matters."""
    desk = Desk({BTC: [CALM, bar, *flat(after)]}, marks=marks and {BTC: [CALM, marks, *flat(after)]})
    desk.order(side, 1)
    exit_side = "sell" if side == "buy" else "buy"
    kind = "oco" if {"slTriggerPx", "tpTriggerPx"} <= set(legs) else "conditional"
    at_market = {name.replace("TriggerPx", "OrdPx"): "-1" for name in legs if name.endswith("TriggerPx")}
    desk.algo(exit_side, 1, kind=kind, reduceOnly=True, **{**at_market, **legs})
    desk.to(2)
    return desk


def exits(desk):
    return [fill.bill.price for fill in desk.account.ledger.executions[1:]]


@pytest.mark.parametrize(
    ("side", "bar", "legs", "price"),
    [
        ("buy", (100, 101, 95, 99), {"slTriggerPx": "95"}, "94.9"),  # touched: at the trigger, less half the spread
        ("buy", (90, 92, 88, 91), {"slTriggerPx": "95"}, "89.9"),  # gapped through: at the open
        ("buy", (100, 100, 95.1, 99), {"slTriggerPx": "95"}, None),
        ("sell", (100, 105, 99, 99), {"slTriggerPx": "105"}, "105.1"),
        ("sell", (112, 113, 111, 112), {"slTriggerPx": "105"}, "112.1"),
        ("buy", (100, 110, 99, 105), {"tpTriggerPx": "110"}, "109.9"),
        ("buy", (115, 116, 114, 114), {"tpTriggerPx": "110"}, "114.9"),
        ("sell", (100, 100, 90, 95), {"tpTriggerPx": "90"}, "90.1"),
        ("buy", (100, 111, 94, 99), {"slTriggerPx": "95", "tpTriggerPx": "110"}, "94.9"),  # both: the adverse one first
        ("sell", (100, 111, 89, 99), {"slTriggerPx": "110", "tpTriggerPx": "90"}, "110.1"),
        ("buy", (112, 113, 94, 99), {"slTriggerPx": "95", "tpTriggerPx": "110"}, "111.9"),  # but the open comes before
        ("sell", (88, 111, 87, 99), {"slTriggerPx": "110", "tpTriggerPx": "90"}, "88.1"),
    ],
)
def test_where_a_leg_fills(side, bar, legs, price):
    desk = held_through(bar, side=side, **legs)
    assert exits(desk) == ([] if price is None else [Decimal(price)])
    assert desk.size() == (0 if price else (1 if side == "buy" else -1))


def test_the_order_of_a_stop_names_its_algo():
    desk = held_through((100, 101, 90, 91), slTriggerPx="95", algoClOrdId="guard1")
    [row] = desk.get("trade/orders-history", instId=BTC, ordType="market")[:1]
    [algo] = desk.get("trade/order-algo", algoClOrdId="guard1")
    assert (row["source"], row["algoId"], row["algoClOrdId"]) == ("7", algo["algoId"], "guard1")
    assert (row["reduceOnly"], row["state"], row["cancelSource"]) == ("true", "filled", "")
    assert (algo["state"], algo["actualSide"], algo["actualPx"], algo["ordId"]) == (
        "effective",
        "sl",
        "95",
        row["ordId"],
    )
    assert algo["triggerTime"] == row["cTime"] == row["fillTime"]


def test_a_stop_limit_takes_the_better_quote_or_waits():
    through = held_through((100, 100, 90, 91), slTriggerPx="98", slOrdPx="97")
    assert exits(through) == [Decimal("97.9")]
    assert through.account.ledger.executions[1].taker
    above = held_through((100, 100, 90, 91), after=91, slTriggerPx="98", slOrdPx="99")
    assert (exits(above), above.size()) == ([], 1)  # the high came before: nothing of this bar fills the new order
    assert [order.price for order in above.account.pending()] == [99]


@pytest.mark.parametrize("kind", ["mark", "index"])
def test_a_trigger_watches_its_own_price(kind):
    low, calm = (100, 100, 90, 100), CALM
    other = {kind: "marks" if kind == "mark" else "indices"}[kind]
    fired = Desk({BTC: [calm, calm, *flat(100)]}, **{other: {BTC: [calm, low, *flat(100)]}})
    fired.order("buy", 1)
    fired.algo("sell", 1, slTriggerPx="95", slOrdPx="-1", slTriggerPxType=kind, reduceOnly=True)
    fired.to(2)
    assert exits(fired) == [Decimal("99.9")]  # trades at the last price, which never left 100
    quiet = Desk({BTC: [calm, low, *flat(100)]}, **{other: {BTC: flat(100)}})
    quiet.order("buy", 1)
    quiet.algo("sell", 1, slTriggerPx="95", slOrdPx="-1", slTriggerPxType=kind, reduceOnly=True)
    quiet.to(2)
    assert quiet.size() == 1


ENTRY_LEGS = [
    {"slTriggerPx": "95", "slOrdPx": "-1", "tpTriggerPx": "104", "tpOrdPx": "-1", "attachAlgoClOrdId": "legs1"}
]


@pytest.mark.parametrize(
    ("bar", "outcome"),
    [
        ((100, 101, 98, 99), None),
        ((100, 101, 94, 103), "94.9"),  # through the entry and on to the stop, in this order
        ((100, 105, 98, 100), None),  # the high may have come before the entry
        ((100, 105, 98, 104.5), "103.9"),  # closed beyond the target: the entry came before
        ((97, 97, 94, 96), "94.9"),
        ((93, 94, 92, 94), "92.9"),  # gapped over entry and stop: out at the open
    ],
)
def test_legs_of_an_entry_that_fills_inside_the_bar(bar, outcome):
    desk = Desk({BTC: [CALM, bar, *flat(99)]})
    desk.order("buy", 1, kind="limit", px="99", attachAlgoOrds=ENTRY_LEGS)
    assert desk.get("trade/orders-algo-pending", ordType="conditional,oco") == []  # not before the parent fills
    desk.to(2)
    assert exits(desk) == ([] if outcome is None else [Decimal(outcome)])
    if outcome is None:
        [row] = desk.get("trade/orders-algo-pending", ordType="conditional,oco")
        assert (row["ordType"], row["algoClOrdId"], row["side"], row["reduceOnly"]) == ("oco", "legs1", "sell", "true")


def test_attached_legs_end_with_parent_or_position():
    desk = Desk({BTC: flat(100)})
    parent = desk.order("buy", 1, kind="limit", px="99", attachAlgoOrds=ENTRY_LEGS)
    desk.post("trade/cancel-order", {"instId": BTC, "ordId": parent.ord_id})
    assert desk.account.algos == {}
    desk.order("buy", 1, attachAlgoOrds=ENTRY_LEGS)
    desk.order("sell", 1, reduceOnly=True)
    [row] = desk.get("trade/orders-algo-history", ordType="oco", state="canceled")
    assert row["algoClOrdId"] == "legs1"


def test_legs_of_an_order_that_left_no_position_fail():
    desk = Desk({BTC: flat(100)})
    desk.order("buy", 1)
    closing = desk.order("sell", 1, attachAlgoOrds=[{"slTriggerPx": "105", "slOrdPx": "-1"}])
    assert desk.account.algos == {}
    [row] = desk.get("trade/order", instId=BTC, ordId=closing.ord_id)
    assert row["attachAlgoOrds"][0]["failCode"] == "51023"


def test_a_leg_covers_what_is_left_of_the_position():
    desk = Desk({BTC: [CALM, CALM, (100, 100, 90, 91), *flat(91)]})
    desk.order("buy", 5, attachAlgoOrds=[{"slTriggerPx": "95", "slOrdPx": "-1"}])
    desk.order("sell", 3, reduceOnly=True)
    desk.to(3)
    assert [fill.bill.size for fill in desk.account.ledger.executions] == [5, 3, 2]
    assert desk.size() == 0


def test_trigger_orders_enter_and_carry_legs():
    desk = Desk({BTC: [CALM, (100, 106, 100, 105), *flat(105)]})
    desk.algo(
        "buy", 1, kind="trigger", triggerPx="105", orderPx="-1", attachAlgoOrds=[{"slTriggerPx": "96", "slOrdPx": "-1"}]
    )
    desk.to(2)
    [entry] = desk.account.orders.values()
    assert (entry.source, entry.fill_px, desk.size()) == ("6", Decimal("105.1"), 1)
    assert [(algo.kind, algo.sl_trigger, algo.state) for algo in desk.account.live_algos()] == [
        ("conditional", 96, "live")
    ]


def test_the_stop_of_a_breakout_entry_needs_the_close():
    for low, close, size in ((95, 105, 1), (95, 95.5, 0)):
        desk = Desk({BTC: [CALM, (100, 106, low, close), *flat(100)]})
        legs = [{"slTriggerPx": "96", "slOrdPx": "-1"}]
        desk.algo("buy", 1, kind="trigger", triggerPx="105", orderPx="-1", attachAlgoOrds=legs)
        desk.to(2)
        assert desk.size() == size


def test_a_trigger_that_the_account_cannot_carry_fails():
    desk = Desk({BTC: [CALM, (100, 106, 100, 105), *flat(105)]}, balance=10)
    desk.algo("buy", 4000, kind="trigger", triggerPx="105", orderPx="-1", algoClOrdId="big")
    desk.to(2)
    [row] = desk.get("trade/orders-algo-history", ordType="trigger", state="order_failed")
    assert (row["failCode"], row["ordId"], desk.size(), desk.account.ledger.cash) == ("51008", "", 0, 10)


def test_a_reduce_only_stop_without_a_position_fails():
    desk = Desk({BTC: [CALM, (100, 100, 90, 91), *flat(91)]})
    desk.algo("sell", 1, slTriggerPx="95", slOrdPx="-1", reduceOnly=True)
    desk.to(2)
    [algo] = desk.account.algos.values()
    assert (algo.state, algo.fail_code, desk.size()) == ("order_failed", "51023", 0)


def test_close_fraction_closes_whatever_is_there():
    desk = Desk({BTC: [CALM, CALM, (100, 100, 90, 91), *flat(91)]})
    desk.order("buy", 2)
    desk.algo("sell", "", slTriggerPx="95", slOrdPx="-1", reduceOnly=True, closeFraction="1")
    desk.order("buy", 3)
    desk.to(3)
    assert (desk.size(), desk.account.ledger.executions[-1].bill.size) == (0, 5)


@pytest.mark.parametrize(
    ("side", "leg", "trigger", "code"),
    [
        ("buy", "tp", "99", "51279"),
        ("buy", "sl", "101", "51280"),
        ("sell", "tp", "101", "51277"),
        ("sell", "sl", "99", "51278"),
    ],
)
def test_triggers_on_the_wrong_side(side, leg, trigger, code):
    """As ccxt words the codes: 51277/51279 target too high/low for the last price, 51278/51280 stop too low/high."""
    desk = Desk({BTC: flat(100)})
    legs = [{f"{leg}TriggerPx": trigger, f"{leg}OrdPx": "-1"}]
    with pytest.raises(Refused) as refused:
        desk.order(side, 1, attachAlgoOrds=legs)
    assert refused.value.code == code
    with pytest.raises(Refused) as refused:
        desk.algo("sell" if side == "buy" else "buy", 1, reduceOnly=True, **legs[0])
    assert refused.value.code == code
    against_price = {"51279": "51046", "51280": "51047", "51277": "51048", "51278": "51049"}
    with pytest.raises(Refused) as refused:
        desk.order(side, 1, kind="limit", px="100", attachAlgoOrds=legs)
    assert refused.value.code == against_price[code]
    assert (desk.account.orders, desk.account.algos) == ({}, {})


def test_amending_a_waiting_stop():
    desk = Desk({BTC: [CALM, CALM, (100, 100, 96, 97), *flat(97)]})
    desk.order("buy", 1)
    stop = desk.algo(
        "sell", 1, kind="oco", slTriggerPx="90", slOrdPx="-1", tpTriggerPx="120", tpOrdPx="-1", reduceOnly=True
    )

    def amend(**changes):
        answer = desk.post("trade/amend-algos", {"instId": BTC, "algoId": stop.algo_id, **changes})
        return answer["data"][0]["sCode"]

    assert amend(newSlTriggerPx="101") == "51280"
    assert amend(newTpTriggerPx="0") == "51000"  # an oco keeps both its legs
    assert amend(newSlTriggerPx="-5") == amend(newSz="0") == "51000"
    assert (stop.sl_trigger, stop.tp_trigger) == (90, 120)
    assert amend(newSlTriggerPx="96.5", newSlOrdPx="-1") == "0"
    desk.to(3)
    assert exits(desk) == [Decimal("96.4")]
    assert amend(newSlTriggerPx="95") == "51503"
