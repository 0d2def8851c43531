"""Findings of the doctor: what is wrong, how bad it is, how sure that is, and the command that mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pairity.redaction import redact

if TYPE_CHECKING:
    from serving.doctor.case import Case


class Severity(StrEnum):
    """How bad a finding is."""

    FAULT = "fault"
    """Trading cannot go on, or money is at risk, until somebody mends it."""
    WARNING = "warning"
    """Trading goes on, worse than it could, or a fault is near."""
    UNKNOWN = "unknown"
    """The check could not find out: it failed itself, or took too long."""
    HINT = "hint"
    """Nothing is wrong; something could be better."""

    @property
    def rank(self) -> int:
        """Place in a list that begins with the worst."""
        return tuple(Severity).index(self)


class Sure(StrEnum):
    """How sure a finding is."""

    CERTAIN = "certain"
    """It was read or measured; nothing else explains it."""
    LIKELY = "likely"
    """It follows from what was read, and something else could explain it."""
    UNKNOWN = "unknown"
    """Nobody can say from what was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `fact` is what was read or measured, `command` what mends it (a command, or words)."""

    severity: Severity
    what: str
    sure: Sure
    fact: str
    command: str

    def __post_init__(self) -> None:
        # Facts quote files, venues and other programs: a key may stand in any of them.
        for name in ("what", "fact", "command"):
            object.__setattr__(self, name, redact(getattr(self, name)))


TIMED = frozenset({"settings", "time"})
"""Needs of a check that compares ages."""


class SkippedError(Exception):
    """Raised by a check that has nothing to look at; the message says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name (for `--only`, `--skip` and programs), the group that it is shown in, and what it does.

    `run` returns nothing where all is well; it changes nothing. It is given up after `limit_s` seconds. `needs` names
    what it cannot do without (`settings`, `time`, `venue`, `account`): without it the check is skipped.
    """

    name: str
    group: str
    run: Callable[[Case], Iterable[Finding]]
    needs: frozenset[str] = frozenset({"settings"})
    limit_s: float = 60.0


def fault(what: str, fact: str, command: str, sure: Sure = Sure.CERTAIN) -> Finding:
    """Return a finding that stops trading, or puts money at risk."""
    return Finding(severity=Severity.FAULT, what=what, sure=sure, fact=fact, command=command)


def warning(what: str, fact: str, command: str, sure: Sure = Sure.CERTAIN) -> Finding:
    """Return a finding with which trading goes on."""
    return Finding(severity=Severity.WARNING, what=what, sure=sure, fact=fact, command=command)


def hint(what: str, fact: str, command: str, sure: Sure = Sure.LIKELY) -> Finding:
    """Return a finding of something that could be better."""
    return Finding(severity=Severity.HINT, what=what, sure=sure, fact=fact, command=command)


def unknown(what: str, fact: str, command: str) -> Finding:
    """Return the finding of a check that could not find out."""
    return Finding(severity=Severity.UNKNOWN, what=what, sure=Sure.UNKNOWN, fact=fact, command=command)
