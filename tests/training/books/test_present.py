"""What a book would have done until now, as the process asks for it: the history of a backtest says the same."""

from datetime import timedelta

import pytest

from pairity.books.families import BOOK_FAMILIES
from pairity.books.limits import VOLATILITY_HOURS, BookLimits, limit_book
from pairity.errors import MissingDataError
from tests.training.published import NOW, publish_all, settings_for
from training.books.plan import measure_realised, plan_book
from training.books.present import measure_book
from training.books.stored_market import load_market, make_book_terms

NAMES = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA")
TARGET = BookLimits(volatility=0.2)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    settings = settings_for(tmp_path_factory.mktemp("home"), NAMES)
    publish_all(settings, bars=2_160 + VOLATILITY_HOURS + 60)
    return settings


@pytest.mark.parametrize("name", ["trend_book", "pair_continuation"])
def test_the_volatility_is_that_which_a_study_scales_by(stored, name):
    settings, family = stored, BOOK_FAMILIES[name]
    history = load_market(settings, NOW, None).history
    panel, able = history.panel, frozenset(NAMES)
    row = next(row for row in range(panel.hours - 1, 0, -1) if panel.close_of(row).hour == 0)
    close = panel.close_of(row)
    now = close + settings.features.decision_lag
    realised = measure_book(settings, family, TARGET, able, close=close, now=now).realised
    assert realised is not None
    plan = plan_book(history, family, able, first=row, limits=TARGET, costs=make_book_terms(settings).costs)
    assert plan[0].steps == limit_book(plan[0].target.weights, TARGET, realised)[1]
    assert plan[0].steps
    if name == "trend_book":  # what it wants does not depend on what it held: any plan says the same
        whole = plan_book(history, family, able, costs=make_book_terms(settings).costs)
        assert realised == measure_realised(panel, [one for one in whole if one.hour < row], row)
    assert measure_book(settings, family, BookLimits(), able, close=close, now=now).realised is None
    with pytest.raises(MissingDataError, match="no bar that closed at"):
        measure_book(settings, family, TARGET, able, close=NOW - timedelta(days=1), now=NOW)
