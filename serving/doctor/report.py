"""Report of an examination: verdict, exit code, and the JSON that programs read. Its format is in docs/doctor.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from serving.doctor.case import Case
from serving.doctor.examination import Outcome, Result
from serving.doctor.findings import Severity

FORMAT = 1
"""Raised where a field of the JSON goes or changes its meaning; new fields may come."""
HEALTHY, WARNED, FAULTY = 0, 1, 2
_PLURAL = {
    Severity.FAULT: "faults",
    Severity.WARNING: "warnings",
    Severity.UNKNOWN: "checks that could not look",
    Severity.HINT: "hints",
}


def choose_exit_code(results: Sequence[Result], *, strict: bool) -> int:
    """Return 2 with a fault, 1 with `strict` and a warning or a check that could not look, else 0."""
    found = {item.severity for result in results for item in result.findings}
    if Severity.FAULT in found:
        return FAULTY
    return WARNED if strict and found & {Severity.WARNING, Severity.UNKNOWN} else HEALTHY


def write_verdict(results: Sequence[Result]) -> str:
    """Return one line: how many findings of each kind, or that all is well; and how many checks were made."""
    counts = Counter(item.severity for result in results for item in result.findings)
    made = sum(result.outcome is not Outcome.SKIPPED for result in results)
    skipped = len(results) - made
    said = ", ".join(f"{counts[kind]} {_name(kind, counts[kind])}" for kind in Severity if counts[kind])
    left = f", {skipped} not made" if skipped else ""
    return f"{said or 'nothing is wrong'} ({made} check{'' if made == 1 else 's'}{left})"


def order_results(results: Sequence[Result]) -> list[Result]:
    """Return the results with findings, worst first; within a severity in the order of the checks."""
    found = [result for result in results if result.worst is not None]
    return sorted(found, key=lambda result: result.worst.rank if result.worst is not None else 0)


def make_document(case: Case, results: Sequence[Result], *, strict: bool) -> dict[str, Any]:
    """Return the report as JSON-able values."""
    return {
        "format": FORMAT,
        "at": datetime.now(UTC).isoformat(),
        "live": case.live,
        "home": None if case.settings is None else str(case.settings.root),
        "verdict": write_verdict(results),
        "exit_code": choose_exit_code(results, strict=strict),
        "checks": [
            {
                "check": result.check.name,
                "group": result.check.group,
                "status": str(result.worst or result.outcome),
                "reason": result.reason or None,
                "seconds": round(result.seconds, 3),
                "findings": [asdict(item) for item in result.findings],
            }
            for result in results
        ],
    }


def _name(kind: Severity, count: int) -> str:
    return _PLURAL[kind] if count != 1 else {Severity.UNKNOWN: "check that could not look"}.get(kind, str(kind))
