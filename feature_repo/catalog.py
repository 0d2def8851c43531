"""Every feature, declared once.

Feast views, validation suites, documentation and proofs are derived from these declarations; the transforms produce
exactly these columns. All features are hourly; a row's `event_timestamp` is the close of its last bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Literal

from pairity.errors import UnknownNameError
from pairity.timeline import HOUR

DType = Literal["float64", "int64", "string"]
EVENT_TIME = "event_timestamp"
CREATED_TIME = "created_timestamp"


@dataclass(frozen=True, slots=True)
class Feature:
    """One column. `lookback_bars` counts the bars that a value needs, its own included.

    `lower` and `upper` are bounds outside which a value cannot be right (validation quarantines it).
    """

    name: str
    formula: str
    unit: str
    lookback_bars: int
    inputs: tuple[str, ...]
    nulls: str
    dtype: DType = "float64"
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class View:
    """One feature view: one entity, one transform, one set of files."""

    name: str
    entity: str
    description: str
    lookback: timedelta
    """How far before a chunk's anchor (a month's start) computation begins."""
    features: tuple[Feature, ...]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Feature columns in declaration order."""
        return tuple(feature.name for feature in self.features)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of the published files, in order."""
        return (self.entity, EVENT_TIME, CREATED_TIME, *self.feature_names)


def _bar(name: str, formula: str, unit: str, lower: float | None = None) -> Feature:
    return Feature(name, formula, unit, 1, ("candles_1m",), "null where the hour has no minute", lower=lower)


_FULL = "null unless every hour of the window has a bar"
_WINDOW = "null where fewer than 90 % of the window's bars exist for both assets"
_FUNDING = "null before the first settlement, and when the newest one is older than 24 h"

ASSET_HOURLY = View(
    name="asset_hourly",
    entity="asset",
    description="Hourly bars of one perpetual swap, with volatility, range and funding.",
    lookback=400 * HOUR,
    features=(
        _bar("open", "first minute's open", "USDT", 0.0),
        _bar("high", "max of the minutes' highs", "USDT", 0.0),
        _bar("low", "min of the minutes' lows", "USDT", 0.0),
        _bar("close", "last minute's close", "USDT", 0.0),
        _bar("volume_base", "Σ volume", "coins", 0.0),
        _bar("volume_quote", "Σ quote volume, or Σ (h+l+c)/3·volume where the venue gives none", "USDT", 0.0),
        Feature("minutes_observed", "minutes present in the hour (60 for a native hourly bar)", "minutes", 1,
                ("candles_1m",), "never null", dtype="int64", lower=0, upper=60),
        Feature("return_1h", "close/close[−1h] − 1", "fraction", 2, ("close",), "null where either close is missing",
                lower=-1.0),
        Feature("realized_vol_24h", "std of return_1h over 24 bars (ddof 1)", "fraction per √h", 25, ("close",), _FULL,
                lower=0.0),
        Feature("atr_14", "mean true range over 14 bars", "USDT", 15, ("high", "low", "close"), _FULL, lower=0.0),
        Feature("atr_pct", "atr_14 / close", "fraction", 15, ("high", "low", "close"), _FULL, lower=0.0),
        Feature("funding_rate", "last settled funding rate known at the close", "fraction per interval", 1,
                ("funding",), _FUNDING, lower=-0.05, upper=0.05),
    ),
)  # fmt: skip

PAIR_HOURLY = View(
    name="pair_hourly",
    entity="pair_id",
    description="Hourly features of one pair: a = base asset, b = quote asset, spread = close_a/close_b.",
    lookback=400 * HOUR,
    features=(
        Feature("spread", "close_a / close_b", "ratio", 1, ("close",), "null where either close is missing", lower=0.0),
        Feature("z_score", "(spread − mean_24)/std_24", "σ", 24, ("close",),
                _FULL + ", and where the spread is constant over it (to 1e-12)", lower=-5.0, upper=5.0),
        Feature("spread_rsi", "RSI(14, Wilder) of spread, from the chunk's start or the last hole", "0–100", 15,
                ("close",), "null until 14 changes since then are known, and where none of them moved",
                lower=0.0, upper=100.0),
        Feature("spread_roc", "100·(spread/spread[−5] − 1)", "%", 6, ("close",), "null where either end is missing"),
        Feature("spread_change_1h", "spread/spread[−1] − 1", "fraction", 2, ("close",),
                "null where either end is missing"),
        Feature("vol_ratio", "volume_quote_a / volume_quote_b", "ratio", 1, ("volume_quote",),
                "null where b traded nothing", lower=0.0),
        Feature("vol_ratio_rel", "vol_ratio / mean_12(vol_ratio)", "ratio", 12, ("volume_quote",),
                _FULL + " in which b traded, and where a traded in none", lower=0.0),
        Feature("vol_diff_ratio", "std_24(ret_a)/std_24(ret_b)", "ratio", 25, ("close",),
                _FULL + ", and where std_24(ret_b) = 0 (to 1e-12)", lower=0.0),
        Feature("realized_vol_base", "std_24(ret_a)", "fraction per √h", 25, ("close",), _FULL, lower=0.0),
        Feature("realized_vol_quote", "std_24(ret_b)", "fraction per √h", 25, ("close",), _FULL, lower=0.0),
        Feature("realized_vol_avg", "mean of both realized volatilities", "fraction per √h", 25, ("close",), _FULL,
                lower=0.0),
        Feature("atr_base", "ATR(14) of a", "USDT", 15, ("high", "low", "close"), _FULL, lower=0.0),
        Feature("atr_quote", "ATR(14) of b", "USDT", 15, ("high", "low", "close"), _FULL, lower=0.0),
        Feature("atr_pct_base", "atr_base / close_a", "fraction", 15, ("high", "low", "close"), _FULL, lower=0.0),
        Feature("atr_pct_quote", "atr_quote / close_b", "fraction", 15, ("high", "low", "close"), _FULL, lower=0.0),
        Feature("atr_pct_avg", "mean of both ATR percentages", "fraction", 15, ("high", "low", "close"), _FULL,
                lower=0.0),
        Feature("base_funding", "funding_rate of a", "fraction per interval", 1, ("funding",), _FUNDING,
                lower=-0.05, upper=0.05),
        Feature("quote_funding", "funding_rate of b", "fraction per interval", 1, ("funding",), _FUNDING,
                lower=-0.05, upper=0.05),
        Feature("funding_diff", "base_funding − quote_funding", "fraction per interval", 1, ("funding",),
                "null where either rate is"),
        Feature("funding_avg", "mean of both funding rates", "fraction per interval", 1, ("funding",),
                "null where either rate is"),
        Feature("correlation_168h", "Pearson correlation of hourly returns over 168 bars", "−1…1", 169, ("close",),
                _WINDOW + ", or either asset's returns are constant", lower=-1.0000001, upper=1.0000001),
        Feature("hedge_ratio", "slope of OLS of ln close_a on ln close_b over 168 bars", "Δln a / Δln b", 168,
                ("close",), _WINDOW + ", or close_b is constant"),
        Feature("half_life_h", "−ln 2 / ln(1 + φ), φ = slope of Δe on e[−1], e = that OLS's residuals", "hours", 168,
                ("close",), _WINDOW + ", or close_b or e is constant, or −1 < φ < 0 does not hold", lower=0.0),
        Feature("base_asset", "short name of a", "category", 1, (), "never null", dtype="string"),
        Feature("quote_asset", "short name of b", "category", 1, (), "never null", dtype="string"),
    ),
)  # fmt: skip

VIEWS: Mapping[str, View] = MappingProxyType({view.name: view for view in (ASSET_HOURLY, PAIR_HOURLY)})


@dataclass(frozen=True, slots=True)
class Service:
    """A named set of features: what a model is trained on and later asks for online."""

    name: str
    description: str
    view: str
    features: tuple[str, ...]


PAIR_FOREST_FEATURES = Service(
    name="pair_forest_v1",
    description="Inputs of the universal pair forest.",
    view=PAIR_HOURLY.name,
    features=tuple(name for name in PAIR_HOURLY.feature_names if name not in {"spread", "atr_base", "atr_quote"}),
)
MARKET_STATE = Service(
    name="market_state_v1",
    description="What the decision needs to know of each asset: last bar, range, volatility, funding.",
    view=ASSET_HOURLY.name,
    features=ASSET_HOURLY.feature_names,
)
SERVICES: Mapping[str, Service] = MappingProxyType({s.name: s for s in (PAIR_FOREST_FEATURES, MARKET_STATE)})


def view(name: str) -> View:
    """The view of that name; UnknownNameError lists those that exist."""
    if name not in VIEWS:
        raise UnknownNameError("feature view", name, VIEWS)
    return VIEWS[name]


def service(name: str) -> Service:
    """The feature service of that name; UnknownNameError lists those that exist."""
    if name not in SERVICES:
        raise UnknownNameError("feature service", name, SERVICES)
    return SERVICES[name]
