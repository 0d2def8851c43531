"""The file of distributions that drift is measured from: a part of the run that trained a version, digest signed.

Training writes it (`training/evaluation/drift_reference.py`) and `pairity drift` reads all of it. What the trading
process needs of it stands in here: the range of each feature that is not far outside.
"""

from __future__ import annotations

import json
import math
from typing import NamedTuple

import polars as pl

from model_registry.records import DRIFT_TAG, ModelRef
from model_registry.stored_folder import read_folder
from pairity.books.families import BOOK_FAMILIES
from pairity.digest import digest_bytes
from pairity.errors import MissingDataError, ModelIntegrityError, RegistryError
from pairity.layout import Layout

DRIFT_FILE = "drift_reference.json"
_LARGEST = 64_000_000
_LOW, _HIGH = 0.01, 0.99
_LEAST_ROWS = 100
"""Fewer rows say nothing about what is usual."""
_RESTORE = "restore mlflow/ from a copy, or train again"


class Range(NamedTuple):
    """Values of a feature that are not far outside: the middle 98% of the known ones, and as much on either side."""

    least: float
    most: float


def find_range(column: pl.Series) -> Range | None:
    """Return the range of a feature's values; None where all are the same, or few are known (null and NaN are not)."""
    known = column.cast(pl.Float64).fill_nan(None).drop_nulls()
    if len(known) < _LEAST_ROWS:
        return None
    low, high = known.quantile(_LOW, "nearest"), known.quantile(_HIGH, "nearest")
    assert low is not None
    assert high is not None
    found = Range(2 * low - high, 2 * high - low)
    return found if high > low and all(map(math.isfinite, found)) else None


def read_drift_file(layout: Layout, model: ModelRef) -> bytes:
    """Return the file that was frozen with a version.

    MissingDataError for a book, for a version of a release without one, or where it is gone; ModelIntegrityError where
    it is not the one whose digest the version carries.
    """
    what = f"version {model.version} of model {model.name!r}"
    digest = model.tags.get(DRIFT_TAG)
    if model.is_book:
        learns = BOOK_FAMILIES[model.family].is_fitted
        said = "drift of what books learn is not measured" if learns else "nothing of it is learnt that could drift"
        raise MissingDataError(
            f"{what} is a book ({model.family}): {said}",
            "name a version of a model of pairs with --version",
        )
    if digest is None:
        raise MissingDataError(f"{what} has no reference of drift", "train again: training writes it")
    try:
        found = read_folder(layout, (model.run_id, "artifacts"), lambda name: _LARGEST if name == DRIFT_FILE else None)
    except FileNotFoundError:
        found = {}
    if DRIFT_FILE not in found:
        raise MissingDataError(f"{DRIFT_FILE} of {what} is gone", _RESTORE)
    if digest_bytes(found[DRIFT_FILE]) != digest:
        raise ModelIntegrityError(f"{DRIFT_FILE} of {what} is not the file that was registered", _RESTORE)
    return found[DRIFT_FILE]


def read_ranges(content: bytes) -> dict[str, Range]:
    """Return the ranges of the features by name; RegistryError where the file has none that can be read."""
    try:
        rows = json.loads(content)["ranges"]
        ranges = {str(name): Range(float(least), float(most)) for name, (least, most) in rows.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RegistryError(f"the reference of drift cannot be read: {error}", "train again") from None
    if not all(math.isfinite(bound) for found in ranges.values() for bound in found):
        raise RegistryError("the reference of drift cannot be read: a range is not finite", "train again")
    return ranges
