"""vectorbt keeps the same books: handed the fills of the engine, it arrives at the same equity every hour."""

import numpy as np
import pytest

from pairity.books.families import BOOK_FAMILIES
from tests.oracles.vectorbt_fills import make_rows, simulate_fills
from tests.training.books.markets import make_market, make_panel, make_specs
from training.books.account import BookCosts
from training.books.engine import BookTerms, run_book
from training.books.history_features import FeatureHistory

pytestmark = pytest.mark.slow
"""Importing and compiling vectorbt takes longer than what is compared."""
FIRST = 2_300


@pytest.mark.parametrize("family", [name for name, one in BOOK_FAMILIES.items() if one.ranker is None])
def test_equity_is_that_of_vectorbt(family):
    """Without settlements: vectorbt books no funding. Rankers hold nothing yet in a history this short."""
    market = make_market(31, hours=2_700)
    panel = make_panel(market)
    unfunded = type(panel)(
        **{name: getattr(panel, name) for name in panel.__slots__ if name != "rates"},
        rates=np.full_like(panel.rates, np.nan),
    )
    carried = FeatureHistory(panel)
    history = FeatureHistory(unfunded)
    history.name_features = carried.name_features  # what carry believes in is known, and not paid
    terms = BookTerms(100_000.0, BookCosts(5.0, 1.0, 1.0))
    run = run_book(history, BOOK_FAMILIES[family], terms, make_specs(market), first=FIRST)
    assert run.fills.height > 20
    got = simulate_fills(*make_rows(panel, run.fills, FIRST), terms.initial_equity)
    np.testing.assert_allclose(got, run.result.equity["equity"].to_numpy(), rtol=1e-9)
