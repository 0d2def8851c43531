"""Position tiers: rising maintenance margin, limits of size and leverage, and liquidation along them."""

from decimal import Decimal
from itertools import pairwise

import pytest

from paper_exchange.account.refusals import Refused
from paper_exchange.market.market import Tier
from paper_exchange.market.position_tiers import make_tiers
from paper_exchange.market.specifications import specify_instrument
from paper_exchange.wire import WireError
from tests.paper_exchange.handmade_market import BTC, ETH, Desk, contract, flat

CALM = (100, 100, 100, 100)
CT_VAL, TAKER = Decimal("0.01"), Decimal("0.0005")
TIERS = tuple(
    Tier(Decimal(most), Decimal(rate), Decimal(lever))
    for most, rate, lever in ((100, "0.004", 100), (300, "0.01", 50), (800, "0.02", 25), (2_000, "0.05", 10))
)
STEPPED = {BTC: contract(BTC, tiers=TIERS), ETH: contract(ETH)}


def number(row, name):
    return Decimal(row[name])


def lever(desk, value, inst=BTC):
    desk.post("account/set-leverage", {"instId": inst, "lever": str(value), "mgnMode": "cross"})


def test_the_whole_position_is_margined_at_its_tiers_rate():
    desk = Desk({BTC: flat(100)}, instruments=STEPPED)
    for held, rate in ((100, "0.004"), (101, "0.01"), (300, "0.01"), (301, "0.02"), (1_500, "0.05")):
        desk.order("buy", held - desk.size())
        [row] = desk.get("account/positions")
        assert number(row, "mmr") == held * CT_VAL * 100 * Decimal(rate)
        ratio = desk.account.equity() / (held * CT_VAL * 100 * (Decimal(rate) + TAKER))
        assert abs(number(row, "mgnRatio") - ratio) < Decimal("1e-15")


def test_tiers_limit_size_and_leverage():
    desk = Desk({BTC: flat(100)}, instruments=STEPPED)
    with pytest.raises(Refused, match="51105"):
        desk.order("buy", 2_001)
    desk.order("buy", 700, kind="limit", px="99")
    with pytest.raises(Refused, match="51105"):
        desk.order("buy", 1_301)  # what rests on the same side counts
    desk.order("sell", 1_301)  # the other side does not
    desk.order("buy", 1_301, reduceOnly=True)
    desk.post("trade/cancel-order", {"instId": BTC, "ordId": next(iter(desk.account.orders))})
    lever(desk, 50)
    with pytest.raises(Refused, match="51004"):
        desk.order("buy", 301)
    desk.order("buy", 300)
    with pytest.raises(Refused, match="51004"):
        desk.order("buy", 1)
    with pytest.raises(WireError, match="59102"):
        lever(desk, 51)
    desk.order("sell", 300)
    lever(desk, 100)


def test_the_tiers_that_are_shown_are_those_that_hold():
    desk = Desk({BTC: flat(100), ETH: flat(100)}, instruments=STEPPED)
    rows = desk.get("public/position-tiers", instType="SWAP", tdMode="cross", instFamily="BTC-USDT")
    assert [(row["tier"], row["minSz"], row["maxSz"], row["mmr"], row["maxLever"]) for row in rows] == [
        ("1", "0", "100", "0.004", "100"),
        ("2", "100.01", "300", "0.01", "50"),
        ("3", "300.01", "800", "0.02", "25"),
        ("4", "800.01", "2000", "0.05", "10"),
    ]
    assert len(desk.get("public/position-tiers", instType="SWAP", tdMode="cross", instFamily="ETH-USDT")) == 1


@pytest.mark.parametrize("asset", ["BTC", "XRP", "PEPE"])
def test_specified_tiers_rise(asset):
    instrument = specify_instrument(asset, price=100.0, list_ms=0)
    tiers = instrument.list_tiers()
    assert (tiers[0].maintenance_rate, tiers[0].max_leverage) == (
        instrument.maintenance_rate,
        instrument.max_leverage,
    )
    for lower, upper in pairwise(tiers):
        assert lower.max_sz < upper.max_sz
        assert lower.maintenance_rate < upper.maintenance_rate < 1 / upper.max_leverage
        assert lower.max_leverage > upper.max_leverage
    assert tiers[-1].max_leverage == 1
    assert {tier.max_sz % instrument.lot_sz for tier in tiers} == {0}


def test_tiers_end_at_whole_contracts():
    assert make_tiers(leverage=20, maintenance=Decimal("0.01"), contract_usdt=Decimal(3))[0].max_sz == 83_334


def fall(size, low, *, unkind, balance=200, leverage=10):
    """A long position of `size` from about 100, a bar that falls to `low` and comes back."""
    desk = Desk({BTC: [CALM, (100, 100, low, 100), *flat(100)]}, instruments=STEPPED, balance=balance, unkind=unkind)
    lever(desk, leverage)
    desk.order("buy", size)
    desk.to(2)
    return desk


def test_a_liquidation_goes_two_tiers_down_at_a_time_and_takes_the_margin():
    desk = fall(1_500, 89, unkind=True)
    bills = [bill for bill in desk.get("account/bills", type="5") if bill["sz"] != "0"]
    penalties = [bill for bill in desk.get("account/bills", type="5") if bill["sz"] == "0"]
    assert [(bill["subType"], bill["sz"]) for bill in bills] == [("103", "1200")]
    [partial] = [row for row in desk.get("trade/orders-history") if row["category"] != "normal"]
    assert (partial["category"], partial["accFillSz"]) == ("partial_liquidation", "1200")
    assert desk.size() == 300  # the end of the second tier: its rate is a fifth
    [penalty] = penalties
    expected = -1_200 * CT_VAL * number(bills[0], "px") * Decimal("0.05")
    assert (number(penalty, "pnl"), number(penalty, "balChg"), penalty["fee"]) == (expected, expected, "0")
    [row] = desk.get("account/positions")
    assert number(row, "liqPenalty") == expected
    assert number(row, "realizedPnl") == sum(number(row, name) for name in ("pnl", "fee", "fundingFee", "liqPenalty"))
    assert desk.account.equity() > 0


def test_a_kind_market_closes_at_once_and_asks_nothing():
    desk = fall(1_500, 89, unkind=False)
    assert (desk.size(), desk.get("account/bills", type="5")[0]["subType"]) == (0, "107")
    [closed] = desk.get("account/positions-history")
    assert closed["liqPenalty"] == "0"


def test_a_small_position_goes_whole_and_its_margin_with_it():
    desk = fall(90, 80, unkind=True, balance=10)
    assert desk.size() == 0
    [closed] = desk.get("account/positions-history")
    parts = sum(number(closed, name) for name in ("pnl", "fee", "fundingFee", "liqPenalty"))
    assert (closed["type"], number(closed, "realizedPnl")) == ("3", parts)
    assert number(closed, "liqPenalty") < 0
    assert 0 <= desk.account.ledger.cash < Decimal("0.1")  # what rounding to the tick left


def test_only_as_much_is_closed_as_brings_the_margin_back():
    paths = {BTC: [CALM, (90, 90, 90, 90), *flat(90)], ETH: flat(100)}
    desk = Desk(paths, instruments=STEPPED, balance=140, unkind=True)
    for inst in (BTC, ETH):
        lever(desk, 10, inst)
    desk.order("buy", 1_000)
    desk.order("buy", 90, inst=ETH)
    desk.to(1)
    assert (desk.size(), desk.size(ETH)) == (300, 90)  # the costliest first, and then it sufficed
    kind = Desk(paths, instruments=STEPPED, balance=140)
    for inst in (BTC, ETH):
        lever(kind, 10, inst)
    kind.order("buy", 1_000)
    kind.order("buy", 90, inst=ETH)
    kind.to(1)
    assert kind.account.positions == {}


def test_a_trigger_beyond_the_tiers_fails():
    desk = Desk({BTC: [CALM, (100, 106, 100, 105), *flat(105)]}, instruments=STEPPED)
    desk.order("buy", 1_500)
    algo = desk.algo("buy", 501, kind="trigger", triggerPx="105", orderPx="-1")
    desk.to(2)
    assert (algo.state, algo.fail_code, desk.size()) == ("order_failed", "51105", 1_500)
