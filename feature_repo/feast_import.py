"""Import of Feast without its type checks at run time, and without its hold on this process's metrics.

Feast decorates its classes with typeguard's `typechecked`, which parses and compiles each of them a second time while
it is imported: 3.6 of 5.1 seconds, in every process that reads a feature. The decorator does nothing under `python -O`,
and is "not meant to be run in production" by its own documentation. What we hand to Feast is checked by mypy, and its
configuration by pydantic.

For its own servers Feast has Prometheus keep values in files that all processes share: in a temporary directory that a
killed process leaves behind, named by environment variables that children inherit. Where it is imported before
Prometheus, two sets of metrics of one process then count as one. Here Prometheus comes first, and nothing is shared.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

_CLASSES = ("feast", "feast.infra.offline_stores.file_source", "feast.infra.online_stores.sqlite")
"""Modules that import every module of Feast that is used here."""
_SHARED_METRICS = ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR")


@cache
def import_feast() -> None:
    """Import Feast, once; call it before the first import of anything of Feast.

    Where somebody has imported it before, checks and all, it stays as it is.
    """
    if "feast" in sys.modules:
        return
    typeguard = import_module("typeguard")
    checking = typeguard.typechecked
    typeguard.typechecked = _leave_unchecked  # type: ignore[attr-defined]
    try:
        with _own_metrics():
            for name in _CLASSES:
                import_module(name)
    finally:
        typeguard.typechecked = checking  # type: ignore[attr-defined]


@contextmanager
def _own_metrics() -> Iterator[None]:
    """Let Prometheus decide where its values are before Feast asks for shared files, and make no directory."""
    import_module("prometheus_client")
    unset = [name for name in _SHARED_METRICS if name not in os.environ]
    os.environ.update(dict.fromkeys(unset, ""))
    try:
        yield
    finally:
        for name in unset:
            del os.environ[name]


def _leave_unchecked(target: Any = None, **_options: object) -> Any:  # noqa: ANN401 - a decorator of anything
    """Return `target` unchanged: `typechecked` as it is under `python -O`."""
    return _leave_unchecked if target is None else target
