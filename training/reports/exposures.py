"""Exposures to risk factors through time, as CSV and Parquet and as a picture of each coin."""

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

MOST_COINS = 12
"""Most coins in one picture: more rows would be too small to read. The files have all of them."""
_POINTS = 700
"""Most points per curve: more would be drawn into the same pixels."""


def write_exposures(layout: Layout, rows: pl.DataFrame, design: str) -> tuple[Path, Path, Path]:
    """Write `rows` (see `FactorStudy.exposures`) as CSV and Parquet, and a picture, below `reports/risk-factors`.

    Returns the three paths; each file appears whole.
    """
    stem = layout.reports / "risk-factors" / f"exposures-{design}"
    data, table, picture = (stem.with_suffix(ending) for ending in (".parquet", ".csv", ".png"))
    replace_file_with(data, rows.write_parquet)
    replace_file_with(table, escape_formulas(rows).write_csv)
    replace_file_with(picture, lambda path: _draw(rows, design, path))
    return data, table, picture


def _draw(rows: pl.DataFrame, design: str, path: Path) -> None:
    """Draw a row of panels for each coin: one panel for each kind of factor and one for R², the same scale below."""
    assets = rows["asset"].unique(maintain_order=True).to_list()
    shown = assets[:MOST_COINS]
    title = f"Exposures by coin, {design}: return per return of the factor; the most extreme 1% not in view"
    if len(assets) > len(shown):
        title += f"; {len(shown)} of {len(assets)} coins, the files have all"
    kinds = ("market", *KINDS, "r2")
    figure = open_figure(3.1 * len(kinds), 1.5 * len(shown) + 1.1)
    panels = figure.subplots(len(shown), len(kinds), sharex=True, sharey="col", squeeze=False)
    for line, asset in zip(panels, shown, strict=True):
        own = rows.filter(pl.col("asset") == asset)
        own = own.gather_every(max(1, own.height // _POINTS))
        for axis, kind in zip(line, kinds, strict=True):
            _draw_panel(axis, own, kind)
        line[0].set_ylabel(asset, fontsize=11, rotation=0, ha="right", va="center", labelpad=26)
    for axis, kind in zip(panels[0], kinds, strict=True):
        axis.set_title("R²" if kind == "r2" else kind, fontsize=11)
        _limit_height(axis, rows.select(_columns(rows, kind)))
    labelled = [axis for axis in panels[0] if len(axis.get_lines()) > 2]
    if labelled:
        labelled[0].legend(fontsize=8, loc="upper left", frameon=False, ncols=3)
    finish_figure(figure, panels[-1], title, path)


def _draw_panel(axis: Axes, own: pl.DataFrame, kind: str) -> None:
    if kind != "r2":
        axis.axhline(1.0 if kind == "market" else 0.0, color="0.6", linewidth=0.8)
    for name in _columns(own, kind):
        part = name.rpartition("_")[2]
        label = part if part in COLOURS else kind
        axis.plot(own["time"].to_list(), own[name].to_list(), linewidth=1.1, color=COLOURS.get(part, "C0"), label=label)
    axis.grid(alpha=0.25)
    axis.margins(x=0)
    axis.tick_params(labelsize=8)


def _columns(rows: pl.DataFrame, kind: str) -> list[str]:
    """Return the coefficients of one kind of factor: one of spreads, three of terciles."""
    return [name for name in rows.columns if name == kind or name.startswith(f"{kind}_")]


def _limit_height(axis: Axes, values: pl.DataFrame) -> None:
    """Set the height without single extremes, which would flatten everything else."""
    columns = values.get_columns()
    low = min(_find_quantile(column, 0.005) for column in columns)
    high = max(_find_quantile(column, 0.995) for column in columns)
    room = 0.15 * (high - low) or 0.1
    axis.set_ylim(low - room, high + room)


def _find_quantile(values: pl.Series, share: float) -> float:
    return float(values.quantile(share) or 0.0)
