"""`pairity serve`, ingestion and model and all, killed a dozen times at boundaries of its own."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pairity.settings import Settings
from serving.journal import Journal
from tests.e2e.crash_matrix.boundaries import Boundary
from tests.e2e.crash_matrix.checks import find_broken
from tests.e2e.crash_matrix.venue_look import look
from tests.e2e.running import Place, paper_exchange

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.crash_matrix, pytest.mark.timeout(1500)]
KILLS, CYCLES = 6, 3
EAGER = {
    "PAIRITY_STRATEGY__PROBABILITY_MIN": "0.2",
    "PAIRITY_STRATEGY__Z_ENTRY": "0.5",
    "PAIRITY_STRATEGY__MAX_CONCURRENT_POSITIONS": "2",
}
"""Settings under which something is traded in most hours."""


def exchange():
    return paper_exchange("--seed", "11")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A data directory with features and a champion, and a copy of it."""
    folder = tmp_path_factory.mktemp("whole")
    place = Place(folder / "home", dict(EAGER))
    with exchange() as running:
        options = ("--exchange-url", running.url, "--control-url", running.control)
        for done in (place.run("ingest", *options, "--since", "22d"), place.run("train", "--no-compare")):
            assert done.returncode == 0, done.stdout + done.stderr
    shutil.copytree(place.home, folder / "pristine")
    return place, folder / "pristine"


def serve(place: Place, url: str, cycles: int, kill_at: int = -1) -> tuple[int, str]:
    """Run `pairity serve` in its own process, and kill it there; return its exit code, and what it said."""
    report = place.home.parent / "boundaries.json"
    options = ["--exchange-url", url, "--control-url", f"{url}/control", "--cycles", str(cycles)]
    command = ["-m", "tests.e2e.crash_matrix.killed_command", str(kill_at), str(report), "serve", *options]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=place.home.parent,
        text=True,
        capture_output=True,
        env=place.environment(),
        timeout=400,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def choose(boundaries: list[Boundary]) -> list[int]:
    """Choose boundaries evenly: one half among those of orders and of the journal, the other among all others."""
    ours = [n for n, b in enumerate(boundaries) if "commit" in b.kind or "POST trade" in b.what]
    others = [n for n in range(len(boundaries)) if n not in set(ours)]
    # In the middle of each of so many equal parts.
    half = KILLS // 2
    return sorted(group[(2 * n + 1) * len(group) // KILLS] for group in (ours, others) for n in range(half))


@pytest.mark.parametrize("legs", ["base", "both"])
def test_the_whole_process_is_killed_and_comes_back(legs, trained):
    place, pristine = trained
    shutil.rmtree(place.home)
    shutil.copytree(pristine, place.home)
    place.extra["PAIRITY_STRATEGY__LEGS"] = legs
    journal, killed = Settings(home=place.home).home / "journal.db", []
    with exchange() as running:
        code, said = serve(place, running.url, CYCLES)
        assert code == 0, said
        boundaries = [Boundary(*row) for row in json.loads((place.home.parent / "boundaries.json").read_text())]
        for number in choose(boundaries):
            code, said = serve(place, running.url, CYCLES, number)
            where = f"{legs}, boundary {number} of {len(boundaries)}"
            assert code in (0, -signal.SIGKILL), f"{where}: {said}"
            naked = look(running.url).find_naked()
            assert not naked, f"{where}: killed, and {naked} has no stop"
            killed += [number] if code else []
            code, said = serve(place, running.url, 1)
            assert code == 0, f"{where}: {said}"
            broken = find_broken(journal, look(running.url), 2 if legs == "both" else 1)
            assert not broken, f"{where}: {broken}"
    print(f"{legs}: {len(boundaries)} boundaries, killed at {killed}")
    assert len(killed) >= KILLS - 1
    assert traded(journal) > 0


def traded(journal: Path) -> int:
    known = Journal.read(journal)
    try:
        return len(known.fills())
    finally:
        known.close()
