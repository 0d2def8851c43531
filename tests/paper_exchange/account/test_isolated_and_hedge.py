"""Accounts that a client may find: isolated positions, and long beside short in hedge mode."""

from decimal import ROUND_CEILING, Decimal

import pytest

from paper_exchange.account.refusals import Refused
from paper_exchange.wire import WireError
from tests.paper_exchange.handmade_market import BTC, ETH, Desk, flat, minute

CALM = (100, 100, 100, 100)
CT_VAL, TAKER, MAINTENANCE = Decimal("0.01"), Decimal("0.0005"), Decimal("0.004")
ISOLATED = {"tdMode": "isolated"}
LONG, SHORT = {"posSide": "long"}, {"posSide": "short"}


def number(row, name):
    return Decimal(row[name])


def hedged(path=None, **options):
    return Desk({BTC: path or flat(100), ETH: flat(100)}, position_mode="long_short_mode", **options)


@pytest.mark.parametrize(("side", "sign"), [("buy", 1), ("sell", -1)])
def test_an_isolated_position_stands_on_its_own_margin(side, sign):
    desk = Desk({BTC: flat(100, 1) + flat(102)}, balance=100)
    order = desk.order(side, 60, **ISOLATED)
    average, quantity = order.fill_px, 60 * CT_VAL
    margin, fee = quantity * average / 3, quantity * average * TAKER
    [bill] = desk.get("account/bills")
    assert (bill["mgnMode"], number(bill, "posBal"), number(bill, "posBalChg")) == ("isolated", margin, margin)
    assert number(bill, "balChg") == -margin - fee
    desk.to(1)
    [row] = desk.get("account/positions")
    profit = (102 - average) * quantity * sign
    assert (row["mgnMode"], row["imr"], number(row, "margin")) == ("isolated", "", margin)
    assert number(row, "upl") == profit
    assert abs(number(row, "uplRatio") - profit / margin) < Decimal("1e-15")
    needed = 102 * quantity * (MAINTENANCE + TAKER)
    assert abs(number(row, "mgnRatio") - (margin + profit) / needed) < Decimal("1e-15")
    exact = (average * quantity - sign * margin) / (quantity * (1 - sign * (MAINTENANCE + TAKER)))
    assert abs(number(row, "liqPx") - exact) < Decimal("1e-12")
    [usdt] = desk.get("account/balance")[0]["details"]
    assert number(usdt, "isoEq") == margin + profit
    assert number(usdt, "eq") == number(usdt, "cashBal") + margin + profit
    assert number(usdt, "availEq") == number(usdt, "cashBal")
    assert number(usdt, "upl") == number(usdt, "isoUpl") == profit


def test_closing_gives_margin_back_in_proportion():
    desk = Desk({BTC: flat(100)}, balance=100)
    desk.order("buy", 60, **ISOLATED)
    margin = desk.account.positions[f"{BTC} isolated net"].margin
    desk.order("sell", 20, reduceOnly=True, **ISOLATED)
    assert desk.account.positions[f"{BTC} isolated net"].margin == margin * 2 / 3
    desk.post("trade/close-position", {"instId": BTC, "mgnMode": "isolated"})
    assert desk.account.positions == {}
    assert desk.account.ledger.cash == 100 + sum(b.pnl + b.fee for b in desk.account.ledger.bills)


def test_cross_and_isolated_positions_of_one_instrument_stand_beside_each_other():
    desk = Desk({BTC: flat(100)})
    desk.order("buy", 10)
    desk.order("sell", 4, **ISOLATED)
    rows = desk.get("account/positions")
    assert [(row["mgnMode"], row["pos"]) for row in rows] == [("cross", "10"), ("isolated", "-4")]
    with pytest.raises(Refused, match="51170"):
        desk.order("sell", 1, reduceOnly=True, **ISOLATED)
    with pytest.raises(WireError, match="51000"):
        desk.post("trade/close-position", {"instId": BTC, "mgnMode": "cross", "posSide": "long"})


def test_an_isolated_position_loses_no_more_than_its_margin():
    for unkind in (False, True):
        path = [CALM, (60, 60, 60, 60), *flat(60)]
        desk = Desk({BTC: path, ETH: flat(100)}, balance=1_000, unkind=unkind)
        desk.order("buy", 300, **ISOLATED)
        desk.order("buy", 10, inst=ETH)
        cash = desk.account.ledger.cash
        desk.to(1)  # opens at 60: a loss of 40% on a margin of 33%
        assert set(desk.account.positions) == {ETH}
        assert cash <= desk.account.ledger.cash < cash + Decimal("0.1") * 300 * CT_VAL
        [fill] = [bill for bill in desk.get("account/bills", type="5", instId=BTC) if bill["sz"] != "0"]
        assert (fill["subType"], fill["mgnMode"], fill["posBal"]) == ("107", "isolated", "0")


def test_an_isolated_position_is_liquidated_inside_its_bar_while_the_account_is_rich():
    desk = Desk({BTC: [CALM, (100, 100, 66, 100), *flat(100)]}, balance=100_000, unkind=True)
    desk.order("buy", 60, **ISOLATED)
    level = number(desk.get("account/positions")[0], "liqPx").quantize(Decimal("0.1"), ROUND_CEILING)
    desk.to(2)
    [fill] = [fill for fill in desk.get("trade/fills") if int(fill["tradeId"]) < 0]
    assert number(fill, "fillPx") == level
    [closed] = desk.get("account/positions-history")
    assert (closed["mgnMode"], closed["type"], number(closed, "liqPenalty") < 0) == ("isolated", "3", True)
    # All of the margin is gone but for what rounding to the tick left.
    assert number(closed, "realizedPnl") == pytest.approx(-60 * CT_VAL * Decimal("100.1") / 3, abs=Decimal("0.15"))


def test_isolated_funding_comes_out_of_the_positions_margin():
    desk = Desk({BTC: flat(100)}, fundings={BTC: [(minute(1), 0.001)]})
    desk.order("buy", 10, **ISOLATED)
    cash, margin = desk.account.ledger.cash, desk.account.positions[f"{BTC} isolated net"].margin
    desk.to(1)
    [bill] = desk.get("account/bills", type="8")
    paid = -10 * CT_VAL * 100 * Decimal("0.001")
    assert (number(bill, "pnl"), number(bill, "balChg"), number(bill, "posBalChg")) == (paid, 0, paid)
    assert desk.account.ledger.cash == cash
    assert desk.account.positions[f"{BTC} isolated net"].margin == margin + paid


def test_isolated_leverage_is_set_for_itself():
    desk = Desk({BTC: flat(100)}, balance=100)
    body = {"instId": BTC, "lever": "20", "mgnMode": "isolated", "posSide": "net"}
    assert desk.post("account/set-leverage", body) == [body]
    assert desk.get("account/leverage-info", instId=BTC, mgnMode="cross")[0]["lever"] == "3"
    assert desk.get("account/leverage-info", instId=BTC, mgnMode="isolated")[0]["lever"] == "20"
    assert desk.order("buy", 100, **ISOLATED).leverage == 20
    desk.order("sell", 1, kind="limit", px="101", **ISOLATED)
    with pytest.raises(WireError, match="59101"):
        desk.post("account/set-leverage", body)
    with pytest.raises(Refused, match="51008"):
        desk.order("buy", 2_000, **ISOLATED)


def test_hedge_mode_needs_a_side():
    desk = hedged()
    for body in ({}, {"posSide": "net"}, {"posSide": "both"}):
        with pytest.raises(Refused) as refused:
            desk.order("buy", 1, **body)
        assert (refused.value.code, refused.value.message) == ("51000", "Parameter posSide error")
        with pytest.raises(WireError, match="51000: Parameter posSide error"):
            desk.post("trade/close-position", {"instId": BTC, "mgnMode": "cross", **body})
    with pytest.raises(Refused, match="51169"):
        desk.order("sell", 1, **LONG)


def test_long_and_short_stand_beside_each_other():
    desk = hedged()
    desk.order("buy", 10, **LONG)
    desk.order("sell", 4, **SHORT)
    rows = {row["posSide"]: row for row in desk.get("account/positions")}
    assert {side: row["pos"] for side, row in rows.items()} == {"long": "10", "short": "4"}
    assert number(rows["long"], "upl") < 0 > number(rows["short"], "upl")
    with pytest.raises(Refused, match="51112"):
        desk.order("sell", 11, **LONG)
    desk.order("sell", 3, kind="limit", px="101", **LONG)
    with pytest.raises(Refused, match="51112"):
        desk.order("sell", 8, **LONG)  # what rests to close is no longer there to close
    with pytest.raises(Refused, match="51333"):
        desk.order("sell", 1, attachAlgoOrds=[{"slTriggerPx": "105", "slOrdPx": "-1"}], **LONG)
    more = desk.order("buy", 1, reduceOnly=True, **LONG)  # the flag is ignored: the side says what closes
    assert (more.state, desk.account.held(more.holding)) == ("filled", 11)
    desk.order("sell", 1, **LONG)
    closing = desk.order("sell", 7, reduceOnly=True, **LONG)
    assert (closing.state, desk.get("trade/order", instId=BTC, ordId=closing.ord_id)[0]["posSide"]) == (
        "filled",
        "long",
    )
    desk.order("buy", 4, **SHORT)
    assert [(bill["subType"]) for bill in desk.get("account/bills")] == ["6", "5", "5", "3", "4", "3"]
    assert [(fill["posSide"], fill["side"]) for fill in desk.get("trade/fills")][:2] == [
        ("short", "buy"),
        ("long", "sell"),
    ]
    [row] = desk.get("account/positions")
    assert (row["posSide"], row["pos"]) == ("long", "3")


def test_stops_protect_their_side():
    desk = hedged([CALM, (100, 106, 94, 100), *flat(100)])
    desk.order("buy", 10, attachAlgoOrds=[{"slTriggerPx": "95", "slOrdPx": "-1"}], **LONG)
    desk.order("sell", 10, **SHORT)
    desk.algo("buy", 4, slTriggerPx="105", slOrdPx="-1", **SHORT)
    desk.to(2)
    assert {p.pos_side: p.size for p in desk.account.positions.values()} == {"short": -6}
    assert {
        row["posSide"] for row in desk.get("trade/orders-algo-history", ordType="conditional", state="effective")
    } == {
        "long",
        "short",
    }


def test_a_side_is_closed_whole_and_leverage_shows_both():
    desk = hedged()
    desk.order("buy", 10, **LONG)
    desk.order("sell", 4, **SHORT)
    answer = desk.post("trade/close-position", {"instId": BTC, "mgnMode": "cross", "posSide": "short"})
    assert answer[0]["posSide"] == "short"
    assert [row["posSide"] for row in desk.get("account/positions")] == ["long"]
    rows = desk.get("account/leverage-info", instId=BTC, mgnMode="isolated")
    assert [(row["posSide"], row["lever"]) for row in rows] == [("long", "3"), ("short", "3")]
    body = {"instId": BTC, "lever": "5", "mgnMode": "isolated"}
    with pytest.raises(WireError, match="51000"):
        desk.post("account/set-leverage", body)
    desk.post("account/set-leverage", {**body, **SHORT})
    rows = desk.get("account/leverage-info", instId=BTC, mgnMode="isolated")
    assert [row["lever"] for row in rows] == ["3", "5"]
    with pytest.raises(WireError, match="59000"):
        desk.post("account/set-position-mode", {"posMode": "net_mode"})


def test_a_liquidated_side_says_which():
    desk = hedged([CALM, (60, 60, 60, 60), *flat(60)], balance=10)
    desk.order("buy", 29, **LONG)
    desk.to(1)
    [bill] = desk.get("account/bills", type="5")
    assert (bill["subType"], desk.get("trade/fills")[0]["posSide"]) == ("104", "long")
