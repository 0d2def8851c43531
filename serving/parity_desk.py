"""Verdicts of parity in the trading process: into the journal, to a person, and a cause of guarding above the limit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pairity.durable import remove_flushed
from pairity.layout import Layout
from pairity.settings import Settings
from serving.alerts.events import Events
from serving.error_states import describe, may_be_survived
from serving.journal import Journal
from serving.journal.event_records import Severity, Wish
from serving.journal.verdict_records import ParityVerdict, find_standing
from serving.parity_verdicts import list_waiting, read_waiting
from serving.sightings import ParitySighting, Sightings
from serving.supervisor import PARITY, Supervisor


class ParityDesk:
    """Desk at which the watch takes up verdicts, whoever made them.

    A verdict with more differences than `parity.most_different` is a cause of guarding until a later check is clean, or
    until a person says that it need not be any longer (`pairity unguard`); over restarts too.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        supervisor: Supervisor,
        events: Events,
        sightings: Sightings,
        now: Callable[[], datetime],
    ) -> None:
        self._layout = Layout.of(settings)
        self._most = settings.parity.most_different
        self._journal = journal
        self._supervisor = supervisor
        self._events = events
        self._sightings = sightings
        self._now = now
        self._unreadable: set[str] = set()
        with supervisor.covering("parity verdicts"):
            self._follow()

    def take_up(self) -> None:
        """Take the verdicts that wait into the journal; a file that is none stays, and a person is told once.

        Raises JournalError: what the journal does not take waits on.
        """
        taken = False
        for path in list_waiting(self._layout):
            try:
                verdict = read_waiting(path)
            except FileNotFoundError:
                continue
            except BaseException as error:  # as in `Supervisor.covering`: one file must not hold up the others
                if not may_be_survived(error):
                    raise
                if path.name not in self._unreadable:
                    self._events.record("parity", Severity.WARNING, f"a verdict cannot be read: {describe(error)}")
                self._unreadable.add(path.name)
                continue
            self._journal.verdicts.record(verdict, self._now())
            if verdict.different:
                self._tell(verdict)
            remove_flushed([path])
            taken = True
        if taken:
            self._follow()

    def _tell(self, verdict: ParityVerdict) -> None:
        severity = Severity.CRITICAL if verdict.different > self._most else Severity.WARNING
        text = f"{verdict.explain()}; nothing is promoted meanwhile"
        self._events.record("parity", severity, text, verdict.verdict_id, key=f"parity:{verdict.verdict_id}")

    def _follow(self) -> None:
        """Make the standing verdict a cause of guarding, or clear that cause."""
        verdicts = self._journal.verdicts.all()
        standing = find_standing(verdicts)
        if verdicts:
            self._sightings.parity = ParitySighting.of(verdicts[-1], blocks=standing is not None)
        if standing is None or standing.different <= self._most or self._is_accepted(standing):
            self._supervisor.clear(PARITY)
            return
        allowed = f"parity.most_different allows {self._most}"
        self._supervisor.guard(
            PARITY,
            f"{standing.explain()}; {allowed}. It ends with a clean pairity parity of later decisions, or with "
            "pairity unguard",
        )

    def _is_accepted(self, verdict: ParityVerdict) -> bool:
        """Return whether a person has lifted the guard since the verdict was recorded."""
        at = verdict.recorded_at
        asked = self._journal.requests.all()
        return at is not None and any(one.wish is Wish.UNGUARD and one.carried_out_at > at for one in asked)
