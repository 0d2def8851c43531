"""Figures of the page as places on a plane: curves, bars, dots and thresholds, drawn by `templates/figure.html`.

They are pictures of lines (SVG) and text: nothing runs, they follow the light of the screen, and they can be printed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from training.reports.axes import WHOLE, Axis

Value = float | None


@dataclass(frozen=True, slots=True)
class Shape:
    """A path of SVG in per mille of the plane (0, 0 is its upper left corner), and how it is drawn.

    `style`: class of the style sheet. `name` is its entry in the legend, "" for none. `kind`: `line`, `area`, `dots`
    or `rule` (a threshold).
    """

    path: str
    style: str
    name: str = ""
    kind: str = "line"


@dataclass(frozen=True, slots=True)
class Figure:
    """A titled picture with two axes. `note` says what is not seen at once; `lacks`: why there is nothing to draw."""

    title: str
    x: Axis | None = None
    y: Axis | None = None
    shapes: tuple[Shape, ...] = ()
    note: str = ""
    lacks: str = ""
    tall: bool = False

    @property
    def legend(self) -> tuple[Shape, ...]:
        """Shapes that have a name."""
        return tuple(shape for shape in self.shapes if shape.name)

    @property
    def label(self) -> str:
        """What the picture is, for who cannot see it."""
        if self.x is None or self.y is None:
            return self.title
        names = f": {', '.join(shape.name for shape in self.legend)}" if self.legend else ""
        return f"{self.title}{names}; {self.y.title} over {self.x.title}"


def draw_line(x: Axis, y: Axis, points: Iterable[tuple[float, Value]], style: str, name: str = "") -> Shape:
    """Return a curve through the points; None and NaN leave a gap."""
    parts: list[str] = []
    gap = True
    for at, value in points:
        if value is None or not math.isfinite(value):
            gap = True
            continue
        parts.append(f"{'M' if gap else ' '}{x.place(at)} {WHOLE - y.place(value)}")  # more pairs: lines to them
        gap = False
    return Shape("".join(parts), style, name)


def draw_area(x: Axis, y: Axis, points: Sequence[tuple[float, Value]], style: str, name: str = "") -> Shape:
    """Return the area between a curve and the low end of the axis, or 0 where that lies within it; None counts as 0."""
    known = [(at, value or 0.0) for at, value in points]
    if not known:
        return Shape("", style, name, "area")
    ground = WHOLE - y.place(min(max(0.0, y.low), y.high))
    curve = draw_line(x, y, known, style).path
    return Shape(f"{curve}L{x.place(known[-1][0])} {ground}H{x.place(known[0][0])}Z", style, name, "area")


def draw_bars(x: Axis, y: Axis, bars: Iterable[tuple[float, float, Value]], style: str, name: str = "") -> Shape:
    """Return bars from 0 to their value; each is (left, right, value) on the axes."""
    ground = y.place(0.0)
    parts = []
    for left, right, value in bars:
        if value is None or not math.isfinite(value) or value == 0:
            continue
        begin, end, top = x.place(left), x.place(right), y.place(value)
        parts.append(f"M{begin} {WHOLE - ground}V{WHOLE - top}H{max(end, begin + 1)}V{WHOLE - ground}Z")
    return Shape("".join(parts), style, name, "area")


def draw_dots(x: Axis, y: Axis, points: Iterable[tuple[float, Value]], style: str, name: str = "") -> Shape:
    """Return a dot at each point: a line without length, whose round ends keep their size."""
    dots = [f"M{x.place(at)} {WHOLE - y.place(value)}h0" for at, value in points if value is not None]
    return Shape("".join(dots), style, name, "dots")


def draw_threshold(axis: Axis, value: float, name: str, style: str = "mark", *, upright: bool = False) -> Shape:
    """Return a line across the picture at a value of the y axis, or of the x axis where it stands `upright`."""
    place = axis.place(value)
    path = f"M{place} 0V{WHOLE}" if upright else f"M0 {WHOLE - place}H{WHOLE}"
    return Shape(path, style, name, "rule")


def thin(points: Sequence[tuple[float, Value]], most: int) -> list[tuple[float, Value]]:
    """Return at most about `most` points, with the lowest and the highest of every stretch, and the last one.

    A trough that was left out would make the curve look better than it was.
    """
    if len(points) <= most:
        return list(points)
    size = -(-len(points) // max(1, most // 2))
    kept: list[tuple[float, Value]] = []
    for begin in range(0, len(points), size):
        part = points[begin : begin + size]
        known = [place for place, (_, value) in enumerate(part) if value is not None and math.isfinite(value)]
        if not known:
            kept.append(part[0])
            continue
        ends = {min(known, key=lambda place: part[place][1]), max(known, key=lambda place: part[place][1])}  # type: ignore[arg-type,return-value]
        kept += [part[place] for place in sorted(ends)]
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


def list_points(times: Sequence[datetime], values: Sequence[Value]) -> list[tuple[float, Value]]:
    """Return values by time as points."""
    return [(time.timestamp(), value) for time, value in zip(times, values, strict=True)]


def frame(title: str, x: Axis, y: Axis, shapes: Iterable[Shape], note: str = "") -> Figure:
    """Return a figure of these shapes on these axes."""
    return Figure(title=title, x=x, y=y, shapes=tuple(shapes), note=note)


def lack(title: str, lacks: str) -> Figure:
    """Return a figure that is not drawn, with the reason."""
    return Figure(title=title, lacks=lacks)
