"""Figures of what a model says: calibration and scores of candidates, test periods, rank correlation, tenths.

Below the entry level a label is 0 by definition: such rows would make any model look right, and are not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from pairity.number_formats import format_count, format_plain
from training.reports.axes import Axis, make_axis, make_category_axis
from training.reports.figures import Figure, Shape, draw_bars, draw_dots, draw_line, draw_threshold, frame, lack


def draw_calibration(table: pl.DataFrame) -> Figure:
    """Draw observed frequency against predicted probability (mean_probability, observed, rows of each bin)."""
    title = "Calibration, candidates only"
    if table.is_empty():
        return lack(title, "no candidate has a score and an outcome")
    rows = int(table["rows"].sum())
    x = make_axis((0.0, 1.0), "predicted probability")
    y = make_axis((0.0, 1.0), "observed frequency")
    points = list(table.sort("mean_probability").select("mean_probability", "observed").iter_rows())
    shapes = (
        draw_line(x, y, [(0.0, 0.0), (1.0, 1.0)], "zero", "as promised"),
        draw_line(x, y, points, "chosen", "observed"),
        draw_dots(x, y, points, "chosen"),
    )
    return frame(title, x, y, shapes, f"{format_count(rows, 'candidate')} in {table.height} bins of equal width")


def draw_scores(table: pl.DataFrame, threshold: float | None) -> Figure:
    """Draw how many candidates got which probability, by label (low, high, label_0, label_1), and the threshold."""
    title = "Scores, candidates only"
    if not table.height or not table.select(pl.col("label_0", "label_1").sum()).sum_horizontal().item():
        return lack(title, "no candidate has a score and an outcome")
    x = make_axis((0.0, 1.0), "probability")
    y = make_axis([*table["label_0"], *table["label_1"]], "candidates", zero=True, ticks=4)
    shapes = []
    for column, style, name, share in (("label_0", "down", "did not come back", 0), ("label_1", "up", "came back", 1)):
        bars = []
        for low, high, count in table.select("low", "high", column).iter_rows():
            half = (high - low) / 2
            bars.append((low + share * half, low + (share + 1) * half, count))
        shapes.append(draw_bars(x, y, bars, style, name))
    if threshold is not None:
        said = f"entered above {format_plain(threshold)}"
        shapes.append(draw_threshold(x, threshold, said, upright=True))
    return frame(title, x, y, shapes)


def draw_folds(table: pl.DataFrame) -> Figure:
    """Draw the net return of one family per test period (fold, net_return)."""
    title = "Net return by test period"
    x = make_category_axis([str(fold) for fold in table["fold"]], "test period from")
    values = (100.0 * table["net_return"].cast(pl.Float64)).to_list()
    y = make_axis(values, "net return, %", zero=True, ticks=4)
    return frame(title, x, y, _draw_signed(x, y, values))


def draw_monthly_ic(table: pl.DataFrame) -> Figure:
    """Draw the rank correlation of one family's score and outcome per month (month, rank_ic)."""
    title = "Rank correlation of score and outcome by month"
    known = table.drop_nulls("rank_ic")
    if known.is_empty():
        return lack(title, "scores or outcomes do not vary")
    x = make_category_axis([str(month)[:7] for month in known["month"]], "month")
    values = known["rank_ic"].cast(pl.Float64).to_list()
    y = make_axis(values, "rank correlation", zero=True, ticks=4)
    return frame(title, x, y, _draw_signed(x, y, values))


def draw_deciles(table: pl.DataFrame) -> Figure:
    """Draw the mean outcome of each tenth of one family's scores (decile, mean_outcome)."""
    title = "What followed each tenth of the scores"
    if table.height < 2:
        return lack(title, "scores do not vary")
    x = make_category_axis([str(tenth) for tenth in table["decile"]], "tenth of the scores, lowest first")
    values = table["mean_outcome"].cast(pl.Float64).to_list()
    y = make_axis(values, "mean outcome", zero=True, ticks=4)
    return frame(title, x, y, _draw_signed(x, y, values))


def _draw_signed(x: Axis, y: Axis, values: Sequence[float | None]) -> tuple[Shape, ...]:
    bars = [(place + 0.15, place + 0.85, value) for place, value in enumerate(values)]
    return (
        draw_threshold(y, 0.0, "", "zero"),
        draw_bars(x, y, [bar for bar in bars if (bar[2] or 0) < 0], "down"),
        draw_bars(x, y, [bar for bar in bars if (bar[2] or 0) > 0], "up"),
    )
