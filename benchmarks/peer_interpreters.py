"""Peers that need an interpreter of their own: named by a variable of the environment, else not measured."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

SPARK, OLS, REDIS = "BENCHMARK_SPARK_PYTHON", "BENCHMARK_OLS_PYTHON", "BENCHMARK_REDIS_PYTHON"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python for a peer, or why there is none."""

    python: str = sys.executable
    lacks: str | None = None


_NAMED = {
    OLS: ("polars-ols", "polars"),
    SPARK: ("feast", "pyspark"),
    REDIS: ("feast", "redis"),
}
"""Packages whose versions are told, by the variable that names the interpreter that has them."""
_ASK = "import sys, importlib.metadata as m; print(*(f'{name} {m.version(name)}' for name in sys.argv[1:]), sep=', ')"


def list_peer_versions() -> list[str]:
    """Return in words the versions of the peers that run in interpreters of their own, of those that are there."""
    said = []
    for variable, packages in _NAMED.items():
        named = os.environ.get(variable)
        if named and shutil.which(named):
            asked = subprocess.run([named, "-c", _ASK, *packages], capture_output=True, text=True, check=False)
            said += [asked.stdout.strip()] if asked.returncode == 0 else []
    return said


def find_interpreter(variable: str, needs: str, program: str | None = None) -> Interpreter:
    """Return the Python that `variable` names, which has `needs`; `program` must be on PATH besides."""
    named = os.environ.get(variable)
    if not named:
        return Interpreter(lacks=f"not measured: {variable} does not name a Python with {needs}")
    if shutil.which(named) is None:
        return Interpreter(lacks=f"not measured: {variable} = {named} is no program")
    if program and shutil.which(program) is None:
        return Interpreter(lacks=f"not measured: there is no `{program}` on PATH")
    return Interpreter(python=named)
