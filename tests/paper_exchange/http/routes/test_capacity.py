"""How much the account can still do: the largest order is one that is taken, and a lot more is one that is not."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper_exchange.account.refusals import Refused
from paper_exchange.wire import WireError
from tests.paper_exchange.handmade_market import BTC, ETH, Desk, contract, flat

WIDE = {BTC: contract(BTC, max_limit_sz=Decimal(10**9), max_market_sz=Decimal(10**9))}
LOT = Decimal("0.01")


def make_desk(balance=1_000, held=0, lever=None):
    desk = Desk({BTC: flat(100), ETH: flat(50)}, balance=balance, instruments=WIDE)
    if lever is not None:
        desk.post("account/set-leverage", {"instId": BTC, "lever": str(lever), "mgnMode": "cross"})
    if held:
        desk.order("buy" if held > 0 else "sell", abs(held))
    return desk


def largest(desk, **query):
    [row] = desk.get("account/max-size", instId=BTC, tdMode="cross", **query)
    return row


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 5_000),
    st.sampled_from([0, 5, -5, 300, -300]),
    st.sampled_from([1, 3, 20]),
    st.sampled_from(["99", "100.1", "101", "99.9"]),
    st.sampled_from(["buy", "sell"]),
)
def test_the_largest_order_is_taken_and_a_lot_more_is_not(balance, held, lever, price, side):
    try:
        desk = make_desk(balance, held, lever)
    except Refused:
        return  # the position itself is too large
    size = Decimal(largest(desk, px=price)["maxBuy" if side == "buy" else "maxSell"])
    with pytest.raises(Refused) as refused:
        desk.order(side, size + LOT, kind="ioc", px=price)
    assert refused.value.code == "51008"
    if size:
        order = desk.order(side, size, kind="ioc", px=price)
        assert order.size == size


def test_without_a_price_the_limit_of_the_side_counts():
    desk = make_desk()
    assert largest(desk)["maxBuy"] == largest(desk, px="102")["maxBuy"] < largest(desk, px="50")["maxBuy"]
    assert largest(desk)["maxSell"] == largest(desk, px="98")["maxSell"]


def test_another_leverage_is_only_for_the_question():
    desk = make_desk(lever=2)
    low, high = largest(desk, px="100"), largest(desk, px="100", leverage="10")
    assert Decimal(high["maxBuy"]) > 4 * Decimal(low["maxBuy"])
    assert desk.account.leverage == {BTC: 2}
    with pytest.raises(WireError, match="leverage"):
        largest(desk, leverage="101")
    assert desk.account.leverage == {BTC: 2}


def test_several_instruments_and_what_is_free():
    desk = make_desk(held=30)
    rows = desk.get("account/max-size", instId=f"{BTC},{ETH}", tdMode="cross", px="1")
    assert [row["instId"] for row in rows] == [BTC, ETH]
    assert rows[0]["maxBuy"] == largest(desk)["maxBuy"]  # a price is ignored then
    free = str(desk.get("account/balance")[0]["details"][0]["availEq"])
    assert desk.get("account/max-avail-size", instId=f"{ETH},{BTC}", tdMode="cross") == [
        {"instId": ETH, "availBuy": free, "availSell": free},
        {"instId": BTC, "availBuy": free, "availSell": free},
    ]


def test_risk():
    desk = make_desk(held=-30)
    [risk] = desk.get("account/account-position-risk")
    [position] = risk["posData"]
    assert (position["pos"], position["notionalCcy"], position["notionalUsd"]) == ("-30", "0.3", "30")
    assert desk.get("account/account-position-risk", instType="FUTURES")[0]["posData"] == []
    [state] = desk.get("account/risk-state")
    assert (state["atRisk"], state["atRiskIdx"], state["atRiskMgn"]) == (False, [], [])
    with pytest.raises(WireError, match="59300"):
        desk.post("account/position/margin-balance", {"instId": BTC, "posSide": "net", "type": "add", "amt": "1"})


def test_a_partly_closed_position_is_in_the_history_until_it_is_closed():
    desk = make_desk()
    desk.order("sell", 5)
    assert desk.get("account/positions-history") == []
    desk.to(1)
    desk.order("buy", 2)
    [row] = desk.get("account/positions-history", instType="SWAP", type="1", mgnMode="cross")
    assert (row["type"], row["direction"], row["closeTotalPos"], row["openMaxPos"]) == ("1", "short", "2", "5")
    assert (row["uTime"], row["lever"], row["posSide"]) == (str(desk.account.now_ms), "3.0", "net")
    desk.to(2)
    desk.order("buy", 3)
    assert desk.get("account/positions-history", type="1") == []
    [closed] = desk.get("account/positions-history", posId=row["posId"])
    assert (closed["type"], closed["direction"], closed["closeTotalPos"]) == ("2", "short", "5")
    assert desk.get("account/positions-history", mgnMode="isolated") == []


def test_rows_of_one_instant_stay_together():
    desk = make_desk(balance=10_000)
    for _ in range(3):
        desk.order("buy", 1)
        desk.order("sell", 1)
    assert len(desk.get("account/positions-history", limit="1")) == 3


def test_cash_moves_into_an_isolated_position_and_out_of_it():
    desk = make_desk(balance=100)
    desk.order("buy", 30, tdMode="isolated")
    position = desk.account.positions[f"{BTC} isolated net"]
    before, equity = position.margin, desk.account.equity()

    def move(kind, amount):
        body = {"instId": BTC, "posSide": "net", "type": kind, "amt": amount}
        return desk.post("account/position/margin-balance", body)[0]

    assert move("add", "5")["amt"] == "5"
    assert (position.margin, desk.account.equity()) == (before + 5, equity)
    assert Decimal(move("reduce", "2")["leverage"]) == round(30 / position.margin, 4)
    for kind, amount, code in (("add", "1000", "59303"), ("reduce", "4", "59301")):
        with pytest.raises(WireError) as refused:
            move(kind, amount)
        assert refused.value.code == code
    bills = desk.get("account/bills", type="6", mgnMode="isolated")
    assert [(bill["subType"], Decimal(bill["balChg"]), bill["posBalChg"]) for bill in bills] == [
        ("161", 2, "-2"),
        ("160", -5, "5"),
    ]
    assert (position.margin, desk.account.equity()) == (before + 3, equity)
    assert desk.get("account/account-position-risk")[0]["posData"][0]["mgnMode"] == "isolated"
