"""`make bench`: every row against its peers in one run, written to RESULTS.md as it comes in, and drawn."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.comparison import Track, measure_comparison
from benchmarks.comparisons import list_comparisons
from benchmarks.growth_figure import draw_growth
from benchmarks.profiles import report_profiles
from benchmarks.redis_server import running_redis
from benchmarks.results_report import FIGURE, write_report
from benchmarks.serving import describe_machine
from benchmarks.whole_ways import measure_cycles, measure_replays

_LIBRARIES = ("duckdb", "pandas", "numpy", "numba", "lightgbm", "statsmodels", "vectorbt")


def measure_table(folder: Path | None, *, small: bool) -> str:
    """Measure everything and return the report. `folder` gets the figure, and after each row the report so far.

    In a whole run a row that fails says so, and the others are measured all the same; `small` ends with the error.
    """
    begun, first = datetime.now(UTC), os.getloadavg()[2]
    tracks: list[Track] = []

    def report(profiles: list[str]) -> str:
        minutes = (datetime.now(UTC) - begun).total_seconds() / 60
        versions = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
        conditions = (
            f"{describe_machine()} Besides: {versions}. Begun {begun:%Y-%m-%d %H:%M} UTC under a load of {first:.1f}, "
            f"{minutes:.0f} minutes."
        )
        text = write_report(tracks, profiles, conditions)
        if folder:
            draw_growth(tracks, folder / FIGURE)
        return text

    for measured in _measure_rows(small=small):
        tracks += measured
        text = report([])
        if folder:
            (folder / "RESULTS.partial.md").write_text(text)
    try:
        profiles = report_profiles(small=small)
    finally:
        if folder:
            (folder / "RESULTS.partial.md").unlink(missing_ok=True)
    return report(profiles)


def _measure_rows(*, small: bool) -> Iterator[list[Track]]:
    with tempfile.TemporaryDirectory() as scratch, running_redis(Path(scratch)) as redis:
        for number, comparison in enumerate(list_comparisons(small=small, redis=redis)):
            with tempfile.TemporaryDirectory() as own:
                folder = Path(own) / str(number)
                yield _guard(comparison.title, lambda c=comparison, f=folder: measure_comparison(c, f), small)
    for title, measure in (("one hour of the trading process", measure_cycles), ("replay", measure_replays)):
        yield _guard(title, lambda m=measure: m(small=small), small)


def _guard(title: str, measure: Callable[[], list[Track]], small: bool) -> list[Track]:
    begun = time.monotonic()
    try:
        return measure()
    except Exception as error:
        if small:
            raise
        traceback.print_exc(file=sys.stderr)
        said = (str(error).strip().splitlines() or [""])[0][:160].replace("|", "¦")
        return [Track(title, "", "pairity", missing=[f"not measured: {type(error).__name__}: {said}"])]
    finally:
        print(f"{title}: {time.monotonic() - begun:.0f} s in all", file=sys.stderr, flush=True)
