"""The factor risk model: what a unit of each exposure earned, and hence what each asset should earn.

Two passes (Fama & MacBeth 1973; docs/formulas.md, Families): at each decision the returns that followed are regressed
on the exposures known then, across assets. A factor's premium is the mean of its coefficients. Each decision counts
once, however many assets it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import EVENT_TIME, Service
from pairity.errors import MissingDataError
from pairity.settings import Settings

Floats = NDArray[np.float64]
_LEAST_HOURS = 48


@dataclass(frozen=True, slots=True)
class FactorPremia:
    """Mean premium per exposure, and its t-value over the decisions (overlapping returns: read it with care)."""

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
    for _, part in known.group_by(EVENT_TIME, maintain_order=True):
        if part.height <= len(names) + 1:
            continue
        design = np.column_stack([np.ones(part.height), part.select(names).to_numpy()])
        solution, _, rank, _ = np.linalg.lstsq(design, part["label"].to_numpy(), rcond=None)
        if rank == design.shape[1]:
            coefficients.append(solution[1:])
    if len(coefficients) < _LEAST_HOURS:
        raise MissingDataError(
            f"{len(coefficients)} decisions have exposures of more than {len(names) + 1} assets; "
            f"{_LEAST_HOURS} are needed",
            "ingest more minutes, or more assets",
        )
    table = np.vstack(coefficients)
    mean, deviation = table.mean(axis=0), table.std(axis=0, ddof=1)
    t_values = np.divide(mean * sqrt(len(table)), deviation, out=np.zeros_like(mean), where=deviation > 0)
    return FactorPremia(tuple(names), tuple(map(float, mean)), tuple(map(float, t_values)))
