"""Quarantine: what was not published, whole, with the rule that it broke.

`quarantine/<dataset>/<partition>/<instant>/rows.parquet` holds the rows as they came, `reason.json` says why.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from pairity.errors import LakeCorruptError
from pairity.layout import Layout
from validation.checkpoint import FailedRule

_REASON = "reason.json"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One rejected batch of rows."""

    dataset: str
    key: str
    at: datetime
    rows: int
    failed: tuple[FailedRule, ...]
    path: Path


def quarantine(
    layout: Layout, dataset: str, key: str, rows: pl.DataFrame, failed: Sequence[FailedRule], *, now: datetime
) -> Quarantined:
    """Keep `rows` out of the data and in sight; appears whole or not at all."""
    target = layout.quarantine / dataset / key.replace("/", "_") / f"{now:%Y%m%dT%H%M%S%f}"
    staging = target.with_name(f".tmp-{os.getpid()}-{target.name}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    rows.write_parquet(staging / "rows.parquet")
    reason = {"dataset": dataset, "key": key, "at": now.isoformat(), "rows": rows.height,
              "failed": [asdict(rule) for rule in failed]}  # fmt: skip
    (staging / _REASON).write_text(json.dumps(reason, indent=2, ensure_ascii=False) + "\n")
    shutil.rmtree(target, ignore_errors=True)
    staging.rename(target)
    return Quarantined(dataset, key, now, rows.height, tuple(failed), target)


def listed(layout: Layout) -> list[Quarantined]:
    """Everything in quarantine, oldest first per partition."""
    return [_read(path) for path in sorted(layout.quarantine.glob(f"*/*/*/{_REASON}")) if ".tmp-" not in str(path)]


def _read(path: Path) -> Quarantined:
    try:
        reason = json.loads(path.read_text())
        failed = tuple(FailedRule(**rule) for rule in reason["failed"])
        at = datetime.fromisoformat(reason["at"])
        return Quarantined(reason["dataset"], reason["key"], at, reason["rows"], failed, path.parent)
    except (ValueError, KeyError, TypeError) as error:
        raise LakeCorruptError(f"{path} cannot be read: {error}", "delete the folder if it is of no use") from None
