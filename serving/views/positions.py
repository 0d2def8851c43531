"""View of open positions: legs with their stops as the venue confirmed them, results in parts, levels of exit."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

from pairity.strategy.types import Leg, PairPosition
from pairity.universe import exact, inst_id
from serving.journal import Fill, Intent, IntentState, PositionRecord, Purpose
from serving.journal.expressions import Expressions
from serving.views.base import Inputs, Page, amount, as_number, hours_between
from serving.views.book_names import view_book_names
from serving.views.position_records import LegView, PositionView, ResultView, StopState, StopView

_LOOKS = 3
"""Looks of the watch that a confirmation may be old before it counts as one no more."""
_LEAST = timedelta(minutes=1)


def view_positions(seen: Inputs) -> Page[PositionView]:
    """Return the open positions, newest first, and the names of a book, in one page."""
    records = seen.journal.open_positions()
    return Page(items=[*(view_position(seen, record) for record in reversed(records)), *view_book_names(seen)])


def view_position(seen: Inputs, record: PositionRecord) -> PositionView:
    """Return one open position."""
    position = record.position
    intents = seen.journal.intents(position.position_id)
    legs = [_view_leg(seen, position, leg, intents) for leg in position.legs]
    decision = next((intent.decision_id for intent in intents if intent.purpose is Purpose.ENTRY), None)
    probability, hedge = _read_entry(seen, position, decision)
    first = legs[0] if legs else None
    return PositionView(
        position_id=position.position_id,
        pair=position.pair.pair_id,
        direction="long" if position.direction > 0 else "short",
        kind="pair",
        margin_mode=position.margin_mode.value,
        legs=legs,
        hedge_ratio=hedge,
        opened_at=position.opened_at,
        hours_held=hours_between(position.opened_at, max(seen.now, position.opened_at)),
        z_entry=position.entry_z,
        z_now=position.last_z,
        result=_add_up(legs, seen.journal.fills(position.position_id), _sum_funding(seen, position)),
        stop_level=as_number(first.stop.price) if first else None,
        now_level=as_number(first.mark_price) if first else None,
        target_level=as_number(first.target.price) if first else None,
        horizon_at=position.opened_at + timedelta(hours=seen.settings.label.horizon_bars),
        probability_entry=probability,
        decision_id=decision,
        entry_order_ids=[intent.client_order_id for intent in intents if intent.purpose is Purpose.ENTRY],
    )


def _view_leg(seen: Inputs, position: PairPosition, leg: Leg, intents: list[Intent]) -> LegView:
    sightings, instrument = seen.sightings, inst_id(leg.asset)
    spec, there = sightings.contracts.get(leg.asset), sightings.positions.get(instrument)
    coins = None if spec is None else leg.contracts * spec.ct_val
    mark = None if there is None else there.mark_price
    entry = _find_entry_price(leg, intents)
    result = None if coins is None or mark is None else leg.side.sign * coins * (mark - entry)
    stop, target = _view_stops(seen, position, leg)
    return LegView(
        asset=leg.asset,
        instrument=instrument,
        side=leg.side.value,
        contracts=format(leg.contracts, "f"),
        coins=amount(coins),
        entry_price=format(entry, "f"),
        mark_price=amount(mark),
        marked_at=sightings.positions_at if mark is not None else None,
        result_usdt=as_number(result),
        margin_usdt=None if there is None else amount(there.margin_usdt),
        margin_ratio=None if there is None else as_number(there.margin_ratio),
        liquidation_price=None if there is None else amount(there.liquidation_price),
        stop=stop,
        target=target,
    )


def _view_stops(seen: Inputs, position: PairPosition, leg: Leg) -> tuple[StopView, StopView]:
    sighting = seen.sightings.stops.get((position.position_id, leg.asset))
    wanted = [None if price is None else exact(price) for price in (leg.stop_price, leg.target_price)]
    if sighting is None:
        state: StopState = "missing" if leg.stop_price is None else "unconfirmed"
        views = [StopView(price=amount(price), confirmed_at=None, state=state) for price in wanted]
    elif not sighting.protected:
        views = [StopView(price=amount(price), confirmed_at=None, state="missing") for price in wanted]
    else:
        within = max(timedelta(seconds=_LOOKS * seen.settings.serve.watch_s), _LEAST)
        # Between two decisions a stepped clock is not looked at: time passes only from one look to the next.
        looked = seen.sightings.looked_at
        current = seen.now - sighting.at <= within or (looked is not None and sighting.at >= looked - _LEAST)
        state = "confirmed" if current and seen.sightings.reachable is not False else "unconfirmed"
        views = [
            StopView(price=amount(price), confirmed_at=sighting.at, state=state if price is not None else "missing")
            for price in (sighting.stop, sighting.target)
        ]
    return views[0], views[1]


def _find_entry_price(leg: Leg, intents: list[Intent]) -> Decimal:
    """Return the price of a leg's entry: of its only executed order as journalled, else the position's own."""
    instrument = inst_id(leg.asset)
    prices = [
        intent.average_price
        for intent in intents
        if intent.purpose is Purpose.ENTRY
        and intent.instrument == instrument
        and intent.state is IntentState.FILLED
        and intent.average_price is not None
    ]
    return prices[0] if len(prices) == 1 and float(prices[0]) == leg.entry_price else exact(leg.entry_price)


def _sum_funding(seen: Inputs, position: PairPosition) -> float | None:
    """Return the funding of all legs; None where the venue does not say one, or its position is not ours alone."""
    charged = Decimal(0)
    for leg in position.legs:
        there = seen.sightings.positions.get(inst_id(leg.asset))
        if there is None or there.funding_usdt is None or there.contracts != leg.side.sign * leg.contracts:
            return None
        charged += there.funding_usdt
    return float(charged)


def _add_up(legs: list[LegView], fills: list[Fill], funding: float | None) -> ResultView:
    known = [leg.result_usdt for leg in legs if leg.result_usdt is not None]
    price = sum(known) if len(known) == len(legs) else None
    charged = [fill.fee_usdt for fill in fills if fill.fee_usdt is not None]
    fees = float(sum(charged, Decimal(0))) if fills and len(charged) == len(fills) else None
    total = None if price is None else price + (fees or 0.0) + (funding or 0.0)
    return ResultView(price_usdt=price, fees_usdt=fees, funding_usdt=funding, total_usdt=total)


def _select_entry(sql: Expressions) -> str:
    return f"""
        SELECT
            (SELECT e.value FROM {sql.items_of("d.decision_json", "entries", "e")}
             WHERE {sql.text_at("e.value", "position_id")} = :position) AS entry,
            (SELECT s.value FROM {sql.items_of("d.decision_json", "scores", "s")}
             WHERE {sql.text_at("s.value", "pair", "base")} = :base
                 AND {sql.text_at("s.value", "pair", "quote")} = :quote) AS score
        FROM decisions AS d WHERE d.decision_id = :decision
    """


def _read_entry(seen: Inputs, position: PairPosition, decision: str | None) -> tuple[float | None, float | None]:
    """Return probability and hedge ratio as they were decided on; None of an adopted position."""
    if decision is None:
        return None, None
    base, quote = position.pair.assets
    query = _select_entry(seen.journal.expressions)
    rows = seen.journal.ask(query, position=position.position_id, base=base, quote=quote, decision=decision)
    if not rows:
        return None, None
    entry, score = (json.loads(rows[0][name]) if rows[0][name] else {} for name in ("entry", "score"))
    return entry.get("probability"), score.get("hedge_ratio")
