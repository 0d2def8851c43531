"""How many threads Polars starts: the frames of one live hour are too small to be worth a second one.

Polars reads its variable once, when it is imported. Handing a frame of some hundred rows to a pool and waiting for it
costs more than the work itself: a decision for ten assets takes a sixth less of the processor with one thread, and one
for a hundred assets no more time. Training, backfills and the processes that a trading process starts are not limited.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

ONE_THREAD = {"POLARS_MAX_THREADS": "1"}
"""Environment of a process that handles small frames, many times."""
_set_here: set[str] = set()


def use_one_thread() -> None:
    """Let Polars start one thread in this process unless its owner has said how many; call it before the import."""
    for name, value in ONE_THREAD.items():
        if name not in os.environ:
            os.environ[name] = value
            _set_here.add(name)


def without_own_limit(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what `use_one_thread` set: for children, whose frames may be large."""
    return {name: value for name, value in environment.items() if name not in _set_here}
