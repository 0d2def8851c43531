"""Quarantine: what was not published, whole, with the rule that it broke.

`quarantine/<dataset>/<partition>/<instant>/rows.parquet` holds the rows as they came, `reason.json` says why, and at
which instants the rows lie that broke each rule.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from pairity.errors import LakeCorruptError
from pairity.layout import Layout
from validation.checkpoint import FailedRule
from validation.offences import offending_rows, row_rules, time_column

SHOWN_ROWS = 20
"""Instants per rule in `reason.json`; all rows are in the Parquet file, for `offending_rows`."""
_REASON = "reason.json"


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One rejected batch of rows. `offending` holds the first instants at which each rule on single rows was broken."""

    dataset: str
    key: str
    at: datetime
    rows: int
    failed: tuple[FailedRule, ...]
    offending: Mapping[str, tuple[datetime, ...]]
    path: Path


def quarantine(
    layout: Layout, dataset: str, key: str, rows: pl.DataFrame, failed: Sequence[FailedRule], *, now: datetime
) -> Quarantined:
    """Keep `rows` out of the data and in sight; appears whole or not at all. `now` is the instant of the verdict.

    One process at a time (the data directory's writer) may call this.
    """
    target = layout.quarantine / dataset / _folder(key) / f"{now:%Y%m%dT%H%M%S%f}"
    for left_over in target.parent.glob(".tmp-*"):  # of a writer that was killed
        shutil.rmtree(left_over)
    staging = target.with_name(f".tmp-{os.getpid()}-{target.name}")
    staging.mkdir(parents=True)
    rows.write_parquet(staging / "rows.parquet")
    item = Quarantined(dataset, key, now, rows.height, tuple(failed), _instants(rows, dataset, failed, now), target)
    (staging / _REASON).write_text(json.dumps(_reason(item), indent=2, ensure_ascii=False) + "\n")
    shutil.rmtree(target, ignore_errors=True)
    staging.rename(target)
    return item


def listed(layout: Layout) -> list[Quarantined]:
    """Everything in quarantine, oldest first per partition; LakeCorruptError names a reason that cannot be read."""
    return [_read(path) for path in sorted(layout.quarantine.glob(f"*/*/*/{_REASON}")) if ".tmp-" not in str(path)]


def clear(
    layout: Layout, *, dataset: str | None = None, key: str | None = None, before: datetime | None = None
) -> list[Quarantined]:
    """Delete what is in quarantine for that dataset and partition and was put there before that instant.

    What is not given is not asked for: `clear(layout)` deletes everything. Returns what was deleted.
    """
    chosen = [
        item
        for item in listed(layout)
        if (dataset is None or item.dataset == dataset)
        and (key is None or item.key == key)
        and (before is None or item.at < before)
    ]
    for item in chosen:
        shutil.rmtree(item.path)
    return chosen


def _instants(
    rows: pl.DataFrame, dataset: str, failed: Sequence[FailedRule], now: datetime
) -> dict[str, tuple[datetime, ...]]:
    on_rows = row_rules(dataset, now)
    time = time_column(dataset)
    return {
        broken.rule: tuple(offending_rows(rows, dataset, broken.rule, now)[time].drop_nulls().head(SHOWN_ROWS))
        for broken in failed
        if broken.rule in on_rows
    }


def _reason(item: Quarantined) -> dict[str, Any]:
    offending = {rule: [instant.isoformat() for instant in instants] for rule, instants in item.offending.items()}
    return {"dataset": item.dataset, "key": item.key, "at": item.at.isoformat(), "rows": item.rows,
            "failed": [asdict(rule) for rule in item.failed], "offending": offending}  # fmt: skip


def _read(path: Path) -> Quarantined:
    try:
        reason = json.loads(path.read_text())
        failed = tuple(FailedRule(**rule) for rule in reason["failed"])
        offending = {
            rule: tuple(datetime.fromisoformat(instant) for instant in instants)
            for rule, instants in reason["offending"].items()
        }
        at = datetime.fromisoformat(reason["at"])
        return Quarantined(reason["dataset"], reason["key"], at, reason["rows"], failed, offending, path.parent)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LakeCorruptError(f"{path} cannot be read: {error}", "delete the folder if it is of no use") from None


def _folder(key: str) -> str:
    return key.replace("/", "_")
