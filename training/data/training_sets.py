"""The point-in-time training set of pairs: what was known at each decision, and what followed.

The spine is every published row of the pair view; its decision time is the bar's close plus the decision lag that the
live loop grants the venue. Features are joined at that instant with the knowledge of that instant. Labels come from
spreads and bars as they are known today: an outcome is what happened, not what was first reported.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from math import ceil

import polars as pl

from feature_repo.catalog import EVENT_TIME, PAIR_HOURLY, SERVICES, Service, find_service
from pairity.digest import digest_bytes
from pairity.errors import ConfigError, JoinError, MissingDataError
from pairity.layout import Layout
from pairity.number_formats import format_count
from pairity.settings import LabelSettings, Settings
from pairity.timeline import DAY, HOUR
from training.data.history import load_history
from training.data.point_in_time import (
    FIRST_KNOWN,
    KNOWN,
    Join,
    add_decision_times,
    join_checked,
    read_decided_rows,
    read_snapshot_id,
)
from training.labels.touch import label_touch
from training.labels.triple_barrier import label_triple_barrier, withhold_unwatched

KEY = ("pair_id", EVENT_TIME)
_LEAST_TRAINING_BARS = 24
_FUTURE = {
    "touch": "all {} future bars",
    "triple_barrier": "a position whose end is known, or all {} future bars where none would be opened",
}


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """All decisions of the history: one row per pair and hour, sorted by (event_timestamp, pair_id).

    Columns: pair_id; event_timestamp (bar close); decision_time; known (the row of this very bar was known at the
    decision: the rule by which the live loop calls features fresh); the service's features (null where not known);
    label (1/0, null where the future is not complete); t0, t1 (label interval). `triple_barrier` labels add net_return
    (what the strategy's position would have earned; null where it would have opened none).
    """

    rows: pl.DataFrame
    service: Service
    snapshot_id: str
    """Digest over the manifests of the raw lake from which the features were computed."""

    @property
    def last_decision(self) -> datetime:
        """Bar close of the last decision; MissingDataError where there is none."""
        last = self.rows[EVENT_TIME].max()
        if not isinstance(last, datetime):
            raise MissingDataError("there is no decision to backtest", "run `pairity ingest` (make ingest) first")
        return last

    def labelled(self, selection: LabelSettings) -> pl.DataFrame:
        """Return the rows to learn from: features known in time, label complete, selected by `selection.rows`.

        `candidates` keeps only rows with |z| > `selection.z_entry`: those on which the strategy would act.
        """
        rows = self.rows.filter(pl.col(KNOWN) & pl.col("label").is_not_null())
        if selection.rows == "candidates":
            rows = rows.filter(pl.col("z_score").abs() > selection.z_entry)
        return rows

    def list_notes(self) -> list[str]:
        """Return a note on decisions whose features arrived too late, if there were any."""
        late, total = int((~self.rows[KNOWN]).sum()), self.rows.height
        if not late:
            return []
        return [f"{late} of {total} decisions had no features in time: neither learnt from nor traded on"]


def build_training_set(settings: Settings, service: Service, join: Join, now: datetime) -> TrainingSet:
    """Build the training set from the stored features: spine, point-in-time join and labels.

    Uses nothing that was not known at `now`. MissingDataError where nothing is published, or too little for the label's
    horizon and a split; JoinError where the join does not return the rows that went in.
    """
    layout = Layout.of(settings)
    snapshot_id = read_snapshot_id(layout)
    published = _read_published(settings, now)
    spine = add_decision_times(published.select(*KEY, FIRST_KNOWN), settings)
    joined = join_checked(join, service, spine)
    rows = _join_labels(joined, label_decisions(settings, joined, published, join, now))
    _require_enough(rows, settings)
    return TrainingSet(rows=rows, service=service, snapshot_id=snapshot_id)


def choose_pair_service(settings: Settings) -> Service:
    """Return the service that `model.feature_service` names.

    UnknownNameError for a name that does not exist, ConfigError for a service that does not hold features of pairs.
    """
    chosen = find_service(settings.model.feature_service)
    if chosen.view != PAIR_HOURLY.name:
        fitting = ", ".join(name for name, other in SERVICES.items() if other.view == PAIR_HOURLY.name)
        raise ConfigError(
            f"model.feature_service = {chosen.name!r} holds features of {chosen.view}, not of pairs",
            f"choose from {fitting}",
        )
    return chosen


def digest_training_rows(rows: pl.DataFrame) -> str:
    """Return the SHA-256 of `rows` as one Arrow IPC file: it depends on rows, columns, order and bits, nothing else."""
    # Rechunked and not compressed, so that neither the history of the frame nor the codec's version shows.
    buffer = io.BytesIO()
    rows.rechunk().write_ipc(buffer, compression="uncompressed")
    return digest_bytes(buffer.getvalue())


def _read_published(settings: Settings, now: datetime) -> pl.DataFrame:
    """Return the newest pair rows of the universe whose decision time has come."""
    pair_ids = [pair.pair_id for pair in settings.universe.pairs]
    rows = read_decided_rows(settings, PAIR_HOURLY, pair_ids, now)
    if rows.is_empty():
        raise MissingDataError(
            f"no features are published for any of the {format_count(len(pair_ids), 'pair')} of the universe",
            "run `pairity ingest` (make ingest) first",
        )
    return rows


def label_decisions(
    settings: Settings, joined: pl.DataFrame, published: pl.DataFrame, join: Join, now: datetime
) -> pl.DataFrame:
    """Return pair_id, event_timestamp, label, t0, t1 (and net_return) of decisions, by `settings.label`.

    `joined`: what each decision saw (z_score, and what a position depends on); `published`: pair_id, event_timestamp
    and spread of the same rows as they are known now. **Looks ahead**: a label of t0 is known at t1 only.
    """
    if settings.label.kind == "touch":
        seen = joined.select(*KEY, "z_score").join(
            published.select(*KEY, "spread"), on=KEY, how="left", maintain_order="left"
        )
        return label_touch(seen, settings.label)
    first, last = joined[EVENT_TIME][0], joined[EVENT_TIME][-1]
    history, _ = load_history(settings, join, first, last, now)
    return withhold_unwatched(label_triple_barrier(joined, history, settings), settings.label.horizon_bars)


def _join_labels(joined: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    rows = joined.join(labels, on=KEY, how="left", maintain_order="left")
    if rows.height != joined.height:
        raise JoinError(f"labelling turned {joined.height} rows into {rows.height}", "report this: keys are not unique")
    return rows


def count_hours_needed(settings: Settings) -> int:
    """Return how many hours of history a training set needs at least: with fewer it is refused.

    Pairs have features once `universe.min_aligned_bars` are known, and the newest hour's decision is still to come. The
    end of history has no labels for one horizon (of triple barriers some end earlier: none of it is counted), and the
    purge before the test period removes another.
    """
    unlabelled = settings.label.horizon_bars if settings.label.kind == "touch" else 0
    return settings.universe.min_aligned_bars + _count_labelled_needed(settings) + unlabelled


def _count_labelled_needed(settings: Settings) -> int:
    """Return at how many hours labels are needed for a training part to be left after the purge."""
    return ceil((settings.label.horizon_bars + _LEAST_TRAINING_BARS) / (1.0 - settings.model.test_fraction))


def _require_enough(rows: pl.DataFrame, settings: Settings) -> None:
    """Raise MissingDataError unless a training part is left once the horizon is cut off twice."""
    horizon, test = settings.label.horizon_bars, settings.model.test_fraction
    labelled = rows.filter(pl.col(KNOWN) & pl.col("label").is_not_null())[EVENT_TIME].n_unique()
    need = _count_labelled_needed(settings)
    if labelled >= need:
        return
    hours = rows[EVENT_TIME].n_unique()
    days = ceil((settings.universe.min_aligned_bars + need + horizon) * HOUR / DAY)
    raise MissingDataError(
        "the history is too short for the label horizon: "
        f"{format_count(rows['pair_id'].n_unique(), 'pair has', 'pairs have')} features at {hours} "
        f"hours, {labelled} of them with {_FUTURE[settings.label.kind].format(horizon)}; {need} are needed to train on "
        f"{1.0 - test:.0%} of them after purging {horizon} bars before the test period",
        f"ingest a longer history ({days} days in all, without a hole), or shorten label.horizon_bars",
    )
