"""Outcome of a retraining: the line with which a job says it, and the event that a person is told of it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from serving.journal.event_records import Severity

_OUTCOME = re.compile(r"version \S{1,20} (?P<word>is champion|was not promoted): .*", re.DOTALL)


class Told(NamedTuple):
    """What is told of a retraining: how severe it is, in words."""

    severity: Severity
    text: str


def say_outcome(version: str, reason: str, *, promoted: bool) -> str:
    """Return the last line of a job that has trained: what became of its version.

    >>> say_outcome("7", "5 of 5 checks passed", promoted=True)
    'version 7 is champion: 5 of 5 checks passed'
    """
    return f"version {version} {'is champion' if promoted else 'was not promoted'}: {reason}"


def tell_end(due: datetime, exit_code: int | None, summary: str) -> Told:
    """Return what is told of a retraining that ended: `exit_code` and `summary` as the journal has them.

    A new champion is no more than information here: that it is taken over is an event of its own. Whatever leaves the
    model as it was is a warning, because nobody notices a model that grows old.
    """
    said = f"the retraining of {due:%Y-%m-%d %H:%M} UTC"
    if exit_code != 0:
        how = f"failed with exit code {exit_code}" if exit_code is not None else "did not come to its end"
        return Told(Severity.WARNING, f"{said} {how}: {summary}; the champion stays")
    found = _OUTCOME.fullmatch(summary)
    if found is None:
        return Told(Severity.WARNING, f"{said} ended without saying what became of it: {summary}")
    if found["word"] == "is champion":
        return Told(Severity.INFO, f"{said} made a new champion: {summary}")
    return Told(Severity.WARNING, f"{said} was refused by the gate: {summary}; the champion stays")


def tell_lost(due: datetime) -> Told:
    """Return what is told of a retraining of which the journal has the beginning alone."""
    text = f"the retraining of {due:%Y-%m-%d %H:%M} UTC ended with a process that was killed; the champion stays"
    return Told(Severity.WARNING, text)


def tell_left_out(due: datetime) -> Told:
    """Return what is told of a retraining that was due while the one before was running."""
    text = f"the retraining of {due:%Y-%m-%d %H:%M} UTC was left out: the one before is still running"
    return Told(Severity.WARNING, text)
