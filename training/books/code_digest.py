"""Digest of the code that makes a book and trades it: what registrations, and versions of books, were made by.

Which modules these are follows from imports: all that the modules below reach within the rooms in which numbers of a
book are made. What only reports results, or registers them, is not reached.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from pairity.digest import digest_bytes, digest_parts

ENTRIES = (
    "training.books.engine",
    "training.books.stored_market",
    # What the store holds for books, and where the windows of its columns are named: read from files, not imported.
    "feature_repo.catalog.books",
    "feature_repo.catalog.pair_books",
    "feature_repo.catalog.pair_spreads",
    "feature_repo.transforms.assets",
    "feature_repo.transforms.asset_books",
    "feature_repo.transforms.pair_books",
    "feature_repo.transforms.pair_spreads",
)
"""Modules from which everything is reached that makes targets, trades them, and makes the features behind them."""
ROOMS = (
    "feature_repo.catalog",
    "feature_repo.transforms",
    "model_registry",
    "pairity.books",
    "training.backtest",
    "training.books",
    "training.data",
    "training.evaluation",
)
"""Packages whose modules make numbers of a book. Beyond them lie files, time, digests and settings."""


@cache
def digest_book_code() -> str:
    """Return the digest of the source that makes targets and trades them, as this process found it first."""
    modules = list_book_modules()
    return digest_parts((name, digest_bytes(path.read_bytes())) for name, path in modules.items())


def list_book_modules() -> Mapping[str, Path]:
    """Return the modules on which the result of a book depends, sorted by name, with the paths of their source."""
    found: dict[str, Path] = {}
    waiting = [*ENTRIES]
    while waiting:
        name = waiting.pop()
        path = _locate(name)
        if name not in found and path is not None:
            found[name] = path
            waiting += _list_imports(path)
    return dict(sorted(found.items()))


def _locate(name: str) -> Path | None:
    """Return the source of a module of the rooms; None of any other, and of packages, which hold no code themselves."""
    if not any(name.startswith(f"{room}.") for room in ROOMS):
        return None
    top, *below = name.split(".")
    path = Path(import_module(top).__path__[0]).joinpath(*below).with_suffix(".py")
    return path if path.is_file() else None


def _list_imports(path: Path) -> Iterator[str]:
    """Yield what a file imports, anywhere in it: modules, and names that may be modules."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)
