"""What the pictures of risk factors share: kinds, colours of terciles, the frame of a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.reports.date_axis import write_dates

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("liquidity", "volatility", "momentum")
COLOURS = {"low": "#3b6fb6", "med": "#8a8a8a", "high": "#c8553d"}
"""Colours of the terciles: told apart in print and by most who confuse red and green."""


def open_figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches that is drawn without a screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def finish_figure(figure: Figure, lowest: Sequence[Axes], title: str, path: Path) -> None:
    """Put dates below the lowest panels and the title above all, and write the figure as PNG."""
    for axis in lowest:
        write_dates(axis)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    figure.savefig(path, dpi=120, format="png")
