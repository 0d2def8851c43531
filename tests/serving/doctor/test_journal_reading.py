"""The journal is read without a trace, beside a writer too, and its lock is looked at without being taken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from pairity.durable import AlreadyLockedError, lock_exclusively
from pairity.errors import JournalError, PrivacyError
from serving.doctor.journal_reading import find_lock_owner, reading_journal
from serving.journal import Journal
from tests.serving.trading import RUN

HOLDS = """
import sys, time
from pathlib import Path
from pairity.durable import lock_exclusively
held = lock_exclusively(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def closed(tmp_path):
    journal = Journal.open(tmp_path / "home" / "journal.db", scope="test")
    journal.record_run(RUN)
    journal.close()
    return journal.path


def listing(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_a_closed_journal_is_read_without_a_trace(closed):
    before = listing(closed.parent)
    with reading_journal(closed) as journal:
        assert journal.run(RUN.run_id) == RUN
    assert listing(closed.parent) == before


def test_an_open_one_is_read_with_what_its_log_holds(closed):
    writer = Journal.open(closed)
    writer.record_run(replace(RUN, run_id="r2"))
    with reading_journal(closed) as journal:
        assert journal.run("r2") is not None
    writer.close()


def test_the_log_of_a_killed_process_is_not_folded_in(closed):
    writer = Journal.open(closed)
    writer.record_run(replace(RUN, run_id="r2"))
    killed = closed.parent.parent / "killed"  # as the files lie at this moment
    shutil.copytree(closed.parent, killed)
    writer.close()
    database, log = killed / closed.name, killed / f"{closed.name}-wal"
    before = database.read_bytes(), log.read_bytes()
    with reading_journal(database) as journal:
        assert journal.run("r2") is not None
    assert (database.read_bytes(), log.read_bytes()) == before


def test_others_can_read_it(closed):
    closed.chmod(0o640)
    with pytest.raises(PrivacyError), reading_journal(closed):
        pass


def test_a_damaged_one_is_refused(closed):
    closed.write_bytes(b"nonsense" * 1000)
    with pytest.raises(JournalError), reading_journal(closed):
        pass


@pytest.mark.skipif(not os.path.exists("/proc/locks"), reason="only Linux says who holds a lock")
def test_the_holder_of_a_lock_is_named_and_the_lock_stays_free(tmp_path):
    lock = tmp_path / "journal.lock"
    assert find_lock_owner(lock) is None
    held = lock_exclusively(lock)
    assert find_lock_owner(lock) == str(os.getpid())
    with pytest.raises(AlreadyLockedError):
        lock_exclusively(lock)
    held.close()
    assert find_lock_owner(lock) is None
    process = subprocess.Popen([sys.executable, "-c", HOLDS, str(lock)], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline()
        assert find_lock_owner(lock) == str(process.pid)
    finally:
        process.kill()
        process.communicate()
    assert find_lock_owner(lock) is None  # its number still stands in the file
