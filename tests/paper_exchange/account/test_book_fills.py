"""On an unkind market orders take what the displayed book has, and rest for what the bars trade."""

from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper_exchange.account.refusals import Refused
from tests.examples import examples
from tests.oracles.book_walk import queue_trades, walk_book
from tests.paper_exchange.handmade_market import BTC, T0, Desk, contract, flat, minute

LOT = Decimal("0.01")
CT_VAL, TAKER = Decimal("0.01"), Decimal("0.0005")
HUGE = {BTC: contract(BTC, max_limit_sz=Decimal(10**9), max_market_sz=Decimal(10**9))}
LARGE_LOT = {
    BTC: contract(BTC, ct_val=Decimal(1), lot_sz=Decimal(10), min_sz=Decimal(10), max_market_sz=Decimal(10**6))
}
SIDES = st.sampled_from(["buy", "sell"])


def open_desk(path, instruments=HUGE, **options):
    return Desk({BTC: path}, balance=10**9, instruments=instruments, unkind=True, **options)


def show_book(desk, levels=400):
    return desk.get("market/books", instId=BTC, sz=str(levels))[0]


def list_fills(desk, order):
    """[(price, size, fee)] of an order's trades, oldest first; one that reverses a position has two rows."""
    trades = {}
    for row in reversed(desk.get("trade/fills", instId=BTC, ordId=order.ord_id)):
        price, size, fee = trades.get(row["tradeId"], (Decimal(row["fillPx"]), Decimal(0), Decimal(0)))
        trades[row["tradeId"]] = (price, size + Decimal(row["fillSz"]), fee + Decimal(row["fee"]))
    return list(trades.values())


def show_order(desk, order):
    return desk.get("trade/order", instId=BTC, ordId=order.ord_id)[0]


def check_sums(desk, order, ct_val=CT_VAL):
    """Size is conserved over fills, the average is weighted by volume, every fill pays its own fee."""
    row, fills = show_order(desk, order), list_fills(desk, order)
    filled, left = sum((size for _, size, _ in fills), Decimal(0)), order.left if order.live else Decimal(0)
    cancelled = order.size - order.filled if row["state"] == "canceled" else Decimal(0)
    assert Decimal(row["accFillSz"]) == filled == order.filled
    assert filled + left + cancelled == Decimal(row["sz"])
    if fills:
        notional = sum(price * size for price, size, _ in fills)
        assert abs(Decimal(row["avgPx"]) - notional / filled) < Decimal("1e-15")
        assert (Decimal(row["fillPx"]), Decimal(row["fillSz"])) == fills[-1][:2]
    rates = {-fee / (price * size * ct_val) for price, size, fee in fills}
    assert rates <= {TAKER, desk.account.maker}
    assert sum((fee for _, _, fee in fills), Decimal(0)) == Decimal(row["fee"])
    assert (row["state"] == "filled") == (filled == order.size)
    if row["state"] == "partially_filled":
        assert 0 < filled < order.size


@given(
    side=SIDES,
    size=st.integers(1, 500).map(lambda lots: lots * 10),
    percent=st.sampled_from([None, Decimal("-0.5"), Decimal("0.1"), Decimal("0.3"), Decimal(1)]),
    kind=st.sampled_from(["limit", "ioc", "fok", "post_only"]),
    second=st.integers(0, 59),
)
@settings(max_examples=examples(40), deadline=None)
def test_a_taker_gets_what_the_book_shows_and_no_more(side, size, percent, kind, second):
    desk = open_desk(flat(100), LARGE_LOT)
    desk.settle(T0 + second * 1000)
    sign = 1 if side == "buy" else -1
    price = None if percent is None else 100 * (1 + sign * percent / 100)
    rows = show_book(desk)["asks" if side == "buy" else "bids"]
    # A market order goes as far as the band of 2%.
    expected = walk_book(rows, side, size, 100 + 2 * sign if price is None else price, "10")
    reachable = sum(contracts for _, contracts in expected)
    if (price is not None and kind == "post_only") or (kind == "fok" and price is not None and reachable < size):
        expected = []
    order = desk.order(side, size, **({"kind": "market"} if price is None else {"kind": kind, "px": str(price)}))
    check_sums(desk, order, Decimal(1))
    assert [(Fraction(price), Fraction(contracts)) for price, contracts, _ in list_fills(desk, order)] == expected
    if price is None or kind in ("ioc", "fok"):
        outcomes = (
            ("filled",) if order.left == 0 else ("canceled", "13" if price is not None and kind == "fok" else "14")
        )
    elif kind == "post_only":
        outcomes = ("canceled", "31") if reachable else ("live",)
    else:
        outcomes = ("filled",) if order.left == 0 else ("partially_filled",) if order.filled else ("live",)
    assert (order.state, *filter(None, [order.cancel_source])) == outcomes


@given(sizes=st.lists(st.integers(1, 3_000_000), min_size=2, max_size=5), side=SIDES)
@settings(max_examples=12, deadline=None)
def test_a_second_holds_its_book_once(sizes, side):
    desk = open_desk(flat(100))
    name = "asks" if side == "buy" else "bids"
    before = show_book(desk)[name]
    got = Counter()
    for lots in sizes:
        rows = show_book(desk)[name]
        order = desk.order(side, lots * LOT)
        for price, size, _ in list_fills(desk, order):
            got[price] += size
        fills = list_fills(desk, order)
        if fills:
            assert fills[0][0] == Decimal(rows[0][0])
    shown = {Decimal(row[0]): Decimal(row[1]) for row in before}
    assert all(size <= shown[price] for price, size in got.items())
    left = {Decimal(row[0]): Decimal(row[1]) for row in show_book(desk)[name]}
    assert all(left.get(price, 0) == shown[price] - size for price, size in got.items())
    desk.settle(T0 + 1000)
    again = {Decimal(row[0]) for row in show_book(desk)[name]}
    assert max(again) == max(shown)
    assert min(again) == min(shown)  # the next second brings a whole book


BARS = st.tuples(
    st.sampled_from([99.0, 100.0, 100.4]),
    st.sampled_from([0.0, 0.3, 1.5]),
    st.sampled_from([0.0, 0.3, 1.5]),
    st.sampled_from([0.0, 0.004, 0.37, 5.0]),
)


@given(
    bars=st.lists(BARS, min_size=1, max_size=3),
    orders=st.lists(
        st.tuples(SIDES, st.sampled_from(["-0.1", "-0.4", "-1"]), st.sampled_from([1, 9, 250]), st.integers(0, 59)),
        min_size=1,
        max_size=5,
    ),
)
@settings(max_examples=examples(30), deadline=None)
def test_resting_orders_fill_with_what_the_bar_traded_beyond_them(bars, orders):
    path = [(100, 100, 100, 100, 0.0)]
    path += [(o, round(o + up, 1), round(o - down, 1), round(o + up / 3, 1), volume) for o, up, down, volume in bars]
    desk = open_desk([*path, *flat(100)])
    placed = []
    for side, away, size, second in sorted(orders, key=lambda order: order[3]):
        sign = 1 if side == "buy" else -1
        desk.settle(T0 + second * 1000)
        order = desk.order(side, size, kind="limit", px=str(100 + sign * Decimal(away)))
        assert order.state == "live"
        placed.append(order)
    for number in range(1, len(path) + 1):
        before = {order.ord_id: order.filled for order in placed}
        live = [(o.ord_id, o.side, o.price, o.left, o.resting_since_ms) for o in placed if o.live]
        desk.to(number)
        rows = desk.get("market/trades", instId=BTC, limit="500")
        mine = [
            (int(row["ts"]), row["px"], row["sz"]) for row in reversed(rows) if int(row["ts"]) >= minute(number - 1)
        ]
        expected = queue_trades(mine, live, "0.01")
        assert {name: Fraction(o.filled - before[name]) for o in placed if (name := o.ord_id) in expected} == expected
    for order in placed:
        check_sums(desk, order)
        assert {price for price, _, _ in list_fills(desk, order)} <= {order.price}
        assert {row["execType"] for row in desk.get("trade/fills", ordId=order.ord_id)} <= {"M"}


def test_a_limit_order_takes_rests_and_is_amended_below_what_is_filled():
    desk = open_desk([(100, 100, 100, 100, 0.0), (100, 101, 99, 100), *flat(100)])
    top = Decimal(show_book(desk, 1)["asks"][0][1])
    order = desk.order("buy", top + 500, kind="limit", px="100.1")
    assert (order.state, order.filled, show_order(desk, order)["state"]) == (
        "partially_filled",
        top,
        "partially_filled",
    )
    assert [row["ordId"] for row in desk.get("trade/orders-pending")] == [order.ord_id]
    desk.to(1)
    assert order.filled == top  # the first bar traded nothing
    desk.to(2)
    assert order.filled == top + 75  # of the bar's 100 contracts, all but those at its high traded below 100.1
    check_sums(desk, order)
    answer = desk.post("trade/amend-order", {"instId": BTC, "ordId": order.ord_id, "newSz": str(order.filled - 10)})
    assert answer["code"] == "0"
    assert (order.state, order.size) == ("filled", top + 75)
    assert desk.get("trade/orders-pending") == []


def test_cancelling_keeps_what_was_filled():
    desk = open_desk(flat(100))
    top = Decimal(show_book(desk, 1)["asks"][0][1])
    order = desk.order("buy", top + 500, kind="limit", px="100.1")
    desk.post("trade/cancel-order", {"instId": BTC, "ordId": order.ord_id})
    row = show_order(desk, order)
    assert (row["state"], row["accFillSz"], row["avgPx"], row["cancelSource"]) == ("canceled", str(top), "100.1", "1")
    assert desk.size() == top


def test_what_a_limit_order_takes_and_what_it_leaves_must_be_paid_for():
    rich, poor = (
        Desk({BTC: flat(100)}, balance=balance, instruments=HUGE, unkind=True) for balance in (100_000, 20_000)
    )
    top = Decimal(show_book(rich, 1)["asks"][0][1])
    body = {"kind": "limit", "px": "100.1"}
    assert rich.order("buy", top + 60_000, **body).state == "partially_filled"
    with pytest.raises(Refused, match="51008"):
        poor.order("buy", top + 60_000, **body)
    assert poor.order("buy", top + 60_000, kind="ioc", px="100.1").filled == top  # what it leaves is cancelled


def test_stops_are_armed_for_what_is_filled_and_grow_with_it():
    desk = open_desk([(100, 100, 100, 100, 0.0), (100, 101, 99, 100), *flat(100)])
    top = Decimal(show_book(desk, 1)["asks"][0][1])
    legs = [{"slTriggerPx": "95", "slOrdPx": "-1", "tpTriggerPx": "110", "tpOrdPx": "-1", "attachAlgoClOrdId": "legs1"}]
    order = desk.order("buy", top + 500, kind="limit", px="100.1", attachAlgoOrds=legs)
    [algo] = desk.get("trade/orders-algo-pending", ordType="oco")
    assert Decimal(algo["sz"]) == top
    desk.to(2)
    [grown] = desk.get("trade/orders-algo-pending", ordType="oco")
    assert (grown["algoId"], Decimal(grown["sz"])) == (algo["algoId"], top + 75)
    desk.post("trade/cancel-order", {"instId": BTC, "ordId": order.ord_id})
    [kept] = desk.get("trade/orders-algo-pending", ordType="oco")
    assert Decimal(kept["sz"]) == desk.size() == order.filled


def test_the_same_requests_fill_the_same_whoever_looks_between():
    def trade(looks):
        desk = open_desk([(100, 100, 100, 100), (100, 101, 94, 96, 3.0), *flat(96)], seed=11)
        desk.order("buy", 30_000, attachAlgoOrds=[{"slTriggerPx": "95", "slOrdPx": "-1"}])
        desk.order("sell", 40, kind="limit", px="100.7")
        for at in looks:
            desk.settle(at)
            desk.get("market/books", instId=BTC, sz="5")
        desk.to(4)
        return [bill.row() for bill in desk.account.ledger.bills]

    assert trade([]) == trade([T0 + 1_500, T0 + 61_000, minute(2), minute(3)])
