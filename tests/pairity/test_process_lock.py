import os
import subprocess
import sys

import pytest

from pairity.process_lock import LockHeldError, lock_exclusively

HOLD = """
import sys
from pathlib import Path
from pairity.process_lock import lock_exclusively
held = lock_exclusively(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_one_process_holds_it_and_its_death_ends_it(tmp_path):
    path = tmp_path / "new" / "folder" / "one.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockHeldError) as caught:
            lock_exclusively(path)
        assert caught.value.holder == str(holder.pid)
        holder.kill()
    with lock_exclusively(path):
        assert path.read_text() == str(os.getpid())
    lock_exclusively(path).close()
