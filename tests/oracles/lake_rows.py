"""What a lake holds after any sequence of writes: one row at a time, in plain dictionaries."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from tests.oracles.row_content import content

Row = tuple[object, ...]
MILLISECOND = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)


class ClashError(Exception):
    """Two different rows claim the same instant and the same knowledge time."""


class LakeRows:
    """Versions of each (dataset, asset, time) as (known_at, values), and the covered seconds by dataset and asset."""

    def __init__(self) -> None:
        self.versions: dict[tuple[str, str, datetime], list[tuple[datetime, Row]]] = defaultdict(list)
        self.covered: dict[tuple[str, str], set[datetime]] = defaultdict(set)

    def write(self, dataset: str, rows: list[tuple[str, datetime, Row, datetime]], arrived_at: datetime | None) -> dict:
        """Take in (asset, time, values, known_at); return the number of new rows by asset."""
        added: dict[str, int] = defaultdict(int)
        distinct = list(dict.fromkeys(rows))
        for asset, at, values, own_known_at in sorted(distinct, key=lambda row: (row[0], row[1], row[3])):
            known_at = own_known_at
            stored = self.versions[dataset, asset, at]
            if stored:
                newest_known, newest = max(stored, key=lambda version: version[0])
                if values == newest:
                    continue
                if known_at <= newest_known:
                    if arrived_at is not None:
                        known_at = max(arrived_at, newest_known + MILLISECOND)
                    elif (known_at, values) in stored:
                        continue
                    elif any(known == known_at for known, _ in stored):
                        raise ClashError
            stored.append((known_at, values))
            added[asset] += 1
        return dict(added)

    def cover(self, dataset: str, asset: str, since: datetime, until: datetime) -> None:
        """Note that all seconds of [since, until) were asked for."""
        while since < until:
            self.covered[dataset, asset].add(since)
            since += SECOND

    def newest(
        self, dataset: str, asset: str, since: datetime, until: datetime, known_by: datetime | None = None
    ) -> list[tuple[str, datetime, Row, datetime]]:
        """Return (asset, time, values, known_at) of the newest known version of each instant in [since, until)."""
        found = []
        for (name, own, at), versions in sorted(self.versions.items()):
            known = [one for one in versions if known_by is None or one[0] <= known_by]
            if name == dataset and own == asset and since <= at < until and known:
                known_at, values = max(known, key=lambda version: version[0])
                found.append((asset, at, values, known_at))
        return found

    def month(self, dataset: str, asset: str, month: str) -> list[tuple[datetime, Row, datetime]]:
        """Return (time, values, known_at) of all versions in a month `YYYY-MM`, by time and knowledge time."""
        rows = [
            (at, values, known_at)
            for (name, own, at), versions in self.versions.items()
            for known_at, values in versions
            if name == dataset and own == asset and f"{at:%Y-%m}" == month
        ]
        return sorted(rows, key=lambda row: (row[0], row[2]))

    def content(self, dataset: str, asset: str, month: str, columns: list[str]) -> int:
        """Return the content of a month; `columns` are the dataset's, in order."""
        rows = self.month(dataset, asset, month)
        return content([dict(zip(columns, (at, *values, known), strict=True)) for at, values, known in rows])
