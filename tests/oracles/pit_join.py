"""The point-in-time join by brute force: for each label, look at every row. Shares no code with the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]


def pit_join(
    labels: Sequence[Row],
    rows: Sequence[Row],
    *,
    key: str,
    features: Sequence[str],
    ttl: timedelta | None,
    known_only: bool,
) -> list[dict[str, Any]]:
    """Features per label, in the labels' order. Rows are in the order in which they are stored."""
    return [_as_of(label, rows, key, features, ttl, known_only) for label in labels]


def _as_of(
    label: Row, rows: Sequence[Row], key: str, features: Sequence[str], ttl: timedelta | None, known_only: bool
) -> dict[str, Any]:
    now: datetime = label["event_timestamp"]
    winner: Row | None = None
    for row in rows:
        if label[key] is None or row[key] != label[key]:
            continue
        if row["event_timestamp"] > now:
            continue
        if known_only and (row["created_timestamp"] is None or row["created_timestamp"] > now):
            continue
        if winner is None or _beats(row, winner):
            winner = row
    if winner is not None and ttl and now - winner["event_timestamp"] > ttl:
        winner = None
    return {name: None if winner is None else winner[name] for name in features}


def _beats(row: Row, winner: Row) -> bool:
    """Newer event; of the same event the version that was known later; of the same version the one stored later."""
    if row["event_timestamp"] != winner["event_timestamp"]:
        return bool(row["event_timestamp"] > winner["event_timestamp"])
    if row["created_timestamp"] == winner["created_timestamp"] or winner["created_timestamp"] is None:
        return True
    return row["created_timestamp"] is not None and bool(row["created_timestamp"] > winner["created_timestamp"])
