"""Trailing stops: their trigger against a walk through every price, their refusals, and how clients send them."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper_exchange.account.algo_orders import TRAILING
from paper_exchange.account.refusals import Refused
from tests.examples import examples
from tests.oracles.trailing_walk import walk
from tests.paper_exchange.handmade_market import BTC, Desk, flat

prices = st.integers(900, 1_100).map(lambda tenths: Decimal(tenths) / 10)


@st.composite
def paths(draw):
    rows = [(Decimal(100),) * 4]
    for _ in range(draw(st.integers(1, 8))):
        opened, closed, one, other = (draw(prices) for _ in range(4))
        rows.append((opened, max(opened, closed, one, other), min(opened, closed, one, other), closed))
    return rows


def trail(desk, side, **changes):
    return desk.algo(side, "1", kind=TRAILING, **changes)


@settings(max_examples=examples(300), deadline=None)
@given(
    paths(),
    st.sampled_from(["buy", "sell"]),
    st.sampled_from([("callbackRatio", "0.02"), ("callbackRatio", "0.005"), ("callbackSpread", "3")]),
    st.none() | st.integers(1, 40),
)
def test_the_trigger_follows_the_best_price(rows, side, callback, away):
    active = None if away is None else 100 + (Decimal(away) / 10) * (1 if side == "sell" else -1)
    desk = Desk({BTC: [tuple(map(float, row)) for row in rows] + flat(float(rows[-1][3]))}, balance=100_000)
    name, value = callback
    extra = {} if active is None else {"activePx": str(active)}
    algo = trail(desk, side, **{name: value}, **extra)
    desk.to(len(rows))
    number = {"ratio" if name == "callbackRatio" else "spread": Fraction(value)}
    exact_rows = [tuple(map(Fraction, row)) for row in rows]
    met = walk(side, exact_rows, active=None if active is None else Fraction(active), last=Fraction(100), **number)
    if met is None:
        assert algo.live
        return
    number, price = met
    assert (algo.state, Fraction(algo.actual_price)) == ("effective", price)
    order = desk.account.orders[algo.spawned]
    assert (order.source, order.kind, order.side, order.state) == ("25", "market", side, "filled")
    assert (order.created_ms - desk.market.start_ms) // 60_000 == number + 1


def test_the_row_shows_the_trigger_that_moved():
    desk = Desk({BTC: [(100, 100, 100, 100), (100, 110, 100, 110), *flat(110)]})
    algo = trail(desk, "sell", callbackRatio="0.05", algoClOrdId="trail1")
    [row] = desk.get("trade/order-algo", algoClOrdId="trail1")
    assert (row["ordType"], row["callbackRatio"], row["callbackSpread"], row["activePx"]) == (TRAILING, "0.05", "", "")
    assert row["moveTriggerPx"] == "95"
    desk.to(2)
    assert desk.get("trade/orders-algo-pending", ordType=TRAILING)[0]["moveTriggerPx"] == "104.5"
    assert desk.get("trade/orders-algo-pending", ordType="conditional,oco") == []
    refused = desk.post("trade/amend-algos", {"instId": BTC, "algoId": algo.algo_id, "newSz": "2"})
    assert refused["data"][0]["sCode"] == "51059"


def test_a_reduce_only_trail_closes_what_is_there():
    desk = Desk({BTC: [(100, 100, 100, 100), (100, 100, 96, 97), *flat(97)]})
    desk.order("buy", 3)
    algo = desk.algo("sell", "5", kind=TRAILING, callbackSpread="2", reduceOnly="true")
    desk.to(2)
    assert (algo.state, algo.actual_size, desk.size()) == ("effective", 3, 0)


@pytest.mark.parametrize(
    ("side", "changes", "code"),
    [
        ("sell", {}, "50015"),
        ("sell", {"callbackRatio": "0.01", "callbackSpread": "1"}, "50024"),
        ("sell", {"callbackRatio": "0"}, "51257"),
        ("sell", {"callbackRatio": "1.01"}, "51257"),
        ("sell", {"callbackSpread": "0"}, "51000"),
        ("sell", {"callbackRatio": "0.01", "activePx": "99"}, "51258"),
        ("sell", {"callbackRatio": "0.01", "activePx": "100"}, "51258"),
        ("buy", {"callbackRatio": "0.01", "activePx": "101"}, "51259"),
    ],
)
def test_refusals(side, changes, code):
    desk = Desk({BTC: flat(100)})
    with pytest.raises(Refused) as refused:
        trail(desk, side, **changes)
    assert refused.value.code == code
    assert desk.account.algos == {}
