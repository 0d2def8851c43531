import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
KERNEL = """
from feature_repo.transforms.compiled import compiled

@compiled
def ratio(a, b):
    return a / b
"""


def run(folder, code, **environment):
    command = [sys.executable, "-c", f"from kernel import ratio; {code}"]
    settings = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "kernel.py").write_text(KERNEL)
    return tmp_path


def test_division_by_zero_is_that_of_ieee(folder):
    assert run(folder, "print(ratio(1.0, 0.0), ratio(0.0, 0.0), ratio(-1.0, 0.0))") == ["inf", "nan", "-inf"]


@pytest.mark.slow
def test_machine_code_is_kept_and_found_again(folder):
    code = "ratio(1.0, 2.0); print(sum(ratio.stats.cache_hits.values()), sum(ratio.stats.cache_misses.values()))"
    assert run(folder, code) == ["0", "1"]
    assert run(folder, code) == ["1", "0"]


def test_a_read_only_installation_without_a_home_compiles_in_memory(folder):
    (folder / "__pycache__").write_text("a file: nothing can be written below it, not even by root")
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), "/dev/null") | {"NUMBA_CACHE_DIR": ""}
    code = "print(ratio(1.0, 2.0), type(ratio._cache).__name__)"
    assert run(folder, code, **nowhere) == ["0.5", "NullCache"]
