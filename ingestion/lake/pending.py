"""Rows of pending commits: the segments of a dataset as one frame, each file checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.raw_datasets import RawDataset
from feature_repo.stored_tables import STORED, naming
from ingestion.lake.commits import Commit, Segment, describe_remedy
from pairity.bounded_files import read_file
from pairity.bounded_parquet import read_table
from pairity.digest import digest_bytes
from pairity.errors import LakeCorruptError
from pairity.universe import short_name

_REMEDY = "run pairity data verify, which says what to do about it"
COMMIT = "commit"
"""Column with the number of the commit that brought a row."""
_Signature = tuple[int, int]


class PendingRows:
    """The segments of one venue, held in memory once they were read: live, each was written by this process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._frames: dict[str, tuple[_Signature, pl.DataFrame]] = {}
        self._joined: dict[str, tuple[tuple[tuple[str, _Signature], ...], pl.DataFrame]] = {}

    def read(self, kind: RawDataset, commits: Sequence[Commit]) -> pl.DataFrame:
        """Return all rows of a dataset in `commits`: `commit`, `asset` and the dataset's columns.

        FileNotFoundError where a segment is gone: compaction has taken it, or it is lost. LakeCorruptError where one
        is not what its commit says.
        """
        with_rows = [commit for commit in commits if kind.name in commit.segments]
        key = tuple((commit.segments[kind.name].file, self._load(kind, commit)) for commit in with_rows)
        known = self._joined.get(kind.name)
        if known is not None and known[0] == key:
            return known[1]
        frames = [self._frames[file][1] for file, _ in key]
        joined = pl.concat([_with_commit(kind.empty_of_assets(), 0), *frames], rechunk=True)
        self._joined[kind.name] = key, joined
        return joined

    def keep(self, commit: Commit, frames: Mapping[str, pl.DataFrame]) -> None:
        """Hold the rows of a commit that was just written: by dataset, `asset` and the dataset's columns."""
        for name, rows in frames.items():
            file = commit.segments[name].file
            self._frames[file] = _signature(self._folder / file), _with_commit(rows, commit.number)

    def forget(self, commits: Sequence[Commit]) -> None:
        """Let go of everything that is not in `commits`."""
        files = {segment.file for commit in commits for segment in commit.segments.values()}
        self._frames = {file: held for file, held in self._frames.items() if file in files}
        self._joined.clear()

    def check(self, commit: Commit) -> None:
        """Compare the files of a commit with its record; LakeCorruptError where one differs, or is gone."""
        for name, segment in commit.segments.items():
            try:
                with naming(self._folder / segment.file, _REMEDY):
                    content = read_file(self._folder / segment.file, STORED.size)
            except FileNotFoundError:
                raise self.damaged(commit, name, None) from None
            self._require_digest(commit, name, segment, content)

    def damaged(self, commit: Commit, dataset: str, found: str | None) -> LakeCorruptError:
        """Return the error about a segment with another digest (None: no file at all)."""
        segment = commit.segments[dataset]
        own = {part: piece for part, piece in commit.pieces.items() if piece.rows or piece.coverage}
        return LakeCorruptError(
            f"{self._folder / segment.file} does not match its commit: expected sha256 {segment.sha256}, found {found}",
            describe_remedy(self._folder / commit.name, own.values(), (short_name(part.instrument) for part in own)),
        )

    def _load(self, kind: RawDataset, commit: Commit) -> _Signature:
        """Read the commit's segment of the dataset unless it is held already, and return the file's signature."""
        segment = commit.segments[kind.name]
        path = self._folder / segment.file
        signature = _signature(path)
        held = self._frames.get(segment.file)
        if held is None or held[0] != signature:
            with naming(path, _REMEDY):
                content = read_file(path, STORED.size)
                self._require_digest(commit, kind.name, segment, content)
                rows = kind.conform_assets(read_table(content, STORED))
            self._frames[segment.file] = signature, _with_commit(rows, commit.number)
        return signature

    def _require_digest(self, commit: Commit, name: str, segment: Segment, content: bytes) -> None:
        found = digest_bytes(content)
        if found != segment.sha256:
            raise self.damaged(commit, name, found)


def without_folded(kind: RawDataset, rows: pl.DataFrame, folded: Mapping[tuple[str, datetime], int]) -> pl.DataFrame:
    """Return pending `rows` without those that their partition, by (asset, month), has taken in already."""
    if not folded:
        return rows
    limits = pl.DataFrame(
        [(asset, month, number) for (asset, month), number in folded.items()],
        schema={"asset": pl.String, "month": rows.schema[kind.time], "folded": pl.Int64},
        orient="row",
    )
    month = pl.col(kind.time).dt.truncate("1mo").alias("month")
    joined = rows.with_columns(month).join(limits, on=["asset", "month"], how="left", maintain_order="left")
    return joined.filter(pl.col(COMMIT) > pl.col("folded").fill_null(0)).select(rows.columns)


def _with_commit(rows: pl.DataFrame, number: int) -> pl.DataFrame:
    return rows.select(pl.lit(number, pl.Int64).alias(COMMIT), pl.all())


def _signature(path: Path) -> _Signature:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
