"""Compaction of feature files: the many small ones that live hours leave become few, and no join returns another bit.

Every row in every version is kept. It may be killed at any step and run again; readers need no lock beside it
(`view_files`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, VIEWS, View
from feature_repo.offline_files import combine_bits, encode_rows, locate_view, scan_files
from feature_repo.view_files import RETIRED, Replacement, list_month, read_replacements, write_replacements
from pairity.bounded_json import MIB
from pairity.durable import remove_flushed, replace_file
from pairity.layout import Layout

SMALL = 4 * MIB
"""Bytes below which a file is folded; an hour of ten assets and 45 pairs has some 20 kB in each view."""
_AT_ONCE = 64 * MIB
"""Bytes that are folded into one file at most, a few times as much in memory."""
_FEWEST = 12
"""Small files that a month may have: folding fewer gains nothing."""
_GRACE_S = 3600.0
"""Time that a reader may take from listing files to opening them."""


@dataclass(frozen=True, slots=True)
class FeatureCompaction:
    """What a compaction of feature files did."""

    folded: int
    """Small files whose rows stand in another one now."""
    written: int
    """Files in their place."""
    deleted: int
    """Files that an earlier compaction had replaced, and that no reader needs any more."""


def compact_features(layout: Layout, *, fewest: int = _FEWEST, grace_s: float = _GRACE_S) -> FeatureCompaction:
    """Fold the small files of each month with `fewest` or more, and delete what was replaced `grace_s` ago or longer.

    With the writer lock held. LakeCorruptError for a file or note that is damaged: nothing of its month is changed.
    """
    folded = written = deleted = 0
    for view in VIEWS.values():
        for folder in sorted(locate_view(layout, view).glob("month=*")):
            if (gone := _delete_replaced(folder, grace_s)) is None:
                continue  # readers may still open the files that were replaced a moment ago
            deleted += gone
            for group in _choose(folder, fewest):
                _fold(folder, group, view)
                folded, written = folded + len(group), written + 1
    return FeatureCompaction(folded, written, deleted)


def _delete_replaced(folder: Path, grace_s: float) -> int | None:
    """Delete files whose replacement stands, and then the note; return their number, None where it is too early."""
    replacements = read_replacements(folder)
    if not replacements:
        return 0
    note = folder / RETIRED
    if time.time() - note.stat().st_mtime < grace_s:
        return None
    done = [folder / name for one in replacements if (folder / one.by).is_file() for name in one.names]
    present = [path for path in done if path.is_file()]
    remove_flushed(present)
    remove_flushed([note])
    return len(present)


def _choose(folder: Path, fewest: int) -> Iterator[list[Path]]:
    """Yield groups of small files, each of as many bytes as are folded at once, and of two files at least."""
    small = [path for path in list_month(folder) if path.stat().st_size < SMALL]
    if len(small) < fewest:
        return
    group: list[Path] = []
    size = 0
    for path in small:
        own = path.stat().st_size
        if len(group) > 1 and size + own > _AT_ONCE:
            yield group
            group, size = [], 0
        group.append(path)
        size += own
    if len(group) > 1:
        yield group


def _fold(folder: Path, group: Sequence[Path], view: View) -> None:
    rows = scan_files(group, view).sort(view.entity, EVENT_TIME, CREATED_TIME, maintain_order=True).collect()
    name, content = encode_rows(_without_repeats(rows, view))
    names = tuple(path.name for path in group if path.name != name)
    # The note first: with the new file's name it counts, and in that moment the others do no more.
    write_replacements(folder, [*read_replacements(folder), Replacement(name, names)])
    replace_file(folder / name, content)


def _without_repeats(rows: pl.DataFrame, view: View) -> pl.DataFrame:
    """Leave out rows that are there twice, times and bits: of those that differ in any, each is a version."""
    marked = rows.with_columns(combine_bits(view).alias("__bits"))
    kept = marked.unique([view.entity, EVENT_TIME, CREATED_TIME, "__bits"], keep="last", maintain_order=True)
    return kept.drop("__bits")
