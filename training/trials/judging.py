"""Verdicts on the trials of the ledger over given hours."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from training.evaluation.superiority import BLOCK_HOURS, LEAST_BLOCKS, Superiority, assess_superiority
from training.trials.book import TrialBook


def assess_trials(
    book: TrialBook, first: datetime, hours: int, own: NDArray[np.float64] | None = None
) -> Superiority | None:
    """Test all trials that cover these hours; None where none moves, or the hours are too few to say anything.

    `own` are the returns of the trial that is judged: it is the first one of the answer. The ledger keeps an hour as it
    was seen first, and a model that was trained again does not repeat itself.
    """
    if hours < LEAST_BLOCKS * BLOCK_HOURS:
        return None
    returns = book.cover(first, hours)
    if own is not None:
        returns = np.column_stack([own, returns])
    return assess_superiority(returns) if returns.shape[1] else None
