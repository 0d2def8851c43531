"""The crash matrix: each boundary of each phase, a kill there in a run of its own, the return, and the judgement."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import shutil
import signal
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.crash_matrix.boundaries import KINDS, Boundaries, Boundary
from tests.e2e.crash_matrix.checks import State, compare_ends, describe_end, find_broken
from tests.e2e.crash_matrix.exchange import ExchangeState
from tests.e2e.crash_matrix.process import Legs, live, run_here
from tests.e2e.crash_matrix.script import PHASES, Phase
from tests.e2e.crash_matrix.venue_look import control, look

LONGEST_LIFE_S = 60
_STRIDE, _MOST_AGAIN = 7, 60
"""The second kill is at this multiple of the first one's number, within that many boundaries."""
Choose = Callable[[int], bool]


@dataclass(frozen=True)
class Run:
    """One killed run: its number, where it was killed, whether it was, and what is broken after the return."""

    number: int
    phase: str
    boundary: Boundary
    killed: bool
    broken: list[str]


@dataclass
class Matrix:
    """All runs of one kind of legs.

    `down_s`: seconds of the venue's time between a kill and the return. `twice`: the process that comes back is killed,
    too, somewhere on its way, and a third one comes.
    """

    legs: Legs
    down_s: int = 0
    twice: bool = False
    runs: list[Run] = field(default_factory=list)
    boundaries: int = 0

    def fill(self, choose: Choose, say: Callable[[str], None]) -> None:
        """Live all phases, with a kill at each boundary whose number `choose` accepts; `say` what is broken."""
        with tempfile.TemporaryDirectory(prefix="crash-matrix-") as folder:
            home, state = Path(folder, "home"), ExchangeState()
            home.mkdir(mode=0o700)
            for phase in (phase for phase in PHASES if self.legs in phase.legs):
                if phase.scene is not None:
                    with state.serve_here() as url:
                        phase.scene(url, home)
                # The children share this process's memory for as long as nothing counts references in it.
                gc.collect()
                gc.freeze()
                if phase.killed:
                    self._kill_everywhere(phase, state, home, choose, say)
                    say(f"{self.legs} {phase.name}: {len(self.runs)} runs so far, {len(self.failures)} broken")
                with state.serve_here(phase.events) as url:
                    run_here(phase, home, url, self.legs)

    @property
    def failures(self) -> list[Run]:
        """Runs that were not killed, or after which something is broken."""
        return [run for run in self.runs if run.broken or not run.killed]

    def _kill_everywhere(
        self, phase: Phase, state: ExchangeState, home: Path, choose: Choose, say: Callable[[str], None]
    ) -> None:
        with state.serve_copy(phase.events) as url, _copy(home) as own:
            process = _live_in_child(phase, own, url, self.legs, None)
            assert process == 0, f"{phase.name} fails undisturbed: {(own / 'error.txt').read_text()}"
            seen = look(url)
            broken = find_broken(own / "journal.db", seen, self._leg_count)
            if broken:
                say(f"BROKEN {phase.name}, undisturbed: {broken}")
            undisturbed = describe_end(own / "journal.db", seen)
            boundaries = [Boundary(*row) for row in json.loads((own / "boundaries.json").read_text())]
        for place, boundary in enumerate(boundaries):
            number = self.boundaries + place
            if choose(number):
                run = self._kill_once(number, phase, boundary, place, state, home, undisturbed)
                self.runs.append(run)
                if run.broken or not run.killed:
                    say(describe(run, self.legs))
        self.boundaries += len(boundaries)

    def _kill_once(
        self,
        number: int,
        phase: Phase,
        boundary: Boundary,
        place: int,
        state: ExchangeState,
        home: Path,
        undisturbed: State,
    ) -> Run:
        with state.serve_copy(phase.events) as url, _copy(home) as own:
            killed = _live_in_child(phase, own, url, self.legs, place) == -signal.SIGKILL
            broken = []
            if not phase.naked:
                broken += [f"killed, and {name} has no stop" for name in look(url).find_naked()]
            if self.down_s:
                control(url, "advance", {"by_ms": 1000 * self.down_s})
            if self.twice:
                _live_in_child(phase, own, url, self.legs, number * _STRIDE % _MOST_AGAIN)
                if not phase.naked:
                    broken += [f"killed again, and {name} has no stop" for name in look(url).find_naked()]
            if _live_in_child(phase, own, url, self.legs, None) != 0:
                broken.append(f"the process that came back failed: {(own / 'error.txt').read_text()}")
            seen = look(url)
            broken += find_broken(own / "journal.db", seen, self._leg_count)
            if not broken and phase.sure and not self.down_s:
                broken += compare_ends(describe_end(own / "journal.db", seen), undisturbed)
        return Run(number, phase.name, boundary, killed, broken)

    @property
    def _leg_count(self) -> int:
        return 1 if self.legs == "base" else 2


def describe(run: Run, legs: str) -> str:
    """Return a failed run in a paragraph, with what reproduces it."""
    where = f"{run.phase}, {run.boundary.stage}: {run.boundary.kind}, {run.boundary.what}"
    what = "; ".join(run.broken) if run.killed else "; ".join(["it was not killed", *run.broken])
    return f"BROKEN --only {legs}-{run.number} ({where}): {what}"


def make_table(matrices: list[Matrix]) -> str:
    """Return the matrix: phase × kind of boundary × legs, with runs, kills and recoveries."""
    lines = [f"{'legs':10}{'phase':20}{'boundary':20}{'runs':>6}{'killed':>8}{'recovered':>11}"]
    counts: Counter[str] = Counter()
    for matrix in matrices:
        for phase in PHASES:
            for kind in KINDS:
                runs = [run for run in matrix.runs if (run.phase, run.boundary.kind) == (phase.name, kind)]
                if not runs:
                    continue
                killed = sum(run.killed for run in runs)
                recovered = sum(run.killed and not run.broken for run in runs)
                counts.update(runs=len(runs), killed=killed, recovered=recovered)
                lines.append(f"{matrix.legs:10}{phase.name:20}{kind:20}{len(runs):>6}{killed:>8}{recovered:>11}")
    lines.append(f"{'all':46}{counts['runs']:>6}{counts['killed']:>8}{counts['recovered']:>11}")
    return "\n".join(lines)


@contextlib.contextmanager
def _copy(home: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="crash-matrix-run-") as folder:
        yield Path(shutil.copytree(home, Path(folder, "home")))


def _live_in_child(phase: Phase, home: Path, url: str, legs: Legs, kill_at: int | None) -> int:
    """Live a phase in a process of its own; return its exit code, or minus the signal that ended it."""
    with warnings.catch_warnings():
        # ccxt and aiohttp leave no thread behind, but numeric libraries keep idle ones; the child uses none of them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        boundaries = Boundaries(kill_at, home)
        try:
            signal.alarm(LONGEST_LIFE_S)
            boundaries.install()
            asyncio.run(live(phase, home, url, legs, boundaries))
            boundaries.stage = None
            (home / "boundaries.json").write_text(json.dumps(boundaries.seen))
        except BaseException:  # noqa: BLE001 - the parent learns of it by the exit code
            boundaries.stage = None
            (home / "error.txt").write_text(traceback.format_exc())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
