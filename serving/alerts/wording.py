"""Words and severities of the events that are derived from the journal."""

from __future__ import annotations

from decimal import Decimal

from pairity.number_formats import format_price
from pairity.printable import printable_line
from pairity.redaction import redact
from pairity.strategy.types import PairPosition
from pairity.universe import inst_id
from serving.journal import Intent, IntentState, OrderEvent, PositionRecord, StateRecord, TradingState
from serving.journal.event_records import NewEvent, Severity
from serving.supervisor import PERSON, START

CLOSED = "closed:"
"""Beginning of the key of the event that says that a position ended; its id follows."""
_SEVERITY_OF_STATE = {
    TradingState.TRADING: Severity.INFO,
    TradingState.GUARDING: Severity.WARNING,
    TradingState.HALTED: Severity.CRITICAL,
}
_SEVERITY_OF_EXIT = {
    "liquidation": Severity.CRITICAL,
    **dict.fromkeys(("manual", "unknown", "unprotected", "leg_risk", "other_leg", "data_missing"), Severity.WARNING),
}
_LONGEST_ANSWER = 200


def describe_state(seq: int, record: StateRecord) -> NewEvent:
    """Return the event of a state that was entered; its `ref` is the state, or the cause of guarding.

    What a person asked for is no more than a warning: that person knows.
    """
    severity, ref = _SEVERITY_OF_STATE[record.state], str(record.state)
    if record.state is TradingState.GUARDING:
        ref = record.reason.partition(":")[0]
        severity = Severity.INFO if ref == PERSON else severity
    elif record.by == "person":
        severity = min(severity, Severity.WARNING, key=lambda item: item.rank)
    text = record.reason if record.reason == START else f"{record.state}: {record.reason}"
    return NewEvent(at=record.at, kind="state", severity=severity, text=_line(text), ref=ref, key=f"state:{seq}")


def describe_order(seq: int, event: OrderEvent, intent: Intent) -> NewEvent:
    """Return the event of an order that was refused, or of which nobody knows the outcome."""
    outcome = "was refused" if event.state is IntentState.REJECTED else "has an unknown outcome"
    said = f": {event.answer[:_LONGEST_ANSWER]}" if event.answer else ""
    text = f"the order to {intent.side} {intent.contracts} {intent.instrument} ({intent.purpose}) {outcome}{said}"
    return NewEvent(
        at=event.at,
        kind="order",
        severity=Severity.WARNING,
        text=_line(text),
        ref=event.client_order_id,
        key=f"order:{seq}",
    )


def describe_opened(position: PairPosition) -> NewEvent:
    """Return the event of a position that was opened."""
    legs = ", ".join(
        f"{leg.side} {leg.contracts} {inst_id(leg.asset)} at {format_price(leg.entry_price)}" for leg in position.legs
    )
    return NewEvent(
        at=position.opened_at,
        kind="position.opened",
        severity=Severity.INFO,
        text=_line(f"opened {position.pair.pair_id}: {legs}"),
        ref=position.position_id,
        key=f"opened:{position.position_id}",
    )


def describe_closed(record: PositionRecord) -> NewEvent:
    """Return the event of a position that ended, with its reason and result."""
    close, position = record.close, record.position
    assert close is not None, "only positions that ended are described so"
    text = f"closed {position.pair.pair_id} ({close.exit_reason}): {_say_result(close.net_usdt)}"
    return NewEvent(
        at=close.closed_at,
        kind="position.closed",
        severity=_SEVERITY_OF_EXIT.get(str(close.exit_reason), Severity.INFO),
        text=_line(text),
        ref=position.position_id,
        key=f"{CLOSED}{position.position_id}",
    )


def _say_result(net_usdt: Decimal | None) -> str:
    return "its result is not known yet" if net_usdt is None else f"{net_usdt:+.2f} USDT after fees and funding"


def _line(text: str) -> str:
    return printable_line(redact(text))
