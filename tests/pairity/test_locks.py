"""Locks between processes: one has it, its death ends it, and whoever takes turns loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pairity.durable import AlreadyLockedError, lock_exclusively

OWN = """
import sys
from pathlib import Path
from pairity.durable import lock_exclusively
file = lock_exclusively(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


def test_one_process_has_the_lock_and_its_death_ends_it(tmp_path):
    path = tmp_path / "new" / "folder" / "one.lock"
    with subprocess.Popen(
        [sys.executable, "-c", OWN, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout.readline() == "locked\n"
        with pytest.raises(AlreadyLockedError) as caught:
            lock_exclusively(path)
        assert caught.value.owner == str(owner.pid)
        owner.kill()
    with lock_exclusively(path):
        assert path.read_text() == str(os.getpid())
    lock_exclusively(path).close()


ADD = """
import sys, time
from pathlib import Path
from pairity.durable import take_turns
number = Path(sys.argv[1])
for _ in range(20):
    with take_turns(number.parent / "locks" / "number.lock"):
        known = int(number.read_text())
        time.sleep(0.001)
        number.write_text(str(known + 1))
"""


def test_whoever_takes_turns_loses_nothing(tmp_path):
    number = tmp_path / "number"
    number.write_text("0")
    writers = [subprocess.Popen([sys.executable, "-c", ADD, str(number)]) for _ in range(3)]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0, 0]
    assert number.read_text() == "60"
