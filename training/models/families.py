"""Families of models behind one interface: fitted on labelled rows, they forecast for any row.

Source: docs/formulas.md, Families.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import EVENT_TIME, LAGGED_RETURNS, RISK_EXPOSURES, VWAP_DISTANCE, Service
from feature_repo.model_matrix import build_model_matrix
from pairity.annualising import may_annualise
from pairity.errors import UnknownNameError
from pairity.settings import Settings
from pairity.timeline import HOUR
from pairity.universe import Pair
from training.backtest.policies import choose_baseline_pair
from training.backtest.ranking import RankingPolicy, SingleAssetPolicy
from training.backtest.records import Policy
from training.evaluation.forecasts import trade_sign
from training.forest_fit import fit_forest
from training.models import factor_risk, lagged_returns, pair_boosting, pair_forest, pair_logistic

Floats = NDArray[np.float64]
_HOURS_A_DAY = 24


class Model(Protocol):
    """A fitted model."""

    def predict(self, rows: pl.DataFrame) -> Floats:
        """Return, in the order of the rows (features of the family's service), the probability of label 1.

        Families of single assets return the forecast of the logarithmic return instead; NaN where there is none.
        """
        ...

    def compute_importances(self) -> dict[str, float]:
        """Return the share of each feature, largest first; empty for rules."""
        ...


@dataclass(frozen=True, slots=True)
class Portfolio:
    """Portfolio of single assets: how forecasts of their returns are learnt and traded."""

    service: Service
    horizon_bars: int
    """Hours over which the return is forecast."""
    list_assets: Callable[[Settings], tuple[str, ...]]
    make_policy: Callable[[Settings], Policy]
    daily: bool = False
    """Whether to decide with the daily trade sheet, instead of at every close."""
    measure_quality: Callable[[pl.DataFrame, Settings], dict[str, float | None]] = lambda _scored, _settings: {}
    """Return further measures of rows with score and label, sorted by time."""


@dataclass(frozen=True, slots=True)
class Family:
    """Family of models; `fit` gets labelled training rows, the service and the settings."""

    name: str
    description: str
    fit: Callable[[pl.DataFrame, Service, Settings], Model]
    choose_pair: Callable[[Settings], Pair] | None = None
    """Chooses the only pair that the family learns from and trades; None: all pairs."""
    portfolio: Portfolio | None = None
    """Set for families that trade single assets by a forecast; None: pairs by a probability."""
    refit: Callable[[pl.DataFrame, Service, Settings, Mapping[str, int]], Model] | None = None
    """Fits again on part of the rows, with the parameters that a model chose (`list_chosen`). Set for families whose
    probabilities may be frequencies: `thresholds.find_thresholds_of` finds the thresholds of their models by it. What
    it fits is not calibrated."""
    name_calibration: Callable[[Settings], str] = lambda _settings: "none"
    """Returns how the probabilities of fitted models are calibrated: none, sigmoid or isotonic."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Fitted pair forest."""

    pipeline: Any
    service: Service

    def predict(self, rows: pl.DataFrame) -> Floats:
        """Return the probability of label 1 per row."""
        return pair_forest.predict_probability(self.pipeline, build_model_matrix(rows, self.service))

    def compute_importances(self) -> dict[str, float]:
        """Return the mean decrease in impurity per feature."""
        return pair_forest.compute_importances(self.pipeline)


@dataclass(frozen=True, slots=True)
class Constant:
    """Rule that gives every row the same probability."""

    probability: float

    def predict(self, rows: pl.DataFrame) -> Floats:
        """Return the constant, once per row."""
        return np.full(rows.height, self.probability)

    def compute_importances(self) -> dict[str, float]:
        """Return nothing: the rule uses no feature."""
        return {}


@dataclass(frozen=True, slots=True)
class Column:
    """Rule whose forecast is one feature as it is."""

    name: str

    def predict(self, rows: pl.DataFrame) -> Floats:
        """Return the feature; NaN where it is missing."""
        forecast: Floats = rows[self.name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return forecast

    def compute_importances(self) -> dict[str, float]:
        """Return that feature with share 1."""
        return {self.name: 1.0}


def _fit_forest(rows: pl.DataFrame, service: Service, settings: Settings) -> Forest:
    return Forest(fit_forest(rows, service, settings), service)


def _fit_calibrated_forest(rows: pl.DataFrame, service: Service, settings: Settings) -> Forest:
    return _fit_forest(rows, service, calibrate_settings(settings))


def _refit_votes(rows: pl.DataFrame, service: Service, settings: Settings, _chosen: Mapping[str, int]) -> Forest:
    return _fit_forest(rows, service, _set_calibration(settings, "none"))


def _refit_boosting(rows: pl.DataFrame, service: Service, settings: Settings, chosen: Mapping[str, int]) -> Model:
    return pair_boosting.fit_boosting(rows, service, settings, chosen=chosen)


def _refit_logistic(rows: pl.DataFrame, service: Service, settings: Settings, _chosen: Mapping[str, int]) -> Model:
    return pair_logistic.fit_logistic(rows, service, settings)


def list_chosen(model: Model) -> Mapping[str, int]:
    """Return the parameters that a model chose inside its training rows; empty where it chose none."""
    return model.chosen if isinstance(model, pair_boosting.PairBoosting) else {}


def calibrate_settings(settings: Settings) -> Settings:
    """Return the settings of the calibrated forest: isotonic where `model.calibration` says none."""
    return _set_calibration(settings, _name_calibration(settings))


def _name_calibration(settings: Settings) -> str:
    return "isotonic" if settings.model.calibration == "none" else settings.model.calibration


def _set_calibration(settings: Settings, kind: str) -> Settings:
    return settings.model_copy(update={"model": settings.model.model_copy(update={"calibration": kind})})


def _choose_btc_eth(settings: Settings) -> Pair:
    return choose_baseline_pair(settings.universe.traded)


def _make_constant(probability: float, _rows: pl.DataFrame, _service: Service, _settings: Settings) -> Constant:
    return Constant(probability)


def _make_distance_rule(_rows: pl.DataFrame, _service: Service, _settings: Settings) -> Column:
    return Column("ranked_dist")


def _list_universe(settings: Settings) -> tuple[str, ...]:
    return settings.universe.assets


def choose_reference_asset(settings: Settings) -> tuple[str, ...]:
    """Return BTC, or the first asset of a universe without it, as the only asset."""
    assets = settings.universe.assets
    return ("BTC",) if "BTC" in assets else assets[:1]


def count_third(settings: Settings) -> int:
    """Return a third of the universe's size: one asset at least, and no more than the trade sheet has."""
    return max(1, min(settings.vwap.top, len(settings.universe.assets) // 3))


def _make_sign_policy(settings: Settings) -> Policy:
    leverage = settings.strategy.leverage
    return SingleAssetPolicy(0.0, balance_fraction=settings.strategy.max_balance_fraction, leverage=leverage)


def _make_long_short_policy(settings: Settings) -> Policy:
    size, gross = count_third(settings), settings.strategy.max_balance_fraction
    return RankingPolicy(size, size, _HOURS_A_DAY, gross_exposure=gross, leverage=settings.strategy.leverage)


def _make_sheet_policy(settings: Settings) -> Policy:
    """Make the policy that holds the top of a sheet until the next one; forecasts exist at its decisions only."""
    gross = settings.strategy.max_balance_fraction
    return RankingPolicy(count_third(settings), 0, 1, gross_exposure=gross, leverage=settings.strategy.leverage)


def _measure_sign_trading(scored: pl.DataFrame, settings: Settings) -> dict[str, float | None]:
    # Hours that were not scored are flat as well: leaving and coming back is paid for.
    rows = scored.sort(EVENT_TIME)
    rows = rows if rows.is_empty() else rows.upsample(EVENT_TIME, every="1h")
    cost = settings.costs.taker_fee_bps + settings.costs.slippage_bps
    measures = trade_sign(
        rows["score"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        rows["label"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        cost,
    )
    annual = may_annualise(rows.height * HOUR)
    return {
        f"sign_{name}": value if annual or not name.startswith("sharpe") else None
        for name, value in asdict(measures).items()
    }


_FACTOR_RISK = Portfolio(
    service=RISK_EXPOSURES, horizon_bars=24, list_assets=_list_universe, make_policy=_make_long_short_policy
)
_LAGS = Portfolio(
    service=LAGGED_RETURNS,
    horizon_bars=1,
    list_assets=choose_reference_asset,
    make_policy=_make_sign_policy,
    measure_quality=_measure_sign_trading,
)
_VWAP_DISTANCE = Portfolio(
    service=VWAP_DISTANCE, horizon_bars=24, list_assets=_list_universe, make_policy=_make_sheet_policy, daily=True
)

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(
            name="pair_forest",
            description="random forest over all pairs (reference)",
            fit=_fit_forest,
            refit=_refit_votes,
            name_calibration=lambda settings: settings.model.calibration,
        ),
        Family(
            name="pair_forest_calibrated",
            description="the same forest, its probabilities calibrated on purged folds inside the training rows",
            fit=_fit_calibrated_forest,
            refit=_refit_votes,
            name_calibration=_name_calibration,
        ),
        Family(
            name="pair_boosting",
            description="LightGBM over all pairs, tuned inside the training rows",
            fit=pair_boosting.fit_boosting,
            refit=_refit_boosting,
        ),
        Family(
            name="pair_logistic",
            description="logistic regression over all pairs, standardised features",
            fit=pair_logistic.fit_logistic,
            refit=_refit_logistic,
        ),
        Family(
            name="btc_eth_baseline",
            description="the same forest on BTC/ETH alone, 6% stop, 5% target",
            fit=_fit_forest,
            choose_pair=_choose_btc_eth,
        ),
        Family(
            name="factor_risk",
            description="premia of risk exposures (Fama-MacBeth), long the best third against the worst, daily",
            fit=factor_risk.fit_factor_premia,
            portfolio=_FACTOR_RISK,
        ),
        Family(
            name="lagged_linear",
            description="BTC by the sign of a regression on its last hourly return",
            fit=lagged_returns.fit_linear,
            portfolio=_LAGS,
        ),
        Family(
            name="lagged_linear_5",
            description="the same on its last five hourly returns",
            fit=partial(lagged_returns.fit_linear, count=5),
            portfolio=_LAGS,
        ),
        Family(
            name="lagged_boosted",
            description="BTC by the sign of boosted trees on its last five hourly returns",
            fit=lagged_returns.fit_boosted,
            portfolio=_LAGS,
        ),
        Family(
            name="vwap_distance",
            description="the third of all assets furthest above VWAP, from one trade sheet to the next",
            fit=_make_distance_rule,
            portfolio=_VWAP_DISTANCE,
        ),
        Family(
            name="always_revert",
            description="every spread beyond the entry level reverts",
            fit=partial(_make_constant, 1.0),
        ),
        Family(
            name="zero_forecast", description="no spread reverts: nothing is traded", fit=partial(_make_constant, 0.0)
        ),
    )
}


def find_family(name: str) -> Family:
    """Return the family of that name; UnknownNameError lists those that exist."""
    if name not in FAMILIES:
        raise UnknownNameError("family", name, FAMILIES)
    return FAMILIES[name]
