"""Records of what is written into the tracking store: a training run, and the runs of a comparison of families."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

TRIAL_METRIC = "model_sharpe"
"""Annualised Sharpe ratio of hourly returns of what a run would trade."""
GRID_METRIC = "grid_sharpe"
"""The same for each other setting that was tried on the run's scores; the step is the number of the setting."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A measure over time: each value at the close of the bar at which it was known, times ascending."""

    name: str
    times: Sequence[datetime]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything that one training run leaves behind. A metric that is not defined (None) is stored as NaN."""

    params: Mapping[str, object]
    metrics: Mapping[str, float | None]
    tags: Mapping[str, str]
    training_set: pl.DataFrame
    training_digest: str
    source: Path
    """Directory of the features that the training set was built from; its name is that of the data set."""
    artifacts: Path
    """Directory of figures and tables to be stored with the run."""
    name: str | None = None
    """Name for people; None: MLflow makes one up."""
    note: str = ""
    """Markdown that the tracking UI shows on top."""
    trials: Sequence[float | None] = ()
    """Annualised Sharpe ratio of each other setting that was tried on the same model; None where one has no ratio."""
    curves: Sequence[Curve] = ()
    target: str | None = "label"
    """Column of the training set that is learnt; None: nothing is."""


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """Entry of the tracking UI's dataset column: name, digest, path and number of rows."""

    name: str
    digest: str
    path: str
    rows: int


@dataclass(frozen=True, slots=True)
class FamilyRun:
    """One run of a comparison of families: the run of one family, or the parent of all."""

    name: str
    params: Mapping[str, object]
    metrics: Mapping[str, float | None]
    tags: Mapping[str, str]
    note: str = ""
    """Markdown that the tracking UI shows on top."""
    folds: Sequence[Mapping[str, float | None]] = ()
    """Metrics of each fold. A fold becomes a run of its own below this one, and a step of this run's metrics."""
    fold_names: Sequence[str] = ()
    """Names of the folds' runs, one for each fold."""
    artifacts: Path | None = None
    dataset: DatasetSource | None = None
    curves: Sequence[Curve] = ()
