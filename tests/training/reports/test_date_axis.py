"""Dates below a picture are there, and never one over the other, however long it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.reports.date_axis import write_dates

START = datetime(2025, 12, 6, tzinfo=UTC)


@pytest.mark.parametrize("width", [2.6, 5, 9])
@pytest.mark.parametrize("days", [1, 3, 7, 12, 20, 25, 31, 50, 98, 365, 800, 3000])
def test_dates_do_not_overlap(days, width):
    figure = Figure(figsize=(width, 3), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.tick_params(labelsize=8 if width < 4 else 10)
    axis.plot([START, START + timedelta(days=days)], [0, 1])
    write_dates(axis)
    canvas.draw()
    assert axis.xaxis.get_offset_text().get_text() == "", "a month at one end is read as that of every tick"
    form = "%Y-%m-%d" if days >= 3 else "%Y-%m-%d %H:%M"
    assert axis.get_xlabel() == f"{START:{form}} to {START + timedelta(days=days):{form}}, UTC"
    low, high = axis.get_xlim()
    shown = [mark for mark in axis.xaxis.get_major_ticks() if low <= mark.get_loc() <= high and mark.label1.get_text()]
    boxes = [mark.label1.get_window_extent() for mark in shown]
    assert len(boxes) >= (3 if width > 4 else 2)
    assert all(before.x1 < after.x0 for before, after in pairwise(sorted(boxes, key=lambda box: box.x0)))
