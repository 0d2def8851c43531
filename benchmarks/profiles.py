"""Where the time goes in rows that a peer does faster: cProfile of one run, the functions' own time."""

from __future__ import annotations

import cProfile
import pstats
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.isolated_process import call_in_process

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Profiled:
    """A row whose time is explained: the job, the sizes of a small and of a whole run, and what the time is for."""

    title: str
    module: str
    prepare: str
    make: str
    small: int
    size: int
    buys: str


_PROFILED = (
    Profiled(
        "Backtest grid (27 points × 45 pairs, one worker)",
        "benchmarks.grid_jobs",
        "prepare_grid",
        "run_grid",
        1_000,
        2_190,
        "vectorbt is handed fills and adds up cash. Here each hour of each point is decided by the function that "
        "decides live (`decide`, `assess_pair`: all pairs assessed, with reasons), and lived through by an account "
        "with stops, lots, margin and marks. No function dominates: what is left is the price of one decision function "
        "in backtest, replay and live, in Python, with records that cannot be changed.",
    ),
    Profiled(
        "As-of join, 1,000 entities × 10 features",
        "benchmarks.join_jobs",
        "prepare_large_join",
        "run_ours_large",
        60,
        13_000,
        "`collect` reads the Parquet file and numbers the entities, which every engine has to; the rest is order by "
        "entity and *knowledge* time, removal of versions that were overtaken, search and TTL, which a bare as-of join "
        "does not do.",
    ),
    Profiled(
        "Forest (60 trees, one thread)",
        "benchmarks.grid_jobs",
        "prepare_nothing",
        "fit_our_forest",
        200,
        1_200,
        "Four fifths of it are scikit-learn's own growing of trees (`_fit` of `tree/_classes.py`): exact splits, bit "
        "for bit those of the bare library. LightGBM's are faster by splitting on 255 bins, and another forest.",
    ),
)


def report_profiles(*, small: bool) -> list[str]:
    """Return a table per row that is profiled, in processes of their own."""
    lines = []
    for row in _PROFILED:
        size = row.small if small else row.size
        run = call_in_process(__name__, "profile_job", (row.module, row.prepare, row.make, size))
        total = run.pop("total")
        lines += [f"**{row.title}**, size {size:,}: {total:.1f} s under the profiler. {row.buys}", ""]
        lines += ["| s of its own | share | calls | function |", "| ---: | ---: | ---: | --- |"]
        lines += [
            f"| {own:.2f} | {own / total:.0%} | {calls:,} | `{name}` |" for name, (own, calls) in run["top"].items()
        ]
        lines.append("")
    return lines


def profile_job(module: str, prepare: str, make: str, size: int) -> dict[str, Any]:
    """Return the total seconds of one run of a job, and the functions with the most time of their own."""
    functions = import_module(module)
    with tempfile.TemporaryDirectory() as folder:
        getattr(functions, prepare)(folder, size)
        job = getattr(functions, make)(folder, size)
        profiler = cProfile.Profile()
        profiler.runcall(job)
    found = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    ordered = sorted(found.items(), key=lambda item: -item[1][2])[:_SHOWN]
    top = {_name(place): (own, calls) for place, (_, calls, own, _, _) in ordered}
    return {"total": sum(item[2] for item in found.values()), "top": top}


def _name(place: Sequence[Any]) -> str:
    file, line, function = place
    if file == "~":
        return str(function).replace("|", "¦")
    return f"{'/'.join(Path(file).parts[-2:])}:{line} {function}"
