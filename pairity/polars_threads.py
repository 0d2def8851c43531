"""How Polars works in the trading process: in one thread, in memory. The frames of a live hour are small.

Polars reads its variable once, when it is imported. Handing a frame of some hundred rows to a pool and waiting for it
costs more than the work itself: a decision for ten assets takes a sixth less of the processor with one thread, and one
for a hundred assets no more time. Polars' streaming engine, its default, sets up a pipeline of workers for each query:
a tenth of a decision. Its in-memory engine gives the same bits. Training, backfills and the processes that a trading
process starts are not limited.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

ONE_THREAD = {"POLARS_MAX_THREADS": "1"}
"""Environment of a process that handles small frames, many times."""
_ENGINE = "POLARS_ENGINE_AFFINITY"
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


@contextmanager
def running_in_memory() -> Iterator[None]:
    """Let Polars run the block's queries in its in-memory engine unless the process's owner has chosen one.

    It holds for all threads of the process until the block ends.
    """
    if _ENGINE in os.environ:
        yield
        return
    import polars as pl  # only now: see `use_one_thread`

    with pl.Config(engine_affinity="in-memory"):
        yield
