"""What a family says of its own training rows when it has not seen them: fitted on the others of purged folds.

A model's scores on the rows that it was fitted on are farther apart than any that follow, because it knows them. What
is to stand for its later scores, as the population that a threshold is set on or that drift is measured from, is said
out of sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from feature_repo.catalog import Service
from pairity.errors import MissingDataError
from pairity.settings import Settings
from training.data.folds import index_purged_kfold
from training.labels.weights import weigh_rows
from training.models.cross_calibration import calibrate_across_folds
from training.models.families import Family, find_family
from training.tasks import run_cases

Ints = NDArray[np.int64]

_FOLDS = 3


@dataclass(frozen=True, slots=True)
class PurgedScores:
    """Probabilities of training rows by models that were fitted on the rest of them."""

    probabilities: NDArray[np.float64]
    """One per row, in the order of the rows; NaN in a fold whose others could not be learnt from, and in one that the
    purge left no others."""
    splits: Sequence[tuple[Ints, Ints]]
    """Places of the rows that each fold with others was fitted on and tested on; none where the history is short."""


def score_purged(
    family: Family, rows: pl.DataFrame, service: Service, settings: Settings, *, chosen: Mapping[str, int]
) -> PurgedScores | None:
    """Score the labelled `rows` in three purged folds; None for a family that learns nothing.

    Each fold's model has the parameters `chosen` by the model that was fitted on all rows. Where the family's models
    are calibrated, so is what is said here, each fold by the others (`cross_calibration`).
    """
    if family.refit is None:
        return None
    probabilities = np.full(rows.height, np.nan)
    splits = index_purged_kfold(rows, folds=_FOLDS, horizon_bars=settings.label.horizon_bars, trainable_only=True)
    # A worker finds the family by its name: what it consists of need not be such that it can be sent
    score = score_other_rows if settings.profile == "cluster" else partial(score_other_rows, family=family)
    said = run_cases(
        settings, f"purged-{family.name}", score, splits, shared=(family.name, rows, service, dict(chosen))
    )
    for (_, test), own in zip(splits, said, strict=True):
        if own is not None:
            probabilities[test] = own
    calibration = family.name_calibration(settings)
    if calibration != "none":
        labels, weights = rows["label"].cast(pl.Int64).to_numpy(), weigh_rows(rows, settings.label)
        probabilities = calibrate_across_folds(probabilities, labels, weights, splits, calibration)
    return PurgedScores(probabilities, splits)


def score_other_rows(
    settings: Settings,
    name: str,
    rows: pl.DataFrame,
    service: Service,
    chosen: Mapping[str, int],
    train: Ints,
    test: Ints,
    family: Family | None = None,
) -> NDArray[np.float64] | None:
    """Fit a family on the rows at the places `train`, and return what it says of those at `test`.

    None where these rows cannot be learnt from. `family` is that of `name`, by default looked up.
    """
    refit = (find_family(name) if family is None else family).refit
    assert refit is not None
    try:
        return refit(rows[train], service, settings, chosen).predict(rows[test])
    except MissingDataError:
        return None  # one class alone, or too few rows: nothing is said of this fold
