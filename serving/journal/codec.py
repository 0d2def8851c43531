"""Records to rows and back. Numbers travel as exact text."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping

from pairity.strategy.codec import decision_from_json, decision_to_json, position_from_json
from pairity.strategy.types import Side
from serving.journal.records import (
    Closing,
    DecisionRecord,
    FeatureVector,
    Fill,
    Intent,
    IntentState,
    OrderEvent,
    PositionRecord,
    Purpose,
    Run,
    Value,
)

_NON_FINITE = "non_finite"


def time_text(instant: datetime) -> str:
    """ISO text of an aware instant in UTC, always with microseconds, so that text order is time order."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def time_of(text: str) -> datetime:
    """The instant of `time_text`."""
    return datetime.fromisoformat(text)


def optional_text(value: Decimal | None) -> str | None:
    """Exact text of a decimal."""
    return None if value is None else str(value)


def values_to_json(values: Mapping[str, Value]) -> str:
    """Feature values as JSON; floats are written so that the same bits come back (NaN and infinities included)."""
    return json.dumps({name: _encode(name, value) for name, value in values.items()}, allow_nan=False)


def values_from_json(text: str) -> dict[str, Value]:
    """The values of `values_to_json`."""
    return {
        name: float(value[_NON_FINITE]) if isinstance(value, dict) else value
        for name, value in json.loads(text).items()
    }


def _encode(name: str, value: Value) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return {_NON_FINITE: repr(value)}
    if value is None or type(value) in (float, int, str, bool):
        return value
    raise TypeError(f"feature {name} is a {type(value).__name__}; the journal holds float, int, str, bool and None")


def run_row(run: Run) -> dict[str, Any]:
    """Row of a run."""
    return {**asdict(run), "started_at": time_text(run.started_at)}


def run_of(row: RowMapping) -> Run:
    """Run of a row."""
    return Run(**{**row, "started_at": time_of(row["started_at"])})


def decision_row(record: DecisionRecord) -> dict[str, Any]:
    """Row of a decision."""
    return {
        "decision_id": record.decision_id,
        "run_id": record.run_id,
        "decision_time": time_text(record.decision_time),
        "event_timestamp": time_text(record.event_timestamp),
        "action": record.decision.action.value,
        "reason": record.decision.reason,
        "feature_service": record.feature_service,
        "model_name": record.model_name,
        "model_version": record.model_version,
        "model_sha256": record.model_sha256,
        "decision_json": decision_to_json(record.decision),
    }


def decision_of(row: RowMapping) -> DecisionRecord:
    """Decision of a row."""
    plain = {field.name: row[field.name] for field in fields(DecisionRecord) if field.name in row}
    times = {name: time_of(row[name]) for name in ("decision_time", "event_timestamp")}
    return DecisionRecord(**{**plain, **times, "decision": decision_from_json(row["decision_json"])})


def vector_row(vector: FeatureVector) -> dict[str, Any]:
    """Row of a feature vector."""
    known = vector.event_timestamp
    return {
        "decision_id": vector.decision_id,
        "service": vector.service,
        "entity": vector.entity,
        "event_timestamp": None if known is None else time_text(known),
        "values_json": values_to_json(vector.values),
    }


def vector_of(row: RowMapping) -> FeatureVector:
    """Feature vector of a row."""
    at = row["event_timestamp"]
    return FeatureVector(row["decision_id"], row["service"], row["entity"], None if at is None else time_of(at),
                         values_from_json(row["values_json"]))  # fmt: skip


def intent_row(intent: Intent) -> dict[str, Any]:
    """Row of an intent."""
    numbers = ("contracts", "stop_price", "target_price", "filled_contracts", "average_price")
    row = {field.name: getattr(intent, field.name) for field in fields(Intent)}
    row |= {name: optional_text(row[name]) for name in numbers}
    row |= {name: row[name].value for name in ("purpose", "side", "state")}
    return {**row, "created_at": time_text(intent.created_at)}


def intent_of(row: RowMapping) -> Intent:
    """Intent of a row."""
    values: dict[str, Any] = dict(row)
    for name in ("contracts", "stop_price", "target_price", "filled_contracts", "average_price"):
        values[name] = None if row[name] is None else Decimal(row[name])
    values |= {"purpose": Purpose(row["purpose"]), "side": Side(row["side"]), "state": IntentState(row["state"])}
    return Intent(**{**values, "created_at": time_of(row["created_at"])})


def event_of(row: RowMapping) -> OrderEvent:
    """Event of a row."""
    return OrderEvent(row["client_order_id"], time_of(row["at"]), IntentState(row["state"]), row["answer"])


def fill_row(fill: Fill) -> dict[str, Any]:
    """Row of a fill."""
    row: dict[str, Any] = asdict(fill) | {"side": fill.side.value, "at": time_text(fill.at)}
    return row | {name: str(row[name]) for name in ("contracts", "price", "fee_usdt", "pnl_usdt")}


def fill_of(row: RowMapping) -> Fill:
    """Fill of a row."""
    numbers = {name: Decimal(row[name]) for name in ("contracts", "price", "fee_usdt", "pnl_usdt")}
    return Fill(**{**row, **numbers, "side": Side(row["side"]), "at": time_of(row["at"])})


def position_of(row: RowMapping) -> PositionRecord:
    """Position of a row."""
    position = position_from_json(row["position_json"])
    if row["closed_at"] is None:
        return PositionRecord(position)
    numbers = {
        name: None if row[name] is None else Decimal(row[name])
        for name in ("exit_price", "pnl_usdt", "fees_usdt", "funding_usdt")
    }
    return PositionRecord(position, Closing(time_of(row["closed_at"]), row["exit_reason"], **numbers))
