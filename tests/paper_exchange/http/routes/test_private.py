"""What the private endpoints take, refuse and list: codes, batches, client ids, pages, the dead man's switch."""

import json
from decimal import Decimal

import pytest

from paper_exchange.account.refusals import Refused
from paper_exchange.wire import WireError
from tests.paper_exchange.handmade_market import BTC, ETH, T0, Desk, contract, flat

CALM = (100, 100, 100, 100)
SMALL = contract(BTC, max_limit_sz=Decimal(50), max_market_sz=Decimal(20), min_sz=Decimal("0.05"))


@pytest.fixture
def desk():
    return Desk({BTC: flat(100), ETH: flat(100)}, instruments={BTC: SMALL})


def code(desk, side="buy", sz="1", **order):
    try:
        desk.order(side, sz, **order)
    except Refused as refused:
        return refused.code
    return "0"


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"inst": "NONE-USDT-SWAP"}, "51001"),
        ({"kind": "iceberg"}, "51000"),
        ({"side": "long"}, "51000"),
        ({"tdMode": "isolated"}, "0"),
        ({"tdMode": "cash"}, "51000"),
        ({"posSide": "long"}, "51000"),
        ({"posSide": "net"}, "0"),
        ({"sz": ""}, "51000"),
        ({"sz": "0"}, "51000"),
        ({"sz": "-1"}, "51000"),
        ({"sz": "NaN"}, "51000"),
        ({"sz": "0.055"}, "51121"),
        ({"sz": "0.04"}, "51020"),
        ({"sz": "20.01"}, "51202"),
        ({"sz": "50.01", "kind": "limit", "px": "99"}, "51101"),
        ({"kind": "limit"}, "51204"),
        ({"kind": "limit", "px": "99.05"}, "51006"),
        ({"kind": "limit", "px": "103"}, "51137"),
        ({"kind": "limit", "px": "97"}, "0"),  # only buying far above or selling far below is refused
        ({"side": "sell", "kind": "limit", "px": "97"}, "51138"),
        ({"clOrdId": "with-dash"}, "51000"),
        ({"clOrdId": "a" * 33}, "51000"),
        ({"clOrdId": "a1\n"}, "51000"),
        ({"clOrdId": "a" * 32}, "0"),
        ({"tag": "t" * 17}, "51000"),
        ({"reduceOnly": True}, "51169"),
        ({"attachAlgoOrds": [{}]}, "51000"),
        ({"attachAlgoOrds": [{"slTriggerPx": "95", "slOrdPx": "-1", "attachAlgoClOrdId": "x-1"}]}, "51000"),
        ({"attachAlgoOrds": [{"slTriggerPx": "95", "slOrdPx": "-1", "attachAlgoClOrdId": "x"}] * 2}, "51068"),
        ({"attachAlgoOrds": [{"slTriggerPx": "95"}]}, "51000"),  # a stop needs the price of its order
        ({"attachAlgoOrds": [{"slOrdPx": "-1"}]}, "51000"),
        ({"attachAlgoOrds": [{"tpTriggerPx": "105", "tpOrdPx": "-1", "slOrdPx": "-1"}]}, "51000"),
        ({"attachAlgoOrds": [{"slTriggerPx": "0"}]}, "51000"),
        ({"attachAlgoOrds": [{"slTriggerPx": "95", "slOrdPx": "-2"}]}, "51000"),
        ({"px": "", "ccy": None, "unknown": {"x": 1}, "sz": 1, "reduceOnly": False}, "0"),
    ],
)
def test_every_check_has_its_code(desk, order, expected):
    assert code(desk, **order) == expected
    assert len(desk.account.orders) == (expected == "0")


def test_reduce_only_against_the_position(desk):
    desk.order("buy", 5)
    assert code(desk, "buy", 1, reduceOnly="true") == "51170"
    assert code(desk, "sell", 1, reduceOnly=True, attachAlgoOrds=[{"slTriggerPx": "105"}]) == "51100"
    assert code(desk, "sell", 5, reduceOnly=True) == "0"


def test_a_reduce_only_order_larger_than_the_position_is_a_switch():
    """The guide says both that the order is refused and that its quantity is overridden: not settled."""
    convert_to_refusals = Desk({BTC: flat(100)})
    convert_to_refusals.order("buy", 5)
    assert code(convert_to_refusals, "sell", 6, reduceOnly=True) == "51112"
    trimming = Desk({BTC: flat(100)}, reduce_only_oversize="trim")
    trimming.order("buy", 5)
    order = trimming.order("sell", 6, reduceOnly=True)
    assert (order.size, order.filled, trimming.size()) == (5, 5, 0)


def test_nothing_trades_before_the_first_price():
    desk = Desk({BTC: [None, None, *flat(100)]})
    assert code(desk) == "51021"
    with pytest.raises(Refused, match="51021"):
        desk.algo("sell", 1, slTriggerPx="95", reduceOnly=True)
    desk.to(2)
    assert code(desk) == "0"


def test_a_market_order_fills_at_the_open_of_the_bar_and_half_the_spread():
    desk = Desk({BTC: [CALM, (101, 150, 50, 120), *flat(120)]})
    desk.settle(T0 + 90_000)  # in the middle of the second bar: its extremes are not known
    assert desk.order("buy", 1).fill_px == Decimal("101.1")
    assert desk.order("sell", 1).fill_px == Decimal("100.9")


@pytest.mark.parametrize(
    ("kind", "px", "outcome"),
    [
        ("limit", "99", ("live", "", None)),
        ("limit", "101", ("filled", "", Decimal("100.1"))),
        ("post_only", "99", ("live", "", None)),
        ("post_only", "100.1", ("canceled", "31", None)),
        ("ioc", "99", ("canceled", "14", None)),
        ("ioc", "101", ("filled", "", Decimal("100.1"))),
        ("fok", "99", ("canceled", "13", None)),
        ("fok", "100.1", ("filled", "", Decimal("100.1"))),
        ("optimal_limit_ioc", "", ("filled", "", Decimal("100.1"))),
    ],
)
def test_order_types(desk, kind, px, outcome):
    order = desk.order("buy", 1, kind=kind, px=px)
    assert (order.state, order.cancel_source, order.fill_px) == outcome


def test_a_resting_order_needs_the_price_to_trade_through_it():
    desk = Desk({BTC: [CALM, (100, 100, 99, 100), (100, 100, 98.9, 100), *flat(100)]})
    order = desk.order("buy", 1, kind="limit", px="99")
    desk.to(2)
    assert order.state == "live"
    desk.to(3)
    assert (order.state, order.fill_px) == ("filled", 99)
    [fill] = desk.get("trade/fills-history", instType="SWAP")
    assert (fill["execType"], fill["fee"]) == ("M", "-0.000198")


def test_a_client_id_is_taken_while_its_order_is_pending(desk):
    first = desk.order("buy", 1, kind="limit", px="99", clOrdId="Mine1")
    assert code(desk, clOrdId="Mine1") == "51016"
    assert code(desk, clOrdId="mine1") == "0"  # case matters
    desk.post("trade/cancel-order", {"instId": BTC, "clOrdId": "Mine1"})
    second = desk.order("buy", 1, clOrdId="Mine1")
    [row] = desk.get("trade/order", instId=BTC, clOrdId="Mine1")
    assert row["ordId"] == second.ord_id != first.ord_id


def test_batches_are_judged_element_by_element(desk):
    good = {"instId": BTC, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1"}
    bad = {**good, "sz": "0.001", "clOrdId": "bad1"}
    for rows, expected in (([good, good], "0"), ([good, bad], "2"), ([bad, bad], "1")):
        answer = desk.post("trade/batch-orders", rows)
        assert answer["code"] == expected
        assert [row["sCode"] for row in answer["data"]] == ["51121" if row is bad else "0" for row in rows]
    assert (answer["data"][0]["clOrdId"], answer["data"][0]["ordId"]) == ("bad1", "")
    with pytest.raises(WireError, match="51111"):
        desk.post("trade/batch-orders", [good] * 21)
    assert desk.size() == 3


def test_what_is_not_there_cannot_be_cancelled_amended_or_shown(desk):
    order = desk.order("buy", 1)
    for path, name, expected in (("cancel-order", "", "51400"), ("amend-order", "1", "51503")):
        for ord_id in (order.ord_id, "7"):
            answer = desk.post(f"trade/{path}", {"instId": BTC, "ordId": ord_id, "newSz": name})
            assert (answer["code"], answer["data"][0]["sCode"]) == ("1", expected)
    for path, query, expected in (
        ("trade/order", {"instId": BTC, "ordId": "7"}, "51603"),
        ("trade/order", {"instId": BTC}, "51003"),
        ("trade/order-algo", {"algoId": "7"}, "51603"),
        ("trade/orders-algo-history", {"ordType": "oco"}, "51000"),
    ):
        with pytest.raises(WireError) as refused:
            desk.get(path, **query)
        assert refused.value.code == expected


def test_lists_come_newest_first_and_in_pages(desk):
    placed = [desk.order("buy", 1, kind="limit", px="99").ord_id for _ in range(5)]
    ids = [row["ordId"] for row in desk.get("trade/orders-pending", instType="SWAP")]
    assert ids == placed[::-1]
    first = [row["ordId"] for row in desk.get("trade/orders-pending", limit="2")]
    after = [row["ordId"] for row in desk.get("trade/orders-pending", limit="2", after=first[-1])]
    before = [row["ordId"] for row in desk.get("trade/orders-pending", before=placed[2])]
    assert (first, after, before) == (ids[:2], ids[2:4], ids[:2])
    assert desk.get("trade/orders-pending", instType="SPOT") == desk.get("trade/orders-pending", instId=ETH) == []
    assert desk.get("trade/orders-pending", state="partially_filled") == []
    for ord_id in placed:
        desk.post("trade/cancel-order", {"instId": BTC, "ordId": ord_id})
    assert len(desk.get("trade/orders-history", instType="SWAP", state="canceled")) == 5
    assert desk.get("trade/orders-history-archive", instType="SWAP", state="filled") == []


def test_close_position_and_the_orders_in_its_way(desk):
    with pytest.raises(WireError, match="51023"):
        desk.post("trade/close-position", {"instId": BTC, "mgnMode": "cross"})
    desk.order("sell", 4)
    resting = desk.order("buy", 4, kind="limit", px="99", reduceOnly=True)
    body = {"instId": BTC, "mgnMode": "cross", "clientOrderId": "stray-id!"}
    with pytest.raises(WireError, match="51115"):
        desk.post("trade/close-position", body)
    answer = desk.post("trade/close-position", {**body, "autoCxl": True, "clOrdId": "bye1"})
    assert answer == [{"clOrdId": "bye1", "instId": BTC, "posSide": "net", "tag": ""}]
    assert (desk.size(), resting.state, resting.cancel_source) == (0, "canceled", "17")


def test_a_resting_reduce_only_order_shrinks_or_goes_with_the_position():
    desk = Desk({BTC: [CALM, CALM, (100, 102, 100, 101), *flat(101)]})
    desk.order("buy", 5)
    order = desk.order("sell", 5, kind="limit", px="101", reduceOnly=True)
    desk.order("sell", 3)
    desk.to(3)
    assert (order.state, order.filled, order.cancel_source, desk.size()) == ("filled", 2, "", 0)
    desk.order("buy", 5)
    order = desk.order("sell", 5, kind="limit", px="102", reduceOnly=True)
    desk.order("sell", 5)
    assert (order.state, order.cancel_source) == ("canceled", "2")


def test_a_larger_opposite_order_reverses_the_position(desk):
    desk.order("buy", 5)
    order = desk.order("sell", 8)
    assert desk.size() == -3
    position = desk.account.positions[BTC]
    assert (position.avg_px, position.pnl, order.pnl) == (Decimal("99.9"), 0, Decimal("-0.01"))
    [closed] = desk.get("account/positions-history")
    assert (closed["closeTotalPos"], closed["openMaxPos"], closed["type"]) == ("5", "5", "2")
    assert closed["posId"] != position.pos_id


def test_the_dead_mans_switch():
    desk = Desk({BTC: flat(100)})
    mine = desk.order("buy", 1, kind="limit", px="99", tag="mine")
    other = desk.order("buy", 1, kind="limit", px="99")
    stop = desk.algo("buy", 1, kind="trigger", triggerPx="105", orderPx="-1")
    for seconds in ("5", "121", "", "x"):
        with pytest.raises(WireError, match="51000"):
            desk.post("trade/cancel-all-after", {"timeOut": seconds})
    [armed] = desk.post("trade/cancel-all-after", {"timeOut": 30, "tag": "mine"})
    assert armed["triggerTime"] == str(T0 + 30_000)
    desk.settle(T0 + 29_999)
    assert mine.live
    [again] = desk.post("trade/cancel-all-after", {"timeOut": 30, "tag": "mine"})
    desk.settle(T0 + 45_000)
    assert mine.live
    desk.settle(int(again["triggerTime"]))
    assert (mine.state, mine.cancel_source, mine.updated_ms) == ("canceled", "20", T0 + 59_999)
    assert (other.live, stop.live) == (True, True)  # another tag; algo orders are taken not to be covered
    desk.post("trade/cancel-all-after", {"timeOut": "60"})
    assert desk.post("trade/cancel-all-after", {"timeOut": "0"})[0]["triggerTime"] == "0"
    desk.to(20)
    assert other.live
    for number in range(20):
        desk.post("trade/cancel-all-after", {"timeOut": "60", "tag": f"t{number}"})
    with pytest.raises(WireError, match="51071"):
        desk.post("trade/cancel-all-after", {"timeOut": "60", "tag": "another"})
    assert desk.post("trade/cancel-all-after", {"timeOut": "90", "tag": "t7"})


def test_the_position_mode_is_not_changed_under_positions(desk):
    for mode in ("long_short_mode", "net_mode"):
        assert desk.post("account/set-position-mode", {"posMode": mode}) == [{"posMode": mode}]
        assert desk.get("account/config")[0]["posMode"] == mode
    with pytest.raises(WireError, match="51000"):
        desk.post("account/set-position-mode", {"posMode": "hedge"})
    desk.order("buy", 1)
    with pytest.raises(WireError, match="59000"):
        desk.post("account/set-position-mode", {"posMode": "long_short_mode"})


def test_algo_client_ids_and_closing_fractions(desk):
    desk.algo("sell", 1, slTriggerPx="95", slOrdPx="-1", clOrdId="guard1")  # what ccxt sends
    [row] = desk.get("trade/order-algo", algoClOrdId="guard1")
    assert (row["clOrdId"], row["state"], row["slTriggerPxType"], row["failCode"]) == ("guard1", "live", "last", "0")
    for extra, expected in (
        ({"algoClOrdId": "guard1"}, "51065"),
        ({"kind": "oco"}, "51000"),
        ({"kind": "chase"}, "51000"),
        ({"kind": "move_order_stop"}, "50015"),
        ({"kind": "trigger"}, "51000"),
        ({"closeFraction": "1"}, "51328"),
        ({"closeFraction": "0.5", "reduceOnly": True}, "51000"),
    ):
        with pytest.raises(Refused) as refused:
            desk.algo("sell", 1, slTriggerPx="95", slOrdPx="-1", **extra)
        assert refused.value.code == expected
    answer = desk.post("trade/cancel-algos", [{"algoId": row["algoId"], "instId": BTC}, {"algoId": "7", "instId": BTC}])
    assert (answer["code"], [element["sCode"] for element in answer["data"]]) == ("2", ["0", "51400"])
    with pytest.raises(WireError, match="51111"):
        desk.post("trade/cancel-algos", [{"algoId": "7", "instId": BTC}] * 11)


def session():
    desk = Desk({BTC: [CALM, (100, 106, 94, 100), (100, 103, 96, 98), *flat(98)], ETH: flat(50)})
    legs = [{"slTriggerPx": "95", "slOrdPx": "-1", "tpTriggerPx": "105", "tpOrdPx": "-1"}]
    desk.order("buy", 5, attachAlgoOrds=legs)
    desk.order("sell", 2, inst=ETH, kind="limit", px="50.5")
    desk.to(1)
    desk.order("sell", 3, clOrdId="three")
    desk.to(5)
    pages = ("trade/orders-history", "trade/fills", "account/bills", "account/positions", "account/balance")
    return json.dumps([desk.get(page) for page in pages], sort_keys=False)


def test_the_same_requests_give_the_same_bytes():
    assert session() == session()
    assert "E-" not in session()
