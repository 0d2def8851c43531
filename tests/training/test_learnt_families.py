"""Books that learn in a training: judged walk-forward, registered with the fit that the walk would make at the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from model_registry import registry
from model_registry.loading import load_book
from model_registry.ranker_fits import RANK_FEATURES
from model_registry.records import Check, Verdict
from pairity.books import features
from pairity.books.families import BOOK_FAMILIES
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.timeline import DAY, HOUR, floor_to
from tests.training.published import NOW, brute_join, publish_all
from tests.training.test_families_compared import make_settings
from training.books import ranker, stored_market, train
from training.books.lines import trade_book_lines
from training.books.ranker import WalkForwardRanker
from training.books.stored_market import load_market, make_book_terms
from training.books.walked import walk_book
from training.family_job import train_families
from training.promotion import evidence
from training.promotion.evidence import backtest_champion

RIDGE = "book_ranker_ridge"
FAMILIES = (RIDGE, "book_ranker")
BARS = 1_300


@pytest.fixture(scope="module")
def young():
    """Names are old enough after 700 hours, and learnt from after days instead of years."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (features, stored_market):
            patch.setattr(module, "MIN_BARS", 700)
        for name, days in (("TRAIN_DAYS", 12), ("LEAST_DAYS", 5), ("ROLL_DAYS", 4)):
            patch.setattr(ranker, name, days)
        yield


def settings_of(home, families=FAMILIES, test_fraction=0.25):
    settings = make_settings(home, families)
    return settings.model_copy(
        update={"model": settings.model.model_copy(update={"test_fraction": test_fraction, "families": families})}
    )


@pytest.fixture(scope="module")
def trained(young, tmp_path_factory):
    settings = settings_of(tmp_path_factory.mktemp("home"))
    publish_all(settings, bars=BARS)
    return settings, train_families(settings, SilentProgress(), now=NOW, join=brute_join(settings))


def load(settings, report):
    version = registry.find_version(settings, report.model.version)
    return version, load_book(Layout.of(settings), version)


def fit_by_walk(settings, family, made_at):
    """Return what the walk fits at a close, on a market that ends there."""
    market = load_market(settings, NOW, made_at)
    panel = market.history.panel
    book = BOOK_FAMILIES[family]
    able = frozenset(name for name in panel.names if name in market.specs)
    walk = WalkForwardRanker(history=market.history, kind=book.ranker, able=able, size=book.size)
    return walk.fit((made_at - panel.start) // HOUR)


def test_the_line_that_is_judged_is_the_walk_forward_one(trained):
    settings, reports = trained
    for report in reports:
        hours = report.judged.result.equity["time"].to_list()
        lines, _ = trade_book_lines(settings, [BOOK_FAMILIES[report.family]], hours, NOW, SilentProgress())
        assert lines[0].contender.result.equity.equals(report.judged.result.equity)
    assert reports[0].backtests["model"]["trades"] > 5


def test_what_did_not_pass_is_registered_with_the_fit_of_the_training_part(trained):
    settings, reports = trained
    for report in reports:
        assert not report.outcome.verdict.passed
        version, book = load(settings, report)
        train_end = datetime.fromisoformat(version.train_end)
        assert book.fit.made_at == floor_to(train_end, DAY) < report.test_start
        # Nothing that came later is in it: a market that ends at its close gives the same bits
        assert book.fit == fit_by_walk(settings, report.family, book.fit.made_at)
    champion = registry.find_champion(settings)
    assert champion.family == "book_ranker_ridge"


def test_what_passes_is_registered_with_the_fit_of_the_last_close(trained, monkeypatch):
    settings, reports = trained
    only = settings_of(settings.home, ("book_ranker_ridge",))

    def judge(case, look_on):
        verdict = Verdict((Check("net", True, "net return +1.00%", "above +0.00%"),))
        return replace(honest(case, look_on), verdict=verdict, judged=look_on(), looked=True)

    honest = train.judge
    monkeypatch.setattr(train, "judge", judge)
    (report,) = train_families(only, SilentProgress(), now=NOW, join=brute_join(settings))
    version, book = load(settings, report)
    _, before = load(settings, reports[0])
    train_end = datetime.fromisoformat(version.train_end)
    last = report.test_end
    assert floor_to(min(train_end, last), DAY) == book.fit.made_at
    assert book.fit.made_at > before.fit.made_at + 5 * DAY
    assert book.fit == fit_by_walk(settings, "book_ranker_ridge", book.fit.made_at)
    assert book.fit.models != before.fit.models


def test_a_champion_that_learnt_is_compared_with_its_frozen_fit(trained, monkeypatch):
    settings, reports = trained
    version, book = load(settings, reports[0])
    registry.promote(settings, version.version, "a test", NOW)
    asked = []

    def walk(*arguments):
        asked.append(arguments)
        return walk_book(*arguments)

    monkeypatch.setattr(evidence, "walk_book", walk)
    first = reports[0].test_start
    found = backtest_champion(settings, None, None, reports[1].judged, brute_join(settings), NOW)
    assert found.version == version.version
    assert asked[0][-1] == book.fit
    walked = walk_book(settings, book.family, make_book_terms(settings), first, reports[1].test_end, NOW, book.fit)
    assert walked.run.result.equity.height > 100


def test_too_short_a_history_to_learn_from_is_refused_and_nothing_is_registered(young, tmp_path):
    settings = settings_of(tmp_path, ("book_ranker_ridge",), test_fraction=0.4)
    publish_all(settings, bars=1_000)
    with pytest.raises(MissingDataError, match=r"book_ranker_ridge learns from .* days of decisions, and at 2025"):
        train_families(settings, SilentProgress(), now=NOW, join=brute_join(settings))
    assert registry.list_versions(settings) == []


def test_the_card_and_the_run_say_what_was_fitted_and_when(trained):
    from model_registry.connection import open_client

    settings, reports = trained
    for report in reports:
        _, book = load(settings, report)
        run = open_client(Layout.of(settings)).get_run(report.model.run_id)
        assert run.data.params["fit.made_at"] == book.fit.made_at.isoformat()
        assert registry.find_version(settings, report.model.version).tags["fitted_at"] == book.fit.made_at.isoformat()
        card = run.data.tags["mlflow.note.content"]
        assert f"fitted at {book.fit.made_at:%Y-%m-%d}" in card
        assert "Nothing is fitted" not in card
    assert np.isfinite([model.mean for model in load(settings, reports[0])[1].fit.models.values()]).all()
    assert len(RANK_FEATURES) == len(load(settings, reports[0])[1].fit.models[3].slopes)


def test_drift_is_not_measured_from_hours_at_which_nothing_was_learnt_yet(trained):
    settings, reports = trained
    first, last = reports[0].test_start, reports[0].test_end
    walk = walk_book(settings, BOOK_FAMILIES[RIDGE], make_book_terms(settings), first, last, NOW)
    before = walk.tabulate_before()
    wanted = before.filter(before["weight"] != 0.0)
    assert before["event_timestamp"].min() == wanted["event_timestamp"].min()
    assert walk.universe + 5 * DAY <= before["event_timestamp"].min() < first
    rule = walk_book(settings, BOOK_FAMILIES["trend_book"], make_book_terms(settings), first, last, NOW)
    assert rule.tabulate_before()["event_timestamp"].min() < walk.universe + DAY
