from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.settings import StrategySettings
from pairity.strategy.codec import decision_from_json, decision_to_json, position_from_json, position_to_json
from pairity.strategy.lifecycle import decide, with_opened
from pairity.strategy.types import (
    Action,
    AssetView,
    ExitReason,
    Leg,
    MarketView,
    PairPosition,
    PairScore,
    Side,
    StrategyState,
)
from pairity.universe import ContractSpec, Pair

T0 = datetime(2025, 4, 1, tzinfo=UTC)
BTC_ETH, SOL_ETH, SOL_XRP = Pair("BTC", "ETH"), Pair("SOL", "ETH"), Pair("SOL", "XRP")
BOTH = StrategySettings(legs="both")


def view(name, close, ct_val, funding=0.0001, atr=None):
    spec = ContractSpec(
        f"{name}-USDT-SWAP", Decimal(ct_val), Decimal("0.01"), Decimal("0.01"), Decimal("0.01"), Decimal(100)
    )
    return AssetView(name, close, atr if atr is not None else close / 200, 0.005, funding, spec)


VIEWS = {
    "BTC": view("BTC", 50_000.0, "0.01"),
    "ETH": view("ETH", 2_500.0, "0.1"),
    "SOL": view("SOL", 150.0, "1"),
    "XRP": view("XRP", 2.0, "100"),
}
KNOWN = {"BTC__ETH": 0.9, "BTC__SOL": 0.5, "BTC__XRP": 0.5, "ETH__SOL": 0.5, "ETH__XRP": 0.5, "SOL__XRP": 0.5}


def run(scores, state=None, strategy=BOTH, **views):
    market = MarketView(T0 + timedelta(seconds=30), T0, VIEWS | views, KNOWN)
    return decide(state or StrategyState(10_000.0), scores, market, strategy)


def score(z=2.0, hedge: float | None = 0.8, pair=BTC_ETH):
    return PairScore(pair, z, 0.9, hedge_ratio=hedge)


def notionals(entry):
    return [leg.contracts * VIEWS[leg.asset].spec.ct_val * Decimal(repr(VIEWS[leg.asset].close)) for leg in entry.legs]


@pytest.mark.parametrize(("z", "sides"), [(2.0, ["sell", "buy"]), (-2.0, ["buy", "sell"])])
def test_the_quote_leg_is_the_opposite_side_sized_by_the_hedge_ratio(z, sides):
    (entry,) = run([score(z)]).entries
    assert [(leg.asset, str(leg.side)) for leg in entry.legs] == list(zip(["BTC", "ETH"], sides, strict=True))
    base, quote = notionals(entry)
    assert float(quote / base) == pytest.approx(0.8, rel=0.05)
    assert base + quote <= 2000  # score 1.8 doubles the 1000 USDT: both legs together
    assert base + quote > 1850


def test_each_leg_has_the_stops_of_its_own_asset():
    (entry,) = run([score()], ETH=view("ETH", 2_500.0, "0.1", atr=99.0)).entries
    assert [leg.stops.stop_distance for leg in entry.legs] == [2_500.0, 990.0]


def test_one_leg_asks_for_no_hedge_ratio():
    (entry,) = run([score(hedge=None)], strategy=StrategySettings()).entries
    assert [leg.asset for leg in entry.legs] == ["BTC"]


@pytest.mark.parametrize(
    ("hedge", "reason"),
    [
        (None, "hedge ratio unknown"),
        (float("nan"), "hedge ratio unknown"),
        (float("inf"), "hedge ratio unknown"),
        (0.0, "hedge ratio 0 not positive"),
        (-0.5, "hedge ratio -0.5 not positive"),
        (1e-4, "a leg below the minimum size"),
        (1e4, "a leg below the minimum size"),
    ],
)
def test_a_pair_that_cannot_be_hedged_is_not_traded(hedge, reason):
    decision = run([score(hedge=hedge)])
    assert decision.action is Action.HOLD
    assert decision.scores[0].rejected == reason


def test_lots_too_coarse_for_the_tolerance_give_way_to_the_next_pair():
    lots = {"BTC": view("BTC", 50_000.0, "1"), "ETH": view("ETH", 2_500.0, "24")}  # of 500 and 600 USDT
    decision = run([score(3.0, hedge=1.9), score(2.0, pair=SOL_XRP)], **lots)
    assert decision.entries[0].pair == SOL_XRP
    assert decision.scores[0].rejected == "no whole lots within 5% of the hedge ratio"


@pytest.mark.parametrize(
    ("z", "rates", "reason"),
    [
        (2.0, (-0.0006, 0.0), "funding of BTC -0.0006 in 8 h below −0.0005 in 8 h for a short"),
        (2.0, (0.0, 0.0006), "funding of ETH 0.0006 in 8 h above 0.0005 in 8 h for a long"),
        (-2.0, (0.0006, 0.0), "funding of BTC 0.0006 in 8 h above 0.0005 in 8 h for a long"),
        (-2.0, (0.0, -0.0006), "funding of ETH -0.0006 in 8 h below −0.0005 in 8 h for a short"),
        (2.0, (0.01, -0.01), None),
        (-2.0, (-0.01, 0.01), None),
        (2.0, (0.0, None), "funding of ETH unknown"),
    ],
)
def test_the_funding_filter_looks_at_the_side_of_each_leg(z, rates, reason):
    assets = {"BTC": view("BTC", 50_000.0, "0.01", rates[0]), "ETH": view("ETH", 2_500.0, "0.1", rates[1])}
    assert run([score(z)], **assets).scores[0].rejected == reason


def test_both_legs_need_a_contract_and_a_price():
    nothing = AssetView("ETH", None, None, None, None, None)
    assert run([score()], ETH=nothing).scores[0].rejected == "no contract known for ETH"
    assert run([score()], ETH=replace(VIEWS["ETH"], close=None)).scores[0].rejected == "no price known for ETH"


def held(*assets):
    legs = tuple(Leg(name, side, Decimal(1), 1.0) for name, side in zip(assets, (Side.SELL, Side.BUY), strict=True))
    return PairPosition("x", Pair(*assets), -1, legs, T0, 1.5, 1.0, 1.5, 3)


def test_the_correlation_filter_knows_both_held_legs():
    strategy = StrategySettings(legs="both", max_concurrent_positions=2)
    state = with_opened(StrategyState(10_000.0), held("SOL", "ETH"))
    decision = run([score(pair=BTC_ETH), score(pair=SOL_XRP)], state, strategy)
    assert [line.rejected for line in decision.scores] == [
        "|correlation| of BTC with held ETH 0.90 above 0.85",
        "|correlation| of SOL with held SOL 1.00 above 0.85",
    ]


def test_an_instrument_is_held_by_one_position_whatever_the_correlation_limit():
    strategy = StrategySettings(legs="both", max_concurrent_positions=3, correlation_max=1.0)
    state = with_opened(StrategyState(10_000.0), held("SOL", "ETH"))
    decision = run([score(pair=BTC_ETH), score(pair=SOL_XRP)], state, strategy)
    assert [line.rejected for line in decision.scores] == ["ETH already held by x", "SOL already held by x"]
    assert decision.entries == ()


def test_with_one_leg_only_the_traded_instrument_is_taken():
    strategy = StrategySettings(max_concurrent_positions=3, correlation_max=1.0)
    eth = Leg("ETH", Side.BUY, Decimal(1), 1.0)
    state = with_opened(StrategyState(10_000.0), PairPosition("x", Pair("ETH", "XRP"), 1, (eth,), T0, -1.5, 1.0, -1.5))
    (entry,) = run([score(pair=BTC_ETH)], state, strategy).entries
    assert [leg.asset for leg in entry.legs] == ["BTC"]


def test_both_legs_leave_together():
    state = with_opened(StrategyState(0.0), held("BTC", "ETH"))
    (leaving,) = run([score(-0.1)], state).exits
    assert (leaving.position_id, leaving.reason) == ("x", ExitReason.Z_CROSS)


@settings(max_examples=60, deadline=None)
@given(
    hedge=st.floats(0.02, 30),
    available=st.floats(0, 20_000),
    z=st.floats(-6, 6),
    tolerance=st.floats(0.001, 0.5),
    least=st.floats(1, 300),
)
def test_trap_12_no_entry_breaks_ratio_budget_or_minimum(hedge, available, z, tolerance, least):
    strategy = StrategySettings(legs="both", hedge_tolerance=tolerance, min_position_usdt=least)
    for entry in run([score(z, hedge)], StrategyState(available), strategy).entries:
        base, quote = notionals(entry)
        assert abs(float(quote / base) / hedge - 1) <= tolerance + 1e-12
        assert float(base + quote) <= min(0.95 * available, 2000.0) + 1e-9
        assert min(base, quote) >= Decimal(repr(least))
        assert all(leg.contracts % Decimal("0.01") == 0 for leg in entry.legs)


def test_records_of_two_legs_survive_json():
    decision = run([score(hedge=1 / 3), score(0.1, None, SOL_ETH)])
    assert decision_from_json(decision_to_json(decision)) == decision
    assert position_from_json(position_to_json(held("BTC", "ETH"))) == held("BTC", "ETH")


def test_decisions_written_before_there_was_a_hedge_ratio_are_read():
    text = json.loads(decision_to_json(run([score(hedge=None)], strategy=StrategySettings())))
    for line in text["scores"]:
        del line["hedge_ratio"]
    assert decision_from_json(json.dumps(text)).scores[0].hedge_ratio is None
