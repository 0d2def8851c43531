"""What models of the outcomes of pairs ask of pairs at a close, from the bars that were known then.

The feature store has the same in `pair_books` and `pair_spreads`. Source: docs/formulas.md, Books.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from feature_repo.transforms.book_kernels import pair_changes, pair_scores
from model_registry.outcome_fits import PAIR_COLUMNS, Z_HOURS, place_pairs
from training.books.history_windows import read_known
from training.books.panel import BookPanel

Floats = NDArray[np.float64]
_MONTH = 720


def compute_pair_columns(panel: BookPanel, hour: int, names: Sequence[str]) -> Floats:
    """Return the pairs of `list_pairs` × `PAIR_COLUMNS` at row `hour`; NaN where one is not known.

    Computed from the bars by the kernels of the views.
    """
    columns = [panel.names.index(name) for name in names]
    long, short = (places[: len(places) // 2] for places in place_pairs(len(names)))
    pairs = np.column_stack([long, short])
    if not len(pairs):
        return np.empty((0, len(PAIR_COLUMNS)))
    closes = np.ascontiguousarray(read_known(panel, panel.closes, hour, max(*Z_HOURS, _MONTH + 1))[:, columns])
    scores = [pair_scores(closes[-hours:], pairs) for hours in Z_HOURS]
    return np.column_stack([*scores, pair_changes(closes[-_MONTH - 1 :], pairs)])
