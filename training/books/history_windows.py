"""Windows of a panel as a decision at their end sees them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.books.panel import BookPanel

Floats = NDArray[np.float64]


def read_known(panel: BookPanel, values: Floats, hour: int, count: int) -> Floats:
    """Return the last `count` rows up to `hour`, NaN where a bar came later than that hour's decision."""
    rows = np.arange(hour - count + 1, hour + 1)
    window = np.full((count, len(panel.names)), np.nan)
    inside = rows >= 0
    late = panel.late[rows[inside]]
    came = ~(late > (hour - rows[inside])[:, None])
    window[inside] = np.where(came, values[rows[inside]], np.nan)
    return window
