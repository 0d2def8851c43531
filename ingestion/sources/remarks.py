"""What a source left out by rule while it was read: nothing is left out without a word.

Remarks are on what is of no use to anybody, such as trades of zero quantity or files of another kind; the range that
they lie in counts as fetched. What somebody may miss is a failure and covers nothing: `UnitAnswer.left_out`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

_AT = "%Y-%m-%d %H:%M"


@dataclass(frozen=True, slots=True)
class Remark:
    """Rows or files that were left out: of which instrument and dataset (empty: of the folder), how many and why."""

    asset: str
    dataset: str
    what: str


class Remarks:
    """What a source left out while it was read, each once, in the order in which it came up."""

    def __init__(self) -> None:
        self._all: dict[Remark, None] = {}
        self._outside: dict[tuple[str, datetime, datetime], dict[str, int]] = {}

    def note(self, asset: str, dataset: str, what: str) -> None:
        """Keep one remark; the same again changes nothing."""
        self._all.setdefault(Remark(asset, dataset, what))

    def note_outside(self, asset: str, dataset: str, rows: int, since: datetime, until: datetime) -> None:
        """Keep how many rows lie outside of what was asked for; they become one remark for all assets."""
        if rows:
            self._outside.setdefault((dataset, since, until), {})[asset] = rows

    def list(self) -> tuple[Remark, ...]:
        """Return all remarks."""
        outside = (
            Remark(
                "",
                dataset,
                f"{sum(rows.values()):,} rows of {' '.join(rows)} outside of {since:{_AT}} … {until:{_AT}} UTC",
            )
            for (dataset, since, until), rows in self._outside.items()
        )
        return (*self._all, *outside)


@runtime_checkable
class Remarking(Protocol):
    """A source that says what it left out."""

    @property
    def remarks(self) -> Remarks:
        """What was left out so far."""
        ...
