"""The factor risk model: what a unit of each exposure earned, and hence what each asset should earn.

Two passes (Fama & MacBeth 1973; docs/formulas.md, Families): at each decision the returns that followed are regressed
on the exposures known then, across assets. A factor's premium is the mean of its coefficients. Each decision counts
once, however many assets it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import EVENT_TIME, Service
from pairity.errors import MissingDataError
from pairity.number_formats import format_count
from pairity.settings import Settings
from pairity.timeline import HOUR
from training.evaluation.long_run import choose_lags, compute_mean_t

Floats = NDArray[np.float64]
_LEAST_HOURS = 48


@dataclass(frozen=True, slots=True)
class FactorPremia:
    """Mean premium per exposure, and its t-value over the decisions, by errors of Newey & West for their overlap."""

    names: tuple[str, ...]
    premia: tuple[float, ...]
    t_values: tuple[float, ...]

    def predict(self, rows: pl.DataFrame) -> Floats:
        """Return exposures times premia: the return expected beside the others; NaN where an exposure is missing."""
        forecast = np.zeros(rows.height)
        for name, premium in zip(self.names, self.premia, strict=True):
            forecast = forecast + premium * rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return forecast

    def compute_importances(self) -> dict[str, float]:
        """Return the share of each premium in the sum of |t|, largest first."""
        total = sum(map(abs, self.t_values)) or 1.0
        shares = {name: abs(t) / total for name, t in zip(self.names, self.t_values, strict=True)}
        return dict(sorted(shares.items(), key=lambda item: -item[1]))


def list_exposures(service: Service) -> list[str]:
    """Return the names of the service's coefficients: everything but the intercept and the measures of fit."""
    return [name for name in service.features if not name.endswith(("_const", "_r2"))]


def fit_factor_premia(rows: pl.DataFrame, service: Service, _settings: Settings) -> FactorPremia:
    """Fit premia on rows with all exposures and a label.

    Decisions with too few assets for a regression are left out. MissingDataError where fewer than 48 are left.
    """
    names = list_exposures(service)
    known = rows.drop_nulls([*names, "label"]).sort(EVENT_TIME, "pair_id")
    coefficients: list[Floats] = []
    hours: list[int] = []
    for (at,), part in known.group_by(EVENT_TIME, maintain_order=True):
        if part.height <= len(names) + 1:
            continue
        design = np.column_stack([np.ones(part.height), part.select(names).to_numpy()])
        solution, _, rank, _ = np.linalg.lstsq(design, part["label"].to_numpy(), rcond=None)
        if rank == design.shape[1]:
            coefficients.append(solution[1:])
            assert isinstance(at, datetime)
            hours.append(int(at.timestamp()) // 3600)
    if len(coefficients) < _LEAST_HOURS:
        raise MissingDataError(
            f"{format_count(len(coefficients), 'decision has', 'decisions have')} exposures of more than "
            f"{len(names) + 1} assets; "
            f"{_LEAST_HOURS} are needed",
            "ingest more minutes, or more assets",
        )
    table = np.vstack(coefficients)
    overlap = int(known.select((pl.col("t1") - pl.col("t0")).max()).item() / HOUR)
    t_values = [_compute_t(column, np.array(hours), overlap) for column in table.T]
    return FactorPremia(tuple(names), tuple(map(float, table.mean(axis=0))), tuple(t_values))


def _compute_t(coefficients: Floats, hours: NDArray[np.int64], overlap: int) -> float:
    """Return the t-value of the mean of one coefficient, 0 where it does not vary.

    Returns over `overlap` hours share them with their neighbours: the lags cover twice as many (`long_run`).
    """
    by_hour = np.full(int(hours[-1] - hours[0]) + 1, np.nan)
    by_hour[hours - hours[0]] = coefficients
    return compute_mean_t(by_hour, choose_lags(overlap, len(by_hour))) or 0.0
