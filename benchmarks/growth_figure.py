"""The figure of `make bench`: seconds by size on logarithmic axes, one panel per row, ours drawn strongest."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from pathlib import Path

from benchmarks.comparison import Track

_COLUMNS = 3
_OURS, _PEERS = "#0b5fa5", ("#c8553d", "#588157", "#8d6a9f", "#b08900", "#5c677d")
_TITLE_LETTERS = 46


def draw_growth(tracks: Sequence[Track], file: Path) -> None:
    """Draw every row that was measured as an SVG: the same tracks give the same file."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    panels: dict[tuple[str, str], list[Track]] = {}
    for track in tracks:
        if any(not isnan(cell.seconds) for cell in track.cells):
            panels.setdefault((track.title, track.unit), []).append(track)
    # One size is no growth
    panels = {
        key: group for key, group in panels.items() if len({cell.size for line in group for cell in line.cells}) > 1
    }
    rows = -(-len(panels) // _COLUMNS)
    with mpl.rc_context(
        {"svg.hashsalt": "growth", "svg.fonttype": "none", "font.size": 8, "font.family": "DejaVu Sans"}
    ):
        figure = Figure(figsize=(12.0, 3.6 * rows), layout="constrained")
        FigureCanvasSVG(figure)
        for place, ((title, unit), group) in enumerate(panels.items(), start=1):
            axes = figure.add_subplot(rows, _COLUMNS, place)
            for number, track in enumerate(group):
                sizes, seconds = [cell.size for cell in track.cells], [cell.seconds for cell in track.cells]
                colour = _OURS if number == 0 else _PEERS[(number - 1) % len(_PEERS)]
                axes.plot(
                    sizes,
                    seconds,
                    color=colour,
                    marker="o",
                    markersize=4 if number == 0 else 3,
                    linewidth=2.2 if number == 0 else 1.1,
                    label=track.who.partition(",")[0] if len(track.who) > _TITLE_LETTERS else track.who,
                )
            axes.set(xscale="log", yscale="log", xlabel=unit, ylabel="seconds")
            measured = sorted({cell.size for track in group for cell in track.cells})
            axes.set_xticks(measured, [f"{size:,}" for size in measured])
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_title(_break(title), fontsize=8)
            axes.grid(visible=True, which="major", color="#dddddd", linewidth=0.6)
            axes.legend(
                fontsize=6.5, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncol=2, columnspacing=1.0
            )
        figure.savefig(file, metadata={"Date": None})


def _break(title: str) -> str:
    """Return a title on lines that fit over a panel."""
    lines = [""]
    for word in title.replace("`", "").split():
        if len(lines[-1]) + len(word) > _TITLE_LETTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines[:3])
