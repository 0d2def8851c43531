"""`python -m benchmarks readers`: what a crowd of readers of the API costs a decision.

A real trading process decides hour by hour against a paper exchange of its own. First back to back: a crowd that would
slow it down finds it always at work, and is hardly answered. Then as trading is, a decision every few seconds and
nothing between them. Hours without readers and hours with them take turns in each run.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import readers_paced
from benchmarks.figures import note_figure
from benchmarks.isolated_process import call_in_process
from benchmarks.readers_run import MODES
from benchmarks.serving import describe_machine, make_scene
from benchmarks.serving_scene import Scene
from pairity.polars_threads import ONE_THREAD

_ASSETS, _ROUNDS, _SMALL_ROUNDS = 10, 12, 3


def measure_readers(small: bool) -> str:
    """Measure, and return the report in Markdown."""
    rounds = _SMALL_ROUNDS if small else _ROUNDS
    print(f"{rounds} hours of each of {len(MODES)} crowds …", file=sys.stderr, flush=True)
    with make_scene(_ASSETS) as scene:
        call_in_process("benchmarks.serving_scene", "prepare", (scene.to_json(),))
        given = scene.to_json()
        # First: its exchange begins where the history ends, and the other run goes on from where it got to.
        with keeping_home(scene):
            paced = call_in_process("benchmarks.readers_paced", "measure", (given, small), variables=ONE_THREAD)
        raw = call_in_process("benchmarks.readers_run", "measure", (given, rounds), variables=ONE_THREAD)
    if not small:
        ratio = readers_paced.compare_medians(paced)
        note_figure("readers", f"{ratio:.2f} × with a decision every few seconds", met=ratio <= 1.1)
    return "\n".join([describe_machine(), "", *report(raw, rounds), "", *readers_paced.report(paced)]) + "\n"


@contextmanager
def keeping_home(scene: Scene) -> Iterator[None]:
    """Give the scene's data directory back as it was: the next run trades the same hours."""
    home, kept = Path(scene.home), Path(scene.home).with_name("kept")
    shutil.copytree(home, kept, symlinks=True)
    try:
        yield
    finally:
        shutil.rmtree(home)
        kept.rename(home)


def report(raw: dict[str, Any], rounds: int) -> list[str]:
    """Return the tables: seconds of a decision per crowd as a ratio to nobody, and what the crowds were answered."""
    alone = statistics.median(wall for wall, _ in raw["seconds"][0])
    lines = [
        "## Readers",
        "",
        f"Wall milliseconds of one decision of {_ASSETS} assets, {rounds} hours each, in turns within one run. The "
        "processor's are of the whole process, readers included.",
        "",
        "| who reads | median | most | ratio | processor, median |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for (name, _), spent in zip(MODES, raw["seconds"], strict=True):
        walls, used = [wall for wall, _ in spent], statistics.median(cpu for _, cpu in spent)
        median = statistics.median(walls)
        cells = (f"{median * 1e3:.0f}", f"{max(walls) * 1e3:.0f}", f"{median / alone:.2f}", f"{used * 1e3:.0f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [
        *lines,
        "",
        "What the crowds were answered, in each of their stays:",
        "",
        *(f"- {line}" for line in raw["answered"]),
    ]
