"""How many candidates got which probability, by label."""

from __future__ import annotations

import numpy as np
import polars as pl

BINS = 20


def tabulate_scores(candidates: pl.DataFrame, bins: int = BINS) -> pl.DataFrame:
    """Return low, high, label_0 and label_1: how many rows of each label have a probability in [low, high).

    `candidates`: label (0/1) and probability without nulls. [0, 1] is cut evenly; the last bin holds 1
    too, and a bin without rows has zeros.
    """
    edges = np.linspace(0.0, 1.0, bins + 1)
    counts = {
        f"label_{label}": np.histogram(candidates.filter(pl.col("label") == label)["probability"].to_numpy(), edges)[0]
        for label in (0, 1)
    }
    return pl.DataFrame({"low": edges[:-1], "high": edges[1:], **counts})
