"""The ledger of trials: a file that is only ever appended to, shared by all data directories of a user.

MLflow shows runs, and runs can be deleted, repeated, or left behind in another data directory. What was tried is
counted here instead. A run of the same line on the same market adds the hours that are new and nothing else: a year of
daily retrainings is one trial, and a repeated leaderboard is none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from pairity.durable import append_lines, make_folder, take_turns
from pairity.errors import ConfigError, DataError
from pairity.settings import Settings
from pairity.timeline import HOUR
from training.trials.book import Series, TrialBook, count_hours, gather
from training.trials.records import BrokenRecordError, LookRecord, ReturnsRecord, Run, format_record, parse_record

FILE = "trials.jsonl"


@dataclass(frozen=True, slots=True)
class TrialLedger:
    """Ledger in `folder`, which need not exist."""

    folder: Path

    @classmethod
    def of(cls, settings: Settings) -> TrialLedger:
        """Return the ledger that the settings name, or that of this user; ConfigError where there is no home for it."""
        named = settings.trials.folder
        if named is not None:
            return cls(named.expanduser().absolute())
        configured = os.environ.get("XDG_STATE_HOME", "")
        try:
            base = Path(configured) if Path(configured).is_absolute() else Path.home() / ".local" / "state"
        except RuntimeError:
            raise ConfigError(
                "there is no home directory to keep the ledger of trials in", "name a folder: PAIRITY_TRIALS__FOLDER"
            ) from None
        return cls(base / "pairity" / "trials")

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self.folder / FILE

    def read(self) -> TrialBook:
        """Return all that was written; an empty book where nothing was.

        DataError for a line that was not written here: what was tried must not be forgotten silently.
        """
        return gather(self._list_records())

    def record(self, runs: Sequence[Run], source: str, now: datetime) -> TrialBook:
        """Write the hours of `runs` that are new, and return the book with them.

        `source` names the command. ConfigError where the file cannot be written, DataError as `read`.
        """
        with self._writing():
            book = self.read()
            lines: dict[str, list[Series]] = {}
            for series in book.series:
                lines.setdefault(series.line, []).append(series)
            added = []
            for run in runs:
                variants = lines.setdefault(run.line, [])
                place = next((place for place, series in enumerate(variants) if series.is_of(run)), len(variants))
                known = variants[place].records if place < len(variants) else ()
                new = list(_cut_new(known, run, place, source, now))
                if new:
                    variants[place : place + 1] = [Series(run.line, place, run.name, (*known, *new))]
                    added += new
            self._append(added)
        return TrialBook(tuple(series for variants in lines.values() for series in variants), book.looks)

    def record_look(self, look: LookRecord) -> None:
        """Write that the gate is about to look at hours that were kept back; ConfigError where it cannot be written."""
        with self._writing():
            self._append([look])

    def _append(self, records: Sequence[ReturnsRecord | LookRecord]) -> None:
        if records:
            append_lines(self.path, [format_record(record) for record in records])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Write alone: processes of other data directories wait."""
        try:
            make_folder(self.folder)
            with take_turns(self.folder / ".lock"):
                yield
        except OSError as error:
            raise _unusable(self.folder, error) from None

    def _list_records(self) -> Iterator[ReturnsRecord | LookRecord]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            raise _unusable(self.folder, error) from None
        # What follows the last line feed is what a killed process left
        for number, line in enumerate(content.split(b"\n")[:-1], 1):
            try:
                yield parse_record(line)
            except BrokenRecordError as error:
                raise DataError(
                    f"line {number} of the ledger of trials {self.path} is not as it was written: {error}",
                    "restore the file from a copy; without it the trials so far would not count",
                ) from None


def _cut_new(
    known: Sequence[ReturnsRecord], run: Run, variant: int, source: str, now: datetime
) -> Iterator[ReturnsRecord]:
    """Yield the stretches of the run's hours that no record has."""
    start = count_hours(run.first)
    new = np.ones(len(run.returns), dtype=np.bool_)
    for record in known:
        own = count_hours(record.run.first) - start
        new[max(0, own) : max(0, own + len(record.run.returns))] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[False], new, [False]]).astype(np.int8)))
    for begin, end in edges.reshape(-1, 2).tolist():
        first, last = run.first + begin * HOUR, run.first + (end - 1) * HOUR
        # The closes of a short stretch too, which has no midnight: they say of which market it is
        days = range(count_hours(first) // 24, count_hours(last) // 24 + 1)
        part = replace(
            run,
            first=first,
            returns=run.returns[begin:end],
            closes={day: run.closes[day] for day in days if day in run.closes},
        )
        yield ReturnsRecord(part, variant, source, now)


def _unusable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"the ledger of trials in {folder} cannot be used: {error.strerror or error}",
        "make the folder yours and writable, or name another one: PAIRITY_TRIALS__FOLDER",
    )
