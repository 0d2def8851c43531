"""vectorbt keeps the same books: handed the fills of the engine, it arrives at the same equity every hour."""

from dataclasses import replace

import numpy as np
import pytest

from pairity.books import features
from pairity.books.families import BOOK_FAMILIES
from tests.oracles.vectorbt_fills import make_rows, simulate_fills
from tests.training.books.markets import make_market, make_panel, make_specs
from tests.training.books.outcome_worlds import make_world, make_world_specs
from training.books import outcome_walk
from training.books.account import BookCosts
from training.books.engine import BookTerms, run_book
from training.books.history_features import FeatureHistory
from training.books.plan import plan_book

pytestmark = pytest.mark.slow
"""Importing and compiling vectorbt takes longer than what is compared."""
FIRST = 2_300


@pytest.mark.parametrize("family", [name for name, one in BOOK_FAMILIES.items() if not one.learns])
def test_equity_is_that_of_vectorbt(family):
    """Without settlements: vectorbt books no funding. Rankers hold nothing yet in a history this short."""
    market = make_market(31, hours=2_700)
    compare_equities(make_panel(market), make_specs(market), family, FIRST)


@pytest.mark.parametrize("family", ["pair_outcome_forest", "pair_outcome_boosting"])
def test_equity_of_learnt_pairs_is_that_of_vectorbt(family, monkeypatch):
    monkeypatch.setattr(features, "MIN_BARS", 720)
    for name, value in (("TRAIN_DAYS", 60), ("LEAST_DAYS", 50), ("ROLL_DAYS", 15), ("HORIZONS", (24, 72))):
        monkeypatch.setattr(outcome_walk, name, value)
    compare_equities(make_world("continues", days=110), make_world_specs(), family, 24 * 80)


def compare_equities(panel, specs, family, first):
    """Hand the engine's fills to vectorbt; nothing of funding is paid, and all of it is known."""
    terms = BookTerms(100_000.0, BookCosts(5.0, 1.0, 1.0))
    able = frozenset(specs)
    plan = plan_book(FeatureHistory(panel), BOOK_FAMILIES[family], able, first=first, costs=terms.costs)
    history = FeatureHistory(replace(panel, rates=np.full_like(panel.rates, np.nan)))
    run = run_book(history, BOOK_FAMILIES[family], terms, specs, first=first, plan=plan)
    assert run.fills.height > 20
    got = simulate_fills(*make_rows(panel, run.fills, first), terms.initial_equity)
    np.testing.assert_allclose(got, run.result.equity["equity"].to_numpy(), rtol=1e-9)
