"""Offline feature files: `features/<view>/month=YYYY-MM/<content digest>.parquet`, appended to, never rewritten.

A row is (entity, event_timestamp, created_timestamp, features). A correction is another row of the same entity and
event time with a later created_timestamp. Files appear by rename: a killed process leaves a whole file or none.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, DType, View
from feature_repo.stored_tables import NAME_DIGITS, verify_file
from feature_repo.view_files import leave_out_retired, list_month
from pairity.bounded_json import MIB
from pairity.digest import digest_bytes
from pairity.durable import remove_unfinished, replace_file
from pairity.errors import DataError
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.timeline import month_key

TIME = pl.Datetime("us", "UTC")
_READ_AT_ONCE = 64 * MIB
"""Bytes of files that are read at once where one row of each entity is looked for: a few times as much in memory."""
_DTYPES: dict[DType, pl.DataType] = {"float64": pl.Float64(), "int64": pl.Int64(), "string": pl.String()}


@dataclass(frozen=True, slots=True)
class PublishReport:
    """Outcome of `publish`: rows by what was done with them, and the files that were written."""

    view: str
    new_rows: int
    corrected_rows: int
    unchanged_rows: int
    files: tuple[Path, ...]


def make_schema(view: View) -> pl.Schema:
    """Return the columns and types of a view's files, in order."""
    features = {feature.name: _DTYPES[feature.dtype] for feature in view.features}
    return pl.Schema({view.entity: pl.String(), EVENT_TIME: TIME, CREATED_TIME: TIME, **features})


def locate_view(layout: Layout, view: View) -> Path:
    """Return the folder of a view's files."""
    return layout.features / view.name


def locate_view_files(layout: Layout, view: View) -> str:
    """Return the absolute pattern of a view's files (Feast's `FileSource` path)."""
    return str(locate_view(layout, view) / "month=*" / "*.parquet")


def scan_view(layout: Layout, view: View) -> pl.LazyFrame:
    """Return all rows of a view in all versions, unsorted; no rows where nothing was published."""
    return scan_files(_list_files(layout, view), view)


def read_latest_view(layout: Layout, view: View, since: datetime, until: datetime) -> pl.DataFrame:
    """Return the newest version of each row with since <= event_timestamp < until, sorted by entity and time."""
    rows = scan_since(layout, view, since).filter(pl.col(EVENT_TIME) < until)
    return keep_newest(rows, view).collect()


def read_row_until(
    layout: Layout,
    view: View,
    columns: Sequence[str],
    entity: str,
    event: datetime,
    oldest: datetime,
    known_by: datetime,
) -> tuple[object, ...]:
    """Return `columns` of the entity's newest row from `oldest` to `event` in the version that was known at `known_by`.

    What a point-in-time join returns that does not look at events later than `event`; nulls where there is no row.
    """
    own = (pl.col(view.entity) == entity) & pl.col(EVENT_TIME).is_between(oldest, event)
    rows = scan_since(layout, view, oldest).filter(own, pl.col(CREATED_TIME) <= known_by)
    newest = rows.sort(EVENT_TIME, CREATED_TIME).select(columns).collect().tail(1)
    return newest.row(0) if newest.height else (None,) * len(columns)


def find_published(layout: Layout, view: View, entities: Collection[str]) -> set[str]:
    """Return those of `entities` that have a row in the view's files, looking from the newest month back."""
    found: set[str] = set()
    for folder in sorted(locate_view(layout, view).glob("month=*"), reverse=True):
        rows = scan_files(list_month(folder), view).select(pl.col(view.entity).unique()).collect()
        found |= set(rows[view.entity]) & set(entities)
        if len(found) == len(entities):
            break
    return found


def find_newest_event(layout: Layout, view: View, since: datetime) -> datetime | None:
    """Return the newest stored event time at or after `since`; None where there is none."""
    newest = scan_since(layout, view, since).select(pl.col(EVENT_TIME).max()).collect().item()
    assert newest is None or isinstance(newest, datetime)
    return newest


def read_newest(layout: Layout, view: View) -> pl.DataFrame:
    """Return the newest row of each entity in its newest version, sorted by entity.

    Looks from the newest month back, some files at a time: memory grows with entities, not with history.
    """
    found = make_schema(view).to_frame()
    for folder in sorted(locate_view(layout, view).glob("month=*"), reverse=True):
        own = found.clear()
        for files in _split_by_size(list_month(folder)):
            # An entity's rows of earlier months are older than what was found.
            others = scan_files(files, view).filter(~pl.col(view.entity).is_in(found[view.entity].implode()))
            rows = pl.concat([own.lazy(), others]).sort(EVENT_TIME, CREATED_TIME)
            own = rows.unique(view.entity, keep="last", maintain_order=True).collect()
        found = pl.concat([found, own])
    return found.sort(view.entity)


def _split_by_size(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield files in their order, as many at a time as hold `_READ_AT_ONCE` bytes together, and at least one."""
    together: list[Path] = []
    size = 0
    for path in files:
        own = path.stat().st_size
        if together and size + own > _READ_AT_ONCE:
            yield together
            together, size = [], 0
        together.append(path)
        size += own
    if together:
        yield together


def keep_newest(rows: pl.LazyFrame, view: View) -> pl.LazyFrame:
    """Return the newest version of each (entity, event time), sorted by entity and time."""
    key = [view.entity, EVENT_TIME]
    return rows.sort(*key, CREATED_TIME).unique(key, keep="last", maintain_order=True)


def combine_bits(view: View, suffix: str = "") -> pl.Expr:
    """Return all features of a row as one comparable value; floats by their bits, so that −0.0 ≠ 0.0 and NaN = NaN.

    `suffix` is appended to the names of the columns that are read, for frames that hold two versions side by side.
    """
    parts = []
    for feature in view.features:
        column = pl.col(f"{feature.name}{suffix}")
        # Not reinterpret(signed=True): that leaves a float what it is.
        parts.append((column.reinterpret(dtype=pl.Int64) if feature.dtype == "float64" else column).alias(feature.name))
    return pl.struct(parts)


def publish_new(layout: Layout, view: View, rows: pl.DataFrame) -> PublishReport:
    """Append rows that are all later than every stored row: nothing stored is read. Errors as `publish`."""
    _check(rows, view)
    files = [
        _write(locate_view(layout, view) / f"month={month}", part.sort(view.entity, EVENT_TIME))
        for month, part in _by_month(rows)
    ]
    return PublishReport(view.name, rows.height, 0, 0, tuple(files))


def publish(layout: Layout, view: View, rows: pl.DataFrame) -> PublishReport:
    """Append the rows that are new or changed; rows whose features equal the stored newest bit for bit are skipped.

    DataError for other columns or types than the catalogue's, for a null key or time, for two rows with one key, and
    for a changed value that does not claim to be known later than the one it corrects. Nothing is written then, of any
    month. Months are written in order; calling again completes a killed call. Only one process may write at a time: the
    files that a killed one left unfinished are removed here.
    """
    _check(rows, view)
    counts = {"new": 0, "corrected": 0, "unchanged": 0}
    due: dict[Path, pl.DataFrame] = {}
    for month, part in _by_month(rows):
        directory = locate_view(layout, view) / f"month={month}"
        stored = scan_files(list_month(directory), view)
        due[directory] = _changed(part, stored, view, counts)
    remove_unfinished(locate_view(layout, view))
    files = [_write(folder, part.sort(view.entity, EVENT_TIME)) for folder, part in due.items() if part.height]
    return PublishReport(view.name, counts["new"], counts["corrected"], counts["unchanged"], tuple(files))


def _by_month(rows: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """Return the rows of each calendar month, in order."""
    if rows.is_empty():
        return []
    first, last = rows[EVENT_TIME].min(), rows[EVENT_TIME].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    if month_key(first) == month_key(last):
        return [(month_key(first), rows)]
    marked = rows.with_columns(pl.col(EVENT_TIME).dt.strftime("%Y-%m").alias("__month"))
    parts = marked.partition_by("__month", as_dict=True, include_key=False)
    return [(str(month), part) for (month,), part in sorted(parts.items())]


def _check(rows: pl.DataFrame, view: View) -> None:
    expected = make_schema(view)
    if rows.schema != expected:
        raise DataError(
            f"rows for view {view.name} have columns {dict(rows.schema)}", f"the catalogue declares {dict(expected)}"
        )
    for name in (view.entity, EVENT_TIME, CREATED_TIME):
        if nulls := rows[name].null_count():
            raise DataError(
                f"{nulls} rows for view {view.name} have no {name}", "a row needs its entity and both times"
            )
    twice = rows.filter(pl.struct(view.entity, EVENT_TIME).is_duplicated())
    if twice.height:
        first = twice.row(0, named=True)
        raise DataError(
            f"{twice.height} rows for view {view.name} share a key, the first is {first[view.entity]} at "
            f"{first[EVENT_TIME]}",
            "publish one row per entity and event time",
        )


def _changed(rows: pl.DataFrame, stored: pl.LazyFrame, view: View, counts: dict[str, int]) -> pl.DataFrame:
    """Return the rows to append: those with new keys, and those that differ in any bit from the newest stored."""
    key = [view.entity, EVENT_TIME]
    since, until = rows[EVENT_TIME].min(), rows[EVENT_TIME].max()
    near = pl.col(EVENT_TIME).is_between(since, until) & pl.col(view.entity).is_in(rows[view.entity].unique().to_list())
    old = keep_newest(stored.filter(near), view).select(
        *key, pl.col(CREATED_TIME).alias("__created"), combine_bits(view).alias("__bits")
    )
    joined = rows.join(old.collect(), on=key, how="left", maintain_order="left")
    fresh = pl.col("__created").is_null()
    differs = ~fresh & combine_bits(view).ne_missing(pl.col("__bits"))
    late = joined.filter(differs & (pl.col(CREATED_TIME) <= pl.col("__created")))
    if late.height:
        first = late.row(0, named=True)
        raise DataError(
            f"{format_count(late.height, 'corrected row')} of view {view.name} claim to be known no later than "
            "what they correct, the "
            f"first is {first[view.entity]} at {first[EVENT_TIME]}, known {first[CREATED_TIME]}",
            "give a correction the instant at which it arrived",
        )
    marked = joined.select(new=fresh.sum(), corrected=differs.sum()).row(0)
    counts["new"] += marked[0]
    counts["corrected"] += marked[1]
    counts["unchanged"] += rows.height - marked[0] - marked[1]
    return joined.filter(fresh | differs).drop("__created", "__bits")


def encode_rows(rows: pl.DataFrame) -> tuple[str, bytes]:
    """Return a file's name and content: the same rows always make the same file, and the name is its digest."""
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd", compression_level=3, statistics=True)
    content = buffer.getvalue()
    return f"{digest_bytes(content)[:NAME_DIGITS]}.parquet", content


def _write(directory: Path, rows: pl.DataFrame) -> Path:
    name, content = encode_rows(rows)
    replace_file(directory / name, content)
    return directory / name


def _list_files(layout: Layout, view: View) -> list[Path]:
    return leave_out_retired(sorted(locate_view(layout, view).glob("month=*/*.parquet")))


def scan_files(files: Sequence[Path], view: View) -> pl.LazyFrame:
    """Return all rows of some files of a view, unsorted; LakeCorruptError for one that is not as it was written."""
    if not files:
        return pl.LazyFrame(schema=make_schema(view))
    # A lazy scan would fail much later, in the middle of a join, and name no file.
    for path in files:
        verify_file(path)
    # Files written before a feature was declared hold null there.
    return pl.scan_parquet(list(files), hive_partitioning=False, schema=make_schema(view), missing_columns="insert")


def scan_since(layout: Layout, view: View, since: datetime) -> pl.LazyFrame:
    """Return all versions of the rows with event_timestamp >= since, reading only the months that can have them."""
    first = since.strftime("month=%Y-%m")
    files = [path for path in _list_files(layout, view) if path.parent.name >= first]
    return scan_files(files, view).filter(pl.col(EVENT_TIME) >= since)
