"""Counts of passed and failed partitions per suite and month: `<data>/gx/tally/<suite>.json`, for the overview page."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pairity.durable import replace_file, take_turns
from pairity.layout import Layout


def record_verdicts(layout: Layout, suite: str, keys: Sequence[str], failed: Collection[str], month: str = "") -> None:
    """Record the newest verdict on each partition (`ASSET/2025-04`, or an entity of `month`)."""
    folder = layout.expectations / "tally"
    path = folder / f"{suite}.json"
    with take_turns(folder / ".lock"):
        known = _read(path)
        for key in keys:
            entity, own, *_ = (*key.split("/"), "")
            known.setdefault(own or month or "any", {})[entity] = key not in failed
        # Not flushed: every traded hour writes it, and a torn file is read as one in which nothing was judged yet.
        replace_file(path, json.dumps(known, sort_keys=True).encode(), durable=False)


def count_verdicts(layout: Layout) -> Mapping[str, dict[str, tuple[int, int]]]:
    """Return per suite and month how many partitions passed and failed when they were last judged."""
    folder = layout.expectations / "tally"
    counts = {}
    for path in sorted(folder.glob("*.json")):
        months = _read(path)
        counts[path.stem] = {
            month: (sum(entities.values()), sum(not sound for sound in entities.values()))
            for month, entities in months.items()
        }
    return counts


def _read(path: Path) -> dict[str, dict[str, bool]]:
    try:
        content: dict[str, dict[str, bool]] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):  # nothing judged yet, or torn by a power failure: counted anew
        return {}
    return content
