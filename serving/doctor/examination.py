"""Examination: every check once, each with a time limit, and none that ends the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pairity.errors import PairityError
from serving.doctor.case import Case, ask_venue
from serving.doctor.findings import Check, Finding, Severity, SkippedError, unknown

VENUE_LIMIT_S = 45.0
"""For all questions to the venue together."""
_ANSWERS = frozenset({"time", "venue", "account"})
"""Needs that only the venue can meet."""
_ASKING = frozenset({"venue", "account"})
"""Groups whose checks look at how the venue was reached, too."""
_REPORT = "look at the settings and files that it names; if it goes on, report it"


class Outcome(StrEnum):
    """How a check ended: without a finding, with findings, or not made."""

    OK = "ok"
    FOUND = "found"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Result of one check; `reason` says why it was skipped."""

    check: Check
    outcome: Outcome
    findings: tuple[Finding, ...]
    reason: str
    seconds: float

    @property
    def worst(self) -> Severity | None:
        """The worst severity; None without findings."""
        return min((item.severity for item in self.findings), key=lambda severity: severity.rank, default=None)


def examine(case: Case, checks: Sequence[Check], venue_limit_s: float = VENUE_LIMIT_S) -> list[Result]:
    """Make the checks one after the other and return their results, in their order.

    The venue is asked once, before the first, where a check looks at its answers or at its time. Nothing is changed
    anywhere, and no exception leaves a check.
    """
    if any(check.needs & _ANSWERS or check.group in _ASKING for check in checks):
        case = ask_venue(case, venue_limit_s)
    return [_make(check, case) for check in checks]


def _make(check: Check, case: Case) -> Result:
    begun = time.monotonic()
    lacking = sorted(need for need in check.needs if not case.provides(need))
    if lacking:
        return Result(check=check, outcome=Outcome.SKIPPED, findings=(), reason=_explain(lacking), seconds=0.0)
    ended = _run_limited(check, case)
    seconds = time.monotonic() - begun
    if isinstance(ended, SkippedError):
        return Result(check=check, outcome=Outcome.SKIPPED, findings=(), reason=str(ended), seconds=seconds)
    outcome = Outcome.FOUND if ended else Outcome.OK
    return Result(check=check, outcome=outcome, findings=tuple(ended), reason="", seconds=seconds)


def _run_limited(check: Check, case: Case) -> Iterable[Finding] | SkippedError:
    """Return what a check finds; one that takes too long is left alone, in a thread that ends with the process."""
    box: list[Sequence[Finding] | SkippedError] = []

    def run() -> None:
        try:
            box.append(list(check.run(case)))
        except SkippedError as skipped:
            box.append(skipped)
        except PairityError as error:
            box.append([unknown(f"the check {check.name} could not look", error.what, error.remedy or _REPORT)])
        except Exception as error:  # noqa: BLE001 - a check that fails must not hide what the others find
            fact = f"{type(error).__name__}: {error}"
            box.append([unknown(f"the check {check.name} failed itself", fact, _REPORT)])

    thread = threading.Thread(target=run, name=f"doctor-{check.name}", daemon=True)
    thread.start()
    thread.join(check.limit_s)
    if box:
        return box[0]
    fact = f"no answer within {check.limit_s:.0f} s"
    return [unknown(f"the check {check.name} took too long", fact, "look whether the disk or the network hangs")]


def _explain(lacking: Sequence[str]) -> str:
    if "settings" in lacking:
        return "the settings cannot be read"
    return "the venue was not reached" if {"venue", "time"} & set(lacking) else "the venue does not show the account"
