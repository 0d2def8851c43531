"""Planning of one destination's messages: what is told now, what counts as told, what waits to be summed up.

Pure: from a state, new events and an instant to messages and the next state. Rules, in this order:

* What is milder than the destination's severity is left out.
* An event whose like was told within the window is not told again. When the window is over, the newest one of those
  that were left out is told, with their count: what is true last is told last.
* Within an hour at most so many messages go out; a quarter of them is kept for critical events. What is beyond waits,
  and is told in one message as soon as there is room.

Two events are alike when kind, what they are about and severity are the same; critical ones also need the same text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from serving.journal.event_records import Event, Severity

_HOUR = timedelta(hours=1)
_MOST_SUBJECTS = 500


class Terms(BaseModel):
    """Terms of a destination. `window` is how long like events are told once; `per_hour` is at least 4."""

    model_config = ConfigDict(frozen=True)

    severity: Severity
    window: timedelta
    per_hour: int

    def allowed(self, severity: Severity) -> int:
        """Return how many messages of an hour a severity may use."""
        return self.per_hour if severity is Severity.CRITICAL else self.per_hour - (self.per_hour + 3) // 4


class Told(BaseModel):
    """What was told under a subject: when, and of what came since how many and the newest one's number and text."""

    at: datetime
    severity: Severity
    left_out: int = 0
    newest_id: int = 0
    newest_text: str = ""


class Held(BaseModel):
    """What waits for room: how many, how severe, and the worst one's newest text."""

    count: int = 0
    severity: Severity = Severity.INFO
    newest_id: int = 0
    newest_text: str = ""


class PlanState(BaseModel):
    """What planning goes on from: the newest event that was looked at, what was told, when, and what waits."""

    event_id: int = 0
    told: dict[str, Told] = {}
    sent_at: list[datetime] = []
    held: Held = Held()


class Message(BaseModel):
    """A message to queue; `key` names it among all of its destination: `event`, `again` or `held`, and a number.

    The number is that of the newest event that it is about.
    """

    key: str
    severity: Severity
    text: str


def find_subject(event: Event) -> str:
    """Return under which name an event counts as told."""
    text = event.text if event.severity is Severity.CRITICAL else ""
    return "|".join((event.kind, event.ref or "", event.severity, text))


def plan_messages(
    state: PlanState, events: Sequence[Event], now: datetime, terms: Terms
) -> tuple[PlanState, list[Message]]:
    """Return the state after the new events, oldest first, at an instant, and the messages that go out then."""
    plan = _Plan(state.model_copy(deep=True), now, terms)
    plan.sum_up_held()
    plan.close_windows()
    for event in events:
        if event.event_id > plan.state.event_id:
            plan.take(event)
            plan.state.event_id = event.event_id
    return plan.state, plan.messages


class _Plan:
    """One planning: the state that it changes, and the messages so far."""

    def __init__(self, state: PlanState, now: datetime, terms: Terms) -> None:
        self.state = state
        self.messages: list[Message] = []
        self._now = now
        self._terms = terms
        # What was told by a clock that was ahead counts as told now: it must not silence anybody until then.
        state.sent_at = [min(at, now) for at in state.sent_at if now - at < _HOUR]
        for told in state.told.values():
            told.at = min(told.at, now)

    def take(self, event: Event) -> None:
        """Tell an event, count it as told, or let it wait."""
        if event.severity.rank < self._terms.severity.rank:
            return
        subject = find_subject(event)
        known = self.state.told.get(subject)
        if known is not None:  # its window is not over: those that are were closed before
            known.left_out += 1
            known.newest_id, known.newest_text = event.event_id, event.text
            return
        if self._terms.window:
            self._make_room_for_subjects()
            self.state.told[subject] = Told(at=self._now, severity=event.severity)
        self._tell(f"event:{event.event_id}", event.severity, event.text, event.event_id)

    def close_windows(self) -> None:
        """Forget subjects whose window is over; tell the newest event of those that were left out."""
        over = [(name, told) for name, told in self.state.told.items() if self._now - told.at >= self._terms.window]
        for name, told in sorted(over, key=lambda item: item[1].newest_id):
            del self.state.told[name]
            if told.left_out:
                # A window of its own begins: who goes on and on is told once per window.
                self.state.told[name] = Told(at=self._now, severity=told.severity)
                times = "once more" if told.left_out == 1 else f"{told.left_out} times more"
                text = f"{told.newest_text} ({times} since {told.at:%H:%M} UTC)"
                self._tell(f"again:{told.newest_id}", told.severity, text, told.newest_id)

    def sum_up_held(self) -> None:
        """Tell in one message what waits, where there is room."""
        held = self.state.held
        if held.count and self._has_room(held.severity):
            self.state.held = Held()
            text = held.newest_text if held.count == 1 else f"{held.count} events, the worst: {held.newest_text}"
            self._send(f"held:{held.newest_id}", held.severity, text)

    def _tell(self, key: str, severity: Severity, text: str, event_id: int) -> None:
        if self._has_room(severity):
            self._send(key, severity, text)
            return
        held = self.state.held
        held.count += 1
        if severity.rank >= held.severity.rank:
            held.severity, held.newest_text = severity, text
        held.newest_id = event_id

    def _has_room(self, severity: Severity) -> bool:
        return len(self.state.sent_at) < self._terms.allowed(severity)

    def _send(self, key: str, severity: Severity, text: str) -> None:
        self.state.sent_at.append(self._now)
        self.messages.append(Message(key=key, severity=severity, text=text))

    def _make_room_for_subjects(self) -> None:
        """Forget the subject that was told longest ago where too many are known: a flood must not grow the state."""
        told = self.state.told
        if len(told) >= _MOST_SUBJECTS:
            del told[min(told, key=lambda name: told[name].at)]
