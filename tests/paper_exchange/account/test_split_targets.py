"""Targets that split an order, or rest as limit orders, and what the venue refuses of them."""

from decimal import Decimal

import pytest

from paper_exchange.account.refusals import Refused
from tests.paper_exchange.handmade_market import BTC, ETH, Desk, contract, flat

CALM = (100, 100, 100, 100)
STOP = {"slTriggerPx": "95", "slOrdPx": "-1"}


def target(trigger, sz, **changes):
    return {"tpTriggerPx": trigger, "tpOrdPx": "-1", "sz": sz, **changes}


def limit(price, sz=None, **changes):
    return {"tpOrdKind": "limit", "tpOrdPx": price, **({"sz": sz} if sz else {}), **changes}


SPLIT = [target("104", "4"), target("106", "6"), STOP]


def test_each_target_closes_its_part_and_the_stop_the_rest():
    path = [CALM, (100, 105, 100, 103), (103, 103, 94, 95), *flat(95)]
    desk = Desk({BTC: path})
    desk.order("buy", 10, attachAlgoOrds=SPLIT)
    rows = desk.get("trade/orders-algo-pending", ordType="conditional,oco")
    assert sorted((row["tpTriggerPx"], row["slTriggerPx"], row["sz"]) for row in rows) == [
        ("", "95", "10"),
        ("104", "", "4"),
        ("106", "", "6"),
    ]
    desk.to(2)
    assert desk.size() == 6
    desk.to(3)
    fills = [(fill.bill.price, fill.bill.size) for fill in desk.account.ledger.executions]
    assert fills[1:] == [(Decimal("103.9"), 4), (Decimal("94.9"), 6)]
    assert desk.size() == 0


def test_an_attached_size_covers_that_part_only():
    desk = Desk({BTC: [CALM, (100, 100, 90, 91), *flat(91)]})
    desk.order("buy", 10, attachAlgoOrds=[{**STOP, "sz": "4"}])
    desk.to(2)
    assert desk.size() == 6


def test_parts_are_covered_as_the_order_fills():
    desk = Desk({BTC: [(100, 100, 100, 100, 0.0), (100, 100, 98, 100, 0.24), *flat(100)]}, unkind=True)
    desk.order("buy", 10, kind="limit", px="99", attachAlgoOrds=SPLIT)
    desk.to(2)  # a quarter of 24 contracts traded below 99
    assert desk.size() == 6
    rows = desk.get("trade/orders-algo-pending", ordType="conditional,oco")
    assert sorted((row["tpTriggerPx"], row["sz"]) for row in rows) == [("", "6"), ("104", "4"), ("106", "2")]


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        ([target("104", "4"), target("106", "5")], "51083"),
        ([target("104", "4"), target("106", "")], "51089"),
        ([target("104", "4"), target("104", "6")], "51081"),
        ([target("104", "4"), target("106", "6", tpOrdPx="105")], "51082"),
        ([target("104", "4"), target("106", "6", tpTriggerPxType="mark")], "51080"),
        ([target("104", "4", **STOP), target("106", "6")], "51076"),
        ([STOP, STOP, target("104", "10")], "51084"),
        ([target("104", "4"), limit("106", "6")], "51091"),
        ([limit("104", "4"), limit("104", "6")], "51092"),
        ([limit("-1")], "51093"),
        ([{"tpOrdKind": "limit"}], "51000"),
        ([{"tpOrdKind": "stop", "tpOrdPx": "104"}], "51000"),
        ([target(str(104 + number), "1") for number in range(11)], "51079"),
        ([limit("99")], "51279"),
        ([{"tpTriggerPx": "104"}], "51000"),
    ],
)
def test_targets_that_do_not_split_an_order(legs, code):
    desk = Desk({BTC: flat(100)})
    with pytest.raises(Refused) as refused:
        desk.order("buy", 10, attachAlgoOrds=legs)
    assert refused.value.code == code
    assert desk.account.orders == {}


def test_a_limit_target_rests_at_once_and_ends_with_its_stop():
    desk = Desk({BTC: [CALM, (100, 100, 94, 95), *flat(95)]})
    entry = desk.order("buy", 10, attachAlgoOrds=[limit("104", **STOP)])
    [resting] = desk.get("trade/orders-pending")
    [stop] = desk.get("trade/orders-algo-pending", ordType="conditional")
    assert (resting["ordType"], resting["px"], resting["sz"], resting["side"]) == ("limit", "104", "10", "sell")
    assert (resting["isTpLimit"], resting["reduceOnly"]) == ("true", "true")
    assert resting["linkedAlgoOrd"] == {"algoId": stop["algoId"]}
    assert stop["linkedOrd"] == {"ordId": resting["ordId"]}
    [shown] = desk.get("trade/order", ordId=entry.ord_id, instId=BTC)[0]["attachAlgoOrds"]
    assert (shown["tpOrdKind"], shown["tpOrdPx"]) == ("limit", "104")
    desk.to(2)
    [done] = desk.get("trade/orders-history", ordType="limit")
    assert (done["state"], done["cancelSource"], desk.size()) == ("canceled", "36", 0)


def test_a_limit_target_that_fills_ends_its_stop_with_the_position():
    desk = Desk({BTC: [CALM, (100, 105, 100, 103), *flat(103)]}, unkind=False)
    desk.order("buy", 10, attachAlgoOrds=[limit("104", **STOP)])
    desk.to(2)
    fills = [(fill.bill.price, fill.taker) for fill in desk.account.ledger.executions]
    assert fills[1:] == [(104, False)]
    [stop] = desk.get("trade/orders-algo-history", ordType="conditional", state="canceled")
    assert stop["slTriggerPx"] == "95"


def test_a_cancelled_stop_takes_its_limit_targets_along():
    desk = Desk({BTC: flat(100)})
    desk.order("buy", 10, attachAlgoOrds=[limit("104", "4"), limit("106", "6"), STOP])
    [stop] = desk.get("trade/orders-algo-pending", ordType="conditional")
    assert len(desk.get("trade/orders-pending")) == 2
    desk.post("trade/cancel-algos", [{"algoId": stop["algoId"], "instId": BTC}])
    assert {row["cancelSource"] for row in desk.get("trade/orders-history", ordType="limit")} == {"37"}


def test_one_order_closes_a_whole_position():
    desk = Desk({BTC: flat(100), ETH: flat(100)})
    desk.order("buy", 2)
    whole = {"slTriggerPx": "95", "slOrdPx": "-1", "closeFraction": "1", "reduceOnly": True}
    stop = desk.algo("sell", "", **whole)
    for extra, code in (({}, "51088"), ({"reduceOnly": False}, "51328"), ({"slOrdPx": "94"}, "51330")):
        with pytest.raises(Refused) as refused:
            desk.algo("sell", "", **{**whole, **extra})
        assert refused.value.code == code
    desk.algo("sell", "", inst=ETH, **whole)  # another position
    desk.post("trade/cancel-algos", [{"algoId": stop.algo_id, "instId": BTC}])
    desk.algo("sell", "", **whole)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"slTriggerPx": "95"}, "51000"),
        ({"slOrdPx": "-1"}, "51000"),
        ({"tpTriggerPx": "105"}, "51000"),
        ({"kind": "trigger", "triggerPx": "105"}, "51000"),
        ({"tpOrdKind": "limit", "tpOrdPx": "105", **STOP}, "51000"),  # served with the entry only
        ({"kind": "oco", "slTriggerPx": "95", "slOrdPx": "-1", "tpTriggerPx": "105"}, "51000"),
        ({**STOP, "cxlOnClosePos": "true", "reduceOnly": False}, "51000"),
    ],
)
def test_a_trigger_without_the_price_of_its_order(body, code):
    desk = Desk({BTC: flat(100)})
    with pytest.raises(Refused) as refused:
        desk.algo("sell", 1, **{"reduceOnly": True, **body})
    assert refused.value.code == code


def test_no_market_order_is_larger_than_the_largest():
    small = {BTC: contract(BTC, max_limit_sz=Decimal(500), max_market_sz=Decimal(10))}
    desk = Desk({BTC: [CALM, (100, 100, 90, 91), *flat(91)]}, instruments=small)
    desk.order("buy", 30, kind="limit", px="101")
    with pytest.raises(Exception, match="51108"):
        desk.post("trade/close-position", {"instId": BTC, "mgnMode": "cross"})
    with pytest.raises(Refused, match="51275"):
        desk.algo("sell", 11, reduceOnly=True, **STOP)
    whole = desk.algo("sell", "", closeFraction="1", reduceOnly=True, **STOP)
    desk.to(2)
    assert (whole.state, whole.fail_code, desk.size()) == ("order_failed", "51202", 30)


def test_a_stop_that_is_larger_than_one_may_be():
    desk = Desk({BTC: flat(100)}, instruments={BTC: contract(BTC, max_stop_sz=Decimal(10))})
    desk.order("buy", 20)
    with pytest.raises(Refused, match="51275"):
        desk.algo("sell", 11, slTriggerPx="90", slOrdPx="-1", reduceOnly=True)
    desk.algo("sell", 10, slTriggerPx="90", slOrdPx="-1", reduceOnly=True)
    stops = [{"slTriggerPx": "90", "slOrdPx": "-1"}]
    order = desk.order("buy", 11, attachAlgoOrds=stops)
    assert (order.state, order.attached[0].algo_id, order.attached[0].fail_code) == ("filled", "", "51275")
    order = desk.order("buy", 10, attachAlgoOrds=stops)
    assert desk.account.algos[order.attached[0].algo_id].live
