"""Files of a lag study: its tables, and one picture of price, returns, equity and drawdown."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from feature_repo.catalog import EVENT_TIME
from pairity.csv_files import escape_formulas
from pairity.durable import replace_file_with
from pairity.layout import Layout
from training.lag_study import LagStudy
from training.models.lagged_returns import Floats
from training.reports.date_axis import write_dates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = 4000
"""Most points per curve: more would be drawn into the same pixels."""


def write_study(layout: Layout, study: LagStudy, interval: str) -> list[Path]:
    """Write measures, coefficients and test decisions as CSV and a picture below `reports/lags`; return the paths."""
    stem = f"{study.asset}-{interval}-h{study.horizon_bars}-{len(_list_lags(study))}"
    folder = layout.reports / "lags"
    tables = {
        "measures": _tabulate_measures(study),
        "coefficients": study.coefficients,
        "decisions": study.curve,
    }
    paths = [folder / f"{stem}.png", *(folder / f"{stem}-{name}.csv" for name in tables)]
    replace_file_with(paths[0], lambda path: _draw(study, interval, path))
    for path, table in zip(paths[1:], tables.values(), strict=True):
        replace_file_with(path, escape_formulas(table).write_csv)
    return paths


def _list_lags(study: LagStudy) -> list[str]:
    return [name for name in study.coefficients["name"] if name != "intercept"]


def _tabulate_measures(study: LagStudy) -> pl.DataFrame:
    values: dict[str, float | int | None] = {
        **{f"train_{name}": value for name, value in asdict(study.train).items()},
        **{f"test_{name}": value for name, value in asdict(study.test).items()},
        **asdict(study.trading),
        "sharpe_after_costs_low": study.sharpe_low,
        "sharpe_after_costs_high": study.sharpe_high,
        "test_gain_t": study.gain_t,
        "max_drawdown_after_costs": study.net_drawdown,
        "hold_return": study.hold_return,
        **{f"return_{name}": value for name, value in study.distribution.items()},
    }
    numbers = [None if value is None else float(value) for value in values.values()]
    return pl.DataFrame({"measure": list(values), "value": pl.Series(numbers, dtype=pl.Float64)})


def _draw(study: LagStudy, interval: str, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 12), layout="constrained")
    FigureCanvasAgg(figure)
    price, histogram, equity, fall = figure.subplots(4, 1)
    bars = study.bars.gather_every(max(1, study.bars.height // _POINTS))
    price.plot(bars[EVENT_TIME].to_list(), bars["close"].to_list(), linewidth=0.8)
    price.axvline(study.test_start, color="grey", linewidth=0.8, linestyle="dotted", label="test begins")
    price.set_title(f"{study.asset}, bars of {interval}, return over {_name_span(study)}: price")
    price.set_ylabel("USDT")
    price.legend(frameon=False)
    _draw_returns(histogram, study)
    times = study.curve[EVENT_TIME].to_list()
    for name, label in (("gross", "before costs"), ("net", "after costs")):
        curve = np.cumsum(study.curve[name].to_numpy())
        equity.plot(times, np.exp(curve), linewidth=1, label=label)
        fall.plot(times, 100 * _compute_falls(curve), linewidth=1, label=label)
    for axis in (price, equity, fall):
        write_dates(axis)
    equity.axhline(1.0, color="grey", linewidth=0.5)
    equity.set_title("equity of trading the sign in the test period")
    equity.set_ylabel("equity / start")
    equity.legend(frameon=False)
    fall.set_title("drawdown of trading the sign in the test period")
    fall.set_ylabel("drawdown, %")
    fall.legend(frameon=False)
    figure.savefig(path, dpi=110, format="png")


def _draw_returns(axis: Axes, study: LagStudy) -> None:
    closes = study.bars["close"].log().diff(study.horizon_bars).drop_nulls()
    low, high = closes.quantile(0.001) or 0.0, closes.quantile(0.999) or 0.0
    shown = closes.filter(closes.is_between(low, high))
    axis.hist((100 * shown).to_list(), bins=80, color="steelblue")
    axis.set_title(f"returns over {_name_span(study)}, without the most extreme 0.2%")
    axis.set_xlabel("logarithmic return, %")
    axis.set_ylabel("bars")


def _name_span(study: LagStudy) -> str:
    return "one bar" if study.horizon_bars == 1 else f"{study.horizon_bars} bars"


def _compute_falls(curve: Floats) -> Floats:
    """Return exp(cumulative return − its maximum so far, 0 at the start) − 1."""
    peaks = np.maximum.accumulate(np.concatenate([[0.0], curve]))[1:]
    falls: Floats = np.expm1(curve - peaks)
    return falls
