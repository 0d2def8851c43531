"""What was known at each decision: rows as of an instant, decision times, and the checked point-in-time join.

Training sets and market histories are both built from these functions. A row is *known* at an instant if its
`created_timestamp` is not later; the instant of a decision is a bar's close plus `features.decision_lag`, the time that
the live loop grants the venue to deliver the bar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, Service, View
from pairity.bounded_files import read_json_file
from pairity.errors import JoinError, MissingDataError
from pairity.layout import Layout
from pairity.settings import Settings

DECISION_TIME = "decision_time"
FIRST_KNOWN = "first_known"
KNOWN = "known"
_BAR_CLOSE = "bar_close"

Join = Callable[[str, pl.DataFrame], pl.DataFrame]
"""Point-in-time join: (feature service, entity rows with `event_timestamp` = decision time) → the same rows and order,
with the service's features as known then."""


def select_newest_known(rows: pl.LazyFrame, view: View, known_by: datetime) -> pl.DataFrame:
    """Return, for each (entity, event time) of a view's rows, the newest version known at `known_by`.

    Adds `first_known`: the instant at which the oldest version of the row became known. Sorted by entity and event
    time. **Look-ahead**: a later `known_by` lets corrections in that the decision did not have.
    """
    return (
        rows.filter(pl.col(CREATED_TIME) <= known_by)
        .sort(view.entity, EVENT_TIME, CREATED_TIME)
        .group_by(view.entity, EVENT_TIME, maintain_order=True)
        # One sort serves both ends: versions are in order of knowledge, the first tells since when, the last what.
        .agg(pl.col(CREATED_TIME).first().alias(FIRST_KNOWN), pl.exclude(FIRST_KNOWN).last())
        .collect()
    )


def read_decided_rows(
    settings: Settings,
    view: View,
    entities: Sequence[str],
    now: datetime,
    within: tuple[datetime, datetime] | None = None,
) -> pl.DataFrame:
    """Return the newest known rows of `entities` in a stored view whose decision time is not later than `now`.

    `within`: only the event times from the first to the second instant, both included.
    """
    from feature_repo.offline_files import scan_view

    latest = now - settings.features.decision_lag
    wanted = pl.col(view.entity).is_in(list(entities)) & (pl.col(EVENT_TIME) <= latest)
    if within is not None:
        wanted &= pl.col(EVENT_TIME).is_between(*within)
    return select_newest_known(scan_view(Layout.of(settings), view).filter(wanted), view, now)


def count_decided_hours(settings: Settings, view: View, entities: Sequence[str], now: datetime) -> int:
    """Return at how many event times `read_decided_rows` has rows: cheap, for what is refused before they are read."""
    from feature_repo.offline_files import scan_view

    latest = now - settings.features.decision_lag
    wanted = pl.col(view.entity).is_in(list(entities)) & (pl.col(EVENT_TIME) <= latest) & (pl.col(CREATED_TIME) <= now)
    rows = scan_view(Layout.of(settings), view).filter(wanted)
    return int(rows.select(pl.col(EVENT_TIME).n_unique()).collect().item())


def add_decision_times(keys: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """Return `keys` (entity, event_timestamp = bar close, first_known) with `decision_time`, by time and entity."""
    return keys.with_columns((pl.col(EVENT_TIME) + settings.features.decision_lag).alias(DECISION_TIME)).sort(
        EVENT_TIME, keys.columns[0]
    )


def join_checked(join: Join, service: Service, rows: pl.DataFrame) -> pl.DataFrame:
    """Join `service` to `rows` (entity, event_timestamp, first_known, decision_time) at the decision times.

    Returns entity, event_timestamp, decision_time, `known` and the features in the order of `rows`; NaN becomes null. A
    row that reached us only after its decision is not known and has null features: the store then answers with an older
    row, which live trading refuses as stale. JoinError unless exactly the requested rows come back, in order: a join
    that drops rows silently changes what is learnt.
    """
    entity = rows.columns[0]
    requested = rows.select(entity, pl.col(DECISION_TIME).alias(EVENT_TIME), pl.col(EVENT_TIME).alias(_BAR_CLOSE))
    answer = join(service.name, requested)
    if answer.height != requested.height:
        raise JoinError(
            f"the point-in-time join of {service.name} returned {answer.height} rows for {requested.height}",
            "check the feature store's TTL and join; nothing was trained",
        )
    if not answer.select(requested.columns).cast(requested.schema).equals(requested):
        raise JoinError(
            f"the point-in-time join of {service.name} returned other keys, or another order, than was asked for",
            "check the feature store's join; nothing was trained",
        )
    features = answer.select(service.features).with_columns(pl.selectors.float().fill_nan(None))
    in_time = (pl.col(FIRST_KNOWN) <= pl.col(DECISION_TIME)).fill_null(False)
    # A row beyond the store's TTL comes back with its key and nothing else: nothing was known then either.
    answered = pl.any_horizontal(pl.col(service.features).is_not_null())
    return (
        pl.concat([rows, features], how="horizontal")
        .with_columns((in_time & answered).alias(KNOWN))
        .with_columns(pl.when(KNOWN).then(pl.col(name)).otherwise(None).alias(name) for name in service.features)
        .select(entity, EVENT_TIME, DECISION_TIME, KNOWN, *service.features)
    )


def read_snapshot_id(layout: Layout) -> str:
    """Return the id of the raw snapshot that the published features come from.

    MissingDataError where nothing is published yet, or where the file does not name a snapshot.
    """
    path = layout.features / "snapshot.json"
    if not path.is_file():
        raise MissingDataError(
            f"no features are published: {path} does not exist", "run `pairity ingest` (make ingest) first"
        )
    try:
        return str(read_json_file(path)["snapshot_id"])
    except (ValueError, LookupError, TypeError) as error:
        raise MissingDataError(
            f"{path} does not name a snapshot ({error})", "run `pairity ingest` (make ingest) again"
        ) from None
