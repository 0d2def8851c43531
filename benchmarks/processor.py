"""The processor that measurements were made on."""

from __future__ import annotations

import platform
from pathlib import Path


def name_processor() -> str:
    """Return the model's name as the system gives it, or the architecture."""
    model = Path("/proc/cpuinfo").read_text().partition("model name")[2].partition("\n")[0].strip(" \t:")
    return model or platform.machine()
