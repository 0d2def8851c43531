"""Messages of a WebSocket client, and the events that answer them (docs/okx-protocol.md, Connection)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paper_exchange.wire import Json

MAX_MESSAGE_BYTES = 64 * 1024
"""Longest message of a client, in bytes; a longer one ends the connection (close code 1009)."""
OPERATIONS = ("login", "subscribe", "unsubscribe")
TRADING = ("order", "batch-orders", "cancel-order", "batch-cancel-orders", "amend-order", "batch-amend-orders")
MASS_CANCEL = "mass-cancel"
"""The operation that cancels a market maker's orders in options."""
NO_DATA, BUFFER_FULL, TOO_MANY_CHANNELS = 4004, 4005, 4008
"""Close codes of the venue: thirty seconds of silence, a client that does not read, too many subscriptions."""
_MOST_ECHOED = 1_000
_LONGEST_ID = 32


class StreamRefusedError(Exception):
    """A refusal of one operation, or of one of its arguments: the venue's `code` and `msg`, and the operation's id."""

    def __init__(self, code: str, msg: str, request_id: str = "") -> None:
        super().__init__(f"{code}: {msg}")
        self.code, self.msg, self.request_id = code, msg, request_id


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a client: its name, its arguments, and the id that its answers repeat ("" without one).

    `expires`: the instant in ms from which it must not be carried out, "" without one.
    """

    name: str
    arguments: Sequence[Mapping[str, Json]]
    request_id: str
    expires: str = ""


def parse_operation(text: str) -> Operation:
    """Return the operation of a message; 60012 for what is none, 60019 for an unknown one, 60013 for its arguments."""
    invalid = StreamRefusedError("60012", f"Invalid request: {text[:_MOST_ECHOED]}")
    try:
        parsed = json.loads(text, parse_float=str, parse_int=str)
    except (RecursionError, ValueError):
        raise invalid from None
    if not isinstance(parsed, dict) or not isinstance(parsed.get("op"), str):
        raise invalid
    request_id = parsed.get("id", "")
    if not isinstance(request_id, str) or len(request_id) > _LONGEST_ID:
        raise invalid
    name, arguments = parsed["op"], parsed.get("args")
    if name not in (*OPERATIONS, *TRADING, MASS_CANCEL):
        raise StreamRefusedError("60019", f"Invalid op: {name[:_LONGEST_ID]}", request_id)
    if not isinstance(arguments, list) or not arguments or not all(isinstance(item, dict) for item in arguments):
        raise StreamRefusedError("60013", "Invalid args", request_id)
    expires = parsed.get("expTime") or ""
    return Operation(name, arguments, request_id, expires if isinstance(expires, str) else "error")


def make_event(event: str, connection_id: str, request_id: str = "", **fields: Json) -> dict[str, Json]:
    """Return an event: its name, what it says, and the connection that it is for."""
    named = {"id": request_id} if request_id else {}
    return {**named, "event": event, **fields, "connId": connection_id}


def make_error(refusal: StreamRefusedError, connection_id: str, request_id: str = "") -> dict[str, Json]:
    """Return the event of a refusal."""
    return make_event("error", connection_id, request_id, code=refusal.code, msg=refusal.msg)
