"""Reference of drift, frozen with a model: the distribution of each feature and of the scores, pooled and per pair.

It is a file of the run that trained the model, and its digest is signed with the version: later corrections of the
data, or a retraining, do not move what is compared with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from model_registry.drift_file import Range, find_range, read_ranges
from pairity.errors import RegistryError
from training.evaluation.drift import SCORE, StabilityBins, compute_count_index, make_bins
from training.evaluation.drift_limits import Limits, calibrate_limits
from training.evaluation.forecasts import number_hours

Floats = NDArray[np.float64]

MONTH_H = 720
"""Hours of a month: the stretch of which an index is taken, in training and afterwards."""
MONTHS_A_YEAR = 8760 / MONTH_H
ALARMS_A_YEAR = 1.0
"""False alarms a year that the limits are made for: of all pooled series together, and of all series of pairs."""
MOST_PAIRS = 200
"""With more pairs only the pooled series are frozen: the file would grow with the pairs."""
_LEAST_SHARE = 0.9
"""Share of a month's hours that must have rows before a limit holds: a few days lie further from a year than months."""
_PAIR = "pair_id"

REFERENCE_DRIFT_SCHEMA: dict[str, pl.DataType] = {
    "feature": pl.String(),
    "pair": pl.String(),
    "rows": pl.Int64(),
    "hours": pl.Int64(),
    "psi": pl.Float64(),
    "limit": pl.Float64(),
    "beyond": pl.Boolean(),
}


@dataclass(frozen=True, slots=True)
class Series:
    """One series: a feature or SCORE, of a pair or pooled (None)."""

    name: str
    pair: str | None
    bins: StabilityBins
    counts: Floats
    """Training rows per bin."""
    limit: float | None


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """False alarms a year, measured on training months that the limits did not know; None: too few months.

    `alarms`: series beyond their limit; `months`: months with any.
    """

    alarms: float | None
    months: float | None


@dataclass(frozen=True, slots=True)
class DriftReference:
    """Everything that was frozen. `months`: whole months of the training rows."""

    service: str
    train_end: datetime
    months: int
    least_z: float | None
    """Scores are of rows with |z| above it alone; None: of all."""
    pooled: FalseAlarms
    per_pair: FalseAlarms
    series: tuple[Series, ...]
    ranges: Mapping[str, Range]
    """By feature, of all pairs together: what a single decision is compared with."""

    def to_json(self) -> bytes:
        """Return it as bytes, the same for the same reference."""
        content = {
            "format": 1,
            "service": self.service,
            "train_end": self.train_end.isoformat(),
            "months": self.months,
            "least_z": self.least_z,
            "pooled": [self.pooled.alarms, self.pooled.months],
            "per_pair": [self.per_pair.alarms, self.per_pair.months],
            "ranges": {name: list(found) for name, found in self.ranges.items()},
            "series": [
                {
                    "name": one.name,
                    "pair": one.pair,
                    "edges": one.bins.edges.tolist(),
                    "shared": one.bins.shared.tolist(),
                    "counts": one.counts.astype(int).tolist(),
                    "limit": one.limit,
                }
                for one in self.series
            ],
        }
        return json.dumps(content, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, content: bytes) -> DriftReference:
        """Return the reference that `to_json` wrote; RegistryError for anything else."""
        try:
            row = json.loads(content)
            return cls(
                service=row["service"],
                train_end=datetime.fromisoformat(row["train_end"]),
                months=row["months"],
                least_z=row["least_z"],
                pooled=FalseAlarms(*row["pooled"]),
                per_pair=FalseAlarms(*row["per_pair"]),
                series=tuple(
                    Series(
                        name=one["name"],
                        pair=one["pair"],
                        bins=StabilityBins(np.array(one["edges"], float), np.array(one["shared"], bool)),
                        counts=np.array(one["counts"], float),
                        limit=one["limit"],
                    )
                    for one in row["series"]
                ),
                ranges=read_ranges(content),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RegistryError(f"the reference of drift cannot be read: {error}", "train again") from None


def freeze_reference(
    rows: pl.DataFrame,
    scores: pl.DataFrame,
    features: Sequence[str],
    *,
    service: str,
    train_end: datetime,
    least_z: float | None = None,
) -> DriftReference:
    """Return the reference of training rows and of what is said of them out of sample.

    `rows`: pair_id, event_timestamp and the features; `scores`: pair_id, event_timestamp and SCORE, null or NaN where
    nothing was said, of rows with |z| above `least_z`. Limits are for one month (720 hours) of values; without four
    whole months of training there are none.
    """
    numeric = [name for name in features if rows.schema[name].is_numeric()]
    hours = number_hours(rows)
    months = (int(np.ptp(hours)) + 1) // MONTH_H if len(hours) else 0
    found = [*_cut_series(rows, numeric), *_cut_series(_drop_unsaid(scores), [SCORE])]
    limits, alarms = _calibrate(found, months)
    return DriftReference(
        service=service,
        train_end=train_end,
        months=months,
        least_z=least_z,
        pooled=alarms["pooled"],
        per_pair=alarms["per_pair"],
        series=tuple(
            Series(cut.name, cut.pair, cut.bins, cut.counts, limit) for cut, limit in zip(found, limits, strict=True)
        ),
        ranges={name: kept for name in numeric if (kept := find_range(rows[name])) is not None},
    )


def tabulate_reference_drift(reference: DriftReference, rows: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """Return one row (REFERENCE_DRIFT_SCHEMA) per series of the reference, furthest beyond its limit first.

    The last month of `rows` and of `scores` (columns as of `freeze_reference`) against the reference. `beyond` is null
    while a series has no limit, or fewer hours than nine tenths of a month. Pairs that it does not know are left out.
    """
    values = _LastMonth(rows), _LastMonth(_drop_unsaid(scores))
    table = []
    for one in reference.series:
        now, hours = values[one.name == SCORE].of(one.name, one.pair)
        index = None
        if len(now):
            index = float(compute_count_index(one.counts, one.bins.tally(now)))
        judged = index is not None and one.limit is not None and hours >= _LEAST_SHARE * MONTH_H
        table.append(
            {
                "feature": one.name,
                "pair": one.pair,
                "rows": len(now),
                "hours": hours,
                "psi": index,
                "limit": one.limit,
                "beyond": index > one.limit if judged and index is not None and one.limit is not None else None,
            }
        )
    ratio = pl.col("psi") / pl.col("limit")
    return pl.DataFrame(table, schema=REFERENCE_DRIFT_SCHEMA).sort(
        ratio, "psi", descending=True, nulls_last=True, maintain_order=True
    )


@dataclass(frozen=True, slots=True)
class _Cut:
    name: str
    pair: str | None
    bins: StabilityBins
    counts: Floats
    by_month: Floats
    """Rows per whole month, from the last one back, and bin."""


def _cut_series(rows: pl.DataFrame, names: Sequence[str]) -> Iterator[_Cut]:
    """Yield every series of the rows: pooled, and of each pair where they are few."""
    hours = number_hours(rows)
    if not len(hours):
        return
    back = (int(hours.max()) - hours) // MONTH_H
    months = (int(np.ptp(hours)) + 1) // MONTH_H
    pairs = rows[_PAIR].to_numpy()
    known = sorted(rows[_PAIR].unique().to_list())
    places = {pair: np.flatnonzero(pairs == pair) for pair in known} if len(known) <= MOST_PAIRS else {}
    for name in names:
        values = _read_column(rows, name)
        for pair, at in (*{None: np.arange(len(values))}.items(), *places.items()):
            own = values[at]
            bins = make_bins(own)
            flat = np.minimum(back[at], months) * bins.count + bins.place(own)
            table = np.bincount(flat, minlength=(months + 1) * bins.count).reshape(months + 1, bins.count)
            yield _Cut(name, pair, bins, table.sum(axis=0).astype(np.float64), table[:months].astype(np.float64))


def _calibrate(found: Sequence[_Cut], months: int) -> tuple[list[float | None], Mapping[str, FalseAlarms]]:
    """Return the limit of each series, and the false alarms of both groups: they are calibrated apart."""
    limits: list[float | None] = [None] * len(found)
    alarms = {}
    for group, is_pooled in (("pooled", True), ("per_pair", False)):
        places = [place for place, cut in enumerate(found) if (cut.pair is None) is is_pooled]
        made: Limits | None = None
        if places and months:
            indices = np.array([_index_months(found[place], months) for place in places])
            made = calibrate_limits(indices, ALARMS_A_YEAR / MONTHS_A_YEAR)
        if made is None:
            alarms[group] = FalseAlarms(None, None)
            continue
        alarms[group] = FalseAlarms(made.alarms * MONTHS_A_YEAR, made.alarmed * MONTHS_A_YEAR)
        for place, limit in zip(places, made.values.tolist(), strict=True):
            limits[place] = limit if np.isfinite(limit) else None
    return limits, alarms


def _index_months(cut: _Cut, months: int) -> Floats:
    """Return the index of each month against all others; NaN where one side has no rows."""
    indices = np.full(months, np.nan)
    for month, inside in enumerate(cut.by_month[:months]):
        rest = cut.counts - inside
        if inside.sum() and rest.sum():
            indices[month] = float(compute_count_index(rest, inside))
    return indices


class _LastMonth:
    """The last month of rows."""

    def __init__(self, rows: pl.DataFrame) -> None:
        hours = number_hours(rows)
        kept = hours > hours.max() - MONTH_H if len(hours) else np.zeros(0, bool)
        self._rows, self._hours = rows.filter(pl.Series(kept)) if len(hours) else rows, hours[kept]
        self._pairs = self._rows[_PAIR].to_numpy()

    def of(self, name: str, pair: str | None) -> tuple[Floats, int]:
        """Return the values of a series, and how many hours have any."""
        at = np.arange(len(self._pairs)) if pair is None else np.flatnonzero(self._pairs == pair)
        if name not in self._rows.columns or not len(at):
            return np.empty(0), 0
        return _read_column(self._rows, name)[at], len(np.unique(self._hours[at]))


def _drop_unsaid(scores: pl.DataFrame) -> pl.DataFrame:
    return scores.filter(pl.col(SCORE).is_not_null() & pl.col(SCORE).is_not_nan())


def _read_column(rows: pl.DataFrame, name: str) -> Floats:
    # Infinite values are refused by training; live ones are what lies outside, and land in the outer bins
    return rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
