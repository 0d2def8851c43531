"""What the ledger says: all trials as series of returns, how many they are worth, and which hours were looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pairity.timeline import to_ms
from training.evaluation.trial_clusters import TrialCount, count_trials
from training.trials.records import LookRecord, ReturnsRecord, Run

Floats = NDArray[np.float64]
_HOUR_MS = 3_600_000
_AGREEMENT = 0.9
"""Share of days with the same closes from which two runs are of one market (data are corrected), and of hours with the
same returns from which they did the same."""


@dataclass(frozen=True)
class Series:
    """One trial: its returns over all hours that its records have, in the order in which they were written."""

    line: str
    variant: int
    name: str
    records: tuple[ReturnsRecord, ...]

    @cached_property
    def hours(self) -> NDArray[np.int64]:
        """Hours that are known, ascending, as whole hours since 1970."""
        return self._assembled[0]

    @cached_property
    def returns(self) -> Floats:
        """Return in each of `hours`, as the hour was seen first."""
        return self._assembled[1]

    @cached_property
    def _assembled(self) -> tuple[NDArray[np.int64], Floats]:
        runs = [record.run for record in self.records]
        hours = np.concatenate([count_hours(run.first) + np.arange(len(run.returns)) for run in runs])
        kept, first = np.unique(hours, return_index=True)  # of several it takes the first: the earlier record's
        return kept, np.concatenate([run.returns for run in runs])[first]

    def is_of(self, run: Run) -> bool:
        """Return whether `run` is this trial on a later day: the same line and market, and not another code.

        Other returns made from the very data of an earlier record are another trial: something else was changed.
        """
        closes = {day: close for record in self.records for day, close in record.run.closes.items()}
        if agree(closes, run.closes) is not True:
            return False
        start = count_hours(run.first)
        for earlier in (record.run for record in self.records):
            if earlier.data == run.data:
                own = count_hours(earlier.first) - start
                first, last = max(0, own), min(len(run.returns), own + len(earlier.returns))
                if first < last and not _repeats(run.returns[first:last], earlier.returns[first - own : last - own]):
                    return False
        return True


@dataclass(frozen=True)
class TrialBook:
    """All trials and looks of a ledger, as it was when it was read."""

    series: tuple[Series, ...]
    looks: tuple[LookRecord, ...]

    @cached_property
    def distinct(self) -> tuple[Series, ...]:
        """The trials that move; those that repeat another one, hour by hour, are left out."""
        kept: dict[bytes, Series] = {}
        for one in self.series:
            if np.ptp(one.returns) > 0:
                kept.setdefault(one.hours.tobytes() + one.returns.tobytes(), one)
        return tuple(kept.values())

    def count(self) -> TrialCount:
        """Return how many trials there are, and how many independent ones they are worth."""
        return count_trials(tabulate(self.distinct))

    def cover(self, first: datetime, hours: int) -> Floats:
        """Return the returns, hours × trials, of all trials that have every one of these hours and move in them."""
        start = count_hours(first)
        columns = []
        for one in self.distinct:
            place = int(np.searchsorted(one.hours, start))
            own = slice(place, place + hours)
            if len(one.hours[own]) == hours and one.hours[place] == start and one.hours[own][-1] == start + hours - 1:
                columns.append(one.returns[own])
        table = np.array(columns, dtype=np.float64).reshape(len(columns), hours).T
        return table[:, np.ptp(table, axis=0) > 0] if hours and columns else table[:, :0]

    def find_look(self, first: datetime, last: datetime, closes: Mapping[int, float]) -> str | None:
        """Say who has looked at hours of this market from `first` to `last`; None where nobody has."""
        seen = [
            (record.at, f"{record.run.name or 'a trial'} of {record.source}")
            for one in self.series
            for record in one.records
            if _meets(record.run.first, record.run.last, record.run.closes, first, last, closes)
        ]
        seen += [(look.at, "the gate") for look in self.list_looks(first, last, closes)]
        if not seen:
            return None
        at, who = min(seen)
        return f"{who} looked at them on {at:%Y-%m-%d %H:%M} UTC"

    def list_looks(self, first: datetime, last: datetime, closes: Mapping[int, float]) -> list[LookRecord]:
        """Return the gate's looks at hours of this market from `first` to `last`."""
        return [look for look in self.looks if _meets(look.first, look.last, look.closes, first, last, closes)]


def gather(records: Iterable[ReturnsRecord | LookRecord]) -> TrialBook:
    """Return the book of all records, in the order in which they were written."""
    lines: dict[tuple[str, int], list[ReturnsRecord]] = {}
    looks = []
    for record in records:
        if isinstance(record, LookRecord):
            looks.append(record)
        else:
            lines.setdefault((record.run.line, record.variant), []).append(record)
    series = [Series(line, variant, own[0].run.name, tuple(own)) for (line, variant), own in lines.items()]
    return TrialBook(tuple(series), tuple(looks))


def tabulate(series: Sequence[Series]) -> Floats:
    """Return hours × trials; NaN where a trial has no hour. Hours that no trial has are left out."""
    if not series:
        return np.empty((0, 0))
    hours = np.unique(np.concatenate([one.hours for one in series]))
    table = np.full((len(hours), len(series)), np.nan)
    for column, one in enumerate(series):
        table[np.searchsorted(hours, one.hours), column] = one.returns
    return table


def agree(known: Mapping[int, float], asked: Mapping[int, float]) -> bool | None:
    """Return whether two markets have the same closes on their common days; None where they have no common day."""
    common = known.keys() & asked.keys()
    if not common:
        return None
    return sum(known[day] == asked[day] for day in common) >= _AGREEMENT * len(common)


def count_hours(instant: datetime) -> int:
    """Return the whole hours since 1970."""
    return to_ms(instant) // _HOUR_MS


def _repeats(returns: Floats, others: Floats) -> bool:
    """Return whether two runs did the same in nearly all hours in which one of them held anything.

    Where a history ends, a position is closed that goes on in a longer one.
    """
    held = (returns != 0.0) | (others != 0.0)
    same = np.isclose(returns[held], others[held], rtol=1e-6, atol=1e-12)
    return bool(same.sum() >= _AGREEMENT * held.sum())


def _meets(
    first: datetime,
    last: datetime,
    closes: Mapping[int, float],
    asked_first: datetime,
    asked_last: datetime,
    asked_closes: Mapping[int, float],
) -> bool:
    """Return whether hours overlap and are not known to be of another market."""
    return first <= asked_last and last >= asked_first and agree(closes, asked_closes) is not False
