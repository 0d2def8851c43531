"""Data directories that many tests publish alike: made once by a process, and copied from then on."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Hashable
from pathlib import Path

_folder = Path(tempfile.mkdtemp(prefix="pairity-homes-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
_kept: dict[Hashable, Path] = {}


def fill_home(home: Path, key: Hashable, make: Callable[[], None]) -> None:
    """Fill `home` by `make`, or with a copy of what it made for an equal key; in one with files it always runs.

    The key must hold all that decides what is made.
    """
    if home.is_dir() and any(home.iterdir()):
        make()
    elif key in _kept:
        shutil.copytree(_kept[key], home, dirs_exist_ok=True)
    else:
        make()
        _kept[key] = _folder / str(len(_kept))
        shutil.copytree(home, _kept[key])
