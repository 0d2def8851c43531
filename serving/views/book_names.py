"""View of a book's names as positions: what is held of each, its stop, and its result at the venue's marks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from pairity.books.families import BOOK_FAMILIES
from pairity.strategy.types import Leg, Side
from pairity.universe import inst_id, short_name
from serving.books.round_trips import RoundTrip
from serving.journal import BookRecord, Intent, IntentState
from serving.views.base import Inputs, amount, as_number, hours_between
from serving.views.name_trades import list_trips
from serving.views.position_records import LegView, PositionView, ResultView, StopState, StopView


def list_book_legs(seen: Inputs) -> list[Leg]:
    """Return what a book holds as legs; entry prices are the venue's averages, 0 where it has not said them."""
    legs = []
    for instrument, contracts in seen.journal.books.count_held().items():
        there = seen.sightings.positions.get(instrument)
        legs.append(
            Leg(
                asset=short_name(instrument),
                side=Side.BUY if contracts > 0 else Side.SELL,
                contracts=abs(contracts),
                entry_price=0.0 if there is None else float(there.average_price),
            )
        )
    return legs


def view_book_names(seen: Inputs) -> list[PositionView]:
    """Return the names that a book holds, by name."""
    book, legs = seen.journal.books.newest(), list_book_legs(seen)
    if book is None or not legs:
        return []
    stops: dict[str, Intent] = {one.instrument: one for one in seen.journal.books.stops()}
    trips = {one.instrument: one for one in list_trips(seen.journal) if one.closed_at is None}
    return [_view_name(seen, book, leg, stops, trips.get(inst_id(leg.asset))) for leg in legs]


def _view_name(
    seen: Inputs, book: BookRecord, leg: Leg, stops: Mapping[str, Intent], trip: RoundTrip | None
) -> PositionView:
    instrument, decided = inst_id(leg.asset), book.find(leg.asset)
    there, spec = seen.sightings.positions.get(instrument), seen.sightings.contracts.get(leg.asset)
    coins = None if spec is None else leg.contracts * spec.ct_val
    mark = None if there is None else there.mark_price
    entry = None if there is None else there.average_price
    earned = None
    if coins is not None and mark is not None and entry is not None:
        earned = as_number(leg.side.sign * coins * (mark - entry))
    funding = None if there is None else as_number(there.funding_usdt)
    fees = None if trip is None else as_number(trip.fees_usdt)
    realised = None if trip is None else as_number(trip.price_usdt)
    opened = (decided.opened_at if decided is not None else None) or book.close
    stop = _view_stop(seen, stops.get(instrument))
    weight, target = _weigh(seen, leg, coins, mark), None if decided is None else decided.target
    none = StopView(price=None, confirmed_at=None, state="missing")
    view = LegView(
        asset=leg.asset,
        instrument=instrument,
        side=leg.side.value,
        contracts=format(leg.contracts, "f"),
        coins=amount(coins),
        entry_price=format(entry or Decimal(0), "f"),
        mark_price=amount(mark),
        marked_at=seen.sightings.positions_at if mark is not None else None,
        result_usdt=earned,
        margin_usdt=None,
        margin_ratio=None,
        liquidation_price=None if there is None else amount(there.liquidation_price),
        stop=stop,
        target=none,
        weight=weight,
        target_weight=target,
        drift=None if weight is None or target is None else weight - target,
    )
    return PositionView(
        position_id=f"{leg.asset}@{opened:%Y%m%dT%H%MZ}",
        pair=leg.asset,
        direction="long" if leg.side is Side.BUY else "short",
        kind="book",
        margin_mode="cross",
        legs=[view],
        hedge_ratio=None,
        opened_at=opened,
        hours_held=hours_between(opened, max(seen.now, opened)),
        z_entry=None,
        z_now=None,
        result=ResultView(
            price_usdt=earned,
            fees_usdt=fees,
            funding_usdt=funding,
            realised_usdt=realised,
            total_usdt=None if earned is None else math.fsum([earned, fees or 0.0, funding or 0.0, realised or 0.0]),
        ),
        stop_level=as_number(stop.price),
        now_level=as_number(mark),
        target_level=None,
        horizon_at=book.close + timedelta(hours=BOOK_FAMILIES[book.family].every_hours),
        probability_entry=None,
        decision_id=book.decision_id,
        entry_order_ids=[] if trip is None or not trip.entry_order else [trip.entry_order],
    )


def _weigh(seen: Inputs, leg: Leg, coins: Decimal | None, mark: Decimal | None) -> float | None:
    """Return the weight of a leg at its mark; None where mark or equity is not known."""
    equity = seen.status.equity_usdt
    if coins is None or mark is None or not equity:
        return None
    return float(leg.side.sign * coins * mark) / equity


def _view_stop(seen: Inputs, intent: Intent | None) -> StopView:
    """Return a name's stop: confirmed by a look that was no older than the venue's list of positions."""
    if intent is None or intent.state is not IntentState.ACKNOWLEDGED:
        return StopView(price=None, confirmed_at=None, state="missing")
    state: StopState = "unconfirmed" if seen.sightings.reachable is False else "confirmed"
    return StopView(price=amount(intent.stop_price), confirmed_at=seen.sightings.looked_at, state=state)
