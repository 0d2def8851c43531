"""What was aimed at, or stated before, beside what was measured, and whether the aim is met."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from benchmarks.comparison import Cell, Track
from benchmarks.figures import Figure
from benchmarks.growth import fit_exponent

Find = Callable[[str, str], Track | None]
Told = tuple[str, bool | None]
"""What was measured, in words, and whether the aim is met: None where nothing was aimed at."""


@dataclass(frozen=True, slots=True)
class Aim:
    """One aim: what, how much, the command that measures it, and how the table's rows tell it.

    `figure` names what another group stored (`figures.note_figure`), where the rows of the table do not tell it.
    """

    what: str
    aim: str
    command: str
    tell: Callable[[Find], Told | None] | None = None
    figure: str = ""


def report_aims(tracks: Sequence[Track], figures: Mapping[str, Figure]) -> list[str]:
    """Return the table of aims; what nobody measured says so and names the command that does."""

    def find(title: str, who: str) -> Track | None:
        found = [track for track in tracks if title in track.title and who in track.who and track.cells]
        return found[0] if found else None

    lines = ["| what | aim or earlier figure | measured | met | command |", "| --- | --- | --- | --- | --- |"]
    for aim in AIMS:
        told = aim.tell(find) if aim.tell else _recall(figures.get(aim.figure))
        said, met = told or ("not measured", None)
        verdict = {True: "yes", False: "**no**", None: "–"}[met]
        lines.append(f"| {aim.what} | {aim.aim} | {said} | {verdict} | `{aim.command}` |")
    return lines


def _recall(figure: Figure | None) -> Told | None:
    return (figure.describe(), figure.met) if figure else None


def _tell_replay(find: Find) -> Told | None:
    """Return what a year takes by the line through all lengths: what a replay takes to begin counts once."""
    track = find("replay of recorded hours", "pairity")
    if track is None or len(track.cells) < 3:
        return None
    hours = [cell.size for cell in track.cells]
    each, used = (
        float(np.polyfit(hours, [getattr(cell, name) for cell in track.cells], 1)[0]) for name in ("seconds", "cpu_s")
    )
    return (
        f"{1 / each:.1f} hours a second: {8_760 * each:,.0f} s for a year under the load of {track.load:.0f}, "
        f"{8_760 * used:,.0f} s of the processor of both processes"
    ), 8_760 * each <= 600


def _tell_cycle(find: Find) -> Told | None:
    track = find("one hour of the trading process", "pairity")
    if track is None:
        return None
    return f"{track.cells[0].cpu_s:.2f} s, {track.cells[0].size:,} pairs", track.cells[0].cpu_s <= 0.25


def _tell_growth(find: Find) -> Told | None:
    track = find("one hour of the trading process", "pairity")
    if track is None or len(track.cells) < 3:
        return None
    exponent = fit_exponent([(cell.size, cell.cpu_s) for cell in track.cells])
    return f"exponent {exponent:.2f}", exponent <= 1


def _tell_demo(find: Find) -> Told | None:
    track = find("the demo", "pairity")
    if track is None:
        return None
    (cell,) = track.cells
    return f"{cell.seconds:.1f} s, {cell.cpu_s:.1f} s of the processor", cell.seconds <= 90


def _tell_demo_trading(find: Find) -> Told | None:
    track = find("the demo", "its trading")
    return None if track is None else (f"{track.cells[0].seconds:.1f} s", track.cells[0].seconds <= 40)


def _tell_ratio(title: str, peer: str, least: float | None) -> Callable[[Find], Told | None]:
    """Return the ratio of the peer's seconds to ours at the largest size that both did, which is to be `least`.

    None: nothing is aimed at.
    """

    def tell(find: Find) -> Told | None:
        ours, both = find(title, "pairity"), _match_largest(find, title, peer)
        if ours is None or both is None:
            return None
        mine, theirs = both
        ratio = theirs.seconds / mine.seconds
        said = f"at {mine.size:,} {ours.unit} the peer takes {ratio:.3g} × our {mine.seconds:.3g} s"
        used = theirs.cpu_s / mine.cpu_s
        return (
            said if np.isnan(used) else f"{said}, {used:.3g} × our processor's"
        ), None if least is None else ratio >= least

    return tell


def _match_largest(find: Find, title: str, peer: str) -> tuple[Cell, Cell] | None:
    """Return our cell and the peer's of the largest size that the peer did; None where one of them lacks it."""
    ours, other = find(title, "pairity"), find(title, peer)
    if ours is None or other is None:
        return None
    theirs = other.cells[-1]
    mine = next((cell for cell in ours.cells if cell.size == theirs.size), None)
    return None if mine is None else (mine, theirs)


def _tell_flat_memory(find: Find) -> Told | None:
    track = find("minutes of 10 instruments", "pairity")
    grown = None if track is None else track.exponent("peak_mb")
    return None if grown is None else (f"exponent {grown:.2f}", grown <= 0.1)


def _tell_read(find: Find) -> Told | None:
    track = find("reads of the newest features", "pairity")
    both = _match_largest(find, "reads of the newest features", "Feast")
    if track is None or both is None or np.isnan(track.cells[-1].cpu_s):
        return None
    reads = int(track.title.split()[0])
    return "of the processor " + ", ".join(
        f"{cell.cpu_s / reads * 1e3:.1f} ms for {cell.size:,} pairs" for cell in track.cells
    ), both[0].seconds < both[1].seconds


_SMALL_JOIN, _LARGE_JOIN = "as-of join, 45 pairs", "as-of join, 1,000 entities"
_MINUTES, _REGRESSION = "minutes of 10 instruments", "rolling regression"
_DUCKDB_STORE = f"Feast {version('feast')}, DuckDB"
_BENCH = "make bench"

AIMS = (
    Aim(
        "replay of a year of hours, one leg",
        "at most 600 s on two cores",
        _BENCH,
        _tell_replay,
    ),
    Aim(
        "processor of one live hour, ten assets",
        "at most 0.25 s, set for one leg and one position; this is of two legs, three positions and the watch",
        _BENCH,
        _tell_cycle,
    ),
    Aim("processor of one live hour, 100 assets", "at most 2.5 s", "make bench-serve", figure="hour_100"),
    Aim("growth of the hour with pairs", "no worse than linear: an exponent of at most 1", _BENCH, _tell_growth),
    Aim(
        "growth of the hour with months of history",
        "none: at most a tenth more with 36 months than with one",
        "python -m benchmarks history",
        figure="history",
    ),
    Aim("the demo's trading, 96 decisions", "at most 40 s", _BENCH, _tell_demo_trading),
    Aim("the whole demo, environment there", "at most 90 s", _BENCH, _tell_demo),
    Aim("online read of what a decision needs", "less than through Feast", _BENCH, _tell_read),
    Aim(
        "as-of join of 394,200 rows, 45 pairs × 20 features, beside Feast's DuckDB store",
        "at least 15 ×",
        _BENCH,
        _tell_ratio(_SMALL_JOIN, _DUCKDB_STORE, 15),
    ),
    Aim("the same beside a bare join of Polars", "within 1.5 ×", _BENCH, _tell_ratio(_SMALL_JOIN, "Polars", 1 / 1.5)),
    Aim(
        "as-of join of 864,000 labels, 13,000,000 rows × 10 features, beside Feast's DuckDB store",
        "at least 30 ×",
        _BENCH,
        _tell_ratio(_LARGE_JOIN, _DUCKDB_STORE, 30),
    ),
    Aim(
        "the same beside a bare join of Polars, which knows no knowledge times",
        "as fast",
        _BENCH,
        _tell_ratio(_LARGE_JOIN, "Polars", 1),
    ),
    Aim("minutes into hourly microstructure", "as fast as SQL in DuckDB", _BENCH, _tell_ratio(_MINUTES, "DuckDB", 1)),
    Aim("the same beside pandas", "at least 10 ×", _BENCH, _tell_ratio(_MINUTES, "pandas", 10)),
    Aim("the same beside reading its columns", "within 3 ×", _BENCH, _tell_ratio(_MINUTES, "merely", 1 / 3)),
    Aim("its memory as history grows", "flat: an exponent of at most 0.1", _BENCH, _tell_flat_memory),
    Aim(
        "a year of pair features beside pandas, pair by pair, a fit per window for the half-life",
        "at least 30 ×",
        _BENCH,
        _tell_ratio("a year of hourly pair features", "a fit per window", 30),
    ),
    Aim(
        "the same beside pandas with rolling sums alone",
        "none was set",
        _BENCH,
        _tell_ratio("a year of hourly pair features", "rolling sums", None),
    ),
    Aim(
        "86,394 rolling regressions on ten factors beside statsmodels",
        "at least 5 ×",
        _BENCH,
        _tell_ratio(_REGRESSION, "statsmodels", 5),
    ),
    Aim("the same beside a solve per window", "at least 20 ×", _BENCH, _tell_ratio(_REGRESSION, "NumPy", 20)),
    Aim(
        "backtest grid beside vectorbt, which is handed our orders and only simulates",
        "0.08 × in an earlier run, of more hours",
        _BENCH,
        _tell_ratio("backtest grid", "vectorbt", None),
    ),
    Aim(
        "forest: the same bits as bare scikit-learn",
        "the same time, within 5%",
        _BENCH,
        _tell_ratio("forest of", "scikit-learn", 0.95),
    ),
    Aim(
        "300 instruments × a month of all 44,850 pairs",
        "214.5 s, 1,535 MB in an earlier run, of eight views (there are twelve)",
        "make bench-wide",
        figure="wide",
    ),
    Aim(
        "4,950 pairs × a year of hours, and the training set of them",
        "bounded memory, growth no worse than linear",
        "make bench-pairs",
        figure="pairs",
    ),
    Aim(
        "240 million minutes into hourly microstructure",
        "bounded memory; the same files here and on two workers",
        "make bench-scale",
        figure="scale",
    ),
    Aim("five years of books of 300 names beside vectorbt", "the same equity", "make bench-books", figure="books"),
    Aim(
        "a decision beside 200 readers and 50 streams",
        "readers wait, the decision does not: at most a tenth more",
        "make bench-readers",
        figure="readers",
    ),
)
