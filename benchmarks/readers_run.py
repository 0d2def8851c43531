"""One measured run of the trading process beside a crowd of readers, which comes and goes from hour to hour."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.readers_crowd import READERS, STREAMS
from benchmarks.serving_meters import ALL, attach_meter
from benchmarks.serving_scene import Scene
from pairity.progress import SilentProgress

MODES: tuple[tuple[str, str], ...] = (
    ("nobody reads", ""),
    (f"{READERS} readers, a request a second each, and {STREAMS} streams", "1"),
    (f"{READERS} readers, as fast as they are answered, and {STREAMS} streams", "0"),
)
"""What each hour is measured under, in turn, with the pause of each reader between two requests."""
WARM_UP = 3
_COMING_S = 1.5


def measure(scene: dict[str, Any], rounds: int) -> dict[str, Any]:
    """Trade `WARM_UP` hours and then `rounds` hours of each mode; return wall and processor seconds per mode."""
    from serving.process import serve

    meter = attach_meter()
    seconds: list[list[tuple[float, float]]] = [[] for _ in MODES]
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted"
        wanted.write_text("")
        crowds: list[subprocess.Popen[bytes]] = []

        def begin(url: str) -> None:
            crowds.append(subprocess.Popen([sys.executable, "-m", "benchmarks.readers_crowd", url, str(wanted)]))

        def turn() -> None:
            hour = len(meter.decisions) - WARM_UP
            if hour > 0:
                spent = meter.decisions[-1].steps[ALL]
                seconds[(hour - 1) % len(MODES)].append((spent.wall_s, spent.cpu_s))
            wanted.write_text(MODES[max(hour, 0) % len(MODES)][1])
            time.sleep(_COMING_S)  # the crowd comes, or goes

        meter.on_decision = turn
        settings = Scene(**scene).settings
        cycles = WARM_UP + rounds * len(MODES)
        report = asyncio.run(serve(settings, live=False, cycles=cycles, progress=SilentProgress(), on_ready=begin))
        wanted.unlink()
        for crowd in crowds:
            crowd.wait(60)
        answered = wanted.with_suffix(".answered")
        lines = answered.read_text().splitlines() if answered.exists() else []
    assert report.blind == 0, report.problems[:3]
    return {"seconds": seconds, "answered": lines, "actions": dict(report.actions), "problems": report.problems}
