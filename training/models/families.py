"""Families of models behind one interface: what is fitted on labelled rows, and gives a forecast for any row."""

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
from pairity.errors import UnknownNameError
from pairity.settings import Settings
from pairity.universe import Pair
from training.backtest.policies import baseline_pair
from training.backtest.ranking import RankingPolicy, SingleAssetPolicy
from training.backtest.records import Policy
from training.evaluation.forecasts import trade_sign
from training.forest_fit import fit_forest
from training.models import factor_risk, lagged_returns, pair_boosting, pair_forest

Floats = NDArray[np.float64]
_HOURS_A_DAY = 24


class Model(Protocol):
    """A fitted model."""

    def predict(self, rows: pl.DataFrame) -> Floats:
        """Probability of label 1 for each row (features of the family's service), or for assets the forecast of the
        return, in the rows' order."""
        ...

    def importances(self) -> dict[str, float]:
        """Share of each feature, largest first; empty for rules."""
        ...


@dataclass(frozen=True, slots=True)
class Portfolio:
    """How forecasts of single assets' returns are learnt and traded."""

    service: Service
    horizon_bars: int
    """Hours of the return that is forecast."""
    assets: Callable[[Settings], tuple[str, ...]]
    policy: Callable[[Settings], Policy]
    daily: bool = False
    """Decided when the trade sheet is, instead of at every close."""
    quality: Callable[[pl.DataFrame, Settings], dict[str, float | None]] = lambda _scored, _settings: {}
    """More measures, of rows with score and label by time."""


@dataclass(frozen=True, slots=True)
class Family:
    """One line of the leaderboard. `fit` gets labelled training rows, the service and the settings."""

    name: str
    told: str
    fit: Callable[[pl.DataFrame, Service, Settings], Model]
    pair: Callable[[Settings], Pair] | None = None
    """The only pair that it is trained on and trades, if it is not for all."""
    portfolio: Portfolio | None = None
    """Trades single assets by a forecast; None: trades pairs by a probability."""


@dataclass(frozen=True, slots=True)
class Forest:
    """A fitted pair forest."""

    pipeline: Any
    service: Service

    def predict(self, rows: pl.DataFrame) -> Floats:
        """See `Model`."""
        return pair_forest.predict(self.pipeline, build_model_matrix(rows, self.service))

    def importances(self) -> dict[str, float]:
        """Mean decrease in impurity."""
        return pair_forest.importances(self.pipeline)


@dataclass(frozen=True, slots=True)
class Constant:
    """A rule that thinks nothing: every row gets the same probability."""

    probability: float

    def predict(self, rows: pl.DataFrame) -> Floats:
        """See `Model`."""
        return np.full(rows.height, self.probability)

    def importances(self) -> dict[str, float]:
        """None: it looks at nothing."""
        return {}


@dataclass(frozen=True, slots=True)
class Column:
    """A rule that forecasts by one feature as it is."""

    name: str

    def predict(self, rows: pl.DataFrame) -> Floats:
        """The feature; NaN where it is missing."""
        found: Floats = rows[self.name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return found

    def importances(self) -> dict[str, float]:
        """That feature and no other."""
        return {self.name: 1.0}


def _forest(rows: pl.DataFrame, service: Service, settings: Settings) -> Forest:
    return Forest(fit_forest(rows, service, settings), service)


def _calibrated_forest(rows: pl.DataFrame, service: Service, settings: Settings) -> Forest:
    kind = "isotonic" if settings.model.calibration == "none" else settings.model.calibration
    changed = settings.model.model_copy(update={"calibration": kind})
    return _forest(rows, service, settings.model_copy(update={"model": changed}))


def _btc_eth(settings: Settings) -> Pair:
    return baseline_pair(settings.universe.assets)


def _constant(probability: float, _rows: pl.DataFrame, _service: Service, _settings: Settings) -> Constant:
    return Constant(probability)


def _by_distance(_rows: pl.DataFrame, _service: Service, _settings: Settings) -> Column:
    return Column("ranked_dist")


def _universe(settings: Settings) -> tuple[str, ...]:
    return settings.universe.assets


def reference_asset(settings: Settings) -> tuple[str, ...]:
    """BTC, or the first asset of a universe without it."""
    assets = settings.universe.assets
    return ("BTC",) if "BTC" in assets else assets[:1]


def third(settings: Settings) -> int:
    """A third of the universe, one asset at least, and no more than the trade sheet has."""
    return max(1, min(settings.vwap.top, len(settings.universe.assets) // 3))


def _sign(settings: Settings) -> Policy:
    leverage = settings.strategy.leverage
    return SingleAssetPolicy(0.0, balance_fraction=settings.strategy.max_balance_fraction, leverage=leverage)


def _long_short(settings: Settings) -> Policy:
    size, gross = third(settings), settings.strategy.max_balance_fraction
    return RankingPolicy(size, size, _HOURS_A_DAY, gross_exposure=gross, leverage=settings.strategy.leverage)


def _sheet(settings: Settings) -> Policy:
    """The top of the sheet, held until the next one; forecasts exist at the sheet's decisions only."""
    gross = settings.strategy.max_balance_fraction
    return RankingPolicy(third(settings), 0, 1, gross_exposure=gross, leverage=settings.strategy.leverage)


def _sign_quality(scored: pl.DataFrame, settings: Settings) -> dict[str, float | None]:
    # Hours that were not scored are flat as well: leaving and coming back is paid for.
    rows = scored.sort(EVENT_TIME)
    rows = rows if rows.is_empty() else rows.upsample(EVENT_TIME, every="1h")
    cost = settings.costs.taker_fee_bps + settings.costs.slippage_bps
    measures = trade_sign(
        rows["score"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        rows["label"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        cost,
    )
    return {f"sign_{name}": value for name, value in asdict(measures).items()}


_LAGS = Portfolio(LAGGED_RETURNS, 1, reference_asset, _sign, quality=_sign_quality)

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family("pair_forest", "random forest over all pairs (reference)", _forest),
        Family("pair_forest_calibrated", "the same forest, its probabilities calibrated on purged folds inside the "
               "training rows", _calibrated_forest),
        Family("pair_boosting", "LightGBM over all pairs, tuned inside the training rows", pair_boosting.fit),
        Family("btc_eth_baseline", "the same forest on BTC/ETH alone, 6 % stop, 5 % target", _forest, _btc_eth),
        Family("factor_risk", "premia of risk exposures (Fama-MacBeth), long the best third against the worst, daily",
               factor_risk.fit, portfolio=Portfolio(RISK_EXPOSURES, 24, _universe, _long_short)),
        Family("lagged_linear", "BTC by the sign of a regression on its last hourly return",
               lagged_returns.fit_linear, portfolio=_LAGS),
        Family("lagged_linear_5", "the same on its last five hourly returns",
               partial(lagged_returns.fit_linear, count=5), portfolio=_LAGS),
        Family("lagged_boosted", "BTC by the sign of boosted trees on its last five hourly returns",
               lagged_returns.fit_boosted, portfolio=_LAGS),
        Family("vwap_distance", "the third of all assets furthest above VWAP, from one trade sheet to the next",
               _by_distance, portfolio=Portfolio(VWAP_DISTANCE, 24, _universe, _sheet, daily=True)),
        Family("always_revert", "every spread beyond the entry level reverts", partial(_constant, 1.0)),
        Family("zero_forecast", "no spread reverts: nothing is traded", partial(_constant, 0.0)),
    )
}  # fmt: skip


def family(name: str) -> Family:
    """The family of that name; UnknownNameError with those that exist."""
    if name not in FAMILIES:
        raise UnknownNameError("family", name, FAMILIES)
    return FAMILIES[name]
