"""What the doctor finds in the ledger of trials: it belongs to training, which the trading process does not know."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pairity.errors import ConfigError
from pairity.layout import Layout

if TYPE_CHECKING:
    from pairity.settings import Settings
    from serving.doctor.findings import Finding


def find_trial_flaws(settings: Settings) -> list[Finding]:
    """Return what is wrong with the ledger, its folder and its disk; without it trainings refuse to go on."""
    from serving.doctor.findings import Sure, fault, warning
    from training.trials.inspection import inspect_ledger
    from training.trials.ledger import TrialLedger

    try:
        ledger = TrialLedger.of(settings)
    except ConfigError as error:
        return [fault("the ledger of trials has no place", error.what, error.remedy)]
    folder = ledger.folder
    if folder.exists() and not folder.is_dir():
        remedy = "move the file away, or name another folder: PAIRITY_TRIALS__FOLDER"
        return [fault("the ledger of trials has no place", f"{folder} is no folder", remedy)]
    findings = []
    for flaw in inspect_ledger(ledger):
        say = fault if flaw.stops else warning
        findings.append(say(flaw.what, flaw.fact, flaw.remedy, Sure.CERTAIN if flaw.certain else Sure.LIKELY))
    return findings + _look_at_folder(folder, Layout.of(settings).root) if folder.is_dir() else findings


def _look_at_folder(folder: Path, root: Path) -> list[Finding]:
    from serving.doctor.findings import fault
    from serving.doctor.home import judge_space

    findings = []
    if not os.access(folder, os.W_OK | os.X_OK):
        what, fact = "the ledger of trials cannot be written", f"{folder} is not writable"
        findings.append(fault(what, fact, f"chmod u+rwx {shlex.quote(str(folder))}"))
    if not _lies_with(folder, root):  # the check `disk` looks at the data directory's
        findings += judge_space(os.statvfs(folder), folder)
    return findings


def _lies_with(folder: Path, root: Path) -> bool:
    """Return whether both are on one file system, or there is no data directory."""
    return not root.exists() or folder.stat().st_dev == root.stat().st_dev
