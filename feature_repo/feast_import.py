"""Import of Feast without its type checks at run time.

Feast decorates its classes with typeguard's `typechecked`, which parses and compiles each of them a second time while
it is imported: 3.6 of 5.1 seconds, in every process that reads a feature. The decorator does nothing under `python -O`,
and is "not meant to be run in production" by its own documentation. What we hand to Feast is checked by mypy, and its
configuration by pydantic.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Any

_CLASSES = ("feast", "feast.infra.offline_stores.file_source", "feast.infra.online_stores.sqlite")
"""Modules that import every module of Feast that is used here."""


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
        for name in _CLASSES:
            import_module(name)
    finally:
        typeguard.typechecked = checking  # type: ignore[attr-defined]


def _leave_unchecked(target: Any = None, **_options: object) -> Any:  # noqa: ANN401 - a decorator of anything
    """Return `target` unchanged: `typechecked` as it is under `python -O`."""
    return _leave_unchecked if target is None else target
