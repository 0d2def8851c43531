"""Under what a number was measured: the commit, the day, the load and the processor."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.processor import name_processor
from pairity.code_revision import read_code_revision

_LIBRARIES = ("polars", "feast", "great-expectations", "scikit-learn")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a measurement that ends now was made with."""

    commit: str
    """Its first seven digits, and whether code differs from it."""
    finished: str
    """The day, UTC."""
    load: float
    """Over the last 15 minutes."""
    processor: str

    @classmethod
    def read(cls) -> Conditions:
        """Return those of now."""
        return cls(_describe_code(), f"{datetime.now(UTC):%Y-%m-%d}", round(os.getloadavg()[2], 1), name_processor())


def describe_machine() -> str:
    """Return processor, memory and versions in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    load = f"load {os.getloadavg()[2]:.1f} over the last 15 minutes"
    return (
        f"One run on one machine: {os.cpu_count()} cores ({name_processor()}), {memory:.0f} GB, {load}; "
        f"Python {platform.python_version()}, {libraries}."
    )


def _describe_code() -> str:
    """Return the commit, and whether code differs from it: results of groups that ran before always do."""
    commit = read_code_revision().commit
    if commit is None:
        return "unknown"
    project = Path(__file__).parent.parent
    differs = subprocess.run(["git", "-C", str(project), "diff", "--quiet", "HEAD", "--", "*.py"], check=False)
    return f"{commit[:7]} with changes" if differs.returncode else commit[:7]
