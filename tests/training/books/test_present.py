"""What a book would have done until now, as the process asks for it: the history of a backtest says the same."""

from datetime import timedelta

import pytest

from pairity.books.families import BOOK_FAMILIES
from pairity.books.limits import BookLimits
from pairity.errors import MissingDataError
from tests.training.published import NOW, publish_all, settings_for
from training.books.plan import measure_realised, plan_book
from training.books.present import measure_book
from training.books.stored_market import load_market, make_book_terms

NAMES = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA")
FAMILY = BOOK_FAMILIES["trend_book"]
TARGET = BookLimits(volatility=0.2)


def test_the_volatility_of_sixty_days_is_that_of_the_whole_plan(tmp_path):
    settings = settings_for(tmp_path, NAMES)
    publish_all(settings, bars=2_260)
    history = load_market(settings, NOW, None).history
    panel, able = history.panel, frozenset(NAMES)
    row = next(row for row in range(panel.hours - 1, 0, -1) if panel.close_of(row).hour == 0)
    close = panel.close_of(row)
    now = close + settings.features.decision_lag
    plan = plan_book(history, FAMILY, able, costs=make_book_terms(settings).costs)
    expected = measure_realised(panel, [one for one in plan if one.hour < row], row)
    assert expected is not None
    assert measure_book(settings, FAMILY, TARGET, able, close=close, now=now).realised == expected
    assert measure_book(settings, FAMILY, BookLimits(), able, close=close, now=now).realised is None
    with pytest.raises(MissingDataError, match="no bar that closed at"):
        measure_book(settings, FAMILY, TARGET, able, close=NOW - timedelta(days=1), now=NOW)
