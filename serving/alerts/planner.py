"""The planner: from the journal's events to messages in its outbox, each together with the state that it leads to.

A process that is killed anywhere here finds either both or neither: no event is told twice, and none is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from pairity.alert_settings import AlertSettings, DestinationSettings
from pairity.redaction import redact
from pairity.schedule import parse_time_of_day
from serving.alerts.escalation import EscalationState, plan_escalation
from serving.alerts.planning import PlanState, Terms, plan_messages
from serving.journal import Journal
from serving.journal.event_records import Event, NewDelivery, Severity

DELIVERY = "delivery"
"""Kind of the events that say that a destination cannot be reached; `ref` is its name."""
_ESCALATION = "escalation"
_DAILY = "daily"
_OLDEST = timedelta(days=1)
"""Events that are older are not told any more: the process was down, or the destination is new."""
_DAILY_UNTIL = timedelta(hours=6)
"""A process that starts so much later than the daily message was due lets it be."""


class Planner:
    """Planner of all destinations of one journal."""

    def __init__(
        self, journal: Journal, settings: AlertSettings, describe_day: Callable[[], tuple[Severity, str]]
    ) -> None:
        self._journal = journal
        self._settings = settings
        self._describe_day = describe_day
        self._states: dict[str, PlanState] = {}
        self._escalation: EscalationState | None = None
        self._said_on: str | None = None

    def plan(self, now: datetime) -> None:
        """Queue everything that is due at an instant of this machine's clock. Raises JournalError."""
        for destination in self._settings.destinations:
            self._plan_destination(destination, now)
        if self._settings.escalate_to:
            self._plan_escalation(now)
        if self._settings.daily_at is not None:
            self._plan_daily(now)

    def _plan_destination(self, destination: DestinationSettings, now: datetime) -> None:
        name = f"destination:{destination.name}"
        state = self._states.get(name)
        if state is None:
            text = self._journal.deliveries.state(name)
            # A destination that is new begins with what happens from now on.
            first = PlanState(event_id=self._journal.event_log.newest_id())
            state = first if text is None else PlanState.model_validate_json(text)
            if text is None:
                self._journal.deliveries.plan([], {name: state.model_dump_json()})
            self._states[name] = state
        new = self._journal.event_log.after(state.event_id)
        told = [event for event in new if now - event.written_at < _OLDEST and not _is_about(event, destination)]
        planned, messages = plan_messages(state, told, now, self._make_terms(destination))
        if new:
            planned.event_id = new[-1].event_id
        if planned == state:
            return
        queued = [
            self._make_delivery(destination.name, message.key, now, message.severity, message.text)
            for message in messages
        ]
        self._journal.deliveries.plan(queued, {name: planned.model_dump_json()})
        self._states[name] = planned

    def _plan_escalation(self, now: datetime) -> None:
        if self._escalation is None:
            text = self._journal.deliveries.state(_ESCALATION)
            self._escalation = EscalationState() if text is None else EscalationState.model_validate_json(text)
        unseen = self._journal.event_log.unacknowledged(Severity.CRITICAL)
        after = timedelta(minutes=self._settings.escalate_after_minutes)
        planned, said = plan_escalation(self._escalation, unseen, now, after)
        if planned == self._escalation:
            return
        key = f"{_ESCALATION}:{now:%Y%m%dT%H%M%S}"
        queued = self._make_for(self._settings.escalate_to, key, now, Severity.CRITICAL, said)
        self._journal.deliveries.plan(queued, {_ESCALATION: planned.model_dump_json()})
        self._escalation = planned

    def _plan_daily(self, now: datetime) -> None:
        assert self._settings.daily_at is not None
        at = parse_time_of_day(self._settings.daily_at)
        due = datetime.combine(now.date(), at, tzinfo=UTC)
        day = f"{due:%Y-%m-%d}"
        if now < due or day == self._said_on:
            return
        if self._journal.deliveries.state(_DAILY) != day:
            names = [destination.name for destination in self._settings.destinations if destination.daily]
            severity, said = self._describe_day() if now - due < _DAILY_UNTIL else (Severity.INFO, None)
            queued = self._make_for(names, f"{_DAILY}:{day}", now, severity, said)
            self._journal.deliveries.plan(queued, {_DAILY: day})
        self._said_on = day

    def _make_for(
        self, names: Sequence[str], key: str, now: datetime, severity: Severity, text: str | None
    ) -> list[NewDelivery]:
        """Return the same message for several destinations; none where there is nothing to say."""
        return [] if text is None else [self._make_delivery(name, key, now, severity, text) for name in names]

    def _make_delivery(self, name: str, key: str, now: datetime, severity: Severity, text: str) -> NewDelivery:
        return NewDelivery(
            destination=name,
            idempotency_key=f"{self._journal.scope}-{name}-{key}",
            queued_at=now,
            severity=severity,
            subject=key,
            text=redact(text),
        )

    def _make_terms(self, destination: DestinationSettings) -> Terms:
        return Terms(
            severity=Severity(destination.severity),
            window=timedelta(minutes=self._settings.repeat_minutes),
            per_hour=self._settings.messages_per_hour,
        )


def _is_about(event: Event, destination: DestinationSettings) -> bool:
    """Return whether an event says that this very destination cannot be reached: it would be told of itself."""
    return event.kind == DELIVERY and event.ref == destination.name
