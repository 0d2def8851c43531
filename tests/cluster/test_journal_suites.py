"""Tests of the journal, of what reads it and of kills, once more with every journal in PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[2]
SUITES = {
    "journal": ["tests/serving/journal"],
    "views": ["tests/serving/views"],
    "kills": ["tests/serving/test_kill.py"],
    "pages": ["tests/serving/web/test_reading.py"],
    "alerts": ["tests/serving/alerts"],
}
OF_FILES = (
    "test_journal_files",  # SQLite's files: damaged, of another program, killed while made
    "test_private_journal",
    "test_journal_versions",  # the same for PostgreSQL: test_journal_moves
    "test_no_query_of_a_cycle",  # the plans of SQLite's queries
    "test_a_writer_adds_the_indices",
    "test_a_journal_older_than_events",  # files of version 1: test_journal_moves brings all versions forward
    "test_a_reader_of_an_older_journal",
    "test_a_webhook_that_is_gone_gets_everything",  # fractions of a second: not on a busy server
    "test_trading_goes_on_while_every_webhook_hangs",
)


@pytest.mark.parametrize("suite", sorted(SUITES))
def test_what_holds_for_a_file_holds_for_postgresql(suite):
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "tests.cluster.journal_in_postgres", "--timeout", "600"]
    chosen = " and ".join(f"not {name}" for name in OF_FILES)
    done = subprocess.run(
        [*command, *SUITES[suite], "-k", chosen],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
