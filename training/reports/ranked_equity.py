"""One figure of many equity curves: a scale on which the same factor is the same height, and a legend by rank.

The best are thick and coloured, the others thin and grey: who is looked for among them is named with what it earned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pairity.number_formats import format_percent
from training.reports.axes import make_log_axis, make_time_axis
from training.reports.figures import Figure, Shape, draw_line, draw_threshold, frame, lack, list_points, thin

TITLE = "Equity after costs"
MOST_COLOURS = 6
"""Most lines that are told apart by colour."""
FLOOR = 0.01
"""Share of the start below which a curve lies on the lower edge: a line that lost everything has no logarithm."""


@dataclass(frozen=True, slots=True)
class EquityCurve:
    """Equity over its start, hour by hour; `style` are classes of the style sheet besides those of its rank."""

    name: str
    times: Sequence[datetime]
    worth: Sequence[float]
    style: str = ""
    is_coin: bool = False
    """Whether it holds a coin: a measure of the others, with a colour of its own among many."""


def draw_ranked_equity(curves: Sequence[EquityCurve], points: int) -> Figure:
    """Draw curves with a hour at least, `points` of each at most, ranked by what is left at the end."""
    known = sorted((one for one in curves if len(one.worth) > 1), key=lambda one: -one.worth[-1])
    if not known:
        return lack(TITLE, "the run has no hours")
    x = make_time_axis(min(one.times[0] for one in known), max(one.times[-1] for one in known))
    y = make_log_axis([1.0, *(max(FLOOR, value) for one in known for value in one.worth)], "equity / start, log scale")
    styles = [_choose_style(rank, one, len(known)) for rank, one in enumerate(known)]
    drawn = [
        draw_line(x, y, thin(list_points(one.times, [max(FLOOR, value) for value in one.worth]), points), style)
        for one, style in zip(known, styles, strict=True)
    ]
    keys = [
        Shape("", style, f"{rank}. {one.name} {format_percent(one.worth[-1] - 1.0, signed=True)}")
        for rank, (one, style) in enumerate(zip(known, styles, strict=True), 1)
    ]
    # The best are drawn last: they lie on the others
    shapes = [draw_threshold(y, 1.0, "", "zero"), *reversed(drawn), *keys]
    lost = [one.name for one in known if min(one.worth) < FLOOR]
    note = f"on the lower edge, less than {format_percent(FLOOR, 0)} is left of: {', '.join(lost)}" if lost else ""
    return replace(frame(TITLE, x, y, shapes, note), tall=True)


def _choose_style(rank: int, curve: EquityCurve, curves: int) -> str:
    colour = f"c{rank}" if rank < MOST_COLOURS else "other"
    colour = "coin" if curve.is_coin and curves > MOST_COLOURS else colour
    return f"{colour} {curve.style}".rstrip()
