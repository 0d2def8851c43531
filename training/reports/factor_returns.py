"""Returns of the risk factors, as CSV and Parquet and as a picture of what they came to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from pairity.csv_files import escape_formulas
from pairity.durable import replace_file_with
from pairity.layout import Layout
from training.reports.factor_colours import COLOURS, KINDS, finish_figure, open_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = 1_500


def write_factor_returns(layout: Layout, factors: pl.DataFrame) -> tuple[Path, Path, Path]:
    """Write `factors` (see `FactorStudy.factors`) as CSV and Parquet, and a picture, below `reports/risk-factors`.

    Returns the three paths; each file appears whole.
    """
    stem = layout.reports / "risk-factors" / "factor-returns"
    data, table, picture = (stem.with_suffix(ending) for ending in (".parquet", ".csv", ".png"))
    replace_file_with(data, factors.write_parquet)
    replace_file_with(table, escape_formulas(factors).write_csv)
    replace_file_with(picture, lambda path: _draw(factors, path))
    return data, table, picture


def accumulate(factors: pl.DataFrame) -> pl.DataFrame:
    """Return time and the sums of each factor's returns so far, in %, null before the first return.

    A later minute without a return adds nothing.
    """
    returns = pl.exclude("time")
    begun = factors.select(returns.is_not_null().cum_sum() > 0)
    sums = factors.select(returns.fill_null(0.0).cum_sum() * 100.0)
    shown = [pl.select(pl.when(begun[name]).then(sums[name]).alias(name)).to_series() for name in sums.columns]
    return factors.select("time").hstack(shown)


def _draw(factors: pl.DataFrame, path: Path) -> None:
    """Draw one panel for the market and one for each kind: its terciles, and high minus low."""
    sums = accumulate(factors)
    sums = sums.gather_every(max(1, sums.height // _POINTS))
    figure = open_figure(11.0, 10.0)
    panels = figure.subplots(1 + len(KINDS), 1, sharex=True)
    _draw_curve(panels[0], sums, "market", "market", "black")
    for axis, kind in zip(panels[1:], KINDS, strict=True):
        for part, colour in COLOURS.items():
            _draw_curve(axis, sums, f"{kind}_{part}", part, colour)
        _draw_curve(axis, sums, kind, "high − low", "black")
    for axis, kind in zip(panels, ("market", *KINDS), strict=True):
        axis.set_ylabel(f"{kind}, %", fontsize=10)
        axis.axhline(0.0, color="0.6", linewidth=0.8)
        axis.grid(alpha=0.25)
        axis.margins(x=0)
        axis.legend(ncols=4, fontsize=9, loc="upper left", frameon=False)
    finish_figure(figure, panels[-1:], "Cumulative returns of the risk factors: sums of minute returns", path)


def _draw_curve(axis: Axes, sums: pl.DataFrame, name: str, label: str, colour: str) -> None:
    last = sums[name][-1]
    text = label if last is None else f"{label} ({last:+.1f}%)"
    axis.plot(sums["time"].to_list(), sums[name].to_list(), linewidth=1.3, color=colour, label=text)
