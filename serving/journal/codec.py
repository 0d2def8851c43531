"""Codec of the journal: records to rows and back. Numbers travel as exact text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping

from pairity.margin import MarginMode
from pairity.strategy.codec import decision_from_json, decision_to_json, position_from_json
from pairity.strategy.types import Side
from serving.journal.records import (
    Charge,
    DecisionRecord,
    FeatureVector,
    Fill,
    Intent,
    IntentState,
    OrderEvent,
    PositionClose,
    PositionRecord,
    Purpose,
    Run,
    StateRecord,
    TradingState,
    Value,
)

_NON_FINITE = "non_finite"
_PLAIN = frozenset({float, int, str, bool, type(None)})
# One encoder for all vectors: json.dumps would make one for each. A dict of plain values has no circles.
_JSON = json.JSONEncoder(allow_nan=False, check_circular=False)


def time_to_text(instant: datetime) -> str:
    """Return the ISO text of an aware instant in UTC, always with microseconds, so that text order is time order."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def time_from_text(text: str) -> datetime:
    """Return the instant of a text by `time_to_text`."""
    return datetime.fromisoformat(text)


def decimal_to_text(value: Decimal | None) -> str | None:
    """Return the exact text of a decimal; None stays None."""
    return None if value is None else str(value)


def values_to_json(values: Mapping[str, Value]) -> str:
    """Return feature values as JSON; floats are written so that the same bits come back (NaN and infinities included).

    Raises TypeError for a value that is no float, int, str, bool or None.
    """
    if not _PLAIN.issuperset(map(type, values.values())):
        name = next(name for name, value in values.items() if type(value) not in _PLAIN)
        kind = type(values[name]).__name__
        raise TypeError(f"feature {name} is a {kind}; the journal holds float, int, str, bool and None")
    try:
        return _JSON.encode(dict(values))
    except ValueError:  # JSON has no NaN and no infinities; None already means "not known".
        return _JSON.encode({name: _mark_non_finite(value) for name, value in values.items()})


def values_from_json(text: str) -> dict[str, Value]:
    """Return the feature values of a JSON text by `values_to_json`."""
    return {
        name: float(value[_NON_FINITE]) if isinstance(value, dict) else value
        for name, value in json.loads(text).items()
    }


def _mark_non_finite(value: Value) -> object:
    return {_NON_FINITE: repr(value)} if isinstance(value, float) and not math.isfinite(value) else value


def run_to_row(run: Run) -> dict[str, Any]:
    """Return the row of a run."""
    return {**asdict(run), "started_at": time_to_text(run.started_at)}


def run_from_row(row: RowMapping) -> Run:
    """Return the run of a row."""
    return Run(**{**row, "started_at": time_from_text(row["started_at"])})


def decision_to_row(record: DecisionRecord) -> dict[str, Any]:
    """Return the row of a decision."""
    return {
        "decision_id": record.decision_id,
        "run_id": record.run_id,
        "decision_time": time_to_text(record.decision_time),
        "event_timestamp": time_to_text(record.event_timestamp),
        "action": record.decision.action.value,
        "reason": record.decision.reason,
        "feature_service": record.feature_service,
        "model_name": record.model_name,
        "model_version": record.model_version,
        "model_sha256": record.model_sha256,
        "decision_json": decision_to_json(record.decision),
    }


def decision_from_row(row: RowMapping) -> DecisionRecord:
    """Return the decision of a row."""
    plain = {field.name: row[field.name] for field in fields(DecisionRecord) if field.name in row}
    times = {name: time_from_text(row[name]) for name in ("decision_time", "event_timestamp")}
    return DecisionRecord(**{**plain, **times, "decision": decision_from_json(row["decision_json"])})


def vector_to_row(vector: FeatureVector) -> dict[str, Any]:
    """Return the row of a feature vector."""
    at = vector.event_timestamp
    return {
        "decision_id": vector.decision_id,
        "service": vector.service,
        "entity": vector.entity,
        "event_timestamp": None if at is None else time_to_text(at),
        "values_json": values_to_json(vector.values),
    }


def vector_from_row(row: RowMapping) -> FeatureVector:
    """Return the feature vector of a row."""
    at = row["event_timestamp"]
    return FeatureVector(
        decision_id=row["decision_id"],
        service=row["service"],
        entity=row["entity"],
        event_timestamp=None if at is None else time_from_text(at),
        values=values_from_json(row["values_json"]),
    )


def intent_to_row(intent: Intent) -> dict[str, Any]:
    """Return the row of an intent, without its margin mode, which has a row of its own (`margin_to_row`)."""
    numbers = ("contracts", "stop_price", "target_price", "filled_contracts", "average_price")
    row = {field.name: getattr(intent, field.name) for field in fields(Intent) if field.name != "margin_mode"}
    row |= {name: decimal_to_text(row[name]) for name in numbers}
    row |= {name: row[name].value for name in ("purpose", "side", "state")}
    return {**row, "created_at": time_to_text(intent.created_at)}


def margin_to_row(intent: Intent) -> dict[str, Any] | None:
    """Return the row of an order's margin mode; None for one in cross margin."""
    if intent.margin_mode is MarginMode.CROSS:
        return None
    return {"client_order_id": intent.client_order_id, "margin_mode": intent.margin_mode.value}


def intent_from_row(row: RowMapping) -> Intent:
    """Return the intent of a row, with its `margin_mode` beside it where that is not cross (`select_intents`)."""
    values: dict[str, Any] = dict(row)
    values["margin_mode"] = MarginMode(values.get("margin_mode") or MarginMode.CROSS)
    for name in ("contracts", "stop_price", "target_price", "filled_contracts", "average_price"):
        values[name] = None if row[name] is None else Decimal(row[name])
    values |= {"purpose": Purpose(row["purpose"]), "side": Side(row["side"]), "state": IntentState(row["state"])}
    return Intent(**{**values, "created_at": time_from_text(row["created_at"])})


def event_to_row(entry: OrderEvent) -> dict[str, Any]:
    """Return the row of an order event, without the number that the table gives it."""
    return {
        "client_order_id": entry.client_order_id,
        "at": time_to_text(entry.at),
        "state": entry.state.value,
        "answer": entry.answer,
    }


def event_from_row(row: RowMapping) -> OrderEvent:
    """Return the order event of a row."""
    return OrderEvent(row["client_order_id"], time_from_text(row["at"]), IntentState(row["state"]), row["answer"])


def state_to_row(record: StateRecord) -> dict[str, Any]:
    """Return the row of a state, without the number that the table gives it."""
    return {
        "at": time_to_text(record.at),
        "state": record.state.value,
        "reason": record.reason,
        "by": record.by,
        "flatten": record.flatten,
    }


def state_from_row(row: RowMapping) -> StateRecord:
    """Return the state of a row."""
    return StateRecord(
        at=time_from_text(row["at"]),
        state=TradingState(row["state"]),
        reason=row["reason"],
        by=row["by"],
        flatten=row["flatten"],
    )


def fill_to_row(fill: Fill) -> dict[str, Any]:
    """Return the row of a fill."""
    row = {field.name: getattr(fill, field.name) for field in fields(Fill) if field.name != "charged"}
    row |= {"side": fill.side.value, "at": time_to_text(fill.at)}
    row |= {name: str(row[name]) for name in ("contracts", "price", "pnl_usdt")}
    return row | {"fee_usdt": decimal_to_text(fill.fee_usdt) or ""}


def fee_to_row(fill: Fill) -> dict[str, Any] | None:
    """Return the row of a fee in another currency than USDT; None for one in USDT."""
    if fill.charged is None:
        return None
    key = {name: getattr(fill, name) for name in ("instrument", "trade_id", "order_id")}
    return {**key, "amount": str(fill.charged.amount), "currency": fill.charged.currency}


def fill_from_row(row: Mapping[str, Any]) -> Fill:
    """Return the fill of a row, with the fee's `amount` and `currency` beside it where it was not USDT."""
    values: dict[str, Any] = dict(row)
    amount, currency = values.pop("amount", None), values.pop("currency", None)
    values |= {name: Decimal(row[name]) for name in ("contracts", "price", "pnl_usdt")}
    values["fee_usdt"] = Decimal(row["fee_usdt"]) if row["fee_usdt"] else None
    charged = None if amount is None or currency is None else Charge(Decimal(amount), currency)
    return Fill(**{**values, "side": Side(row["side"]), "at": time_from_text(row["at"]), "charged": charged})


def position_close_to_row(close: PositionClose) -> dict[str, Any]:
    """Return the columns that the end of a position fills in."""
    return {
        "closed_at": time_to_text(close.closed_at),
        "exit_reason": str(close.exit_reason),
        "exit_price": decimal_to_text(close.exit_price),
        "pnl_usdt": decimal_to_text(close.pnl_usdt),
        "fees_usdt": decimal_to_text(close.fees_usdt),
        "funding_usdt": decimal_to_text(close.funding_usdt),
    }


def position_from_row(row: RowMapping) -> PositionRecord:
    """Return the position of a row; `close` is None while it is open."""
    position = position_from_json(row["position_json"])
    if row["closed_at"] is None:
        return PositionRecord(position)
    numbers = {
        name: None if row[name] is None else Decimal(row[name])
        for name in ("exit_price", "pnl_usdt", "fees_usdt", "funding_usdt")
    }
    close = PositionClose(closed_at=time_from_text(row["closed_at"]), exit_reason=row["exit_reason"], **numbers)
    return PositionRecord(position, close)
