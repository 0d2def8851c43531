"""Check of the ledger of trials: whether it can be read and written, and is as it was written."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from pairity.errors import ConfigError
from serving.doctor.case import Case
from serving.doctor.findings import Check, Finding, Sure, fault, warning
from serving.doctor.home import judge_space
from training.trials.inspection import inspect_ledger
from training.trials.ledger import TrialLedger


def _check_trials(case: Case) -> Iterable[Finding]:
    """What was tried must be counted: without the ledger, training, leaderboard and backtests refuse to go on."""
    try:
        ledger = TrialLedger.of(case.known)
    except ConfigError as error:
        return [fault("the ledger of trials has no place", error.what, error.remedy)]
    findings = []
    for flaw in inspect_ledger(ledger):
        say = fault if flaw.stops else warning
        findings.append(say(flaw.what, flaw.fact, flaw.remedy, Sure.CERTAIN if flaw.certain else Sure.LIKELY))
    folder = ledger.folder
    if folder.is_dir():
        if not os.access(folder, os.W_OK | os.X_OK):
            what, fact = "the ledger of trials cannot be written", f"{folder} is not writable"
            findings.append(fault(what, fact, f"chmod u+rwx {shlex.quote(str(folder))}"))
        if not _lies_with(folder, case.layout.root):  # the check `disk` looks at the data directory's
            findings += judge_space(os.statvfs(folder), folder)
    elif folder.exists():
        what, fact = "the ledger of trials has no place", f"{folder} is no folder"
        findings.append(fault(what, fact, "move the file away, or name another folder: PAIRITY_TRIALS__FOLDER"))
    return findings


def _lies_with(folder: Path, root: Path) -> bool:
    """Return whether both are on one file system, or there is no data directory."""
    return not root.exists() or folder.stat().st_dev == root.stat().st_dev


CHECKS = (Check("trials", "model", _check_trials),)
