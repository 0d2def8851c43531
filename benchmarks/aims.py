"""What was aimed at, or stated before, beside what this run measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np

from benchmarks.comparison import Track
from benchmarks.growth import fit_exponent

Find = Callable[[str, str], Track | None]


@dataclass(frozen=True, slots=True)
class Aim:
    """One aim: what, how much, where it is stated, the command that measures it, and how this run tells it."""

    what: str
    aim: str
    source: str
    command: str
    tell: Callable[[Find], str | None] | None = None
    """None: this run does not measure it."""


def report_aims(tracks: Sequence[Track]) -> list[str]:
    """Return the table of aims; what this run did not measure says so and names the command that does."""

    def find(title: str, who: str) -> Track | None:
        found = [track for track in tracks if title in track.title and track.who.startswith(who) and track.cells]
        return found[0] if found else None

    lines = ["| what | aim or earlier figure | stated in | this run | command |", "| --- | --- | --- | --- | --- |"]
    for aim in AIMS:
        told = aim.tell(find) if aim.tell else None
        lines.append(
            f"| {aim.what} | {aim.aim} | {aim.source} | {told or 'not measured in this run'} | `{aim.command}` |"
        )
    return lines


def _tell_replay(find: Find) -> str | None:
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
    )


def _tell_cycle(find: Find) -> str | None:
    track = find("one hour of the trading process", "pairity")
    return None if track is None else f"{track.cells[0].cpu_s:.2f} s, {track.cells[0].size:,} pairs"


def _tell_growth(find: Find) -> str | None:
    track = find("one hour of the trading process", "pairity")
    if track is None or len(track.cells) < 3:
        return None
    return f"exponent {fit_exponent([(cell.size, cell.cpu_s) for cell in track.cells]):.2f}"


def _tell_ratio(title: str, peer: str) -> Callable[[Find], str | None]:
    """Return the ratio of the peer's seconds to ours at the largest size that both did."""

    def tell(find: Find) -> str | None:
        ours, other = find(title, "pairity"), find(title, peer)
        if ours is None or other is None:
            return None
        size = other.cells[-1].size
        mine = next((cell for cell in ours.cells if cell.size == size), None)
        if mine is None:
            return None
        theirs = other.cells[-1]
        said = f"at {size:,} {ours.unit} the peer takes {theirs.seconds / mine.seconds:.3g} × our seconds"
        ratio = theirs.cpu_s / mine.cpu_s
        return said if isnan(ratio) else f"{said}, {ratio:.3g} × our processor's ({mine.cpu_s:.2f} s)"

    return tell


def _tell_read(find: Find) -> str | None:
    track = find("reads of the newest features", "pairity")
    if track is None or isnan(track.cells[-1].cpu_s):
        return None
    reads = int(track.title.split()[0])
    return "of the processor " + ", ".join(
        f"{cell.cpu_s / reads * 1e3:.1f} ms for {cell.size:,} pairs" for cell in track.cells
    )


AIMS = (
    Aim(
        "replay of a year of hours, one leg",
        "at most 600 s on two cores; 467 s alone on idle ones",
        "[replay](../docs/replay.md)",
        "pairity replay",
        _tell_replay,
    ),
    Aim(
        "processor of one live hour, ten assets, two legs, three positions",
        "0.42 s, under a load of 8",
        "[operations](../docs/operations.md#a-history-that-grows)",
        "make bench-serve",
        _tell_cycle,
    ),
    Aim(
        "growth of that hour with pairs",
        "no worse than linear: an exponent of at most 1",
        "`benchmarks/serving_path.py`",
        "make bench-serve",
        _tell_growth,
    ),
    Aim(
        "growth of that hour with months of history",
        "none: 0.42 s, 0.43 s and 0.39 s with 1, 12 and 36 months",
        "[operations](../docs/operations.md#a-history-that-grows)",
        "python -m benchmarks history",
    ),
    Aim(
        "online read of what a decision needs",
        "less than through Feast",
        "this table",
        "make bench",
        _tell_read,
    ),
    Aim(
        "as-of join of a year of 45 pairs × 20 features",
        "faster than Feast's DuckDB store",
        "this table",
        "make bench",
        _tell_ratio("as-of join, 45 pairs", "Feast 0.67.0, DuckDB"),
    ),
    Aim(
        "as-of join of 13,000,000 rows × 10 features",
        "as fast as a bare as-of join, which knows no knowledge times",
        "this table",
        "make bench",
        _tell_ratio("as-of join, 1,000 entities", "Polars"),
    ),
    Aim(
        "minutes into hourly microstructure",
        "as fast as SQL in DuckDB",
        "this table",
        "make bench",
        _tell_ratio("minutes of 10 instruments", "DuckDB"),
    ),
    Aim(
        "a year of pair features",
        "faster than pandas pair by pair",
        "this table",
        "make bench",
        _tell_ratio("a year of hourly pair features", "pandas"),
    ),
    Aim(
        "86,394 rolling regressions on ten factors",
        "faster than statsmodels",
        "this table",
        "make bench",
        _tell_ratio("rolling regression", "statsmodels"),
    ),
    Aim(
        "backtest grid beside vectorbt, which only simulates",
        "13 × its time (1 / 0.079)",
        "[train](results-train.md)",
        "make bench-train",
        _tell_ratio("backtest grid", "vectorbt"),
    ),
    Aim(
        "forest: the same bits as bare scikit-learn",
        "the same time (0.97 to 1.0)",
        "[train](results-train.md)",
        "make bench-train",
        _tell_ratio("forest of", "scikit-learn"),
    ),
    Aim(
        "300 instruments × a month of all 44,850 pairs",
        "214.5 s, 1,535 MB; memory does not grow with pairs",
        "[studies](../docs/studies.md#hundreds-of-instruments)",
        "make bench-wide",
    ),
    Aim(
        "4,950 pairs × a year of hours, and the training set of them",
        "bounded memory, growth no worse than linear: 477 s and 286 s of the processor, 1.7 GB and 4.3 GB, exponents "
        "0.69 and 0.96",
        "[pairs](results-pairs.md)",
        "python -m benchmarks pairs",
    ),
    Aim(
        "five years of books of 300 names, 201 accounts",
        "1,433 MB daily, 2,124 MB every 8 hours",
        "[books](results-books.md)",
        "make bench-books",
    ),
    Aim(
        "a decision beside 200 readers and 50 streams",
        "readers wait, the decision does not",
        "[API](../docs/api.md#what-reading-costs-trading)",
        "make bench-readers",
    ),
    Aim(
        "the demo, 24 hours of trading",
        "40 s of the processor, 31 s on two quiet cores",
        "[README](../README.md)",
        "make demo",
    ),
)
