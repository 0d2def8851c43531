"""Families of pairs and books in one training: the same hours and nulls, every trial counted, a version for each."""

from __future__ import annotations

import re

import pytest

from model_registry import registry
from model_registry.connection import open_client
from model_registry.loading import load_book
from model_registry.records import ON_TRIAL
from pairity.books import features
from pairity.books.families import BOOK_FAMILIES
from pairity.errors import ConfigError, MissingDataError, UnknownNameError
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity_cli.book_training import show_book_training
from tests.training.generated import HOUR, START
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training.backtest import performance
from training.backtest.performance import compute_hourly_returns
from training.books import stored_market
from training.books.code_digest import digest_book_code
from training.books.lines import trade_book_lines
from training.books.registrations import register
from training.books.stored_market import make_book_terms
from training.books.train_report import BookTrainReport
from training.evaluation.sharpe import compare_sharpe
from training.family_job import choose_families, train_families
from training.job import train
from training.promotion.backtested import Backtested, Rival, compare_with_rival
from training.promotion.evidence import ChampionResult
from training.reports.contents import read_run
from training.reports.page import render_page
from training.reports.run_views import DECIDING
from training.trials.ledger import TrialLedger

NAMES = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA")
FAMILIES = ("always_revert", "trend_carry_book", "pair_continuation")
BARS = 1_300


def make_settings(home, families=FAMILIES, assets=NAMES):
    settings = settings_for(home, assets)
    universe = settings.universe.model_copy(update={"pair_assets": ("BTC", "ETH")})
    model = settings.model.model_copy(update={"families": families, "test_fraction": 0.4})
    return settings.model_copy(update={"universe": universe, "model": model})


@pytest.fixture(scope="module")
def young():
    """Names are old enough after 700 hours, not after ninety days: a fraction of the time."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (features, stored_market):
            patch.setattr(module, "MIN_BARS", 700)
        yield


@pytest.fixture(scope="module")
def trained(young, tmp_path_factory):
    settings = make_settings(tmp_path_factory.mktemp("home"))
    publish_all(settings, bars=BARS)
    register(
        settings,
        BOOK_FAMILIES["trend_carry_book"],
        make_book_terms(settings),
        first=START + 900 * HOUR,
        last=START + 1_000 * HOUR,
        expects="nothing",
        now=NOW,
    )
    return settings, train_families(settings, SilentProgress(), now=NOW, join=brute_join(settings))


def checks_of(report):
    return {check.name: check for check in report.outcome.verdict.checks}


def test_all_are_judged_over_the_same_hours_beside_the_same_nulls(trained):
    _, reports = trained
    assert [report.model.family for report in reports] == list(FAMILIES)
    hours = [report.judged.result.equity["time"].to_list() for report in reports]
    assert hours[0] == hours[1] == hours[2]
    assert reports[1].kept_back_hours == reports[2].kept_back_hours > 100
    for report in reports:
        assert {frozenset(values) for values in report.backtests.values()} == {frozenset(performance.KEYS)}
        assert list(checks_of(report)) == list(checks_of(reports[0]))
    for key in ("baseline", "always_revert", "btc"):
        assert reports[1].backtests[key] == reports[2].backtests[key]
        assert reports[0].backtests[key] == reports[1].backtests[key]
    assert isinstance(reports[1], BookTrainReport)
    assert reports[1].backtests["model"]["trades"] > 5


def test_a_book_is_traded_as_on_the_leaderboard(trained):
    settings, reports = trained
    hours = reports[1].judged.result.equity["time"].to_list()
    lines, _ = trade_book_lines(settings, [BOOK_FAMILIES["trend_carry_book"]], hours, NOW, SilentProgress())
    assert lines[0].contender.result.equity.equals(reports[1].judged.result.equity)


def test_every_verdict_counts_what_all_families_tried(trained):
    settings, reports = trained
    book = TrialLedger.of(settings).read()
    tried = book.count()
    assert {line.name for line in book.series} >= {
        "always_revert",
        "trend_carry_book",
        "trend_carry_book, costs × 2",
        "trend_carry_book, costs × 3",
        "pair_continuation",
    }
    said = {re.search(r"over (\d+) trial", checks_of(report)["deflated_sharpe"].actual)[1] for report in reports}
    assert said == {str(tried.trials)}


def test_the_run_of_a_book_has_what_decides_under_the_same_keys(trained):
    settings, reports = trained
    client = open_client(Layout.of(settings))
    runs = [client.get_run(report.model.run_id) for report in reports]
    pairs, book = runs[0].data, runs[1].data
    assert (DECIDING.keys() - {"model_candidates_roc_auc"}) <= book.metrics.keys()
    own = {"model_years_needed", *(f"costs_{by}_{name}" for by in (2, 3) for name in ("net_return", "sharpe"))}
    assert own <= book.metrics.keys()
    missing = {
        name
        for name in pairs.metrics.keys() - book.metrics.keys()
        if not name.startswith(("test_", "grid_", "drift_", "threshold", "model_candidates", "train_effective"))
    }
    assert missing == set()
    assert book.tags["training_digest"] == reports[1].market_digest
    assert book.tags["book_code_sha256"] == digest_book_code()
    card = book.tags["mlflow.note.content"]
    for words in ("half strength, half funding", "as trend_carry_book-1", "buy and hold BTC", "What it is not for"):
        assert words in card
    page = render_page(read_run(Layout.of(settings), reports[1].model.run_id))
    assert "trend_carry_book" in page
    assert "deflated_sharpe" in page or "deflated sharpe" in page.lower()


def test_the_summary_says_what_speaks_for_and_against_it(trained, capsys):
    _, reports = trained
    for report in reports[1:]:
        show_book_training(report)
    said = capsys.readouterr().out
    for words in (
        "Book: trend_carry_book",
        "net return by year: 2025",
        "costs × 2: net return",
        "the family is registered as trend_carry_book-1",
        "the family was never registered before a look",
        "not promoted: ",
    ):
        assert words in said


def test_hours_of_a_registered_look_are_named_and_the_version_bears_the_registration(trained):
    settings, reports = trained
    (note,) = [note for note in reports[1].notes if "registered for a look" in note]
    assert f"hours from {START + 900 * HOUR:%Y-%m-%d %H:%M} UTC on" in note
    assert "trend_carry_book-1" in note
    version = registry.find_version(settings, reports[1].model.version)
    assert version.tags["registration"] == "trend_carry_book-1"
    assert load_book(Layout.of(settings), version).registration == "trend_carry_book-1"
    assert "registration" not in reports[2].model.tags


def test_a_version_holds_the_definition_and_nothing_else(trained):
    settings, reports = trained
    version = registry.find_version(settings, reports[1].model.version)
    book = load_book(Layout.of(settings), version)
    terms = make_book_terms(settings)
    assert (book.family, book.limits, book.universe) == (BOOK_FAMILIES["trend_carry_book"], terms.limits, NAMES)
    assert book.costs["fee_bps"] == settings.costs.taker_fee_bps
    assert version.tags["universe"] == ",".join(NAMES)
    assert version.train_end == reports[0].model.train_end


def test_the_first_is_on_trial_and_the_others_stay_challengers(trained):
    settings, reports = trained
    assert [report.outcome.promoted for report in reports] == [True, False, False]
    champion = registry.find_champion(settings)
    assert champion.family == "always_revert"
    assert champion.tags["promotion_reason"].startswith(ON_TRIAL)
    assert registry.find_alias(settings, "challenger").family == "pair_continuation"


def test_a_champion_that_is_a_book_is_what_the_next_training_has_to_beat(trained):
    settings, reports = trained
    registry.promote(settings, reports[1].model.version, "a test", NOW)
    again = settings.model_copy(update={"model": settings.model.model_copy(update={"families": ()})})
    rule = again.model_copy(update={"model": again.model.model_copy(update={"family": "zero_forecast"})})
    report = train(rule, SilentProgress(), now=NOW, join=brute_join(settings))
    better = checks_of(report)["better"]
    assert f"champion version {reports[1].model.version} over" in better.actual
    assert not report.outcome.promoted


def test_a_book_is_compared_with_one_that_the_same_training_has_promoted(trained):
    _, reports = trained
    first, second = reports[1].judged, reports[2].judged
    walked = Backtested(
        contenders=[second],
        champion=ChampionResult(None, "champion version 1 has seen these hours", "1"),
        arena=None,
        scored=None,
        bars=None,
        notes=[],
    )
    assert compare_with_rival(walked, None) is walked
    found = compare_with_rival(walked, Rival("7", first)).champion
    assert found.version == "7"
    assert found.note == f"version 7 of the same training over {len(first.result.equity)} hours"
    own, other = (compute_hourly_returns(one.result) for one in (second, first))
    assert found.lead == compare_sharpe(own, other)


def test_what_cannot_be_traded_is_refused_before_anything_is_read(tmp_path):
    for families, error, words in (
        (("pair_forest", "picked_past"), ConfigError, "picked_past is a book that the trading process does not trade"),
        (("factor_risk",), ConfigError, "returns of single assets"),
        (("nonsense",), UnknownNameError, "unknown family 'nonsense'"),
    ):
        with pytest.raises(error, match=words):
            train_families(make_settings(tmp_path, families), SilentProgress(), now=NOW)
    with pytest.raises(UnknownNameError) as caught:
        choose_families(make_settings(tmp_path, ("trend_bok",)))
    assert "did you mean 'trend_book'?" in caught.value.remedy
    assert choose_families(make_settings(tmp_path, ("trend_book", "trend_book"))) == ("trend_book",)
    assert choose_families(make_settings(tmp_path, ())) == ("pair_forest",)


def test_nothing_is_registered_where_one_family_has_no_universe(tmp_path):
    settings = make_settings(tmp_path, ("always_revert", "trend_book"))
    publish_all(settings, bars=300)
    with pytest.raises(MissingDataError, match="trend_book: fewer than 6 names have"):
        train_families(settings, SilentProgress(), now=NOW, join=brute_join(settings))
    assert registry.list_versions(settings) == []
