"""Escalation: critical events that nobody acknowledges are told to further destinations, again and again, more rarely.

Pure: from a state, the events that nobody has seen and an instant to a message, if one is due, and the next state.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel

from serving.journal.event_records import Event

_LONGEST = timedelta(hours=8)
_AT_LEAST = timedelta(minutes=5)
"""Least time between two escalations, where `after` is not shorter still: many events at once are told at once."""
_MOST_DOUBLINGS = 16


class EscalationState(BaseModel):
    """How often in a row was escalated, when last, and up to which event."""

    times: int = 0
    last_at: datetime | None = None
    event_id: int = 0


def plan_escalation(
    state: EscalationState, unseen: Sequence[Event], now: datetime, after: timedelta
) -> tuple[EscalationState, str | None]:
    """Return the next state, and the text to send if an escalation is due.

    One is due `after` an event was written, five minutes after the last one at the earliest; and while any is unseen it
    is repeated, each time after twice as long, up to eight hours. Without unseen events everything begins anew.
    A clock that was ahead keeps nothing back: what was told in the future was told now, and an event that was written
    further ahead than `after` is due.
    """
    if not unseen:
        return EscalationState(event_id=state.event_id), None
    if state.last_at is not None and state.last_at > now:
        state = state.model_copy(update={"last_at": now})
    ripe = [event for event in unseen if not -after < now - event.written_at < after]
    if not ripe:
        return state, None
    newest = max(event.event_id for event in ripe)
    if state.last_at is None:
        times = 1
    elif now - state.last_at < min(after, _AT_LEAST):
        return state, None
    elif newest > state.event_id:
        times = 1
    elif now - state.last_at >= _find_wait(after, state.times):
        times = state.times + 1
    else:
        return state, None
    oldest = min(ripe, key=lambda event: event.event_id)
    minutes = max(0, int((now - oldest.written_at).total_seconds() // 60))
    count = "1 critical event" if len(ripe) == 1 else f"{len(ripe)} critical events"
    text = f"nobody has acknowledged {count} for {minutes} min; #{oldest.event_id}: {oldest.text}"
    if len(ripe) > 1:
        last = max(ripe, key=lambda event: event.event_id)
        text += f"; newest #{last.event_id}: {last.text}"
    return EscalationState(times=times, last_at=now, event_id=max(newest, state.event_id)), text


def _find_wait(after: timedelta, times: int) -> timedelta:
    return min(_LONGEST, after * 2 ** min(times, _MOST_DOUBLINGS)) if after < _LONGEST else after
