"""Exposures to risk factors through time, as Parquet and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pairity.durable import replace_file_with
from pairity.layout import Layout

_NOT_FACTORS = {"asset", "time", "const", "r2", "adj_r2"}
_POINTS = 2_000
"""Most points per curve: more would be drawn into the same pixels."""


def write_exposures(layout: Layout, rows: pl.DataFrame, design: str) -> tuple[Path, Path]:
    """Write `rows` (asset, time, const, factors, r2, adj_r2) and a plot below `reports/risk-factors`.

    Returns both paths; each file appears whole.
    """
    folder = layout.root / "reports" / "risk-factors"
    data, picture = folder / f"exposures-{design}.parquet", folder / f"exposures-{design}.png"
    replace_file_with(data, rows.write_parquet)
    replace_file_with(picture, lambda path: _draw(rows, design, path))
    return data, picture


def _draw(rows: pl.DataFrame, design: str, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    factors = [name for name in rows.columns if name not in _NOT_FACTORS]
    shown = [*factors, "r2"]
    assets = rows["asset"].unique(maintain_order=True).to_list()
    figure = Figure(figsize=(11, 1.9 * len(shown) + 0.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(shown), 1, sharex=True)
    for axis, name in zip(axes, shown, strict=True):
        for asset in assets:
            own = rows.filter(pl.col("asset") == asset)
            own = own.gather_every(max(1, own.height // _POINTS))
            axis.plot(own["time"].to_list(), own[name].to_list(), linewidth=1.0, label=asset)
        axis.set_ylabel(_make_title(name), fontsize=9)
        axis.grid(alpha=0.3)
        axis.margins(x=0)
        _limit_height(axis, rows, name)
    axes[0].legend(ncols=len(assets), loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False)
    axes[0].set_title(f"Exposures, {design}, by the minute; the most extreme 1 % not in view", loc="right", fontsize=10)
    locator = AutoDateLocator()
    axes[-1].xaxis.set_major_locator(locator)
    axes[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))
    figure.savefig(path, dpi=120, format="png")


def _make_title(name: str) -> str:
    return "R²" if name == "r2" else name.replace("_", " ")


def _limit_height(axis: object, rows: pl.DataFrame, name: str) -> None:
    """Set the height of the picture without single extremes, which would flatten everything else."""
    low, high = _compute_quantiles(rows[name], (0.005, 0.995))
    room = 0.15 * (high - low) or 0.1
    axis.set_ylim(low - room, high + room)  # type: ignore[attr-defined]


def _compute_quantiles(values: pl.Series, shares: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(values.quantile(share) or 0.0) for share in shares)
