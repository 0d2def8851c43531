"""Fits of rankers that were made up, or learnt from made-up ranks."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import numpy as np

from model_registry.ranker_fits import HORIZON_DAYS, RANK_FEATURES, RankerFit
from pairity.books.families import BOOK_FAMILIES
from training.books.ranker import fit_ranker


@lru_cache(maxsize=16)
def make_fit(family: str, made_at: datetime, seed: int = 0) -> RankerFit:
    """Return a fit that believes in returns of a week, and in something else by `seed`."""
    kind = BOOK_FAMILIES[family].ranker
    assert kind is not None
    rng = np.random.default_rng(seed)
    rows = rng.uniform(-0.5, 0.5, (2_000, len(RANK_FEATURES)))
    rows[rng.random(rows.shape) < 0.05] = np.nan
    other = int(rng.integers(len(RANK_FEATURES)))
    models = {}
    for days in HORIZON_DAYS:
        noise = rng.normal(0, 0.5, len(rows))
        wanted = 1.5 * np.nan_to_num(rows[:, RANK_FEATURES.index("return_7d")]) + np.nan_to_num(rows[:, other]) + noise
        models[days] = fit_ranker(kind, rows, np.clip(wanted, -4, 4))
    return RankerFit(made_at, models)
