"""The doctor over a home whose champion is a book: other names than pairs, other hours, and nothing that is learnt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from model_registry import registry
from pairity.layout import Layout
from serving.books.deciding import make_record
from serving.doctor.case import Case
from serving.doctor.findings import SkippedError
from serving.doctor.journal_checks import CHECKS as JOURNAL_CHECKS
from serving.doctor.model_checks import CHECKS as MODEL_CHECKS
from serving.journal import Journal, decision_id
from tests.model_registry.book_versions import register_book
from tests.serving.books.test_moves import CLOSE, make_book, make_name
from tests.serving.registered_models import NOW, settings_in
from tests.serving.trading import RUN

CHECKS = {check.name: check for check in (*MODEL_CHECKS, *JOURNAL_CHECKS)}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    made = settings_in(tmp_path_factory.mktemp("home"))
    universe = made.universe.model_copy(update={"pair_assets": ("BTC", "ETH")})
    made = made.model_copy(update={"universe": universe})
    registry.promote(made, register_book(made).version, "forced: a test", NOW)
    return made


def ask(settings, name):
    return list(CHECKS[name].run(Case(live=False, settings=settings, refused=None)))


def test_it_fits_the_names_of_the_universe_and_asks_for_no_features_of_pairs(settings):
    assert ask(settings, "fit") == []
    fewer = settings.model_copy(update={"universe": settings.universe.model_copy(update={"assets": ("BTC", "ETH")})})
    (found,) = ask(fewer, "fit")
    assert found.what == "the champion was made for other assets"
    assert "trained on BTC,ETH,SOL; traded are BTC,ETH" in found.fact


def test_it_does_not_grow_old(settings):
    with pytest.raises(SkippedError, match="nothing of it is learnt"):
        ask(settings, "age")


@pytest.mark.parametrize(("hours", "says"), [(30, 0), (60, 1)])
def test_a_decision_a_day_is_a_decision_in_time(settings, hours, says, tmp_path, monkeypatch):
    tmp_path.chmod(0o700)
    own = settings.model_copy(update={"home": tmp_path})
    journal = Journal.open(Layout.of(own).journal, scope="test")
    journal.record_run(RUN)
    book = replace(make_book(make_name("A", "0", "5")), decision_id=decision_id("test", CLOSE))
    record = make_record(book, _Terms(), run_id=RUN.run_id, decision_time=CLOSE, available_usdt=1e4)
    journal.books.record(record, book)
    journal.close()
    monkeypatch.setattr(Case, "now", property(lambda _case: CLOSE + timedelta(hours=hours)))
    assert len(ask(own, "decisions")) == says


class _Terms:
    """Terms of a version that is a book: its decisions bear the version's name, not the family's."""

    family = type("Family", (), {"name": "trend_book"})
    model = ("pair_forest", "3", "0" * 64)
