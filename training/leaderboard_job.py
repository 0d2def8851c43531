"""Comparison of all families as a job: walk forward, write the files, log the run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pairity.progress import Progress
from pairity.settings import Settings
from training.data.history import make_store_join
from training.leaderboard import Leaderboard, compare_families
from training.models.families import FAMILIES, find_family
from training.readiness import require_ready, require_tracking
from training.reports import leaderboard_files, leaderboard_runs


def run_leaderboard(
    settings: Settings, now: datetime, progress: Progress, names: Sequence[str] | None = None, *, spare: bool = True
) -> tuple[Leaderboard, str]:
    """Compare all families (or those named) on what was known at `now`; return the board and its MLflow run id.

    With `spare`, the hours that the gate keeps back for its last look are left alone. Raises UnknownNameError for a
    family that does not exist, and MissingDataError for too short a history.
    """
    families = [find_family(name) for name in names or FAMILIES]
    require_ready(settings)  # a store of runs is not made where nothing can be compared
    require_tracking(settings)
    board = compare_families(settings, families, make_store_join(settings), now, progress, spare=spare)
    progress.stage("write and log", 1)
    leaderboard_files.write_leaderboard(settings, board)
    run_id = leaderboard_runs.record_leaderboard(settings, board)
    progress.advance(1)
    return board, run_id
