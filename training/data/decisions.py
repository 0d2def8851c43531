"""What was known at every decision of a range, without labels: what a finished model or a rule can be asked about."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from feature_repo.catalog import EVENT_TIME, PAIR_HOURLY, Service
from feature_repo.offline_files import scan_view
from pairity.errors import MissingDataError, TimeRangeError
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.settings import Settings
from pairity.timeline import HOUR, ceil_to, floor_to
from training.data.point_in_time import FIRST_KNOWN, Join, add_decision_times, join_checked, read_decided_rows


def find_published_range(settings: Settings, now: datetime) -> tuple[datetime, datetime]:
    """Return the first and last bar close at which a pair of the universe has features and a decision is due by `now`.

    MissingDataError where there is none.
    """
    pair_ids = [pair.pair_id for pair in settings.universe.pairs]
    own = pl.col("pair_id").is_in(pair_ids) & (pl.col(EVENT_TIME) <= now - settings.features.decision_lag)
    rows = scan_view(Layout.of(settings), PAIR_HOURLY).filter(own)
    first, last = rows.select(pl.col(EVENT_TIME).min().alias("first"), pl.col(EVENT_TIME).max()).collect().row(0)
    if first is None:
        raise MissingDataError(
            f"no features are published for any of the {format_count(len(pair_ids), 'pair')} of the universe",
            "run `pairity ingest`, or `pairity collect` and `pairity features`",
        )
    return first, last


def choose_range(
    published: tuple[datetime, datetime], since: datetime | None, until: datetime | None
) -> tuple[datetime, datetime]:
    """Return the bar closes from `since` to `until`, both included, as far as features are published.

    TimeRangeError where nothing is left of it.
    """
    first = published[0] if since is None else max(ceil_to(since, HOUR), published[0])
    last = published[1] if until is None else min(floor_to(until, HOUR), published[1])
    if first > last:
        asked = " to ".join(
            "the end of the data" if at is None else f"{at:%Y-%m-%d %H:%M} UTC" for at in (since, until)
        )
        raise TimeRangeError(
            f"there is no bar to backtest from {asked}",
            f"features are published from {published[0]:%Y-%m-%d %H:%M} to {published[1]:%Y-%m-%d %H:%M} UTC",
        )
    return first, last


def join_decisions(
    settings: Settings, service: Service, join: Join, now: datetime, within: tuple[datetime, datetime]
) -> pl.DataFrame:
    """Return pair_id, event_timestamp, decision_time, known and a pair service's features of each decision in `within`.

    Rows by time and pair; features are null where they were not known at the decision. Nothing is used that was not
    known at `now`. JoinError where the join does not return the rows that went in.
    """
    pair_ids = [pair.pair_id for pair in settings.universe.pairs]
    published = read_decided_rows(settings, PAIR_HOURLY, pair_ids, now, within)
    spine = add_decision_times(published.select("pair_id", EVENT_TIME, FIRST_KNOWN), settings)
    return join_checked(join, service, spine)
