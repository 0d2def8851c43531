"""Records of the journal for persons: events, requests that were carried out, messages to destinations of alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pairity.printable import printable_line
from pairity.redaction import redact


class Severity(StrEnum):
    """How much an event matters."""

    INFO = "info"
    """Something that is expected happened: a position was opened, a request was carried out."""
    WARNING = "warning"
    """Something failed, and the process goes on with it by itself."""
    CRITICAL = "critical"
    """A person has to look: until then the process does not, or cannot, do its work."""

    @property
    def rank(self) -> int:
        """Place in the order of severities, 0 for the mildest."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event that is not written yet: when (by the clock in use), of which kind, how severe, in words.

    `ref` is the id of what it is about. Of two events with the same `key` only the first one is written.
    """

    at: datetime
    kind: str
    severity: Severity
    text: str
    ref: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of the journal; ids grow. `written_at` is by this machine's clock.

    `acknowledged_by` says who has seen it (`command`, `page`, or the request that settled it); None while nobody has.
    """

    event_id: int
    at: datetime
    written_at: datetime
    kind: str
    severity: Severity
    text: str
    ref: str | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None


class Wish(StrEnum):
    """What a person asks the trading process for."""

    HALT = "halt"
    FLATTEN = "flatten"
    RESUME = "resume"
    GUARD = "guard"
    UNGUARD = "unguard"
    CLOSE = "close"
    ACKNOWLEDGE = "acknowledge"
    ACKNOWLEDGE_ALL = "acknowledge-all"


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedOut:
    """A request that was carried out: what, when it was made, why, `by` which way (`command` or `page`)."""

    request_id: str
    at: datetime
    wish: Wish
    reason: str
    by: str
    position_id: str | None
    event_id: int | None
    carried_out_at: datetime

    def explain(self) -> str:
        """Return what was asked, in one line for the journal."""
        return explain_request(self.wish, self.at, self.reason, position_id=self.position_id, event_id=self.event_id)


def explain_request(
    wish: Wish, at: datetime, reason: str, *, position_id: str | None = None, event_id: int | None = None
) -> str:
    """Return in one line what a person asked for, when and why."""
    target = f" {position_id}" if position_id else ""
    target += f" event {event_id}" if event_id is not None else ""
    said = f"a person asked to {wish.value.replace('-', ' ')}{target} at {at:%Y-%m-%d %H:%M:%S} UTC"
    return printable_line(redact(f"{said}: {reason}" if reason else said))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """A message for a destination: the receiver may recognise a repetition by its key.

    `subject` is what it is, and what it is about: `event:42`, `again:43`, `held:57`, `escalation:…`, `daily:…`.
    """

    destination: str
    idempotency_key: str
    queued_at: datetime
    severity: Severity
    subject: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message of the outbox: `state` is waiting, sent, or given up, with what the destination answered."""

    seq: int
    destination: str
    idempotency_key: str
    queued_at: datetime
    severity: Severity
    subject: str
    text: str
    state: str
    tries: int
    ended_at: datetime | None
    answer: str | None
