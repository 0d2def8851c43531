"""Lagged returns of one asset: do the last hours say anything about the next? (docs/formulas.md, Lagged returns.)"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import Service
from pairity.errors import MissingDataError
from pairity.number_formats import format_count
from pairity.settings import Settings

Floats = NDArray[np.float64]
_BOOSTED_LAGS = 5
_LEAST_ROWS = 100
_ROUNDS = 60
_PARAMETERS: dict[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 200,
    "lambda_l2": 10.0,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
}


def list_lags(service: Service, count: int) -> list[str]:
    """Return the names of the features that hold the last `count` hourly returns, newest first.

    The return of the bar that has just closed is lag 1 of the return to come.
    """
    return list(service.features[:count])


@dataclass(frozen=True, slots=True)
class LinearLags:
    """Least-squares model with intercept on the newest lags."""

    names: tuple[str, ...]
    intercept: float
    slopes: tuple[float, ...]

    def predict(self, rows: pl.DataFrame) -> Floats:
        """Return the forecast of the next logarithmic return; NaN where a lag is missing."""
        forecast = np.full(rows.height, self.intercept)
        for name, slope in zip(self.names, self.slopes, strict=True):
            forecast = forecast + slope * rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return forecast

    def compute_importances(self) -> dict[str, float]:
        """Return the share of each slope in the sum of their magnitudes: all lags have the same scale."""
        total = sum(abs(slope) for slope in self.slopes) or 1.0
        shares = {name: abs(slope) / total for name, slope in zip(self.names, self.slopes, strict=True)}
        return dict(sorted(shares.items(), key=lambda item: -item[1]))


@dataclass(frozen=True, slots=True)
class BoostedLags:
    """Regression trees on the newest lags; `text` is LightGBM's own format: data, no code."""

    names: tuple[str, ...]
    text: str

    def predict(self, rows: pl.DataFrame) -> Floats:
        """Return the forecast of the next logarithmic return; NaN where a lag is missing, as with the linear model."""
        import lightgbm

        if rows.is_empty():
            return np.empty(0)
        matrix = rows.select(pl.col(name).cast(pl.Float64).fill_null(float("nan")) for name in self.names).to_numpy()
        forecast: Floats = np.asarray(lightgbm.Booster(model_str=self.text).predict(matrix, num_threads=1))
        return np.where(np.isnan(matrix).any(axis=1), np.nan, forecast)

    def compute_importances(self) -> dict[str, float]:
        """Return each lag's share of the total gain, largest first."""
        import lightgbm

        gains = lightgbm.Booster(model_str=self.text).feature_importance("gain")
        total = float(gains.sum()) or 1.0
        shares = {name: float(gain) / total for name, gain in zip(self.names, gains, strict=True)}
        return dict(sorted(shares.items(), key=lambda item: -item[1]))


def fit_linear(rows: pl.DataFrame, service: Service, _settings: Settings, *, count: int = 1) -> LinearLags:
    """Regress the next return on the last `count` ones; rows without all of them are left out.

    MissingDataError for fewer than 100 complete rows.
    """
    names = list_lags(service, count)
    known = _select_complete(rows, names)
    design = np.column_stack([np.ones(known.height), *(known[name].to_numpy() for name in names)])
    solution, *_ = np.linalg.lstsq(design, known["label"].to_numpy(), rcond=None)
    return LinearLags(tuple(names), float(solution[0]), tuple(map(float, solution[1:])))


def fit_boosted(
    rows: pl.DataFrame,
    service: Service,
    settings: Settings,
    *,
    count: int = _BOOSTED_LAGS,
) -> BoostedLags:
    """Fit boosted regression trees on the last `count` lags; with one seed and one thread, same rows give same bytes.

    MissingDataError for fewer than 100 complete rows.
    """
    import lightgbm

    names = list_lags(service, count)
    known = _select_complete(rows, names)
    data = lightgbm.Dataset(data=known.select(names).to_numpy(), label=known["label"].to_numpy(), free_raw_data=True)
    booster = lightgbm.train(_PARAMETERS | {"seed": settings.model.seed}, data, num_boost_round=_ROUNDS)
    return BoostedLags(tuple(names), booster.model_to_string())


def _select_complete(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    known = rows.drop_nulls([*names, "label"])
    if known.height < _LEAST_ROWS:
        raise MissingDataError(
            f"{format_count(known.height, 'row')} with all of {', '.join(names)} are too few to regress on",
            "ingest a longer history",
        )
    return known
