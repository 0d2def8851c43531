"""The lag study: is the next return of one asset in its last ones? Any interval, horizon and number of lags.

Source: docs/formulas.md, Lag study. Fitted on the older decisions, tested on the newer ones, by trading the sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import ASSET_LAGS, EVENT_TIME, Service
from feature_repo.transforms.lags import compute_lagged_returns
from pairity.errors import MissingDataError
from pairity.number_formats import format_count
from pairity.settings import Settings
from pairity.study_settings import measure_interval
from pairity.timeline import DAY
from training.data.interval_bars import read_interval_bars
from training.evaluation.forecasts import SignTrading, compute_log_drawdown, follow_sign, trade_sign
from training.evaluation.long_run import choose_lags, compute_mean_t
from training.evaluation.sharpe import estimate_sharpe
from training.models.lagged_returns import BoostedLags, LinearLags, fit_boosted, fit_linear

_YEAR = 365 * DAY
_LEAST_TESTS = 20


@dataclass(frozen=True, slots=True)
class Loss:
    """Mean squared error of forecasts of the logarithmic return, beside that of forecasting 0 always."""

    rows: int
    model: float
    zero: float


@dataclass(frozen=True, slots=True)
class LagStudy:
    """Result of one study. All returns are logarithmic, over `horizon_bars` bars of size `every`."""

    asset: str
    every: timedelta
    horizon_bars: int
    bars: pl.DataFrame
    """As `interval_bars.read_interval_bars` returns them, in the range that was studied."""
    coefficients: pl.DataFrame
    """name, value, standard_error, t: intercept and lags of the linear model; name and value (the share of the gain)
    of boosted trees, the rest null. Errors are those of independent rows: a horizon above 1 makes them too small."""
    train: Loss
    test: Loss
    train_end: datetime
    """Instant at which the last training return was known: before `test_start`."""
    test_start: datetime
    trading: SignTrading
    """Trading the sign in the test period, one decision every `horizon_bars` bars."""
    sharpe_low: float | None
    """Lower end of the 95% interval of the annualised Sharpe ratio after costs; None where there is no ratio."""
    sharpe_high: float | None
    gain_t: float | None
    """t-value of the squared error of forecasting 0 less the model's in the test (Diebold & Mariano 1995)."""
    net_drawdown: float
    hold_return: float
    """Return of holding the asset over the same period, as a fraction, before costs."""
    curve: pl.DataFrame
    """Test decisions by time, one every `horizon_bars` bars, holes included: event_timestamp, forecast, realised, side,
    gross, net."""
    distribution: dict[str, float | None]
    """Of the returns of the whole range: count, mean, std (ddof 1), skewness, kurtosis (excess), and quantiles."""


def tabulate_lags(bars: pl.DataFrame, every: timedelta, horizon_bars: int, count: int) -> pl.DataFrame:
    """Return one row per bar: event_timestamp, t1, lag_1 … lag_`count`, label.

    `label` = ln(close `horizon_bars` later / close), known at `t1` only (**looks ahead**). `lag_k` is the return over
    `horizon_bars` bars that ended k − 1 horizons before: all of them are known at the bar's close, and none shares a
    bar with the label. Looked up by time: null where a bar is missing.
    """
    reach = every * horizon_bars
    returns = compute_lagged_returns(
        bars.lazy().select("asset", EVENT_TIME, "close"), every=reach, horizon_bars=1, lags=count - 1
    )
    names = ["log_return", *(f"log_return_lag_{number}" for number in range(1, count))]
    later = bars.lazy().select("asset", pl.col(EVENT_TIME) - reach, pl.col("close").alias("__later"))
    return (
        returns.join(later, on=["asset", EVENT_TIME], how="left", maintain_order="left")
        .select(
            EVENT_TIME,
            (pl.col(EVENT_TIME) + reach).alias("t1"),
            *(pl.col(name).alias(f"lag_{number}") for number, name in enumerate(names, 1)),
            (pl.col("__later").log() - pl.col("close").log()).alias("label"),
        )
        .collect()
    )


def study_lags(
    settings: Settings, now: datetime, since: datetime | None = None, until: datetime | None = None
) -> LagStudy:
    """Run the study of `settings.lags` on bars of `features.bar_interval` that closed from `since` to `until`.

    The test period is the newest `lags.test_share` of the decisions whose return is known. A training row whose return
    reaches into it is left out. Nothing is used that was not known at `now`. MissingDataError where there are too few
    bars to fit (100 complete training rows) or to test (20 decisions).
    """
    own, every = settings.lags, measure_interval(settings.features.bar_interval)
    bars = read_interval_bars(settings, own.symbol, every, now)
    first, last = since or bars[EVENT_TIME][0], until or bars[EVENT_TIME][-1]
    bars = bars.filter(pl.col(EVENT_TIME).is_between(first, last))
    rows = tabulate_lags(bars, every, own.horizon_bars, own.count)
    names = tuple(f"lag_{number}" for number in range(1, own.count + 1))
    known = rows.drop_nulls([*names, "label"])
    cut = ceil(known.height * (1.0 - own.test_share))
    if not 0 < cut < known.height:
        raise MissingDataError(
            f"{format_count(bars.height, 'bar')} of {own.symbol} at {settings.features.bar_interval} give "
            f"{format_count(known.height, 'decision')} "
            f"with {format_count(own.count, 'lag')} and a return over {format_count(own.horizon_bars, 'bar')}: "
            "too few to split",
            "collect a longer history, or give fewer lags, a shorter horizon or another interval",
        )
    test_start: datetime = known[EVENT_TIME][cut]
    train = known.filter(pl.col("t1") < test_start)
    service = Service(name="lag_study", description="", view=ASSET_LAGS.name, features=names)
    fit = fit_linear if own.model == "linear" else fit_boosted
    model = fit(train, service, settings, count=own.count)
    test = known.filter(pl.col(EVENT_TIME) >= test_start)
    curve = _trade(rows, test, model, every * own.horizon_bars, _cost(settings))
    decided = curve.drop_nulls(["forecast", "realised"]).height
    if decided < _LEAST_TESTS:
        raise MissingDataError(
            f"{decided} decisions of the test period are too few; {_LEAST_TESTS} are needed",
            "collect a longer history, give a larger --test-share or a shorter --horizon",
        )
    forecast, realised = (curve[name].fill_null(np.nan).to_numpy() for name in ("forecast", "realised"))
    trading = trade_sign(forecast, realised, _cost(settings), _YEAR / (every * own.horizon_bars))
    low, high = _bound_sharpe(curve["net"].to_numpy(), _YEAR / (every * own.horizon_bars))
    train_end = train["t1"].max()
    assert isinstance(train_end, datetime)
    return LagStudy(
        asset=own.symbol,
        every=every,
        horizon_bars=own.horizon_bars,
        bars=bars,
        coefficients=_tabulate_coefficients(model, train),
        train=_measure_loss(model, train),
        test=_measure_loss(model, test),
        train_end=train_end,
        test_start=test_start,
        trading=trading,
        sharpe_low=low,
        sharpe_high=high,
        gain_t=_test_gain(model, test, own.horizon_bars),
        net_drawdown=compute_log_drawdown(curve["net"].to_numpy()),
        hold_return=_hold(bars, test_start, curve[EVENT_TIME][-1] + every * own.horizon_bars),
        curve=curve,
        distribution=_describe(rows["lag_1"].drop_nulls()),
    )


def _cost(settings: Settings) -> float:
    return settings.costs.taker_fee_bps + settings.costs.slippage_bps


def _trade(
    rows: pl.DataFrame, test: pl.DataFrame, model: LinearLags | BoostedLags, reach: timedelta, cost_bps: float
) -> pl.DataFrame:
    """Return the test decisions on a grid of one horizon from the first one to the last whose return is known."""
    first, last = test[EVENT_TIME][0], test[EVENT_TIME][-1]
    grid = pl.DataFrame({EVENT_TIME: pl.datetime_range(first, last, reach, time_unit="us", eager=True)})
    on_grid = grid.join(rows, on=EVENT_TIME, how="left", maintain_order="left")
    forecast, realised = model.predict(on_grid), on_grid["label"].fill_null(np.nan).to_numpy()
    followed = follow_sign(forecast, realised, cost_bps)
    return grid.with_columns(
        forecast=pl.Series(forecast).fill_nan(None),
        realised=pl.Series(realised).fill_nan(None),
        side=pl.Series(followed.side),
        gross=pl.Series(followed.gross),
        net=pl.Series(followed.net),
    )


def _bound_sharpe(net: NDArray[np.float64], periods_a_year: float) -> tuple[float | None, float | None]:
    """Return the ends of the annualised ratio's interval; decisions are a horizon apart: their returns share no bar."""
    estimate = estimate_sharpe(net)
    if estimate is None:
        return None, None
    low, high = (float(end * periods_a_year**0.5) for end in estimate.interval())
    return low, high


def _test_gain(model: LinearLags | BoostedLags, test: pl.DataFrame, horizon_bars: int) -> float | None:
    label: NDArray[np.float64] = test["label"].to_numpy()
    return compute_mean_t(label**2 - (label - model.predict(test)) ** 2, choose_lags(horizon_bars - 1, test.height))


def _measure_loss(model: LinearLags | BoostedLags, rows: pl.DataFrame) -> Loss:
    label: NDArray[np.float64] = rows["label"].to_numpy()
    return Loss(rows.height, float(np.mean((label - model.predict(rows)) ** 2)), float(np.mean(label**2)))


def _tabulate_coefficients(model: LinearLags | BoostedLags, train: pl.DataFrame) -> pl.DataFrame:
    schema = {"name": pl.String, "value": pl.Float64, "standard_error": pl.Float64, "t": pl.Float64}
    if isinstance(model, BoostedLags):
        shares = [(name, share, None, None) for name, share in model.compute_importances().items()]
        return pl.DataFrame(shares, schema=schema, orient="row")
    design = np.column_stack([np.ones(train.height), train.select(model.names).to_numpy()])
    residual = train["label"].to_numpy() - model.predict(train)
    free = train.height - design.shape[1]
    variance = float(residual @ residual) / free
    # The pseudo-inverse: columns that say the same thing have no error of their own, and must not end the study
    errors = np.sqrt(np.maximum(np.diag(np.linalg.pinv(design.T @ design)) * variance, 0.0))
    values = [model.intercept, *model.slopes]
    rows = [
        (name, value, float(error), value / float(error) if error > 0 else None)
        for name, value, error in zip(["intercept", *model.names], values, errors, strict=True)
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def _hold(bars: pl.DataFrame, since: datetime, until: datetime) -> float:
    """Return what holding earned between two bar closes, the nearest bars inside of them."""
    inside = bars.filter(pl.col(EVENT_TIME).is_between(since, until))["close"]
    return float(inside[-1] / inside[0] - 1.0)


def _describe(returns: pl.Series) -> dict[str, float | None]:
    quantiles = {f"q{share}": returns.quantile(share / 100, "linear") for share in (1, 5, 25, 50, 75, 95, 99)}
    moments = {"mean": returns.mean(), "std": returns.std(), "skewness": returns.skew(), "kurtosis": returns.kurtosis()}
    numbers = {name: value if isinstance(value, float) else None for name, value in (moments | quantiles).items()}
    return {"count": float(len(returns)), **numbers}
