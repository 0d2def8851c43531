from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.settings import StrategySettings
from pairity.strategy.codec import decision_from_json, decision_to_json, state_from_json, state_to_json
from pairity.strategy.lifecycle import decide, with_closed, with_opened
from pairity.strategy.sizing import compute_entry_notional
from pairity.strategy.stops import choose_stop_rule, compute_fractions, compute_stop_prices
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
BTC_ETH, BTC_SOL, ETH_SOL = Pair("BTC", "ETH"), Pair("BTC", "SOL"), Pair("ETH", "SOL")
SETTINGS = StrategySettings()


def spec(asset="BTC", ct_val="0.01"):
    return ContractSpec(
        f"{asset}-USDT-SWAP", Decimal(ct_val), Decimal("0.01"), Decimal("0.01"), Decimal("0.1"), Decimal(100)
    )


def asset(name="BTC", close=50_000.0, atr=250.0, vol=0.005, funding: float | None = 0.0001):
    return AssetView(name, close, atr, vol, funding, spec(name))


def market(hours=0, correlations=None, **assets):
    views = {name: asset(name) for name in ("BTC", "ETH", "SOL")} | assets
    at = T0 + timedelta(hours=hours)
    known = {"BTC__ETH": 0.5, "BTC__SOL": 0.5, "ETH__SOL": 0.5} if correlations is None else correlations
    return MarketView(at + timedelta(seconds=30), at, views, known)


def position(z=1.5, pair=BTC_ETH, held=3):
    side = Side.SELL if z > 0 else Side.BUY
    leg = Leg(pair.base, side, Decimal(1), 50_000.0)
    return PairPosition(f"{pair.pair_id}@x", pair, -1 if z > 0 else 1, (leg,), T0, z, 1.0, z, held)


def run(scores, state=None, settings=SETTINGS, **kwargs):
    return decide(state or StrategyState(10_000.0), scores, market(**kwargs), settings)


def test_the_highest_divergence_wins_and_every_pair_has_its_reason():
    decision = run([PairScore(BTC_ETH, 1.5, 0.6), PairScore(BTC_SOL, -2.0, 0.7), PairScore(ETH_SOL, 0.3, 0.9)])
    assert decision.action is Action.OPEN
    (entry,) = decision.entries
    assert (entry.pair, entry.direction, entry.legs[0].side) == (BTC_SOL, 1, Side.BUY)
    assert entry.score == pytest.approx(1.4)
    assert [s.rejected for s in decision.scores] == [None, None, "|z| not above 1.0"]


@pytest.mark.parametrize(
    ("score", "reason"),
    [
        (PairScore(BTC_ETH, None, 0.9), "z-score unknown"),
        (PairScore(BTC_ETH, float("nan"), 0.9), "z-score unknown"),
        (PairScore(BTC_ETH, 2.0, None), "probability unknown"),
        (PairScore(BTC_ETH, 2.0, 0.9, "stale: 3 h old"), "stale: 3 h old"),
        (PairScore(BTC_ETH, 1.0, 0.9), "|z| not above 1.0"),
        (PairScore(BTC_ETH, 1.1, 0.5), "probability not above 0.5"),
    ],
)
def test_what_must_not_be_traded_is_held_with_the_reason(score, reason):
    decision = run([score])
    assert decision.action is Action.HOLD
    assert decision.scores[0].rejected == reason


@pytest.mark.parametrize(
    ("probability", "own", "setting", "reason"),
    [
        (0.51, None, None, None),  # the reference's 0.5
        (0.51, 0.5632, None, "probability not above 0.5632, the model's own threshold"),
        (0.5632, 0.5632, None, "probability not above 0.5632, the model's own threshold"),
        (0.5633, 0.5632, None, None),
        (0.4, 0.35, None, None),
        (1.0, 1.0, None, "probability not above 1.0, the model's own threshold"),  # it trades nothing
        (0.51, 0.5632, 0.5, None),  # what is set overrides it
        (0.56, 0.3, 0.6, "probability not above 0.6"),
    ],
)
def test_the_model_s_own_threshold_counts_unless_one_is_set(probability, own, setting, reason):
    settings = StrategySettings(probability_min=setting)
    decision = run([PairScore(BTC_ETH, 2.0, probability, threshold=own)], settings=settings)
    (assessed,) = decision.scores
    assert assessed.rejected == reason
    assert assessed.threshold == (own if setting is None else None)
    assert decision_from_json(decision_to_json(decision)) == decision


def test_a_decision_without_a_threshold_is_the_bytes_that_it_was():
    decision = run([PairScore(BTC_ETH, 1.5, 0.6)])
    assert "threshold" not in decision_to_json(decision)
    own = run([PairScore(BTC_ETH, 1.5, 0.6, threshold=0.5)])
    assert '"threshold":0.5' in decision_to_json(own)


@pytest.mark.parametrize(
    ("z", "funding", "traded"),
    [(2.0, -0.0006, False), (2.0, -0.0005, True), (2.0, 0.01, True), (-2.0, 0.0006, False), (-2.0, -0.01, True)],
)
def test_funding_filter_stops_the_paying_side(z, funding, traded):
    decision = run([PairScore(BTC_ETH, z, 0.9)], BTC=asset(funding=funding))
    assert (decision.action is Action.OPEN) is traded


def test_trap_unknown_funding_is_not_taken_for_zero():
    decision = run([PairScore(BTC_ETH, 2.0, 0.9)], BTC=asset(funding=None))
    assert decision.scores[0].rejected == "funding of BTC unknown"


def test_trap_exit_is_a_crossing_from_the_entry_side_not_a_band_around_zero():
    for z, still in ((1.5, 0.4), (-1.5, -0.4)):
        state = StrategyState(0.0, (position(z),))
        assert run([PairScore(BTC_ETH, still, 0.5)], state).exits == ()
        (crossed,) = run([PairScore(BTC_ETH, -still, 0.5)], state).exits
        assert crossed.reason is ExitReason.Z_CROSS
    (exact,) = run([PairScore(BTC_ETH, 0.0, 0.5)], StrategyState(0.0, (position(1.5),))).exits
    assert exact.reason is ExitReason.Z_CROSS


def test_the_exit_level_mirrors_with_the_entry_side():
    settings = replace_settings(exit_z=0.5)
    for z, inside, outside in ((1.5, 0.4, 0.6), (-1.5, -0.4, -0.6)):
        state = StrategyState(0.0, (position(z),))
        assert run([PairScore(BTC_ETH, inside, 0.5)], state, settings).exits
        assert not run([PairScore(BTC_ETH, outside, 0.5)], state, settings).exits


def replace_settings(**changes):
    return StrategySettings(**changes)


def test_min_hold_delays_the_exit():
    settings = replace_settings(min_hold_bars=5)
    state = StrategyState(0.0, (position(1.5, held=3),))
    assert run([PairScore(BTC_ETH, -1.0, 0.5)], state, settings).exits == ()
    state = StrategyState(0.0, (position(1.5, held=4),))
    assert run([PairScore(BTC_ETH, -1.0, 0.5)], state, settings).exits


def test_missing_data_closes_the_position_after_the_limit_and_never_before():
    state = StrategyState(0.0, (position(1.5),))
    for _ in range(SETTINGS.max_missing_bars):
        decision = run([PairScore(BTC_ETH, None, None, "stale")], state)
        assert decision.exits == ()
        state = decision.state
    (exit_,) = run([], state).exits
    assert exit_.reason is ExitReason.DATA_MISSING


def test_missing_counts_start_again_with_data():
    state = StrategyState(0.0, (replace(position(1.5), missing_bars=3),))
    (aged,) = run([PairScore(BTC_ETH, 1.0, 0.5)], state).state.positions
    assert (aged.missing_bars, aged.last_z, aged.bars_held) == (0, 1.0, 4)


def test_a_closing_decision_opens_nothing():
    state = StrategyState(10_000.0, (position(1.5),))
    decision = run([PairScore(BTC_ETH, -1.5, 0.9), PairScore(BTC_SOL, 3.0, 0.9)], state)
    assert decision.action is Action.CLOSE
    assert decision.entries == ()


def test_one_position_at_a_time_and_cooldown():
    state = StrategyState(10_000.0, (position(1.5),))
    assert run([PairScore(BTC_ETH, 1.2, 0.9), PairScore(BTC_SOL, 3.0, 0.9)], state).reason == "position held"
    settings = replace_settings(cooldown_bars=3)
    state = with_closed(state, state.positions[0].position_id)
    actions = []
    for _ in range(4):
        decision = run([PairScore(BTC_SOL, 3.0, 0.9)], state, settings)
        actions.append(decision.action)
        state = decision.state
    assert actions == [Action.HOLD, Action.HOLD, Action.OPEN, Action.OPEN]


@pytest.mark.parametrize(("correlation", "said"), [(0.8534, "0.853"), (-0.850004, "0.850004"), (0.86, "0.86")])
def test_a_correlation_just_above_its_limit_does_not_read_as_the_limit(correlation, said):
    settings = replace_settings(max_concurrent_positions=2)
    state = StrategyState(10_000.0, (position(1.5, ETH_SOL),))
    decision = run([PairScore(BTC_ETH, 2.0, 0.9)], state, settings, correlations={"BTC__ETH": correlation})
    assert decision.scores[0].rejected == f"|correlation| of BTC with held ETH {said} above 0.85"


def test_correlated_pairs_are_dropped_while_a_position_is_open():
    settings = replace_settings(max_concurrent_positions=2)
    state = StrategyState(10_000.0, (position(1.5, ETH_SOL),))
    scores = [PairScore(BTC_ETH, 2.0, 0.9), PairScore(BTC_SOL, 2.0, 0.9), PairScore(ETH_SOL, 1.2, 0.9)]
    decision = run(scores, state, settings, correlations={"BTC__ETH": -0.9, "ETH__SOL": 0.5})
    assert decision.scores[0].rejected == "|correlation| of BTC with held ETH 0.90 above 0.85"
    assert decision.scores[2].rejected == "already held"
    decision = run(scores[1:], state, settings, correlations={"BTC__ETH": 0.2})
    assert decision.scores[0].rejected == "correlation of SOL with held ETH unknown"
    decision = run(scores[1:], state, settings, correlations={"BTC__ETH": 0.2, "ETH__SOL": 0.2})
    assert decision.action is Action.OPEN


def test_the_correlation_matrix_is_refreshed_every_24_bars():
    state = run([], hours=0, correlations={"BTC__ETH": 0.1}).state
    state = run([], state, hours=23, correlations={"BTC__ETH": 0.2}).state
    assert state.correlations == {"BTC__ETH": 0.1}
    state = run([], state, hours=24, correlations={"BTC__ETH": 0.3}).state
    assert state.correlations == {"BTC__ETH": 0.3}


def test_switching_is_off_by_default_and_needs_the_threshold():
    state = StrategyState(10_000.0, (position(1.5),))
    scores = [PairScore(BTC_ETH, 1.2, 0.9), PairScore(ETH_SOL, 2.0, 0.9)]
    assert run(scores, state).action is Action.HOLD
    # 1.08 is held, 1.8 is offered
    for name, least, most in (("switch_threshold", 1.66, 1.67), ("switch_margin", 0.71, 0.73)):
        assert run(scores, state, replace_settings(**{name: least})).action is Action.SWITCH
        assert run(scores, state, replace_settings(**{name: most})).action is Action.HOLD
    assert run(scores, state, replace_settings(switch_threshold=1.5, switch_margin=0.73)).action is Action.HOLD
    assert run(scores, state, replace_settings(switch_threshold=1.67, switch_margin=0.5)).action is Action.HOLD
    far = run(scores, state, replace_settings(switch_threshold=1.5, switch_margin=0.5))
    assert far.action is Action.SWITCH
    assert far.exits[0].reason is ExitReason.SWITCH
    assert far.entries[0].pair == ETH_SOL


def test_a_pair_that_cannot_be_sized_gives_way_to_the_next():
    huge = AssetView("BTC", 50_000.0, 250.0, 0.005, 0.0001, spec("BTC", "100000"))
    decision = run([PairScore(BTC_ETH, 3.0, 0.9), PairScore(ETH_SOL, 2.0, 0.9)], BTC=huge)
    assert decision.scores[0].rejected == "position below the minimum size"
    assert decision.entries[0].pair == ETH_SOL


def test_all_pairs_that_cannot_be_sized_say_so_and_nothing_else_changes():
    huge = {name: AssetView(name, 50_000.0, 250.0, 0.005, 0.0001, spec(name, "100000")) for name in ("BTC", "ETH")}
    scores = [PairScore(BTC_ETH, 3.0, 0.9), PairScore(BTC_SOL, 0.3, 0.9), PairScore(ETH_SOL, 2.0, 0.9)]
    decision = run(scores, **huge)
    assert (decision.action, decision.reason, decision.entries) == (Action.HOLD, "no candidate", ())
    small = "position below the minimum size"
    assert [item.rejected for item in decision.scores] == [small, "|z| not above 1.0", small]
    assert [item.pair for item in decision.scores] == [BTC_ETH, BTC_SOL, ETH_SOL]


def test_a_balance_below_the_minimum_trades_nothing():
    assert run([PairScore(BTC_ETH, 3.0, 0.9)], StrategyState(9.0)).action is Action.HOLD


@given(st.floats(0, 1e7), st.floats(0, 20))
def test_size_stays_below_95_percent_of_the_balance(available, score):
    notional = compute_entry_notional(available, score, SETTINGS)
    assert notional == 0 or SETTINGS.min_position_usdt <= notional <= 0.95 * available
    assert notional <= 2 * SETTINGS.max_position_usdt
    unbounded = compute_entry_notional(available, score, replace_settings(max_position_usdt=-1))
    whole = 0.95 * available
    assert unbounded == (whole if whole >= SETTINGS.min_position_usdt else 0)


@pytest.mark.parametrize("amount", [0, -0.5, -2, float("inf"), float("nan")])
def test_a_size_is_an_amount_or_all_that_is_available(amount):
    with pytest.raises(ValueError, match="-1 for all"):
        replace_settings(max_position_usdt=amount)


@pytest.mark.parametrize(
    ("atr", "expected"),
    [(250.0, (0.05, 0.04)), (10.0, (0.02, 0.02)), (5_000.0, (0.10, 0.15)), (None, (0.06, 0.05))],
)
def test_atr_stops_are_clamped_fractions_of_the_fill(atr, expected):
    rule = choose_stop_rule(replace(asset(), atr=atr), None, SETTINGS)
    assert compute_fractions(rule, 50_000.0) == pytest.approx(expected)


def test_stops_follow_the_actual_fill_not_the_reference_price():
    rule = choose_stop_rule(asset(), None, SETTINGS)
    assert compute_fractions(rule, 25_000.0) == pytest.approx((0.10, 0.08))


def test_volatility_stops_scale_the_defaults_within_half_and_double():
    settings = replace_settings(stop_model="volatility")
    btc = asset(vol=0.01)
    for vol, factor in ((0.01, 1.0), (0.001, 0.5), (0.015, 1.5), (0.1, 2.0)):
        assert compute_fractions(choose_stop_rule(asset("X", vol=vol), btc, settings), 1.0) == pytest.approx(
            (0.06 * factor, 0.05 * factor)
        )
    assert compute_fractions(choose_stop_rule(asset("X"), None, settings), 1.0) == (0.06, 0.05)


@given(st.floats(1.0, 150_000.0), st.floats(0.001, 10_000.0), st.sampled_from(list(Side)))
def test_stop_and_target_lie_on_their_sides_of_the_fill(price, atr, side):
    rule = choose_stop_rule(replace(asset(), atr=atr), None, SETTINGS)
    entry = spec().round_price(Decimal(repr(price)))
    prices = compute_stop_prices(rule, side, entry, spec())
    if entry > 10:  # below that, a tick of 0.1 is larger than the distance
        assert (prices.target - entry) * side.sign > 0 > (prices.stop - entry) * side.sign
    assert prices.stop % spec().tick_sz == prices.target % spec().tick_sz == 0


def test_records_survive_json_to_the_last_bit():
    state = replace(
        StrategyState(0.1 + 0.2, (position(1 / 3),)), correlations={"BTC__ETH": 1 / 7, "X__Y": None}, correlations_at=T0
    )
    assert state_from_json(state_to_json(state)) == state
    decision = run([PairScore(BTC_ETH, 3.0, 0.9), PairScore(ETH_SOL, None, None)])
    assert decision_from_json(decision_to_json(decision)) == decision


def test_decide_is_pure():
    state = with_opened(StrategyState(10_000.0), position(1.5))
    scores = [PairScore(BTC_ETH, 1.2, 0.9), PairScore(ETH_SOL, 2.0, 0.9)]
    before = state_to_json(state)
    assert run(scores, state) == run(scores, state)
    assert state_to_json(state) == before


@st.composite
def score_lists(draw):
    values = st.one_of(st.none(), st.floats(-5, 5))
    probabilities = st.one_of(st.none(), st.floats(0, 1))
    return [
        PairScore(pair, draw(values), draw(probabilities), draw(st.sampled_from([None, None, "stale"])))
        for pair in (BTC_ETH, BTC_SOL, ETH_SOL)
    ]


@given(st.lists(score_lists(), min_size=1, max_size=30))
def test_life_cycle_never_exceeds_its_limits(history):
    state = StrategyState(10_000.0)
    for hour, scores in enumerate(history):
        decision = run(scores, state, hours=hour)
        state = decision.state
        for exit_ in decision.exits:
            state = with_closed(state, exit_.position_id)
        for entry in decision.entries:
            legs = tuple(Leg(o.asset, o.side, o.contracts, o.reference_price) for o in entry.legs)
            opened = PairPosition(
                entry.position_id, entry.pair, entry.direction, legs, T0, entry.z, entry.score, entry.z
            )
            state = with_opened(state, opened)
            assert abs(entry.z) > 1.0
            assert entry.probability > 0.5
        assert len(state.positions) <= SETTINGS.max_concurrent_positions
        assert all(s.rejected or s.divergence_score is not None for s in decision.scores)
