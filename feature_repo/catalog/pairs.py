"""Features of a pair."""

from __future__ import annotations

from feature_repo.catalog.policies import FULL, FUNDING, INFLOW, LOOKBACK, WINDOW
from feature_repo.catalog.types import Feature, View
from pairity.timeline import HOUR

_Z_BOUND = (LOOKBACK / HOUR) ** 0.5
"""No z-score of n values exceeds (n − 1)/√n < √n (Samuelson, 1968), and no window is longer than the lookback."""

PAIR_HOURLY = View(
    name="pair_hourly",
    entity="pair_id",
    description="Hourly features of one pair: a = base asset, b = quote asset, spread = close_a/close_b.",
    lookback=LOOKBACK,
    inputs=("asset_hourly",),
    features=(
        Feature("spread", "close_a / close_b", "ratio", 1, ("close",), "null where either close is missing", lower=0.0),
        Feature("z_score", "(spread − mean_24)/std_24", "σ", 24, ("close",),
                FULL + ", and where the spread is constant over it (to 1e-12)", lower=-_Z_BOUND, upper=_Z_BOUND),
        Feature("spread_rsi", "RSI(14, Wilder) of spread, from the chunk's start or the last hole", "0–100", 15,
                ("close",), "null until 14 changes since then are known, and where none of them moved",
                lower=0.0, upper=100.0),
        Feature("spread_roc", "100·(spread/spread[−5] − 1)", "%", 6, ("close",), "null where either end is missing"),
        Feature("spread_change_1h", "spread/spread[−1] − 1", "fraction", 2, ("close",),
                "null where either end is missing"),
        Feature("vol_ratio", "volume_quote_a / volume_quote_b", "ratio", 1, ("volume_quote",),
                "null where b traded nothing", lower=0.0),
        Feature("vol_ratio_rel", "vol_ratio / mean_12(vol_ratio)", "ratio", 12, ("volume_quote",),
                FULL + " in which b traded, and where a traded in none", lower=0.0),
        Feature("vol_diff_ratio", "std_24(ret_a)/std_24(ret_b)", "ratio", 25, ("close",),
                FULL + ", and where std_24(ret_b) = 0 (to 1e-12)", lower=0.0),
        Feature("realized_vol_base", "std_24(ret_a)", "fraction per √h", 25, ("close",), FULL, lower=0.0),
        Feature("realized_vol_quote", "std_24(ret_b)", "fraction per √h", 25, ("close",), FULL, lower=0.0),
        Feature("realized_vol_avg", "mean of both realized volatilities", "fraction per √h", 25, ("close",), FULL,
                lower=0.0),
        Feature("atr_base", "ATR(14) of a", "USDT", 15, ("high", "low", "close"), FULL, lower=0.0),
        Feature("atr_quote", "ATR(14) of b", "USDT", 15, ("high", "low", "close"), FULL, lower=0.0),
        Feature("atr_pct_base", "atr_base / close_a", "fraction", 15, ("high", "low", "close"), FULL, lower=0.0),
        Feature("atr_pct_quote", "atr_quote / close_b", "fraction", 15, ("high", "low", "close"), FULL, lower=0.0),
        Feature("atr_pct_avg", "mean of both ATR percentages", "fraction", 15, ("high", "low", "close"), FULL,
                lower=0.0),
        Feature("base_funding", "funding_rate of a", "fraction per interval", 1, ("funding",), FUNDING,
                lower=-0.05, upper=0.05),
        Feature("quote_funding", "funding_rate of b", "fraction per interval", 1, ("funding",), FUNDING,
                lower=-0.05, upper=0.05),
        Feature("funding_diff", "base_funding − quote_funding", "fraction per interval", 1, ("funding",),
                "null where either rate is"),
        Feature("funding_avg", "mean of both funding rates", "fraction per interval", 1, ("funding",),
                "null where either rate is"),
        Feature("base_inflow", "inflow of a", "coins", 1, ("inflow",), INFLOW),
        Feature("quote_inflow", "inflow of b", "coins", 1, ("inflow",), INFLOW),
        Feature("inflow_ratio", "base_inflow / quote_inflow", "ratio", 1, ("inflow",),
                "null where either inflow is, and where that of b is not positive"),
        Feature("correlation_168h", "Pearson correlation of hourly returns over 168 bars", "−1…1", 169, ("close",),
                WINDOW + ", or either asset's returns are constant", lower=-1.0000001, upper=1.0000001),
        Feature("hedge_ratio", "slope of OLS of ln close_a on ln close_b over 168 bars", "Δln a / Δln b", 168,
                ("close",), WINDOW + ", or close_b is constant"),
        Feature("half_life_h", "−ln 2 / ln(1 + φ), φ = slope of Δe on e[−1], e = that OLS's residuals", "hours", 168,
                ("close",), WINDOW + ", or close_b or e is constant, or −1 < φ < 0 does not hold", lower=0.0),
        Feature("base_asset", "short name of a", "category", 1, (), "never null", dtype="string"),
        Feature("quote_asset", "short name of b", "category", 1, (), "never null", dtype="string"),
    ),
)  # fmt: skip
