"""Commands that a person can paste: whole, and for the data directory that is looked at."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pairity.settings import Settings


def write_command(settings: Settings, *words: str) -> str:
    """Return a `pairity` command as it can be pasted into this shell, with `PAIRITY_HOME` where it needs it.

    It is needed where the data directory is not the one that the command would find by itself: a demo's, or one of
    an option.
    """
    from pairity.configuration import load_settings
    from pairity.errors import ConfigError

    try:
        is_found = load_settings().root == settings.root
    except ConfigError:
        is_found = False
    home = "" if is_found else f"PAIRITY_HOME={shlex.quote(str(settings.root))} "
    return f"{home}{_program()} {shlex.join(words)}"


def _program() -> str:
    """Return how this program was called: its name where the shell finds it, else the path of the interpreter."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m pairity_cli"
    found = (Path(folder) / called.name for folder in os.get_exec_path())
    if any(place.is_file() for place in found) or not called.is_file():
        return "pairity"
    return shlex.quote(str(called))
