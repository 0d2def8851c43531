"""Fits of books that were made up, or learnt from made-up features."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

import numpy as np

from model_registry.combined_fits import CombinedFit, MemberFit
from model_registry.outcome_fits import PAIR_FEATURES, OutcomeFit
from model_registry.ranker_fits import HORIZON_DAYS, RANK_FEATURES, RankerFit
from model_registry.stored_books import StoredFit
from pairity.books.families import BOOK_FAMILIES, BookFamily, OutcomeModel, Ranker
from pairity.books.outcomes import HORIZONS
from training.books.outcome_models import fit_outcomes
from training.books.ranker import fit_ranker

LEARNT = ("book_ranker_ridge", "book_ranker", "pair_outcome_forest", "pair_outcome_boosting")


@lru_cache(maxsize=32)
def make_fit(family: str, made_at: datetime, seed: int = 0) -> StoredFit:
    """Return a fit that believes in returns of a week, and in something else by `seed`."""
    rng = np.random.default_rng(seed)
    book = BOOK_FAMILIES[family]
    if book.members:
        draw = np.random.default_rng(seed) if book.follows_past else None
        return CombinedFit(made_at, {one.name: _join(one, made_at, seed, draw) for one in book.books})
    if book.ranker is not None:
        return _fit_ranks(book.ranker, made_at, rng)
    assert book.outcome is not None
    return _fit_outcomes(book.outcome, made_at, rng)


def _join(member: BookFamily, made_at: datetime, seed: int, draw: np.random.Generator | None) -> MemberFit:
    """Return a member; of equal shares some had not begun on their walk, of others all had, with a past of 89 days."""
    fit = make_fit(member.name, made_at, seed) if member.learns else None
    assert not isinstance(fit, CombinedFit)
    if draw is not None:
        return MemberFit(fit=fit, begun=True, past=tuple(draw.normal(0.0005, 0.01, 89).tolist()))
    return MemberFit(fit=fit, begun=member.name in {"carry_book", "book_ranker"})


def _draw(rng: np.random.Generator, names: tuple[str, ...], believed: str) -> tuple[np.ndarray, np.ndarray]:
    rows = rng.uniform(-0.5, 0.5, (2_000, len(names)))
    rows[rng.random(rows.shape) < 0.05] = np.nan
    other = int(rng.integers(len(names)))
    said = 1.5 * np.nan_to_num(rows[:, names.index(believed)]) + np.nan_to_num(rows[:, other])
    return rows, np.clip(said + rng.normal(0, 0.5, len(rows)), -4, 4)


def _fit_ranks(kind: Ranker, made_at: datetime, rng: np.random.Generator) -> RankerFit:
    models = {days: fit_ranker(kind, *_draw(rng, RANK_FEATURES, "return_7d")) for days in HORIZON_DAYS}
    return RankerFit(made_at, models)


def _fit_outcomes(kind: OutcomeModel, made_at: datetime, rng: np.random.Generator) -> OutcomeFit:
    models = {hours: fit_outcomes(kind, *_draw(rng, PAIR_FEATURES, "return_7d_difference")) for hours in HORIZONS}
    return OutcomeFit(made_at=made_at, models=models, margin=0.5, round_trip=0.0012)
