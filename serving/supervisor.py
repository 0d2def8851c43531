"""The supervisor: the state of the trading process, why it is in it, and since when.

Guarding has causes, each under a name of its own: `venue` (it does not answer), `doubt` (one fact without a second),
`exits` (the venue does not take them), `data`, … A cause goes when what failed has succeeded, and with the last one the
process trades again. Halted stays until a person lifts it, over restarts too.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime

from pairity.errors import JournalError
from serving.error_states import choose_state, describe, may_be_survived
from serving.journal import Journal, StateRecord, TradingState
from serving.status import Status

_LOG = logging.getLogger("pairity.state")
START = "the process started"
PERSON = "person"
"""Cause of guarding that a person asked for, and that only a person lifts: over restarts too."""
PARITY = "parity"
"""Cause of guarding after a parity check with too many differences: a clean one ends it, or a person does."""


def _take_no_note(_cause: str, _error: BaseException) -> None:
    """Do nothing."""


class Supervisor:
    """State of the process. Every change is journalled, shown in the status and said.

    `now` is the clock in use, `say` tells a person, `noted` hears of every error that is taken for a cause. A change
    that the journal cannot take holds all the same, and is written as soon as it can be.
    """

    def __init__(
        self,
        journal: Journal,
        status: Status,
        now: Callable[[], datetime],
        say: Callable[[str], None],
        noted: Callable[[str, BaseException], None] = _take_no_note,
    ) -> None:
        self._journal = journal
        self._status = status
        self._now = now
        self._say = say
        self._causes: dict[str, str] = {}
        self._unwritten: deque[StateRecord] = deque()
        self._tried = False
        self._noted = noted
        last = journal.states.newest()
        halted = last is not None and last.state is TradingState.HALTED
        self._record = last if halted and last is not None else StateRecord(now(), TradingState.TRADING, START)
        if halted:
            self._show()
        else:
            self._enter(TradingState.TRADING, START)
        if (standing := journal.requests.standing_guard()) is not None:
            self.guard(PERSON, standing.explain())

    @property
    def state(self) -> TradingState:
        """The state."""
        return self._record.state

    @property
    def flattens(self) -> bool:
        """Whether the halt asks for everything to be closed."""
        return self.state is TradingState.HALTED and self._record.flatten

    @property
    def causes(self) -> dict[str, str]:
        """Causes of guarding by name, with their reasons; kept while halted too."""
        return dict(self._causes)

    def explain_refusal(self) -> str | None:
        """Return why nothing may be opened now; None while trading."""
        return None if self.state is TradingState.TRADING else f"{self.state}: {self._record.reason}"

    def guard(self, cause: str, reason: str) -> None:
        """Note a cause of guarding; a halt stays a halt."""
        new = cause not in self._causes
        self._causes[cause] = reason
        if self.state is TradingState.HALTED:
            if new:
                self._say(f"while halted: {cause}: {reason}")
            self._show()
        elif new or self.state is TradingState.TRADING:
            self._enter(TradingState.GUARDING, f"{cause}: {reason}")
        else:
            self._show()

    def clear(self, cause: str) -> None:
        """Forget a cause: what failed has succeeded. Without any left, trading goes on."""
        if self._causes.pop(cause, None) is None:
            return
        if self.state is TradingState.GUARDING:
            if self._causes:
                name, reason = next(iter(self._causes.items()))
                self._enter(TradingState.GUARDING, f"{name}: {reason}")
            else:
                self._enter(TradingState.TRADING, f"{cause} is over")
        self._show()

    def halt(self, reason: str, *, by: str = "process", flatten: bool = False) -> None:
        """Halt until a person lifts it. A second halt adds `flatten`, and keeps the first reason in the journal."""
        if self.state is TradingState.HALTED and self._record.reason == reason and (self.flattens or not flatten):
            return
        self._enter(TradingState.HALTED, reason, by=by, flatten=flatten or self.flattens)

    def resume(self, reason: str) -> None:
        """Lift a halt, by a person's word; causes of guarding that are still there keep the process guarding."""
        if self.state is not TradingState.HALTED:
            return
        state = TradingState.GUARDING if self._causes else TradingState.TRADING
        self._enter(state, reason, by="person")

    def note(self, cause: str, error: BaseException) -> None:
        """Take an error for a cause of guarding, or of a halt."""
        self._noted(cause, error)
        if choose_state(error) is TradingState.HALTED:
            self.halt(f"{cause}: {describe(error)}")
        else:
            self.guard(cause, describe(error))

    @contextlib.contextmanager
    def covering(self, cause: str) -> Iterator[None]:
        """Run a block: an error in it becomes a cause, and is not raised; a success clears the cause."""
        try:
            yield
        except BaseException as error:
            if not may_be_survived(error):
                raise
            self.note(cause, error)
        else:
            self.clear(cause)

    def has(self, cause: str) -> bool:
        """Return whether a cause is there."""
        return cause in self._causes

    def write_pending(self) -> None:
        """Journal the changes that it could not take before; what it still does not take waits on."""
        if self._write_waiting():
            self.clear("journal")

    def _enter(self, state: TradingState, reason: str, *, by: str = "process", flatten: bool = False) -> None:
        changed = state is not self.state
        self._record = StateRecord(self._now(), state, reason, by, flatten)
        level = logging.INFO if state is TradingState.TRADING else logging.WARNING
        _LOG.log(level, "%s: %s", state, reason, extra={"state": str(state)})
        if not self._write(self._record) and state is TradingState.TRADING:
            # What cannot be written down is not traded on.
            self._record = StateRecord(self._now(), TradingState.GUARDING, f"journal: {self._causes['journal']}")
        if reason is not START:
            self._say(f"{'now' if changed else 'still'} {state}: {reason}")
        self._show()

    def _write(self, record: StateRecord) -> bool:
        self._unwritten.append(record)
        return self._write_waiting()

    def _write_waiting(self) -> bool:
        """Write what waits, oldest first: the last row is what the next process begins with."""
        while self._unwritten:
            try:
                # The journal may have taken it although it could not say so.
                self._journal.states.record(self._unwritten[0], tried=self._tried)
            except JournalError as error:
                self._tried = True
                self._causes["journal"] = error.what
                return False
            self._unwritten.popleft()
            self._tried = False
        return True

    def _show(self) -> None:
        self._status.trading = str(self.state)
        self._status.trading_reason = self._record.reason
        self._status.trading_since = self._record.at.isoformat()
        self._status.causes = self.causes
