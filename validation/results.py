"""Validation results on disk: `<data>/gx/validations/<suite>/<instant>-<process>-<signature>.json`.

The newest results of each suite are kept. Of one day's results that say the same about the same partitions only the
last is kept: a traded hour adds no page of its own unless something new failed in it.

The checkpoint writes them, and Data Docs are built from them. A file appears whole or not at all, and processes do not
share files (their number is in the name): an ingestion, the trading process and `pairity data-docs` may run at the same
time, and be killed at any moment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pairity.digest import digest_bytes
from pairity.durable import replace_file
from pairity.errors import DataError
from pairity.layout import Layout
from pairity.timeline import HOUR

KEPT = 50
"""Most results per suite: pages of thousands of hours would help nobody."""
_STAMP = "%Y%m%dT%H%M%S%fZ"


@dataclass(frozen=True, slots=True)
class StoredResult:
    """One validation: its instant, its process, what it was about, and Great Expectations' result as plain values."""

    suite: str
    at: datetime
    process: int
    about: str
    content: Mapping[str, Any]


def save(layout: Layout, suite: str, content: Mapping[str, Any], at: datetime, about: str = "") -> Path:
    """Write a result of `suite`, made at `at` (UTC) `about` some partitions; return its file.

    Deletes results of the same day that said the same, and the oldest beyond `KEPT`.
    """
    folder = _folder(layout) / suite
    target = folder / f"{at.strftime(_STAMP)}-{os.getpid()}-{_signature(content, about)}.json"
    # Not flushed: every traded hour writes a dozen; one that a power failure tears is named by `load`.
    replace_file(target, json.dumps({"about": about, "result": content}).encode(), durable=False)
    for same in folder.glob(f"{at:%Y%m%d}T*-{target.stem.rpartition('-')[2]}.json"):
        if same.name < target.name:
            same.unlink(missing_ok=True)
    _prune(folder, at)
    return target


def load(layout: Layout) -> Iterator[StoredResult]:
    """Yield all stored results, oldest first per suite; DataError names a file that cannot be read."""
    for path in sorted(_folder(layout).glob("*/*.json")):
        stamp, process, _ = path.stem.split("-")
        at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
        try:
            stored = json.loads(path.read_text())
            yield StoredResult(path.parent.name, at, int(process), stored["about"], stored["result"])
        except FileNotFoundError:
            continue  # another process has dropped it since
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"the validation result {path} cannot be read: {error}", "delete the file") from None


def _prune(folder: Path, at: datetime) -> None:
    for old in sorted(folder.glob("*.json"))[:-KEPT]:
        old.unlink(missing_ok=True)
    abandoned = (at - HOUR).strftime(_STAMP)  # by a process that was killed while it wrote
    for staging in folder.glob("*.tmp"):
        if staging.name.lstrip(".") < abandoned:
            staging.unlink(missing_ok=True)


def _signature(content: Mapping[str, Any], about: str) -> str:
    """Return a digest that is equal for results about the same partitions in which the same rules failed."""
    failed = sorted(
        str(item["expectation_config"]["meta"]["rule"]) for item in content.get("results", ()) if not item["success"]
    )
    statement = [about, *failed] if "results" in content else [about, json.dumps(content, sort_keys=True)]
    return digest_bytes("\n".join(statement).encode())[:10]


def _folder(layout: Layout) -> Path:
    return layout.expectations / "validations"
