"""Check of the ledger of trials, which belongs to training: whoever opens the case brings what looks at it."""

from __future__ import annotations

from collections.abc import Iterable

from serving.doctor.case import Case
from serving.doctor.findings import Check, Finding, SkippedError


def _check_trials(case: Case) -> Iterable[Finding]:
    """What was tried must be counted: without the ledger, training, leaderboard and backtests refuse to go on."""
    if case.find_trial_flaws is None:
        raise SkippedError("nothing here knows the ledger of trials")
    return case.find_trial_flaws(case.known)


CHECKS = (Check("trials", "model", _check_trials),)
