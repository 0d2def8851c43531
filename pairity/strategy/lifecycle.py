"""`decide`: from state, scores and market to exits and entries. It is pure: no I/O, no clock, no randomness.

Backtest, replay and live call this one function once per closed bar and differ only in who executes its outcome.
Stop-loss and take-profit act between decisions (on the venue, or on a bar's extremes in the backtest); whoever sees one
reports it with `with_closed` before the next decision. Rules: docs/formulas.md, Strategy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from pairity.settings import StrategySettings
from pairity.strategy.selection import assess_pair, choose_direction, compute_divergence, list_legs, rank_candidates
from pairity.strategy.sizing import TOO_SMALL, compute_entry_notional, size_legs
from pairity.strategy.stops import REFERENCE_ASSET, choose_stop_rule
from pairity.strategy.types import (
    Action,
    Decision,
    Entry,
    Exit,
    ExitReason,
    LegOrder,
    MarketView,
    PairAssessment,
    PairPosition,
    PairScore,
    StrategyState,
)
from pairity.timeline import HOUR


def decide(
    state: StrategyState,
    scores: Sequence[PairScore],
    market: MarketView,
    settings: StrategySettings,
    bar: timedelta = HOUR,
) -> Decision:
    """Decide at the close of one bar.

    `scores` lists every pair of the universe in universe order; `market` is what is known at the same instant. In the
    returned state, positions are aged by this bar and the correlation matrix is refreshed when due. Positions to close
    are still in it, and entries are not in it yet: the executor reports both with `with_closed` and `with_opened`. A
    decision that closes opens nothing (its proceeds are not known yet), except as the second half of a switch.
    """
    state = _refresh_correlations(_age(state, scores), market, settings, bar)
    exits = tuple(filter(None, (_find_exit(position, settings) for position in state.positions)))
    assessed = [assess_pair(score, market.assets, state.positions, state.correlations, settings) for score in scores]
    if exits:
        reason = "; ".join(f"{item.position_id}: {item.reason}" for item in exits)
        return Decision(
            action=Action.CLOSE, reason=reason, scores=tuple(assessed), exits=exits, entries=(), state=state
        )
    if len(state.positions) >= settings.max_concurrent_positions:
        return _consider_switch(state, scores, assessed, market, settings)
    if state.bars_since_exit is not None and state.bars_since_exit < settings.cooldown_bars:
        return Decision(
            action=Action.HOLD,
            reason=f"cooling down, {state.bars_since_exit} of {settings.cooldown_bars} bars",
            scores=tuple(assessed),
            exits=(),
            entries=(),
            state=state,
        )
    entry, assessed = _find_best_entry(state, assessed, market, settings)
    if entry is None:
        return Decision(
            action=Action.HOLD, reason="no candidate", scores=tuple(assessed), exits=(), entries=(), state=state
        )
    return Decision(
        action=Action.OPEN, reason=_describe(entry), scores=tuple(assessed), exits=(), entries=(entry,), state=state
    )


def with_opened(state: StrategyState, position: PairPosition) -> StrategyState:
    """Return the state after a position was opened."""
    return replace(state, positions=(*state.positions, position))


def with_closed(state: StrategyState, position_id: str) -> StrategyState:
    """Return the state after a position was closed, by a decision, a stop or the venue."""
    left = tuple(position for position in state.positions if position.position_id != position_id)
    return replace(state, positions=left, bars_since_exit=0)


def _age(state: StrategyState, scores: Sequence[PairScore]) -> StrategyState:
    by_pair = {score.pair: score for score in scores} if state.positions else {}
    aged = tuple(_age_position(position, by_pair.get(position.pair)) for position in state.positions)
    since = None if state.bars_since_exit is None else state.bars_since_exit + 1
    return replace(state, positions=aged, bars_since_exit=since)


def _age_position(position: PairPosition, score: PairScore | None) -> PairPosition:
    bars_held = position.bars_held + 1
    if score is None or score.unusable is not None or score.z is None:
        # last_z stays: an exit needs a crossing that was seen, not one that may have happened in the dark.
        return replace(position, bars_held=bars_held, missing_bars=position.missing_bars + 1)
    return replace(position, bars_held=bars_held, missing_bars=0, last_z=score.z)


def _refresh_correlations(
    state: StrategyState, market: MarketView, settings: StrategySettings, bar: timedelta
) -> StrategyState:
    at = state.correlations_at
    if at is not None and market.event_timestamp - at < settings.correlation_refresh_bars * bar:
        return state
    return replace(state, correlations=dict(market.correlations), correlations_at=market.event_timestamp)


def _find_exit(position: PairPosition, settings: StrategySettings) -> Exit | None:
    """Return the exit that is due. It is a crossing *from the entry side*: the tempting test |z| < 0 is never true."""
    if position.missing_bars > settings.max_missing_bars:
        return Exit(position.position_id, ExitReason.DATA_MISSING)
    if position.missing_bars or position.bars_held < settings.min_hold_bars:
        return None
    distance = -position.direction * position.last_z  # positive on the side from which it was entered
    return Exit(position.position_id, ExitReason.Z_CROSS) if distance <= settings.exit_z else None


def _consider_switch(
    state: StrategyState,
    scores: Sequence[PairScore],
    assessed: list[PairAssessment],
    market: MarketView,
    settings: StrategySettings,
) -> Decision:
    """Leave the weakest position for a candidate that beats it by the threshold (off by default)."""
    hold = Decision(
        action=Action.HOLD, reason="position held", scores=tuple(assessed), exits=(), entries=(), state=state
    )
    if not settings.may_switch:
        return hold
    by_pair = {score.pair: compute_divergence(score) for score in scores}
    weakest = min(state.positions, key=lambda position: by_pair.get(position.pair) or 0.0)
    if weakest.bars_held < settings.min_hold_bars:
        return hold
    others = tuple(position for position in state.positions if position is not weakest)
    reassessed = [assess_pair(score, market.assets, others, state.correlations, settings) for score in scores]
    reassessed = [replace(p, rejected="already held") if p.pair == weakest.pair else p for p in reassessed]
    entry, reassessed = _find_best_entry(replace(state, positions=others), reassessed, market, settings)
    if entry is None or not _beats(entry.score, by_pair.get(weakest.pair) or 0.0, settings):
        return hold
    exits = (Exit(weakest.position_id, ExitReason.SWITCH),)
    return Decision(
        action=Action.SWITCH,
        reason=f"{weakest.position_id} → {_describe(entry)}",
        scores=tuple(reassessed),
        exits=exits,
        entries=(entry,),
        state=state,
    )


def _beats(score: float, held: float, settings: StrategySettings) -> bool:
    """Return whether a candidate's divergence is so far above a held position's that it takes its place."""
    times, margin = settings.switch_threshold, settings.switch_margin
    return (times is None or score > held * times) and (margin is None or score > held + margin)


def _find_best_entry(
    state: StrategyState, assessed: list[PairAssessment], market: MarketView, settings: StrategySettings
) -> tuple[Entry | None, list[PairAssessment]]:
    """Return the best candidate that can be sized; a better one that cannot be is marked with the reason."""
    entry, too_small = None, {}
    for candidate in rank_candidates(assessed):
        sized = _size_entry(state, candidate, market, settings)
        if isinstance(sized, Entry):
            entry = sized
            break
        too_small[candidate.pair] = sized
    if too_small:
        # In one go: with thousands of pairs, and a balance that is enough for none, there are many of them.
        assessed = [replace(p, rejected=too_small[p.pair]) if p.pair in too_small else p for p in assessed]
    return entry, assessed


def _size_entry(
    state: StrategyState, candidate: PairAssessment, market: MarketView, settings: StrategySettings
) -> Entry | str:
    """Return the entry of a candidate, or the reason why it cannot be sized."""
    z, probability, score = candidate.z, candidate.probability, candidate.divergence_score
    if z is None or probability is None or score is None:
        return TOO_SMALL
    direction = choose_direction(z)
    legs = list_legs(candidate.pair, direction, settings)
    assets = tuple(market.assets[name] for name, _ in legs)
    notional = compute_entry_notional(state.available_usdt, score, settings)
    sizes = size_legs(notional, assets, candidate.hedge_ratio, settings)
    if isinstance(sizes, str):
        return sizes
    reference = market.assets.get(REFERENCE_ASSET)
    orders = tuple(
        LegOrder(asset.asset, side, contracts, asset.close or 0.0, choose_stop_rule(asset, reference, settings))
        for asset, (_, side), contracts in zip(assets, legs, sizes, strict=True)
    )
    position_id = f"{candidate.pair.pair_id}@{market.event_timestamp:%Y%m%dT%H%MZ}"
    return Entry(
        position_id=position_id,
        pair=candidate.pair,
        direction=direction,
        z=z,
        probability=probability,
        score=score,
        legs=orders,
        margin_mode=settings.margin_mode,
    )


def _describe(entry: Entry) -> str:
    side = "short" if entry.direction < 0 else "long"
    return f"{side} {entry.pair.pair_id}: z {entry.z:+.2f}, p {entry.probability:.3f}, score {entry.score:.3f}"
