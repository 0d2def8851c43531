"""`make bench`: every row against its peers in one run, written to RESULTS.md and drawn."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.comparison import Comparison, Track, measure_comparison
from benchmarks.comparisons import list_comparisons
from benchmarks.conditions import Conditions, describe_machine
from benchmarks.figures import read_figures
from benchmarks.growth_figure import draw_growth
from benchmarks.peer_interpreters import list_peer_versions
from benchmarks.processor import name_processor
from benchmarks.profiles import report_profiles
from benchmarks.redis_server import running_redis
from benchmarks.results_report import FIGURE, write_report
from benchmarks.stored_rows import Rows, read_rows, store_rows
from benchmarks.whole_ways import measure_cycles, measure_demo, measure_replays

STORED = "RESULTS.json"
_LIBRARIES = ("duckdb", "pandas", "numpy", "numba", "lightgbm", "statsmodels", "vectorbt", "dask")


def measure_table(folder: Path | None, *, small: bool, go_on: bool = False) -> str:
    """Measure everything and return the report.

    `folder` gets the figure, and after each row what was measured so far (STORED). In a whole run a row that fails says
    so, and the others are measured all the same; `small` ends with the error. `go_on`: rows that were measured on this
    processor are kept, each with its commit and day.
    """
    stored = keep_measured(read_rows(folder / STORED)) if folder and go_on else {}
    rows: Rows = {}
    for name, measure in _list_rows(small=small):
        rows[name] = stored.pop(name, [])
        if not rows[name]:
            rows[name] = _guard(name, measure, small)
            conditions = Conditions.read()
            for track in rows[name]:
                track.note_conditions(conditions)
            if folder:
                store_rows(folder / STORED, rows | stored)
    return _report(rows, _profile(small=small), folder)


def keep_measured(rows: Rows) -> Rows:
    """Return the rows that need not be measured again: all their lines are of this processor, and ours has numbers."""
    here = name_processor()
    return {
        name: lines for name, lines in rows.items() if lines[0].cells and {track.processor for track in lines} == {here}
    }


def _profile(*, small: bool) -> list[str]:
    """Return the profiles; where one fails, what was measured before is told all the same."""
    try:
        return report_profiles(small=small)
    except Exception as error:
        if small:
            raise
        traceback.print_exc(file=sys.stderr)
        return [f"Not profiled: {type(error).__name__}."]


def _report(rows: Rows, profiles: list[str], folder: Path | None) -> str:
    tracks = [track for lines in rows.values() for track in lines]
    versions = ", ".join([*(f"{name} {version(name)}" for name in _LIBRARIES), *list_peer_versions()])
    loads = [track.load for track in tracks]
    conditions = (
        f"{describe_machine()} Besides: {versions}. Finished {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; the rows were "
        f"measured under loads of {min(loads):.0f} to {max(loads):.0f} (given with each)."
    )
    if folder:
        draw_growth(tracks, folder / FIGURE)
    return write_report(tracks, profiles, conditions, read_figures())


def _list_rows(*, small: bool) -> Iterator[tuple[str, Callable[[], list[Track]]]]:
    """Yield every row's title and what measures it."""
    with tempfile.TemporaryDirectory() as scratch, running_redis(Path(scratch)) as redis:
        for comparison in list_comparisons(small=small, redis=redis):
            yield comparison.title, lambda item=comparison: _measure(item)
    yield "one hour of the trading process", lambda: measure_cycles(small=small)
    yield "replay", lambda: measure_replays(small=small)
    yield "the demo", lambda: measure_demo(small=small)


def _measure(comparison: Comparison) -> list[Track]:
    with tempfile.TemporaryDirectory() as folder:
        return measure_comparison(comparison, Path(folder) / "inputs")


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
