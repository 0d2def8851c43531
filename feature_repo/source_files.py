"""Parquet files behind Feast's `FileSource`s, read as lazy frames."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from feast.data_source import DataSource
from feast.infra.offline_stores.file_source import FileSource
from feast.repo_config import RepoConfig

from feature_repo.catalog import VIEWS
from feature_repo.stored_tables import verify_file
from feature_repo.view_files import leave_out_retired
from pairity.errors import ConfigError, LakeCorruptError

UTC_TIME = pl.Datetime("us", "UTC")
_LOCAL = "file://"
_BY_MONTH = "/month=*/*.parquet"


def require_file_source(source: DataSource | None) -> FileSource:
    """Return `source` if it is a file source; ConfigError otherwise."""
    if not isinstance(source, FileSource):
        raise ConfigError(
            f"the as-of store reads Parquet files, not a {type(source).__name__}",
            "use a FileSource with a Parquet path",
        )
    return source


def resolve_local_path(uri: str, repo_path: Path | None) -> Path:
    """Return the local path of `uri`, relative ones below `repo_path`; ConfigError for object stores."""
    if "://" in uri.removeprefix(_LOCAL):
        raise ConfigError(f"the as-of store reads local files, not {uri}", "give a local path or pattern")
    path = Path(uri.removeprefix(_LOCAL))
    return path if path.is_absolute() or repo_path is None else repo_path / path


def locate_source(source: FileSource, config: RepoConfig) -> Path:
    """Return the local path of a source; that of a view of the catalogue is below the store's `home`, where it has one.

    A registry that several data directories share has the path of whichever applied the definitions last.
    """
    path = resolve_local_path(source.path, config.repo_path)
    home = getattr(config.offline_store, "home", None)
    of_view = next((name for name in VIEWS if source.path.endswith(f"/features/{name}{_BY_MONTH}")), None)
    return path if home is None or of_view is None else Path(home, *path.parts[-4:])


def list_files(source: FileSource, config: RepoConfig) -> list[Path]:
    """Return the files that a source's path means now (a file, a folder or a pattern), sorted by name.

    Hidden files are not among them, as unfinished ones have hidden names, nor files that a compaction has replaced. The
    order is fixed because the row that is stored last wins a tie.
    """
    path = locate_source(source, config)
    pattern = str(path / "**" / "*.parquet") if path.is_dir() else str(path)
    return leave_out_retired(sorted(map(Path, glob.glob(pattern, recursive=True))))


@dataclass(frozen=True)
class StoredSource:
    """A source's files as they were listed, and how to read them: plain data, without Feast's objects."""

    name: str
    files: tuple[Path, ...]
    empty: Mapping[str, pl.DataType]
    """Columns and types where there is no file."""
    event: str
    created: str | None
    by_month: bool = False
    """Whether a file has the rows of the month that its folder is named after, and of no other."""

    def within(self, since: datetime | None, until: datetime) -> StoredSource:
        """Return the source with only those files that can have rows with since <= event time <= until."""
        first, last = "" if since is None else f"month={since:%Y-%m}", f"month={until:%Y-%m}"
        kept = (path for path in self.files if not self.by_month or first <= path.parent.name <= last)
        return replace(self, files=tuple(kept))

    def scan(self) -> pl.LazyFrame:
        """Return all rows, with times as UTC microseconds whatever they were stored as.

        LakeCorruptError for a file that cannot be read.
        """
        if not self.files:
            return pl.LazyFrame(schema=pl.Schema(self.empty))
        for path in self.files:
            verify_file(path)
        frame = pl.scan_parquet(list(self.files), hive_partitioning=False, missing_columns="raise")
        try:
            stored = frame.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise LakeCorruptError(f"feature files of {self.name} cannot be read: {error}", "restore them") from None
        return frame.with_columns(_as_utc(name, stored[name]) for name in (self.event, self.created) if name)


def take_source(source: FileSource, config: RepoConfig, empty: Mapping[str, pl.DataType]) -> StoredSource:
    """Return a source with the files that it has now: those that appear later are not seen."""
    return StoredSource(
        name=source.name,
        files=tuple(list_files(source, config)),
        empty=dict(empty),
        event=str(source.timestamp_field),
        created=str(source.created_timestamp_column) if source.created_timestamp_column else None,
        by_month=source.path.endswith(_BY_MONTH),
    )


def scan_source(source: FileSource, config: RepoConfig, empty: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """Return all rows of a source: see `StoredSource.scan`. Where there is no file, no rows and the columns `empty`."""
    return take_source(source, config, empty).scan()


def filter_between(rows: pl.LazyFrame, time: str, start: datetime | None, end: datetime | None) -> pl.LazyFrame:
    """Return the rows with start ≤ time ≤ end (None: unbounded; naive instants are UTC)."""
    if start is not None:
        rows = rows.filter(pl.col(time) >= _aware(start))
    if end is not None:
        rows = rows.filter(pl.col(time) <= _aware(end))
    return rows


def _as_utc(name: str, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is None:
        return pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.col(name).cast(UTC_TIME)


def _aware(instant: datetime) -> datetime:
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
