"""The handler that makes lines of records: JSON, in one form for all loggers, without secrets.

A line has `at` (UTC), `level`, `logger` and `text`; of a request to the venue also `request` (method, path, outcome,
ms), of a change of state `state`, of an error `error` (its class and traceback).
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

from pairity.redaction import redact
from serving.logs.writer import LogWriter
from venue.request_reports import VenueRequest

LONGEST_TEXT = 16_384
"""Signs of a text or a traceback; more is cut in the middle: what matters stands at its ends."""


class JsonHandler(logging.Handler):
    """Handler of all loggers of the process. What goes wrong in it is a lost line, never an error of the caller."""

    def __init__(self, writer: LogWriter, level: int) -> None:
        super().__init__(level)
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the record's line to the writer."""
        try:
            self._writer.put(format_record(record))
        except Exception:  # noqa: BLE001 - a record that nobody can format (its arguments do not fit, its text raises)
            self._writer.put(format_broken(record))


def format_record(record: logging.LogRecord) -> bytes:
    """Return the line of a record. Raises whatever the record's arguments raise."""
    row: dict[str, Any] = {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "text": _clean(record.getMessage()),
    }
    request = record.__dict__.get("request")
    if isinstance(request, VenueRequest):
        row["request"] = {
            "method": request.method,
            "path": _clean(request.path),
            "outcome": str(request.outcome),
            "ms": round(request.seconds * 1000, 1),
        }
    if isinstance(state := record.__dict__.get("state"), str):
        row["state"] = state
    if error := _describe_error(record):
        row["error"] = error
    # Once more as a whole: a secret may stand in the name of a logger, or come about by what JSON makes of a text.
    return redact(json.dumps(row)).encode() + b"\n"


def format_broken(record: logging.LogRecord) -> bytes:
    """Return a line that says where a record came from that cannot be formatted."""
    row = {
        "at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "level": "error",
        "logger": "pairity.log",
        "text": f"a record of {record.module}:{record.lineno} cannot be written",
    }
    return json.dumps(row).encode() + b"\n"


def _describe_error(record: logging.LogRecord) -> dict[str, str] | None:
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        return {"kind": type(error).__name__, "traceback": _clean("".join(traceback.format_exception(error)))}
    if record.exc_text:
        return {"kind": "unknown", "traceback": _clean(record.exc_text)}
    return None


def _clean(text: str) -> str:
    """Return the text without secrets, and not longer than a line may be."""
    clean = redact(text)
    if len(clean) <= LONGEST_TEXT:
        return clean
    half = LONGEST_TEXT // 2
    return f"{clean[:half]} … {len(clean) - 2 * half} signs left out … {clean[-half:]}"
