"""The point-in-time training set: what was known at each decision, and what became of it.

The spine is every published row of the pair view; its decision time is the bar's close plus the decision lag that the
live loop grants the venue. Features are joined at that instant with the knowledge of that instant; labels come from
spreads and bars as they are known today, because an outcome is what happened, not what was first reported.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import ceil

import polars as pl

from feature_repo.catalog import CREATED_TIME, EVENT_TIME, PAIR_HOURLY, SERVICES, Service, View, find_service
from pairity.digest import digest_bytes
from pairity.errors import ConfigError, JoinError, MissingDataError
from pairity.layout import Layout
from pairity.settings import LabelSettings, Settings
from pairity.timeline import DAY, HOUR

DECISION_TIME = "decision_time"
FIRST_KNOWN = "first_known"
KNOWN = "known"
KEY = ("pair_id", EVENT_TIME)
_LEAST_TRAINING_BARS = 24
_FUTURE = {
    "touch": "all {} future bars",
    "triple_barrier": "a position whose end is known, or all {} future bars where none would be opened",
}

Join = Callable[[str, pl.DataFrame], pl.DataFrame]
"""Point-in-time join: (feature service, entity rows with `event_timestamp` = decision time) → the same rows and order,
with the service's features as known then."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """All decisions of the history, one row per pair and hour, sorted by (event_timestamp, pair_id).

    Columns: pair_id, event_timestamp (bar close), decision_time, known (the row of this very bar was known at the
    decision: the rule by which the live loop calls features fresh), the service's features (null where not known),
    label (1/0, null where the future is not complete), t0, t1 (label interval); of `triple_barrier` labels also
    net_return (what the strategy's position would have earned, null where it would have opened none).
    """

    rows: pl.DataFrame
    service: Service
    snapshot_id: str
    """Digest over the raw lake's manifests from which the features were computed."""

    def labelled(self, selection: LabelSettings) -> pl.DataFrame:
        """Rows to learn from: features known in time, label complete, admitted by `selection.rows`.

        `candidates` keeps |z| > `selection.z_entry` only: the rows on which the strategy would act.
        """
        rows = self.rows.filter(pl.col(KNOWN) & pl.col("label").is_not_null())
        if selection.rows == "candidates":
            rows = rows.filter(pl.col("z_score").abs() > selection.z_entry)
        return rows


def build(settings: Settings, service: Service, join: Join, now: datetime) -> Dataset:
    """Spine, point-in-time join and labels from the stored features, using nothing that was not known at `now`.

    MissingDataError where nothing is published, or too little for the label's horizon and a split; JoinError where the
    join does not return what went in.
    """
    layout = Layout.of(settings)
    snapshot_id = read_snapshot_id(layout)
    published = _published(settings, now)
    spine = decision_rows(published.select(*KEY, FIRST_KNOWN), settings)
    joined = join_checked(join, service, spine)
    rows = _with_labels(joined, _labels(settings, joined, published, join, now))
    _require_enough(rows, settings)
    return Dataset(rows=rows, service=service, snapshot_id=snapshot_id)


def pair_service(settings: Settings) -> Service:
    """The feature service of `model.feature_service`; UnknownNameError, or ConfigError if it is not one of pairs."""
    chosen = find_service(settings.model.feature_service)
    if chosen.view != PAIR_HOURLY.name:
        fitting = ", ".join(name for name, found in SERVICES.items() if found.view == PAIR_HOURLY.name)
        raise ConfigError(
            f"model.feature_service = {chosen.name!r} holds features of {chosen.view}, not of pairs",
            f"choose from {fitting}",
        )
    return chosen


def decision_rows(keys: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """`keys` (entity, event_timestamp = bar close, first_known) with `decision_time`, sorted by time and entity."""
    return keys.with_columns((pl.col(EVENT_TIME) + settings.features.decision_lag).alias(DECISION_TIME)).sort(
        EVENT_TIME, keys.columns[0]
    )


def join_checked(join: Join, service: Service, rows: pl.DataFrame) -> pl.DataFrame:
    """Join `service` to `rows` (entity, event_timestamp, first_known, decision_time) at the decision times.

    Returns entity, event_timestamp, decision_time, `known` and the features, NaN as null. A row that reached us only
    after its decision is not known: the store then answers with an older one, which live trading refuses as stale.
    JoinError unless exactly the rows that went in come back, in order: a join that drops rows silently changes what is
    learnt.
    """
    entity = rows.columns[0]
    bar_close = "bar_close"
    asked = rows.select(entity, pl.col(DECISION_TIME).alias(EVENT_TIME), pl.col(EVENT_TIME).alias(bar_close))
    answer = join(service.name, asked)
    if answer.height != asked.height:
        raise JoinError(
            f"the point-in-time join of {service.name} returned {answer.height} rows for {asked.height}",
            "check the feature store's TTL and join; nothing was trained",
        )
    if not answer.select(asked.columns).cast(asked.schema).equals(asked):
        raise JoinError(
            f"the point-in-time join of {service.name} returned other keys, or another order, than was asked for",
            "check the feature store's join; nothing was trained",
        )
    features = answer.select(service.features).with_columns(pl.selectors.float().fill_nan(None))
    in_time = (pl.col(FIRST_KNOWN) <= pl.col(DECISION_TIME)).fill_null(False)
    answered = pl.any_horizontal(pl.col(service.features).is_not_null())
    return (
        pl.concat([rows, features], how="horizontal")
        .with_columns((in_time & answered).alias(KNOWN))
        .with_columns(pl.when(KNOWN).then(pl.col(name)).otherwise(None).alias(name) for name in service.features)
        .select(entity, EVENT_TIME, DECISION_TIME, KNOWN, *service.features)
    )


def newest_known(rows: pl.LazyFrame, view: View, known_by: datetime) -> pl.DataFrame:
    """The newest row known at `known_by` of each (entity, event time) of a view's files.

    `first_known` is added: when the oldest version of that row became known.
    """
    return (
        rows.filter(pl.col(CREATED_TIME) <= known_by)
        .sort(view.entity, EVENT_TIME, CREATED_TIME)
        .group_by(view.entity, EVENT_TIME, maintain_order=True)
        .agg(pl.col(CREATED_TIME).first().alias(FIRST_KNOWN), pl.exclude(FIRST_KNOWN).last())
        .collect()
    )


def training_digest(rows: pl.DataFrame) -> str:
    """SHA-256 of `rows` as one Arrow IPC file: same rows, columns, order and bits, same digest."""
    buffer = io.BytesIO()
    rows.rechunk().write_ipc(buffer, compression="uncompressed")
    return digest_bytes(buffer.getvalue())


def read_snapshot_id(layout: Layout) -> str:
    """The raw snapshot that the published features come from; MissingDataError where nothing was published yet."""
    path = layout.features / "snapshot.json"
    if not path.is_file():
        raise MissingDataError(f"no features are published: {path} does not exist", "run `make ingest` first")
    try:
        return str(json.loads(path.read_text())["snapshot_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise MissingDataError(f"{path} does not name a snapshot ({error})", "run `make ingest` again") from None


def _published(settings: Settings, now: datetime) -> pl.DataFrame:
    """Newest pair rows of the universe whose decision time has come."""
    from feature_repo.offline_files import scan_view

    wanted = [pair.pair_id for pair in settings.universe.pairs]
    latest = now - settings.features.decision_lag
    stored = scan_view(Layout.of(settings), PAIR_HOURLY).filter(
        pl.col("pair_id").is_in(wanted) & (pl.col(EVENT_TIME) <= latest)
    )
    rows = newest_known(stored, PAIR_HOURLY, now)
    if rows.is_empty():
        raise MissingDataError(
            f"no features are published for any of the {len(wanted)} pairs of the universe", "run `make ingest` first"
        )
    return rows


def _labels(
    settings: Settings, joined: pl.DataFrame, published: pl.DataFrame, join: Join, now: datetime
) -> pl.DataFrame:
    """Label each decision by what it saw (z-score, and what a position depends on) and by what followed."""
    from training.data.history import history_between
    from training.labels.touch import touch_labels
    from training.labels.triple_barrier import triple_barrier_labels

    if settings.label.kind == "touch":
        seen = joined.select(*KEY, "z_score").join(
            published.select(*KEY, "spread"), on=KEY, how="left", maintain_order="left"
        )
        return touch_labels(seen, settings.label)
    first, last = joined[EVENT_TIME][0], joined[EVENT_TIME][-1]
    history, _ = history_between(settings, join, first, last, now)
    return triple_barrier_labels(joined, history, settings)


def _with_labels(joined: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    rows = joined.join(labels, on=KEY, how="left", maintain_order="left")
    if rows.height != joined.height:
        raise JoinError(f"labelling turned {joined.height} rows into {rows.height}", "report this: keys are not unique")
    return rows


def _require_enough(rows: pl.DataFrame, settings: Settings) -> None:
    """A training part must be left once the horizon is cut off twice: at the end of history, and by the purge."""
    horizon, test = settings.label.horizon_bars, settings.model.test_fraction
    labelled = rows.filter(pl.col(KNOWN) & pl.col("label").is_not_null())[EVENT_TIME].n_unique()
    need = ceil((horizon + _LEAST_TRAINING_BARS) / (1.0 - test))
    if labelled >= need:
        return
    hours = rows[EVENT_TIME].n_unique()
    days = ceil((settings.features.z_window_bars + need + horizon) * HOUR / DAY) + 1
    raise MissingDataError(
        f"the history is too short for the label horizon: {rows['pair_id'].n_unique()} pairs have features at {hours} "
        f"hours, {labelled} of them with {_FUTURE[settings.label.kind].format(horizon)}; {need} are needed to train on "
        f"{1.0 - test:.0%} of them after purging {horizon} bars before the test period",
        f"ingest a longer history (about {days} days in all), or shorten label.horizon_bars",
    )
