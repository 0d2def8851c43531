"""When did we know it: every rule for `known_at` of raw rows and `created_timestamp` of feature rows.

A decision, a training set and a replay see only what was known at their instant. A knowledge time that is too early
shows them the future; one that is too late hides what they would have had. Nothing is ever overwritten: a value that
changes becomes a further row, known later than the one it replaces.

| row | known from | function |
| --- | --- | --- |
| first load of history | 1 ms after it was complete | `history_known_at`, `closed_known_at` |
| history with its recorded arrival | that arrival, not before it was complete | `recorded_known_at` |
| live row | its arrival | `live_known_at` |
| correction | its arrival, later than the stored version | `correction_known_at`, `correction_created_at` |
| released row | the release | `released_known_at`, `released_created_at` |
| part of a bar that is asked for when it is over | its arrival, not before the close | `unasked_known_at` |
| row in place of one that was withheld | its acceptance | `repaired_known_at` |
| feature row, live or backfilled | its last input, not before close + 1 ms | `feature_created_at`, `inputs_known_at` |

All functions return Polars expressions of instants (UTC, microseconds). No rule ever makes a row known earlier.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from feature_repo.catalog.types import CREATED_TIME, EVENT_TIME
from feature_repo.raw_datasets import INSTANT, KNOWN_AT, RawDataset

HISTORY_LAG = timedelta(milliseconds=1)
"""From the close to the instant at which a bar of history counts as known."""
# Two versions must differ in their knowledge time, else nobody could say which one is newer. Venues count in
# milliseconds, so one is the smallest step that a row of theirs can show.
_STEP = timedelta(milliseconds=1)


def closed_known_at(close: pl.Expr) -> pl.Expr:
    """Return the `known_at` of a bar of history that ended at `close`.

    When it really arrived nobody knows any more. A bar could not be known before it closed, and whoever asked at once
    had it about then; claiming today's arrival would leave every training set empty.
    """
    return (close + HISTORY_LAG).cast(INSTANT).alias(KNOWN_AT)


def history_known_at(dataset: RawDataset) -> pl.Expr:
    """Return the `known_at` of rows of a first load, from their time: see `closed_known_at`.

    A settlement or a sample is complete at its instant, a bar one bar after the instant that it is labelled with.
    """
    return closed_known_at(pl.col(dataset.time) + dataset.known_after)


def recorded_known_at(dataset: RawDataset, received: str) -> pl.Expr:
    """Return the `known_at` of rows whose recorder noted in column `received` when each came in.

    Not before the row was complete: a recorder's clock may be slow, and a bar that was received early was not final.
    """
    return pl.max_horizontal(history_known_at(dataset), received).cast(INSTANT).alias(KNOWN_AT)


def live_known_at(arrived_at: datetime | pl.Expr) -> pl.Expr:
    """Return the `known_at` of rows that came in at `arrived_at` (an instant, or a column of them) while we traded.

    The close is not enough: a decision between the close and the arrival did not have the row.
    """
    return _not_before(KNOWN_AT, arrived_at)


def correction_known_at(stored: pl.Expr, arrived_at: datetime) -> pl.Expr:
    """Return the `known_at` of raw rows that differ from a stored version, known at `stored` (null: there is none).

    A row that is known later than the stored one keeps its own time. Any other is history that the venue has changed
    since: we know it from `arrived_at`, and strictly after the stored version, which was in force until then.
    """
    return _of_correction(KNOWN_AT, stored, arrived_at)


def correction_created_at(is_changed: pl.Expr, stored: pl.Expr, computed_at: datetime) -> pl.Expr:
    """Return the `created_timestamp` of feature rows; some differ from a stored version, created at `stored`.

    A feature row can change without any newer input, when older raw rows arrive that its windows reach back to. What
    was known then stays known then; the changed row is known from `computed_at`, strictly after the stored version.
    """
    corrected = _of_correction(CREATED_TIME, stored, computed_at)
    return pl.when(is_changed).then(corrected).otherwise(CREATED_TIME).alias(CREATED_TIME)


def released_known_at(released_at: datetime) -> pl.Expr:
    """Return the `known_at` of raw rows that a person declared right: until then no feature was computed from them."""
    return _not_before(KNOWN_AT, released_at)


def released_created_at(was_released: pl.Expr, released_at: datetime) -> pl.Expr:
    """Return the `created_timestamp` of feature rows of which some were released: those were no feature before that."""
    return _only_where(was_released, CREATED_TIME, released_at)


def repaired_known_at(was_withheld: pl.Expr, accepted_at: datetime) -> pl.Expr:
    """Return the `known_at` of accepted rows of which some come in place of rows that were withheld until now.

    Their features were null until `accepted_at`. A `known_at` of the first load would say that we had the value.
    """
    return _only_where(was_withheld, KNOWN_AT, accepted_at)


def inputs_known_at(*inputs: str | pl.Expr) -> pl.Expr:
    """Return when several inputs (columns or expressions) were all known; an input that is null is not waited for."""
    return pl.max_horizontal(*inputs)


def unasked_known_at(close: pl.Expr) -> pl.Expr:
    """Return the `known_at` of rows of a bar that nobody asks for before it closes at `close`: not before that.

    What was known by then makes one version.
    """
    return _not_before(KNOWN_AT, close)


def feature_created_at(inputs: str | pl.Expr, event: str = EVENT_TIME) -> pl.Expr:
    """Return the `created_timestamp` of feature rows whose inputs were all known at `inputs`, with their close `event`.

    The same for a live and a backfilled row, because it depends on the inputs alone and not on who computed it when.
    Not before the close + 1 ms: a bar with no input left in it (a gap) is known to be empty only when it is over.
    """
    return pl.max_horizontal(inputs, pl.col(event) + HISTORY_LAG).alias(CREATED_TIME)


def _not_before(column: str, instant: datetime | pl.Expr) -> pl.Expr:
    least = instant if isinstance(instant, pl.Expr) else pl.lit(instant, INSTANT)
    return pl.max_horizontal(column, least).cast(INSTANT).alias(column)


def _only_where(condition: pl.Expr, column: str, instant: datetime) -> pl.Expr:
    # A null condition (a row that a join did not find) counts as false.
    return pl.when(condition).then(_not_before(column, instant)).otherwise(pl.col(column)).cast(INSTANT).alias(column)


def _of_correction(column: str, stored: pl.Expr, instant: datetime) -> pl.Expr:
    own = pl.col(column)
    arrival = pl.max_horizontal(pl.lit(instant, INSTANT), stored + _STEP)
    claims_the_past = stored.is_not_null() & (own <= stored)
    return pl.when(claims_the_past).then(arrival).otherwise(own).cast(INSTANT).alias(column)
