"""What all families of one training share: the point-in-time training set, and the hours that it is judged over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from pairity.settings import Settings
from training.data.point_in_time import Join
from training.data.splits import Split, keep_back, split_chronologically
from training.data.training_sets import TrainingSet, build_training_set, choose_pair_service, digest_training_rows
from training.readiness import require_ready, require_tracking


@dataclass(frozen=True, slots=True)
class TrainingBasis:
    """Everything known at one moment, before anything is fitted on it."""

    training_set: TrainingSet
    labelled: pl.DataFrame
    """Rows to learn from."""
    last: datetime
    """Bar close of the last decision."""
    digest: str
    """Digest of the labelled rows."""
    notes: tuple[str, ...]

    def split(self, settings: Settings, labelled: pl.DataFrame) -> tuple[Split, Split, Split]:
        """Return the whole split, the part before the hours that the gate keeps back, and the part with them.

        `labelled` are the rows, perhaps with more columns.
        """
        whole = split_chronologically(labelled, settings.model.test_fraction, horizon_bars=settings.label.horizon_bars)
        return whole, *keep_back(whole, labelled, self.last, settings.gate.last_look)


OpenBasis = Callable[[], TrainingBasis]


def build_basis(settings: Settings, join: Join, now: datetime) -> TrainingBasis:
    """Return the basis of a training on everything known at `now`; raises what `require_ready` and its parts raise."""
    notes = require_ready(settings)
    training_set = build_training_set(settings, choose_pair_service(settings), join, now)
    labelled = training_set.labelled(settings.label)
    require_tracking(settings)
    return TrainingBasis(
        training_set, labelled, training_set.last_decision, digest_training_rows(labelled), tuple(notes)
    )
