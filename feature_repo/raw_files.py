"""Raw rows in the files of the lake, for readers that are not the lake itself (a backtest's funding, a page).

Rows lie in month files of one instrument, and in segments of all instruments that wait for compaction. A segment counts
once its commit record is there. While a compaction is under way, a row may lie in both: it is read once. What waits is
read before the month files are looked for: rows that a compaction moves in between are then seen twice, never missed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl

from feature_repo.raw_datasets import find_dataset
from feature_repo.stored_tables import read_stored
from pairity.bounded_files import read_json_file
from pairity.errors import LakeCorruptError
from pairity.layout import Layout
from pairity.universe import inst_id, short_name

PART, MANIFEST = "part.parquet", "manifest.json"
SEGMENTS = "segments"
"""Folder of commits and segments below the lake, one folder per venue."""
COMMIT_DIGITS = 8
"""Digits of a commit's number, with which the names of its record and its segments begin."""
# Each attempt is lost only if a compaction ends during it.
_ATTEMPTS = 5


def scan_versions(layout: Layout, dataset: str, venue: str, asset: str) -> pl.LazyFrame:
    """Return all versions of a dataset's rows of one instrument, in the dataset's columns; no rows without files."""
    kind = find_dataset(dataset)
    folder = layout.lake / dataset / f"venue={venue}" / f"instrument={inst_id(asset)}"
    waiting = _read_segments(layout, dataset, venue, asset)
    frames = [read_stored(path).lazy() for path in sorted(folder.glob(f"month=*/{PART}"))]
    columns = [frame.select(*kind.schema) for frame in (*frames, *waiting)]
    return pl.concat([kind.empty().lazy(), *columns]).unique()


def count_rows_by_month(layout: Layout) -> dict[str, Counter[str]]:
    """Return rows per dataset and month (`2025-04`) of all venues, from manifests and commit records."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for (dataset, _, month), rows in count_rows_by_partition(layout).items():
        counts[dataset][month] += rows
    return counts


def count_rows_by_partition(layout: Layout) -> Counter[tuple[str, str, str]]:
    """Return rows per dataset, asset and month (`2025-04`) of all venues, from manifests and commit records."""
    counts: Counter[tuple[str, str, str]] = Counter()
    folded: dict[tuple[str, str, str, str], int] = {}
    records = list(_read_records(layout))
    for path in layout.lake.glob(f"*/venue=*/instrument=*/month=*/{MANIFEST}"):
        dataset, month = path.parents[3].name, path.parent.name.partition("=")[2]
        venue, asset = path.parents[2].name.partition("=")[2], short_name(path.parents[1].name.partition("=")[2])
        with _named(path):
            manifest = read_json_file(path)
            counts[dataset, asset, month] += int(manifest["rows"])
            folded[dataset, venue, asset, month] = int(manifest.get("folded", 0))
    for path, record in records:
        with _named(path):
            for dataset, entry in record["datasets"].items():
                for key, piece in entry["partitions"].items():
                    asset, _, month = key.rpartition("/")
                    place = dataset, path.parent.name.partition("=")[2], asset, month
                    if record["number"] > folded.get(place, 0):
                        counts[dataset, short_name(asset), month] += int(piece["rows"])
    return counts


def _read_records(layout: Layout) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield path and content of each commit record; one that is gone by now has been folded."""
    for path in layout.lake.glob(f"{SEGMENTS}/venue=*/*.json"):
        with suppress(FileNotFoundError), _named(path):
            yield path, read_json_file(path)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the manifest or commit record that is not what it should be."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        what = f"{path} cannot be read: {type(error).__name__} {error}"
        raise LakeCorruptError(what, "run pairity data verify, which says what to do about it") from None


def _read_segments(layout: Layout, dataset: str, venue: str, asset: str) -> list[pl.LazyFrame]:
    """Return the rows of an asset in the segments of a dataset; FileNotFoundError where a segment is lost."""

    def read() -> list[pl.LazyFrame]:
        own = [read_stored(path).filter(asset=short_name(asset)) for path in _list_segments(layout, dataset, venue)]
        return [frame.lazy() for frame in own]

    for _ in range(_ATTEMPTS - 1):
        with suppress(FileNotFoundError):  # a compaction has deleted it under our hands
            return read()
    return read()


def _list_segments(layout: Layout, dataset: str, venue: str) -> list[Path]:
    """Return the segments of a dataset that a commit record makes visible, oldest first."""
    folder = layout.lake / SEGMENTS / f"venue={venue}"
    visible = {path.name[:COMMIT_DIGITS] for path in folder.glob("*.json")}
    files = sorted(folder.glob(f"*-{dataset}.parquet"))
    return [path for path in files if path.name[:COMMIT_DIGITS] in visible]
