"""A look at what files would give, before anything of it is stored: rows, ranges, steps, and what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from feature_repo.raw_datasets import DATASETS
from ingestion.collector import require_datasets
from ingestion.sources.file_rows import find_step
from ingestion.sources.file_source import FileSource
from ingestion.sources.protocol import NotServedError, Source, UnitAnswer
from ingestion.sources.remarks import Remark
from pairity.errors import ConfigError, DataError
from pairity.timeline import check_range
from validation.row_verdicts import BROKEN, judge_raw_rows


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """What the files give of one dataset of one asset: rows in the range, and what validation would say of them."""

    asset: str
    dataset: str
    rows: int
    first: datetime | None
    last: datetime | None
    step: timedelta | None
    """Distance of most rows."""
    holes: int | None
    """Bars that are missing between the first and the last; None where rows have no grid."""
    withheld: tuple[tuple[str, int], ...]
    """Rules that validation would withhold rows for, and how many; names sorted."""


@dataclass(frozen=True, slots=True)
class FileCheck:
    """What a look at files found. `failures`: what cannot be read, one line each."""

    rows: tuple[CheckedRows, ...]
    remarks: tuple[Remark, ...]
    failures: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all files can be read and validation would withhold nothing."""
        return not self.failures and not any(item.withheld for item in self.rows)


async def check_files(
    source: Source, assets: Sequence[str], datasets: Sequence[str], since: datetime, until: datetime, now: datetime
) -> FileCheck:
    """Read what `source` has of [since, until) as a collection would, and store nothing.

    ConfigError for a source that reads no files, and for an empty range; UnknownNameError for a dataset that it lacks.
    """
    if not isinstance(source, FileSource):
        raise ConfigError(f"--check looks at files, and {source.name} reads none", "collect without it")
    check_range(since, until)
    require_datasets(source, datasets)
    rows = []
    failures: dict[tuple[str, str], list[str]] = {}
    for asset in assets:
        found = False
        for dataset in datasets:
            try:
                frame = await source.fetch(dataset, asset, since, until)
            except NotServedError:
                found = True
            except DataError as error:
                found = True
                failures.setdefault((asset, str(error)), []).append(dataset)
            else:
                if isinstance(frame, UnitAnswer):
                    for line in frame.left_out:
                        failures.setdefault((asset, line), []).append(dataset)
                    frame = frame.rows
                found |= frame is not None
                if frame is not None:
                    rows.append(_describe(asset, dataset, frame, now))
        if not found:
            failures[asset, "no file has it"] = []
    said = (f"{' '.join((asset, ', '.join(of))).strip()}: {reason}" for (asset, reason), of in failures.items())
    return FileCheck(tuple(rows), source.remarks.list(), tuple(said))


def _describe(asset: str, dataset: str, rows: pl.DataFrame, now: datetime) -> CheckedRows:
    kind = DATASETS[dataset]
    times = rows[kind.time]
    first, last = times.min(), times.max()
    assert first is None or isinstance(first, datetime)
    assert last is None or isinstance(last, datetime)
    holes = None
    if kind.every is not None and first is not None and last is not None:
        holes = (last - first) // kind.every + 1 - times.n_unique()
    return CheckedRows(
        asset=asset,
        dataset=dataset,
        rows=rows.height,
        first=first,
        last=last,
        step=find_step(times),
        holes=holes,
        withheld=_count_withheld(asset, dataset, rows, now),
    )


def _count_withheld(asset: str, dataset: str, rows: pl.DataFrame, now: datetime) -> tuple[tuple[str, int], ...]:
    named = rows.select(pl.lit(asset).alias("asset"), pl.all())
    broken = judge_raw_rows(named, dataset, now).withheld[BROKEN].explode()
    return tuple(sorted(broken.value_counts().iter_rows()))
