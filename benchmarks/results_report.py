"""RESULTS.md from what was measured: the table, what was not measured, aims, profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, nan

from benchmarks.aims import report_aims
from benchmarks.comparison import Cell, Track
from benchmarks.figures import Figure
from pairity.number_formats import format_fixed

FIGURE = "growth.svg"
_COLUMNS = ("who", "answer", "seconds", "processor, s", "peak, MB", "× ours: s, processor, MB", "exponent: s, MB")
_HEAD = (
    "# Benchmarks",
    "",
    "Written by `make bench` (`python -m benchmarks`; with `--continue`, rows that were measured before are kept). "
    "Every run is a process of its own; ours and the peers take turns, from the smallest size to the largest. Numbers "
    "are medians of three runs, or of one where it says so. The answers of the smallest size are compared first, and "
    "nothing is measured where they differ: *answer* says how, and is empty where a peer answers something else. Peak "
    "memory is that of the process and of the largest that it started, inputs included. *× ours* is the peer's number "
    "over ours at the largest size that both did: above 1, ours takes less. Exponents are least squares of logarithms "
    "over all sizes, of three at least; 1 is "
    "linear. Other work shares the cores: where the load is high, seconds of the processor (all threads) say more "
    "than the wall's.",
)

_AIMS_HEAD = (
    "Of this run, or of the command behind the row: then with date, commit, load over the last 15 minutes and "
    "processor.",
    "",
)


def write_report(
    tracks: Sequence[Track], profiles: Sequence[str], conditions: str, figures: Mapping[str, Figure]
) -> str:
    """Return the report; `conditions` says on which machine, under which load, `figures` what other groups measured."""
    parts = [*_HEAD, "", conditions, "", f"![seconds by size, logarithmic]({FIGURE})", ""]
    for title, group in group_tracks(tracks).items():
        if any(track.cells for track in group):
            parts += [*_report_row(title, group), ""]
    parts += ["## Not measured", "", *_list_missing(tracks), ""]
    parts += ["## Aims", "", *_AIMS_HEAD, *report_aims(tracks, figures), ""]
    if profiles:
        parts += ["## Where the time goes", "", *profiles]
    return "\n".join(parts)


def group_tracks(tracks: Sequence[Track]) -> dict[str, list[Track]]:
    """Return the lines of each row of the table, in order."""
    groups: dict[str, list[Track]] = {}
    for track in tracks:
        groups.setdefault(track.title, []).append(track)
    return groups


def _report_row(title: str, group: Sequence[Track]) -> list[str]:
    ours = group[0]
    sizes = sorted({cell.size for track in group for cell in track.cells})
    counts = " / ".join(f"{size:,}" for size in sizes)
    when = f"load {ours.load:.0f}; {ours.finished}, commit {ours.commit}"
    lines = [f"**{title}** ({ours.unit}: {counts}; {when})", ""]
    lines += [f"| {' | '.join(_COLUMNS)} |", "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    for track in group:
        if not track.cells:
            continue
        cells = [" / ".join(_number(getattr(cell, name)) for cell in track.cells) for name in ("seconds", "cpu_s")]
        cells.append(" / ".join("–" if isnan(cell.peak_mb) else f"{cell.peak_mb:,.0f}" for cell in track.cells))
        cells.append("" if track is ours else _compare(track, ours))
        grown = [track.exponent(name) for name in ("seconds", "peak_mb")]
        cells.append(", ".join("–" if value is None else format_fixed(value, 2) for value in grown))
        who = track.who if track.rounds > 1 else f"{track.who} (one run)"
        lines.append(f"| {who} | {track.alike} | {' | '.join(cells)} |")
    return lines


def _compare(track: Track, ours: Track) -> str:
    mine = {cell.size: cell for cell in ours.cells}
    both = [(cell, mine[cell.size]) for cell in track.cells if cell.size in mine]
    if not both:
        return "–"
    other, own = both[-1]
    return ", ".join(_ratio(other, own, name) for name in ("seconds", "cpu_s", "peak_mb"))


def _ratio(other: Cell, own: Cell, name: str) -> str:
    mine = getattr(own, name)
    return _number(getattr(other, name) / mine) if mine else _number(nan)


def _number(value: float) -> str:
    if isnan(value):
        return "–"
    return format_fixed(value, 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 4)


def _list_missing(tracks: Sequence[Track]) -> list[str]:
    listed = [f"- {track.title}: {track.who}: {'; '.join(track.missing)}" for track in tracks if track.missing]
    return listed or ["Nothing: every row was measured at every size."]
