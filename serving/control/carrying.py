"""Carrying out of requests: what a person asked for takes effect, is journalled, and then leaves the queue.

Each is carried out once and in order. What the journal does not take holds in memory all the same, and is written as
soon as it can be; until then the request stays in the queue, so that a process that is killed finds it again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pairity.layout import Layout
from serving.control.queue import Request, RequestQueue, read_request
from serving.error_states import may_be_survived
from serving.journal import TradingState
from serving.journal.event_records import CarriedOut, NewEvent, Severity, Wish, explain_request
from serving.parts import GuardParts
from serving.rivals import RivalWatch
from serving.supervisor import PARITY, PERSON

CLOSED_BY_PERSON = "person"
"""Reason of the exit of one position that a person asked for."""


class RequestDesk:
    """Desk at which the watch takes up requests. `forget_refusals` lets exits that the venue refused be tried at once.

    A guard and the closing of a position hold on after a restart: they are read from the journal.
    """

    def __init__(self, parts: GuardParts, rivals: RivalWatch, forget_refusals: Callable[[], None]) -> None:
        self.queue = RequestQueue(Layout.of(parts.settings))
        self._journal = parts.journal
        self._clock = parts.clock
        self._supervisor = parts.supervisor
        self._rivals = rivals
        self._forget_refusals = forget_refusals
        self._done: dict[str, str] = {}

    def carry_out(self) -> None:
        """Carry out every request that waits, oldest first.

        Raises the first error of one that cannot be read or journalled, after all others were carried out.
        """
        failure: BaseException | None = None
        for path in self.queue.list_waiting():
            try:
                self._carry_out(path)
            except FileNotFoundError:
                continue  # removed by hand meanwhile
            except BaseException as error:  # as in `Supervisor.covering`: a halt must not wait for what is before it
                if not may_be_survived(error):
                    raise
                failure = failure or error
        self.queue.mark_seen()
        if failure is not None:
            raise failure

    def _carry_out(self, path: Path) -> None:
        request = read_request(path)
        name = request.request_id
        if name not in self._done:
            if self._journal.requests.get(name) is not None:
                self.queue.drop(path)
                return
            self._done[name] = self._take_effect(request)
        if self._supervisor.has("journal"):
            return  # the state that it led to is not written yet
        self._journal.requests.record(*self._make_records(request, self._done[name]))
        if request.wish is Wish.RESUME:  # whoever resumes has seen what was halted for
            halts = self._journal.event_log.page(kind="state", acknowledged=False, limit=500)
            self._journal.event_log.acknowledge([event.event_id for event in halts], self._clock.now(), request.by)
        self.queue.drop(path)
        del self._done[name]

    def _take_effect(self, request: Request) -> str:
        """Do what is asked; return what there is to say of it besides, empty where it is plain."""
        reason = _explain(request)
        match request.wish:
            case Wish.HALT | Wish.FLATTEN:
                self._supervisor.halt(reason, by="person", flatten=request.wish is Wish.FLATTEN)
            case Wish.RESUME:
                was = self._supervisor.state
                self._rivals.forgive()
                self._supervisor.resume(reason)
                return "" if was is TradingState.HALTED else "nothing was halted"
            case Wish.GUARD:
                self._supervisor.guard(PERSON, reason)
            case Wish.UNGUARD:
                was_guarded, differs = self._supervisor.has(PERSON), self._supervisor.has(PARITY)
                self._supervisor.clear(PERSON)
                self._supervisor.clear(PARITY)
                if differs:
                    return "values that were decided on still differ from the offline store's"
                return "" if was_guarded else "no person had asked for a guard"
            case Wish.CLOSE:
                return self._check_position(request.position_id)
            case Wish.ACKNOWLEDGE | Wish.ACKNOWLEDGE_ALL:
                return self._acknowledge(request)
        return ""

    def _check_position(self, position_id: str | None) -> str:
        """Say why a position is not closed; the watch closes those that the journal says are asked for."""
        held = None if position_id is None else self._journal.position(position_id)
        if held is None:
            return "there is no such position"
        if held.close is not None:
            return f"it is closed already ({held.close.exit_reason})"
        self._forget_refusals()
        return ""

    def _acknowledge(self, request: Request) -> str:
        log, now = self._journal.event_log, self._clock.now()
        if request.wish is Wish.ACKNOWLEDGE:
            wanted = [] if request.event_id is None else [request.event_id]
            count = log.acknowledge(wanted, now, request.by)
        else:  # not what happened while the request waited: nobody has seen that
            count = log.acknowledge(None, now, request.by, written_until=request.at)
        return f"{count} acknowledged" if count else "there was nothing to acknowledge"

    def _make_records(self, request: Request, outcome: str) -> tuple[CarriedOut, NewEvent]:
        now = self._clock.now()
        carried_out = CarriedOut(
            request_id=request.request_id,
            at=request.at,
            wish=request.wish,
            reason=request.reason,
            by=request.by,
            position_id=request.position_id,
            event_id=request.event_id,
            carried_out_at=now,
        )
        text = f"{_explain(request)} ({request.by}{'; ' if outcome else ''}{outcome})"
        event = NewEvent(
            at=now,
            kind="request",
            severity=Severity.INFO,
            text=text,
            ref=request.request_id,
            key=f"request:{request.request_id}",
        )
        return carried_out, event


def _explain(request: Request) -> str:
    return explain_request(
        request.wish, request.at, request.reason, position_id=request.position_id, event_id=request.event_id
    )
