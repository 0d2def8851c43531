"""What must hold after a kill and after the return: the journal's word against the venue's, by a reader of its own."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from pairity.errors import PairityError
from serving.journal import IntentState, Journal, Purpose
from tests.e2e.crash_matrix.venue_look import Look

State = dict[str, Any]


def find_broken(journal_path: Path, seen: Look, legs: int) -> list[str]:
    """Return the invariants that do not hold between a journal and the venue, each in a sentence."""
    if not journal_path.is_file():
        return ["there is no journal"]
    try:
        journal = Journal.read(journal_path)
    except PairityError as error:
        return [f"the journal cannot be used: {error.what}"]
    try:
        return [
            *_compare_positions(journal, seen),
            *_compare_orders(journal, seen),
            *_judge_pairs(journal, legs),
            *(f"{name} has no stop for its whole position" for name in seen.find_naked()),
            *_judge_stops(journal, seen),
            *_read_all_pages(journal),
        ]
    finally:
        journal.close()


def describe_end(journal_path: Path, seen: Look) -> State:
    """Return what two lives must have in common in the end; ids differ where an attempt was repeated."""
    journal = Journal.read(journal_path)
    try:
        return {
            "open": {
                record.position.position_id: [
                    (leg.asset, leg.side, leg.contracts, leg.entry_price, leg.stop_price, leg.target_price)
                    for leg in record.position.legs
                ]
                for record in journal.open_positions()
            },
            "closed": {
                record.position.position_id: dataclasses.astuple(record.close)
                for record in journal.closed_positions()
                if record.close is not None
            },
            "fills": sorted((fill.instrument, fill.side, fill.contracts, fill.price) for fill in journal.fills()),
            "trading": journal.states.all()[-1].state,
            "positions": seen.positions,
            "margins": seen.margins,
            "stops": [stop[1:] for stop in sorted(seen.stops, key=lambda stop: stop[1:])],
            "filled": sorted(order[1:4] for order in seen.orders if order.filled),
            "cash": seen.cash,
        }
    finally:
        journal.close()


def compare_ends(ended: State, undisturbed: State) -> list[str]:
    """Return where two ends differ."""
    return [
        f"{name} is {_leave_out(ended[name], undisturbed[name])}, undisturbed {_leave_out(expected, ended[name])}"
        for name, expected in undisturbed.items()
        if ended[name] != expected
    ]


def _leave_out(one: Any, other: Any) -> Any:
    """Return what one value has and the other has not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: value for name, value in one.items() if other.get(name) != value}
    if isinstance(one, list) and isinstance(other, list):
        return [item for item in one if item not in other]
    return one


def _compare_positions(journal: Journal, seen: Look) -> list[str]:
    ours: dict[str, Decimal] = defaultdict(Decimal)
    margins = {}
    for record in journal.open_positions():
        for leg in record.position.legs:
            ours[f"{leg.asset}-USDT-SWAP"] += leg.side.sign * leg.contracts
            margins[f"{leg.asset}-USDT-SWAP"] = record.position.margin_mode
    if margins != seen.margins:
        return [f"the journal holds in {margins}, the venue in {seen.margins}"]
    return [] if dict(ours) == seen.positions else [f"the journal holds {dict(ours)}, the venue {seen.positions}"]


def _compare_orders(journal: Journal, seen: Look) -> list[str]:
    """No order twice, none that was not intended, each with the size that was executed, and no more than decided."""
    broken = [f"order {name} rests" for name in seen.resting]
    names = [order.client_id for order in seen.orders if order.client_id.startswith("pairity")]
    broken += [f"{name} was placed {names.count(name)} times" for name in set(names) if names.count(name) > 1]
    filled: dict[tuple[str, int, Purpose], Decimal] = defaultdict(Decimal)
    for order in seen.orders:
        intent = journal.intent(order.client_id) if order.client_id.startswith("pairity") else None
        if intent is None:
            if order.client_id.startswith("pairity"):
                broken.append(f"the venue had {order.client_id}, which the journal does not know")
            continue
        filled[intent.position_id, intent.leg, intent.purpose] += order.filled
        if intent.filled_contracts != order.filled or not intent.state.final:
            broken.append(f"{order.client_id}: {order.filled} filled there, {intent.filled_contracts} {intent.state}")
    decided = {
        (entry.position_id, number): leg.contracts
        for record in journal.decisions()
        for entry in record.decision.entries
        for number, leg in enumerate(entry.legs)
    }
    for (position, number, purpose), size in filled.items():
        if purpose is not Purpose.PROTECT and size > decided[position, number]:
            broken.append(f"{position} leg {number}: {purpose} of {size}, decided {decided[position, number]}")
    broken += [
        f"{intent.client_order_id} is still {intent.state}"
        for intent in journal.unsettled()
        if intent.purpose is not Purpose.PROTECT
    ]
    return broken


def _judge_pairs(journal: Journal, legs: int) -> list[str]:
    """A pair has all of its legs: the process has looked, and its deadline is over or its legs are filled."""
    return [
        f"{record.position.position_id} has {len(record.position.legs)} of {legs} legs"
        for record in journal.open_positions()
        if len(record.position.legs) != legs
    ]


def _judge_stops(journal: Journal, seen: Look) -> list[str]:
    """One stop per open leg, known as resting; none besides."""
    broken = []
    open_legs = sum(len(record.position.legs) for record in journal.open_positions())
    if len(seen.stops) != open_legs:
        broken.append(f"{len(seen.stops)} stops rest for {open_legs} legs")
    for stop in seen.stops:
        intent = journal.intent(stop.client_id)
        if intent is None or intent.state is not IntentState.ACKNOWLEDGED:
            broken.append(f"stop {stop.client_id} rests, and the journal says {intent and intent.state}")
    resting = {stop.client_id for stop in seen.stops}
    broken += [
        f"the journal says that stop {intent.client_order_id} rests"
        for intent in journal.unsettled()
        if intent.purpose is Purpose.PROTECT and intent.client_order_id not in resting
    ]
    return broken


def _read_all_pages(journal: Journal) -> list[str]:
    """Read everything that the journal has."""
    readers: tuple[Callable[[], Any], ...] = (
        journal.decisions,
        journal.last_state,
        journal.first_bar,
        journal.unsettled,
        journal.filled_entries_without_position,
        journal.fills,
        journal.states.all,
        journal.equity.last,
        journal.models.shadows,
        journal.models.retrainings,
        lambda: [journal.run(record.run_id) for record in journal.decisions()],
        lambda: [journal.vectors(record.decision_id) for record in journal.decisions()],
        lambda: [
            journal.trace(intent.client_order_id)
            for record in (*journal.open_positions(), *journal.closed_positions())
            for intent in journal.intents(record.position.position_id)
        ],
    )
    broken = []
    for read in readers:
        try:
            read()
        except Exception as error:  # noqa: BLE001 - whatever cannot be read is named
            broken.append(f"a page cannot be read: {type(error).__name__}: {error}")
    return broken
