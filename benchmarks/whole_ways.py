"""Rows of `make bench` that are whole ways and not functions: an hour of the trading process, and a replay."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from math import nan
from pathlib import Path
from typing import Any

from benchmarks import serving
from benchmarks.comparison import Cell, Track
from benchmarks.isolated_process import IsolatedJob, Job
from benchmarks.serving_meters import ALL
from pairity.timeline import HOUR

RECORDED = "okx_swap/1h"
_SINCE = datetime(2025, 3, 1, tzinfo=UTC)
_CYCLE = "one hour of the trading process: two legs, three positions (median per decision; looks between not counted)"
_REPLAY = (
    "replay of recorded hours through exchange and trading process, `--rule always_revert`, trading alone (processor "
    "of both, memory of the larger)"
)
_DEMO = (
    "the demo: market, history, training and trading of ten assets (memory of the largest process; its trading: "
    "processor of the trading process alone)"
)
DEMO = 96
CYCLES, SMALL_CYCLES = {10: 12, 20: 6, 30: 4}, {2: 2, 3: 2, 4: 2}
"""Decisions by number of assets."""
REPLAYS, SMALL_REPLAYS = (96, 384, 1_536), (3, 6, 12)
"""Hours."""


def measure_cycles(*, small: bool) -> list[Track]:
    """Return what a decision takes by size of the universe, and beside it Feast's read of what the decision reads."""
    ours, read = (Track(_CYCLE, "pairs", who) for who in ("pairity", "Feast's own read of its features alone"))
    for assets, hours in (SMALL_CYCLES if small else CYCLES).items():
        run = serving.measure_process(f"{assets} assets", assets, hours, months=0)
        wall, cpu = (statistics.median(run.list_seconds(ALL, clock)) for clock in (1, 0))
        ours.cells.append(Cell(run.pairs, wall, cpu, run.peak_mb))
        cpu, wall = (statistics.median(spent[clock] for spent in run.peer) for clock in (0, 1))
        read.cells.append(Cell(run.pairs, wall, cpu, nan))
    return [ours, read]


def measure_replays(*, small: bool) -> list[Track]:
    """Return what replays of growing length take; not measured without recordings.

    Seconds are those of trading alone, those of the processor of trading process and exchange, and the memory is that
    of the larger of the two.
    """
    track = Track(_REPLAY, "hours", "pairity")
    data = os.environ.get("PAIRITY_RECORDED_DATA")
    if not data or not (folder := Path(data) / RECORDED).is_dir():
        track.missing.append("not measured: PAIRITY_RECORDED_DATA does not name a folder with recorded hours of OKX")
        return [track]
    for hours in SMALL_REPLAYS if small else REPLAYS:
        print(f"replay of {hours} hours …", file=sys.stderr, flush=True)
        job = IsolatedJob(__name__, "replay", (str(folder), hours), limit_s=1_200.0)
        try:
            seconds = job.seconds()
        except subprocess.SubprocessError as error:  # shorter ones were measured
            track.missing.append(f"{hours:,}: {type(error).__name__}")
            break
        cell = read_trading(json.loads(job.answer), hours, job.outcomes[-1].child_mb)
        print(f"  {seconds:.1f} s in all, {cell.seconds:.1f} s of trading", file=sys.stderr, flush=True)
        track.cells.append(cell)
    return [track]


def replay(folder: str, hours: int) -> Job:
    """Make the job that replays so many hours in a data directory of its own and answers what the command printed."""

    def job() -> str:
        with tempfile.TemporaryDirectory() as scratch:
            own = {name: str(Path(scratch, name)) for name in ("PAIRITY_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME")}
            until = _SINCE + (hours - 1) * HOUR
            command = [sys.executable, "-m", "pairity_cli", "replay", "--data", folder, "--json"]
            command += ["--from", f"{_SINCE:%Y-%m-%dT%H:%M}", "--to", f"{until:%Y-%m-%dT%H:%M}"]
            done = subprocess.run(
                [*command, "--rule", "always_revert"],
                env=os.environ | own,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            )
            return done.stdout.decode()

    return job


def measure_demo(*, small: bool) -> list[Track]:
    """Return what the demo takes in a data directory of its own, and its trading alone."""
    cycles = 3 if small else DEMO
    job = IsolatedJob(__name__, "demonstrate", (cycles,), limit_s=1_200.0)
    seconds = job.seconds()
    run, parts = job.outcomes[-1], json.loads(job.answer)
    print(f"the demo: {seconds:.1f} s, {parts['trading']:.1f} s of trading", file=sys.stderr, flush=True)
    alone = Cell(cycles, parts["trading"], parts["processor"], nan)
    whole = Cell(cycles, seconds, run.cpu_s, run.child_mb)
    return [Track(_DEMO, "decisions", "pairity", [whole]), Track(_DEMO, "decisions", "its trading", [alone])]


def demonstrate(cycles: int) -> Job:
    """Make the job that runs the demo and answers seconds of its trading: the wall's, and its own processor's."""

    def job() -> str:
        with tempfile.TemporaryDirectory() as scratch:
            own = {name: str(Path(scratch, name)) for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME")}
            command = [sys.executable, "-m", "pairity_cli", "demo", "--json", "--cycles", str(cycles)]
            done = subprocess.run(
                [*command, "--home", str(Path(scratch, "home"))],
                env=os.environ | own,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
            )
        answer = json.loads(done.stdout)
        hour = next(row for table in answer["tables"] for row in table["rows"] if row.get("step") == "all")
        traded = next(line for line in answer["lines"] if line.startswith("trading "))
        assert any("bit for bit" in line for line in answer["lines"])
        return json.dumps({"trading": float(traded.split()[1]), "processor": hour["processor_ms"] / 1e3 * cycles})

    return job


def read_trading(answer: dict[str, Any], hours: int, peak_mb: float) -> Cell:
    """Return seconds and processor's seconds of trading from what `pairity replay --json` says of so many decisions."""
    parts = {row["part"]: row["s"] for table in answer["tables"] for row in table["rows"] if "part" in row}
    steps = {row["step"]: row for table in answer["tables"] for row in table["rows"] if "step" in row}
    exchange = next(spent for part, spent in parts.items() if part.endswith("the exchange's processor"))
    own = steps["all"]["processor_ms"] / 1e3 * hours
    return Cell(hours, parts["trading"], own + exchange, peak_mb)
