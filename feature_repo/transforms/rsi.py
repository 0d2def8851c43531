"""Relative strength index with Wilder's smoothing (Wilder 1978; docs/formulas.md, RSI)."""

from __future__ import annotations

from feature_repo.transforms.window_kernels import wilder_indices
from feature_repo.transforms.windows import ROUNDING, Floats


def wilder_rsi(values: Floats, period: int) -> Floats:
    """Return the index of one entity's `values` on its complete hourly grid, in 0–100; NaN stands for a missing hour.

    The first average of gains and of losses is the mean of the first `period` changes; later ones are
    previous + (change − previous)/period. The index is NaN until `period` changes are known, and starts anew after a
    hole. It is 100 where only gains were seen and 0 where only losses. It is NaN where the series has not moved since
    its start: there is no strength to compare (other libraries say 100 or 50). A change within `ROUNDING` of the value
    counts as none.
    """
    # An average with infinite memory: its value depends on where it starts. Chunks start at one anchor for that reason.
    return wilder_indices(values, period, ROUNDING)
