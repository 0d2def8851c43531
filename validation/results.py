"""Validation results on disk: `<data>/gx/validations/<instant>-<process>-<signature>.json`, one file per validation.

A file holds what one validation of several suites judged: per suite the partitions, the rules with their limits, the
numbers, and which rules failed. Data Docs are built from it. Of one day's files that say the same about the same
partitions only the last is kept: a traded hour adds no page of its own unless something new failed in it.

The checkpoint writes them. A file appears whole or not at all, and processes do not share files (their number is in the
name): an ingestion, the trading process and `pairity data-docs` may run at the same time, and be killed at any moment.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pairity.bounded_files import read_json_file
from pairity.digest import digest_bytes
from pairity.durable import replace_file
from pairity.errors import DataError
from pairity.layout import Layout
from pairity.timeline import HOUR
from validation.measurements import Measurements, split_key
from validation.rules import Rule
from validation.suites import SUITES, explain_rule

KEPT = 50
"""Most results per suite: pages of thousands of hours would help nobody."""
KEPT_FILES = 200
"""Most files. Each holds several suites, and not every suite is in each of them."""
_STAMP = "%Y%m%dT%H%M%S%fZ"


@dataclass(frozen=True, slots=True, eq=False)
class StoredResult:
    """One suite of one validation: its instant, its process, what it was about, its numbers and its failed rules."""

    at: datetime
    process: int
    about: str
    measured: Measurements
    failed: tuple[str, ...]

    @property
    def suite(self) -> str:
        """The suite."""
        return self.measured.suite


def save(
    layout: Layout,
    measured: Sequence[Measurements],
    failed: Mapping[str, Collection[str]],
    at: datetime,
    month: str = "",
) -> Path:
    """Write the result of one validation, made at `at` (UTC), and return its file.

    `failed` names the rules that failed per suite; keys without a month belong to `month`. Deletes files of the same
    day that said the same, and the oldest beyond `KEPT_FILES`.
    """
    folder = _folder(layout)
    suites = {}
    for numbers in measured:
        about = describe_partitions(numbers.keys, month)
        suites[numbers.suite] = {"about": about, "failed": sorted(failed.get(numbers.suite, ())), **_encode(numbers)}
    statement = [[suite, content["about"], content["failed"]] for suite, content in sorted(suites.items())]
    signature = digest_bytes(json.dumps(statement).encode())[:10]
    target = folder / f"{at.strftime(_STAMP)}-{os.getpid()}-{signature}.json"
    # Not flushed: every traded hour writes one; what a power failure tears is named by `load`.
    replace_file(target, json.dumps({"suites": suites}).encode(), durable=False)
    _prune(folder, target, at)
    return target


def load(layout: Layout) -> list[StoredResult]:
    """Return the newest stored results of each suite that exists, oldest first; DataError names a damaged file.

    Of one day's results of a suite that say the same about the same partitions only the last is returned.
    """
    results: list[StoredResult] = []
    seen: set[tuple[object, ...]] = set()
    counts: Counter[str] = Counter()
    for path in sorted(_folder(layout).glob("*.json"), reverse=True):
        for result in _read(path):
            statement = result.suite, result.at.date(), result.about, result.failed
            if statement not in seen and counts[result.suite] < KEPT:
                seen.add(statement)
                counts[result.suite] += 1
                results.append(result)
    return results[::-1]


def count_older_files(layout: Layout) -> int:
    """Return the number of results that an earlier version wrote, one per suite (`<suite>/*.json`); none is read."""
    return sum(1 for _ in _folder(layout).glob("*/*.json"))


def describe_partitions(keys: Sequence[str], month: str = "") -> str:
    """Describe what was judged, as the name of a run: the entities of the partitions and their months.

    >>> describe_partitions(["BTC/2025-03", "ETH/2025-04"])
    'BTC, ETH of 2025-03 … 2025-04'
    """
    parts = [split_key(key, month) for key in keys]
    entities = list(dict.fromkeys(entity for entity, _ in parts))
    months = sorted({own for _, own in parts} - {""})
    named = ", ".join(entities[:_SHOWN]) + (f" and {len(entities) - _SHOWN} more" if len(entities) > _SHOWN else "")
    if not months:
        return named
    return f"{named} of {months[0]}" + (f" … {months[-1]}" if len(months) > 1 else "")


_SHOWN = 6  # entities in a run's name; the rest is a number


def _encode(measured: Measurements) -> dict[str, Any]:
    """Return partitions, limits and numbers as plain values; a number that all partitions share stands there once."""
    shared = (measured.values == measured.values[:, :1]).all(axis=1)
    rules = {
        rule.name: [rule.column, rule.lower, rule.upper, rule.critical, float(line[0]) if same else line.tolist()]
        for rule, line, same in zip(measured.rules, measured.values, shared, strict=True)
    }
    return {"keys": measured.keys, "rules": rules}


def _read(path: Path) -> list[StoredResult]:
    try:
        stamp, process, _ = path.stem.split("-")
        at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
        suites = read_json_file(path)["suites"]
        return [
            StoredResult(
                at=at,
                process=int(process),
                about=content["about"],
                measured=_decode(suite, content),
                failed=tuple(content["failed"]),
            )
            for suite, content in suites.items()
            if suite in SUITES
        ]
    except FileNotFoundError:
        return []  # another process has dropped it since
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        what = f"the validation result {path} cannot be read: {type(error).__name__} {error}"
        raise DataError(what, "delete the file") from None


def _decode(suite: str, content: Mapping[str, Any]) -> Measurements:
    keys = tuple(content["keys"])
    rules, lines = [], []
    for name, (column, lower, upper, critical, numbers) in content["rules"].items():
        meaning = explain_rule(suite, name)
        rules.append(Rule(name=name, column=column, meaning=meaning, lower=lower, upper=upper, critical=critical))
        lines.append(np.broadcast_to(np.array(numbers, dtype=np.float64), len(keys)))
    return Measurements(suite, tuple(rules), keys, np.array(lines))


def _prune(folder: Path, newest: Path, at: datetime) -> None:
    signature = newest.stem.rpartition("-")[2]
    files = sorted(folder.glob("*.json"))
    same_day = f"{at:%Y%m%d}T"
    for place, old in enumerate(files):
        repeated = old.name < newest.name and old.name.startswith(same_day) and old.stem.endswith(f"-{signature}")
        if repeated or place < len(files) - KEPT_FILES:
            old.unlink(missing_ok=True)
    abandoned = (at - HOUR).strftime(_STAMP)  # by a process that was killed while it wrote
    for staging in folder.glob("*.tmp"):
        if staging.name.lstrip(".") < abandoned:
            staging.unlink(missing_ok=True)


def _folder(layout: Layout) -> Path:
    return layout.expectations / "validations"
