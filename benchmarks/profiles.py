"""Where the time goes in rows that a peer does faster: cProfile of one run, the functions' own time."""

from __future__ import annotations

import cProfile
import json
import pstats
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.isolated_process import call_in_process

_SHOWN = 8


def report_profiles(*, small: bool) -> list[str]:
    """Return a table per row that is profiled, in processes of their own."""
    asked = (
        ("Backtest grid (27 points, one worker)", "benchmarks.grid_jobs", "prepare_grid", "run_grid", 1_000, 2_190),
        (
            "As-of join, 1,000 entities × 10 features",
            "benchmarks.join_jobs",
            "prepare_large_join",
            "run_ours_large",
            60,
            13_000,
        ),
        (
            "Forest (60 trees, one thread)",
            "benchmarks.grid_jobs",
            "prepare_nothing",
            "fit_our_forest",
            200,
            1_500,
        ),
    )
    lines = []
    for title, module, prepare, make, little, size in asked:
        rows = call_in_process(__name__, "profile_job", (module, prepare, make, little if small else size))
        total = rows.pop("total")
        lines += [f"{title}, size {little if small else size:,}: {total:.1f} s under the profiler, of which", ""]
        lines += ["| s of its own | share | calls | function |", "| ---: | ---: | ---: | --- |"]
        lines += [
            f"| {own:.2f} | {own / total:.0%} | {calls:,} | `{name}` |" for name, (own, calls) in rows["top"].items()
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


if __name__ == "__main__":
    print(json.dumps(report_profiles(small=True), indent=1))
