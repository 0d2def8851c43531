"""The table of point-in-time semantics: named cases, each with its rows, its labels and what must come back.

Every case has assets of its own, so that all of them live in the same files. `x` belongs to the view with a TTL of two
hours, `y` to the one without. docs/point-in-time.md shows the same table; a test keeps the two together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.feature_repo.stores import at

NEW_YORK = timezone(timedelta(hours=-4))


@dataclass(frozen=True)
class Case:
    """Rows are (event hour, created hour, value); labels are instants."""

    name: str
    rule: str
    rows: tuple[tuple[float, float | None, float | None], ...]
    labels: tuple[datetime, ...]
    expected: tuple[float | None, ...]
    view: str = "fast"
    known_only: bool = True
    other: tuple[tuple[float, float | None, float | None], ...] = field(default=())
    other_expected: tuple[float | None, ...] | None = None

    @property
    def asset(self) -> str:
        """The case's own asset."""
        return self.name.replace(" ", "_")

    def stored(self, view: str) -> list[dict[str, Any]]:
        """Rows of one view, as stored."""
        mine = self.rows if view == self.view else self.other
        column = {"fast": "x", "slow": "y"}[view]
        return [
            {
                "asset": self.asset,
                "event_timestamp": at(event),
                "created_timestamp": None if created is None else at(created),
                column: value,
                **({"n": None if value is None else int(value), "s": "s"} if view == "fast" else {}),
            }
            for event, created, value in mine
        ]


CASES = (
    Case("before the first row", "nothing was known: null", ((5, 5, 1.0),), (at(4.999),), (None,)),
    Case("exactly at the event", "event time ≤ t: visible", ((5, 5, 1.0),), (at(5),), (1.0,)),
    Case("one microsecond early", "event time ≤ t", ((5, 5, 1.0),), (at(5, -0.001),), (None,)),
    Case("newest of several", "the newest event wins", ((1, 1, 1.0), (2, 2, 2.0), (3, 3, 3.0)), (at(2.5),), (2.0,)),
    Case("age equal to the TTL", "t − event time ≤ TTL: visible", ((5, 5, 1.0),), (at(7),), (1.0,)),
    Case("older than the TTL", "null; the label stays", ((5, 5, 1.0),), (at(7, 0.001),), (None,)),
    Case("no TTL", "a TTL of zero is unlimited", ((5, 5, 1.0),), (at(700),), (1.0,), view="slow"),
    Case(
        "the newest row is stale",
        "the TTL is tested on the winner",
        ((1, 1, 1.0), (2, 2, 2.0)),
        (at(4), at(4.5)),
        (2.0, None),
    ),
    Case(
        "correction not yet known",
        "created time ≤ t: the original is used until the correction is known",
        ((5, 5, 1.0), (5, 6, 2.0)),
        (at(5.5), at(6), at(6.5)),
        (1.0, 2.0, 2.0),
    ),
    Case(
        "correction without the filter",
        "without filter_by_created_timestamp the newest version always wins",
        ((5, 5, 1.0), (5, 6, 2.0)),
        (at(5.5), at(6)),
        (2.0, 2.0),
        known_only=False,
    ),
    Case(
        "row not yet known",
        "an older row that is known is used instead",
        ((5, 5, 1.0), (6, 6.5, 2.0)),
        (at(6.2), at(6.5)),
        (1.0, 2.0),
    ),
    Case(
        "late correction of an old bar",
        "never hides a newer event",
        ((5, 5, 1.0), (6, 6, 2.0), (5, 6.5, 9.0)),
        (at(6.4), at(6.6)),
        (2.0, 2.0),
    ),
    Case(
        "three versions",
        "of one event the newest version that is known",
        ((5, 5.1, 1.0), (5, 5.2, 2.0), (5, 5.3, 3.0)),
        (at(5.05), at(5.15), at(5.25), at(5.35)),
        (None, 1.0, 2.0, 3.0),
    ),
    Case(
        "versions stored backwards",
        "the order of rows in files is irrelevant",
        ((6, 6, 3.0), (5, 5.5, 2.0), (5, 5, 1.0)),
        (at(5.2), at(5.7), at(6.2)),
        (1.0, 2.0, 3.0),
    ),
    Case(
        "null value",
        "a stored null is the value: no older one shines through",
        ((5, 5, 1.0), (6, 6, None)),
        (at(5.5), at(6.5)),
        (1.0, None),
    ),
    Case("created before the event", "visible from the event on", ((5, 4, 1.0),), (at(4.5), at(5)), (None, 1.0)),
    Case("unknown created time", "hidden by the filter", ((5, None, 1.0),), (at(6),), (None,)),
    Case(
        "unknown created time without the filter",
        "counts as the oldest version",
        ((5, None, 1.0), (5, 5, 2.0), (6, None, 3.0)),
        (at(5.5), at(6.5)),
        (2.0, 3.0),
        known_only=False,
    ),
    Case(
        "unsorted labels",
        "rows come back in the labels' order",
        ((1, 1, 1.0), (2, 2, 2.0), (3, 3, 3.0)),
        (at(3.5), at(0.5), at(2.5), at(1.5)),
        (3.0, None, 2.0, 1.0),
    ),
    Case(
        "duplicate labels",
        "each comes back, in place",
        ((1, 1, 1.0), (2, 2, 2.0)),
        (at(2.5), at(1.5), at(2.5), at(2.5)),
        (2.0, 1.0, 2.0, 2.0),
    ),
    Case(
        "labels in another zone",
        "instants are compared, not wall clocks",
        ((5, 5, 1.0), (6, 6, 2.0)),
        (at(5.5).astimezone(NEW_YORK), at(6).astimezone(NEW_YORK)),
        (1.0, 2.0),
    ),
    Case(
        "naive labels",
        "naive times are UTC",
        ((5, 5, 1.0), (6, 6, 2.0)),
        (at(5.5).replace(tzinfo=None), at(6).replace(tzinfo=None)),
        (1.0, 2.0),
    ),
    Case("unknown asset", "null; the label stays", (), (at(5),), (None,)),
    Case(
        "two views",
        "each with its own TTL",
        ((5, 5, 1.0),),
        (at(5.5), at(7.5)),
        (1.0, None),
        other=((1, 1, 7.0),),
        other_expected=(7.0, 7.0),
    ),
)
