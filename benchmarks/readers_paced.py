"""Readers beside trading as it is: a decision, then nothing to decide until the next one, on a clock that runs.

The exchange's clock runs so fast that an hour takes a few seconds. Stays with a crowd and without one take turns in one
run, because a machine that is shared is not the same after a minute.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.readers_crowd import READERS, STREAMS
from benchmarks.serving_meters import ALL, attach_meter
from benchmarks.serving_scene import SEED, Scene, list_exchange_options
from pairity.configuration import load_settings
from pairity.progress import SilentProgress
from pairity.settings import Settings
from pairity_cli.demo.exchange import running_exchange

SPEED = 720
"""An hour takes five seconds."""
PAUSE_S = 1.0
WARM_UP, ALONE, CROWDED, SMALL = 2, 7, 14, 3
"""Decisions: before anything is measured, and of each stay. Fourteen take more than a minute."""


def measure(scene: dict[str, Any], small: bool) -> dict[str, Any]:
    """Trade through the stays alone, crowded, alone; return wall seconds of each decision, and the crowd's sums."""
    from serving.process import serve

    stays = [("", SMALL), (str(PAUSE_S), SMALL)] if small else [("", ALONE), (str(PAUSE_S), CROWDED), ("", ALONE)]
    plan = [pause for pause, hours in stays for _ in range(hours)]
    meter = attach_meter()
    walls: dict[str, list[float]] = {"alone": [], "crowded": []}
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted"
        wanted.write_text("")
        crowds: list[subprocess.Popen[bytes]] = []

        def begin(url: str) -> None:
            crowds.append(subprocess.Popen([sys.executable, "-m", "benchmarks.readers_crowd", url, str(wanted)]))

        def turn() -> None:
            hour = len(meter.decisions) - WARM_UP
            if 0 < hour <= len(plan):  # tries that failed are decisions of the meter too
                # The first decision of a stay is no part of it: the crowd comes, or goes.
                changed = hour > 1 and plan[hour - 1] != plan[hour - 2]
                if not changed:
                    kind = "crowded" if plan[hour - 1] else "alone"
                    walls[kind].append(meter.decisions[-1].steps[ALL].wall_s)
            if 0 <= hour < len(plan):
                wanted.write_text(plan[hour])

        meter.on_decision = turn
        options = [*list_exchange_options(len(scene["assets"])), "--clock", f"x{SPEED}"]
        with running_exchange("synthetic", None, SEED, Path(folder) / "exchange.log", options) as exchange:
            settings = _make_settings(scene, exchange.url)
            cycles = WARM_UP + len(plan)
            report = asyncio.run(serve(settings, live=False, cycles=cycles, progress=SilentProgress(), on_ready=begin))
        wanted.unlink()
        for crowd in crowds:
            crowd.wait(60)
        answered = wanted.with_suffix(".answered")
        lines = answered.read_text().splitlines() if answered.exists() else []
    return {"walls": walls, "crowd": [json.loads(line) for line in lines], "blind": report.blind}


def compare_medians(raw: dict[str, Any]) -> float:
    """Return the median decision beside the crowd over that beside nobody."""
    return statistics.median(raw["walls"]["crowded"]) / statistics.median(raw["walls"]["alone"])


def report(raw: dict[str, Any]) -> list[str]:
    """Return the tables: seconds of a decision with and without readers, and how the readers were served."""
    alone, crowded = (statistics.median(raw["walls"][kind]) for kind in ("alone", "crowded"))
    lines = [
        "## Readers beside trading as it is",
        "",
        f"A decision every {3600 // SPEED} s, and nothing to decide in between; {READERS} readers with a request a "
        f"second each, and {STREAMS} streams. Wall milliseconds of one decision; {raw['blind']} found no features.",
        "",
        "| who reads | decisions | median | most | ratio |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, kind, median in (("nobody", "alone", alone), ("the crowd", "crowded", crowded)):
        walls = raw["walls"][kind]
        cells = (len(walls), f"{median * 1e3:.0f}", f"{max(walls) * 1e3:.0f}", f"{median / alone:.2f}")
        lines.append(f"| {name} | {' | '.join(map(str, cells))} |")
    lines += [
        "",
        "How they were served; an event counts as sent to all streams when it came over one of them.",
        "",
        "| seconds | answers a second | others | median, ms | worst, ms | events delivered of sent |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for stay in raw["crowd"]:
        good = stay["answered"].get("200", 0)
        others = sum(count for name, count in stay["answered"].items() if name not in ("200", "events"))
        cells = (
            f"{stay['seconds']:.0f}",
            f"{good / stay['seconds']:.0f}",
            others,
            stay["median_ms"],
            stay["worst_ms"],
            f"{stay['events_delivered']} of {stay['events_sent']}",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _make_settings(scene: dict[str, Any], url: str) -> Settings:
    """Return the settings of a scene on an exchange whose clock runs: its deadlines are of that clock too."""
    stepped = Scene(**scene).settings
    venue = {"url": url, "api_key": "paper", "api_secret": "paper", "api_passphrase": "paper", "rate_limit": False}
    serve = {"port": 0, "watch_s": 300.0, "lease": False, "order_deadline_s": 600.0, "leg_deadline_s": 1200.0}
    return load_settings(home=stepped.root, universe={"assets": tuple(scene["assets"])}, exchange=venue, serve=serve)
