"""Books of pairs by their outcomes in a training: the fit of the training part, and one that trades nothing."""

from __future__ import annotations

from datetime import datetime

import pytest

from model_registry.outcome_fits import OutcomeFit
from pairity.books import features
from pairity.books.families import OutcomeModel
from pairity.progress import SilentProgress
from pairity.timeline import DAY, HOUR, floor_to
from tests.training.published import NOW, brute_join, publish_all
from tests.training.test_learnt_families import load, settings_of
from training.books import outcome_models, outcome_walk, stored_market
from training.books.outcome_walk import open_outcomes
from training.books.stored_market import load_market, make_book_terms
from training.family_job import train_families

BOOSTING = "pair_outcome_boosting"


@pytest.fixture(scope="module", autouse=True)
def young():
    """Names are old enough after 700 hours, and pairs are learnt from after days instead of years."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (features, stored_market):
            patch.setattr(module, "MIN_BARS", 700)
        patch.setattr(outcome_models, "_TREES", 20)
        patch.setitem(outcome_models._OWN[OutcomeModel.BOOSTING], "min_data_in_leaf", 5)
        patch.setattr(outcome_walk, "LEAST_ROWS", 60)
        patch.setattr(outcome_walk, "FOLDS", 2)
        for name, value in (("TRAIN_DAYS", 20), ("LEAST_DAYS", 6), ("ROLL_DAYS", 4), ("HORIZONS", (24, 72))):
            patch.setattr(outcome_walk, name, value)
        yield


@pytest.fixture(scope="module")
def settings(young, tmp_path_factory):
    made = settings_of(tmp_path_factory.mktemp("home"), (BOOSTING,))
    publish_all(made, bars=1_300)
    return made


def train(settings):
    (report,) = train_families(settings, SilentProgress(), now=NOW, join=brute_join(settings))
    version, book = load(settings, report)
    assert isinstance(book.fit, OutcomeFit)
    assert book.fit.made_at == floor_to(datetime.fromisoformat(version.train_end), DAY) < report.test_start
    assert book.fit.round_trip == 2 * (settings.costs.taker_fee_bps + settings.costs.slippage_bps) / 1e4
    return report, book.fit


def test_it_is_registered_with_the_models_and_the_margin_of_the_training_part(settings, monkeypatch):
    """A market that ends at the close of the fit gives the same bits: nothing that came later is in them."""
    monkeypatch.setattr(outcome_walk, "choose_margin", lambda *_: 0.5)
    report, fit = train(settings)
    assert fit.margin == 0.5
    assert list(fit.models) == [24, 72]
    assert report.backtests["model"]["trades"] > 0
    market = load_market(settings, NOW, fit.made_at)
    panel = market.history.panel
    able = frozenset(name for name in panel.names if name in market.specs)
    costs = make_book_terms(settings).costs
    walk = open_outcomes(market.history, OutcomeModel.BOOSTING, able, 10, costs)
    assert walk.fit((fit.made_at - panel.start) // HOUR) == fit


def test_where_nothing_paid_in_the_folds_that_is_what_is_registered(settings, monkeypatch):
    monkeypatch.setattr(outcome_walk, "choose_margin", lambda *_: None)
    report, fit = train(settings)
    assert (fit.margin, dict(fit.models)) == (None, {})
    assert report.backtests["model"]["trades"] == 0
    assert report.outcome.promoted is False
