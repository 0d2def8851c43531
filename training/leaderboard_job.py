"""Comparison of all families as a job: walk forward, write the files, log the run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pairity.books.families import BOOK_FAMILIES, BookFamily
from pairity.errors import UnknownNameError
from pairity.progress import Progress
from pairity.settings import Settings
from training.data.history import make_store_join
from training.leaderboard import Leaderboard, compare_families
from training.models.families import FAMILIES, Family, find_family
from training.readiness import require_ready, require_tracking
from training.reports import leaderboard_files, leaderboard_runs


def run_leaderboard(
    settings: Settings, now: datetime, progress: Progress, names: Sequence[str] | None = None, *, spare: bool = True
) -> tuple[Leaderboard, str]:
    """Compare all families (or those named), books among them, on what was known at `now`; return board and run id.

    With `spare`, the hours that the gate keeps back for its last look are left alone. Raises UnknownNameError for a
    family that does not exist, and MissingDataError for too short a history.
    """
    families, books = choose_entrants(names)
    require_ready(settings)  # a store of runs is not made where nothing can be compared
    require_tracking(settings)
    board = compare_families(settings, families, make_store_join(settings), now, progress, books=books, spare=spare)
    progress.stage("write and log", 1)
    leaderboard_files.write_leaderboard(settings, board)
    run_id = leaderboard_runs.record_leaderboard(settings, board)
    progress.advance(1)
    return board, run_id


def choose_entrants(names: Sequence[str] | None = None) -> tuple[list[Family], list[BookFamily]]:
    """Return the families of models and of books with these names, all without any; UnknownNameError lists both."""
    for name in names or ():
        if name not in FAMILIES and name not in BOOK_FAMILIES:
            raise UnknownNameError("family", name, [*FAMILIES, *BOOK_FAMILIES])
    chosen = [*dict.fromkeys(names or (*FAMILIES, *BOOK_FAMILIES))]
    return (
        [find_family(name) for name in chosen if name in FAMILIES],
        [BOOK_FAMILIES[name] for name in chosen if name in BOOK_FAMILIES],
    )
