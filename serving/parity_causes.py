"""Why a value that was decided on is not what the offline store says: the kinds of faults that leave a trace.

A row that was not replaced in time, a correction that the online store never got, and a value that went through fewer
bits each leave what they leave. What has none of these traces was computed in another way, or its data were changed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, View
from feature_repo.offline_files import scan_view
from pairity.layout import Layout
from validation.parity import Value, is_same


class Cause(StrEnum):
    """Cause of a difference, as far as it shows."""

    STALE = "stale row"
    """The row that was read is of an earlier bar than the decision's, and has its value."""
    LOST_CORRECTION = "lost correction"
    """The value is that of an earlier version of the same row, which was known to be corrected."""
    FLOAT32 = "float32"
    """The value is that of the offline store, rounded to 32 bits."""
    MISSING = "missing online"
    """Nothing was read where the offline store knew a value."""
    EXTRA = "extra online"
    """Something was read where the offline store knew nothing yet."""
    OTHER = "another value"
    """None of these: another computation, or data that were changed afterwards."""


class Version(NamedTuple):
    """One version of a stored value."""

    event: datetime
    created: datetime | None
    value: Value


def name_cause(online: Value, offline: Value, read_event: datetime | None, versions: Sequence[Version]) -> Cause:
    """Return the cause of a difference.

    `read_event`: event time of the row that was read online; `versions`: all versions of the entity's value that the
    offline store has, whatever their event, known at the decision.
    """
    newest = max((version.event for version in versions), default=None)
    if read_event is not None and newest is not None and read_event < newest:
        if any(version.event == read_event and is_same(version.value, online) for version in versions):
            return Cause.STALE
    elif any(
        version.event == read_event and is_same(version.value, online) and not is_same(version.value, offline)
        for version in versions
    ):
        return Cause.LOST_CORRECTION
    if online is None:
        return Cause.MISSING
    if offline is None:
        return Cause.EXTRA
    if isinstance(online, float) and isinstance(offline, float) and is_same(online, _round_to_float32(offline)):
        return Cause.FLOAT32
    return Cause.OTHER


def read_versions(layout: Layout, view: View, entity: str, column: str, until: datetime) -> list[Version]:
    """Return the versions of one value of an entity that were known at `until`, by event and knowledge time."""
    found = (
        scan_view(layout, view)
        .filter(pl.col(view.entity) == entity, pl.col(EVENT_TIME) <= until, pl.col(CREATED_TIME) <= until)
        .select(EVENT_TIME, CREATED_TIME, column)
        .sort(EVENT_TIME, CREATED_TIME)
        .collect()
    )
    return [Version(*row) for row in found.iter_rows()]


def _round_to_float32(value: float) -> float:
    try:
        rounded: float = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:  # too large for 32 bits: a cast makes it infinite
        return float("inf") if value > 0 else float("-inf")
    return rounded
