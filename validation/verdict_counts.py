"""Counts of passed and failed partitions per suite and month, for the overview page: `<data>/gx/verdicts/<month>.json`.

A month's file has per suite the newest verdict on each entity. It is written only where a verdict is new.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pairity.bounded_files import read_json_file
from pairity.durable import replace_file, take_turns
from pairity.layout import Layout
from validation.measurements import split_key

_FOLDER = "verdicts"
_NO_MONTH = "any"
_Verdicts = dict[str, dict[str, bool]]


def record_verdicts(
    layout: Layout, judged: Mapping[str, tuple[Sequence[str], Collection[str]]], month: str = ""
) -> None:
    """Record the newest verdict on the partitions of each suite: all keys that were judged, and those that failed.

    A key is `ASSET/2025-04`, or an entity of `month`.
    """
    by_month: dict[str, _Verdicts] = defaultdict(dict)
    for suite, (keys, failed) in judged.items():
        for key in keys:
            entity, own = split_key(key, month)
            by_month[own or _NO_MONTH].setdefault(suite, {})[entity] = key not in failed
    folder = layout.expectations / _FOLDER
    with take_turns(folder / ".lock"):
        for own, verdicts in by_month.items():
            path = folder / f"{own}.json"
            known = _read(path)
            merged = known | {suite: known.get(suite, {}) | new for suite, new in verdicts.items()}
            if merged != known:
                # Not flushed: a torn file is read as one in which nothing was judged yet.
                replace_file(path, json.dumps(merged, sort_keys=True).encode(), durable=False)


def count_verdicts(layout: Layout) -> Mapping[str, dict[str, tuple[int, int]]]:
    """Return per suite and month how many partitions passed and failed when they were last judged."""
    counts: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for path in sorted((layout.expectations / _FOLDER).glob("*.json")):
        for suite, entities in _read(path).items():
            counts[suite][path.stem] = sum(entities.values()), sum(not sound for sound in entities.values())
    return counts


def count_verdicts_by_entity(layout: Layout) -> Mapping[tuple[str, str], tuple[int, int]]:
    """Return per suite and entity how many of its partitions passed and failed when they were last judged."""
    counts: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for path in sorted((layout.expectations / _FOLDER).glob("*.json")):
        for suite, entities in _read(path).items():
            for entity, sound in entities.items():
                passed, failed = counts[suite, entity]
                counts[suite, entity] = (passed + sound, failed + (not sound))
    return counts


def _read(path: Path) -> _Verdicts:
    try:
        content = read_json_file(path)
    except (FileNotFoundError, ValueError):  # nothing judged yet, or torn by a power failure: counted anew
        return {}
    if not isinstance(content, dict):
        return {}
    return {
        suite: {entity: sound for entity, sound in entities.items() if isinstance(sound, bool)}
        for suite, entities in content.items()
        if isinstance(entities, dict)
    }
