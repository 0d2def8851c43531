"""Books of many names on the leaderboard: over the hours of the others, with their measures, counted like them."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from model_registry.connection import open_client
from pairity.books import features
from pairity.books.families import BOOK_FAMILIES
from pairity.errors import UnknownNameError
from pairity.evaluation_settings import EvaluationSettings
from pairity.layout import Layout
from pairity.progress import SilentProgress
from pairity.timeline import HOUR
from pairity_cli.leaderboard_page import make_page
from pairity_cli.main import main
from tests.training.published import NOW, brute_join, publish_all, settings_for
from training.backtest import performance
from training.books import stored_market
from training.books.engine import run_book
from training.books.lines import trade_book_lines
from training.books.stored_market import load_market, make_book_terms
from training.leaderboard import compare_families
from training.leaderboard_job import choose_entrants
from training.models.families import FAMILIES
from training.reports import leaderboard_files, leaderboard_runs
from training.reports.contents import read_run
from training.reports.page import render_page
from training.trials.ledger import TrialLedger

NAMES = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA")
BOOKS = list(BOOK_FAMILIES.values())


def make_settings(home, bars):
    settings = settings_for(home, NAMES)
    universe = settings.universe.model_copy(update={"pair_assets": ("BTC", "ETH")})
    evaluation = EvaluationSettings(train_bars=bars - 200, test_bars=80)
    return settings.model_copy(update={"universe": universe, "evaluation": evaluation})


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """A history of which names are old enough after 1,100 hours, not after ninety days: a fifth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (features, stored_market):
            patch.setattr(module, "MIN_BARS", 1_100)
        settings = make_settings(tmp_path_factory.mktemp("home"), 1_400)
        publish_all(settings, bars=1_400)
        rules = [FAMILIES["always_revert"]]
        board = compare_families(settings, rules, brute_join(settings), NOW, SilentProgress(), books=BOOKS)
        leaderboard_files.write_leaderboard(settings, board)
        yield settings, board, leaderboard_runs.record_leaderboard(settings, board)


def by_name(board):
    return {standing.family: standing for standing in board.standings}


def test_books_stand_beside_the_others_over_the_same_hours(compared):
    _, board, _ = compared
    standings = by_name(board)
    assert set(BOOK_FAMILIES) < set(standings)
    times = {tuple(standing.contender.result.equity["time"]) for standing in board.standings}
    assert len(times) == 1
    assert {frozenset(s.contender.metrics) for s in board.standings} == {frozenset(performance.KEYS)}
    assert standings["trend_book"].contender.metrics["trades"] > 5
    assert standings["btc"].family == "btc"
    for name in BOOK_FAMILIES:
        assert "sharpe_over_btc" in standings[name].quality
        folds = standings[name].folds
        assert len(folds) == len(board.folds)
        assert sum(f["net_return"] for f in folds) == pytest.approx(standings[name].contender.metrics["net_return"])


def test_a_line_is_the_book_of_the_engine_over_these_hours(compared):
    settings, board, _ = compared
    line = by_name(board)["trend_book"].contender.result
    market = load_market(settings, NOW, line.equity["time"][-1])
    first = next(
        h for h in range(market.history.panel.hours) if market.history.panel.close_of(h) == line.equity["time"][0]
    )
    alone = run_book(
        market.history, BOOK_FAMILIES["trend_book"], make_book_terms(settings), market.specs, first=first
    ).result
    assert alone.equity.equals(line.equity)


def test_the_margin_of_the_account_binds_on_the_board(compared, monkeypatch):
    """Seven names that are capped have a gross below 0.99: here an account margins half of its equity."""
    settings, board, _ = compared
    assert settings.strategy.leverage == 1
    line = by_name(board)["trend_book"].contender.result
    assert all("; initial margin: gross " in one for one in line.decisions["reason"].to_list())
    monkeypatch.setattr("pairity.books.margin.SHARE", 0.5)
    hours = line.equity["time"].to_list()
    (scaled,), _ = trade_book_lines(settings, BOOKS[:1], hours, NOW, SilentProgress())
    assert 0.3 < scaled.contender.result.equity["exposure"].max() < 0.62 < line.equity["exposure"].max()
    assert any(", at most 0.5" in one for one in scaled.contender.result.decisions["reason"].to_list())


def test_a_ranker_that_has_too_little_to_learn_from_holds_nothing_and_says_so(compared):
    _, board, _ = compared
    for name in ("book_ranker", "book_ranker_ridge"):
        assert by_name(board)[name].contender.metrics["trades"] == 0
        assert f"{name}: nothing is held, for want of 365 days of decisions to learn from" in board.notes


def test_a_book_for_comparison_alone_is_named_as_such_and_is_never_the_best(compared):
    settings, board, run_id = compared
    assert any(note.startswith("picked_past: for comparison alone") for note in board.notes)
    pick = by_name(board)["picked_past"]
    first = replace(board, standings=(pick, *(one for one in board.standings if one is not pick)))
    assert leaderboard_runs.summarise_metrics(first)["best_net_return"] == next(
        one.contender.metrics["net_return"] for one in board.standings if one is not pick
    )
    assert open_client(Layout.of(settings)).get_run(run_id).data.params["best"] != "picked_past"


def test_books_count_as_trials_and_are_ranked_as_choices(compared):
    settings, board, _ = compared
    names = {series.name for series in TrialLedger.of(settings).read().series}
    assert set(BOOK_FAMILIES) <= names
    assert "btc" not in names
    traded = {
        s.contender.result.equity["equity"].to_numpy().tobytes()
        for s in board.standings
        if s.contender.metrics["trades"] and s.family != "btc"
    }
    assert board.trials.trials == len(traded)
    chosen = {
        s.contender.result.equity["equity"].to_numpy().tobytes()
        for s in board.standings
        if s.contender.metrics["trades"] and s.family not in {"btc", "picked_past"}
    }
    assert board.overfitting.trials == len(chosen)


@pytest.mark.parametrize("kind", ["forest", "boosting"])
def test_outcomes_that_are_too_few_to_learn_from_are_said(compared, kind):
    _, board, _ = compared
    assert by_name(board)[f"pair_outcome_{kind}"].contender.metrics["trades"] == 0
    assert any(
        note.startswith(f"pair_outcome_{kind}: nothing is held, for want of 365 days of outcomes")
        for note in board.notes
    )


def test_books_have_runs_files_and_a_place_on_page_and_report(compared):
    settings, board, run_id = compared
    client = open_client(Layout.of(settings))
    experiment = client.get_experiment_by_name("leaderboard").experiment_id
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{run_id}'")
    book = next(run for run in children if run.data.params["family"] == "trend_book")
    assert book.data.params["legs"] == "many names, netted"
    assert book.data.metrics["model_net_return"] == by_name(board)["trend_book"].contender.metrics["net_return"]
    assert {item.path for item in client.list_artifacts(book.info.run_id)} >= {"trades.csv", "equity.png"}
    assert "trend_book" in {family for family, _ in make_page(board, run_id, NOW).rows}
    lines = {line.key: line for line in read_run(Layout.of(settings), run_id).lines}
    np.testing.assert_array_equal(
        lines["trend_book"].equity["equity"].to_numpy(),
        by_name(board)["trend_book"].contender.result.equity["equity"].to_numpy(),
    )


def test_a_page_about_books_is_drawn(compared, tmp_path, monkeypatch):
    settings, _, run_id = compared
    monkeypatch.chdir(tmp_path)
    environment = {"PAIRITY_HOME": str(settings.home), "PAIRITY_UNIVERSE__ASSETS": json.dumps(NAMES)}
    done = CliRunner().invoke(main, ["report", run_id, "--output", "page.html"], env=environment)
    assert done.exit_code == 0, done.output
    assert "pair_continuation" in (tmp_path / "page.html").read_text()


def test_scores_of_a_book_are_not_there_to_backtest(compared):
    settings, _, run_id = compared
    environment = {"PAIRITY_HOME": str(settings.home), "PAIRITY_UNIVERSE__ASSETS": json.dumps(NAMES)}
    done = CliRunner().invoke(main, ["backtest", "--run", run_id, "--family", "trend_book"], env=environment)
    assert done.exit_code != 0
    assert "trend_book" in done.output


def test_a_history_without_a_universe_leaves_books_out_with_one_note(compared, monkeypatch):
    settings, board, _ = compared
    hours = by_name(board)["btc"].contender.result.equity["time"].to_list()
    monkeypatch.setattr(stored_market, "MIN_BARS", 2_160)
    lines, (note,) = trade_book_lines(settings, BOOKS[:2], hours, NOW, SilentProgress())
    assert lines == []
    assert note.startswith("trend_book, carry_book: left out: fewer than 6 names")


def test_a_ruined_book_is_a_line_of_minus_everything_and_a_trial(compared):
    settings, _, _ = compared
    costs = settings.costs.model_copy(update={"taker_fee_bps": 20_000.0})
    poor = settings.model_copy(update={"costs": costs})
    rules = [FAMILIES["always_revert"]]
    lost = compare_families(poor, rules, brute_join(poor), NOW, SilentProgress(), books=BOOKS[:1])
    line = by_name(lost)["trend_book"]
    assert line.contender.metrics["net_return"] == -1.0
    assert line.contender.metrics["max_drawdown"] == 1.0
    assert line.contender.result.equity.height == by_name(lost)["btc"].contender.result.equity.height
    assert line.folds[0]["net_return"] == pytest.approx(-1.0)
    assert any(note.startswith("trend_book is ruined at 2025-") for note in lost.notes)
    series = {one.line for one in TrialLedger.of(settings).read().series if one.name == "trend_book"}
    assert len(series) == 2
    assert [row for row in make_page(lost, "a" * 32, NOW).rows if row[0] == "trend_book"]
    leaderboard_files.write_leaderboard(poor, lost)
    page = render_page(read_run(Layout.of(poor), leaderboard_runs.record_leaderboard(poor, lost)))
    assert "trend_book -100.00%" in page
    assert not re.search(r"\bnan\b|\bNaN\b|\binf\b", re.sub(r"<style.*?</style>", "", page, flags=re.DOTALL))


def test_what_begins_without_a_universe_says_since_when_it_trades(compared):
    settings, board, _ = compared
    hours = by_name(board)["btc"].contender.result.equity["time"].to_list()
    early = [hours[0] - 300 * HOUR, hours[-1]]
    (line,), (note,) = trade_book_lines(settings, BOOKS[:1], early, NOW, SilentProgress())
    assert "nothing is held before" in note
    assert line.contender.result.equity["positions"][:50].sum() == 0
    assert line.contender.result.equity["time"][0] == early[0]


def test_families_are_chosen_from_models_and_books():
    assert [len(chosen) for chosen in choose_entrants()] == [len(FAMILIES), len(BOOK_FAMILIES)]
    models, books = choose_entrants(["trend_book", "always_revert", "trend_book"])
    assert [one.name for one in models] == ["always_revert"]
    assert [one.name for one in books] == ["trend_book"]
    with pytest.raises(UnknownNameError, match="trend_bok") as caught:
        choose_entrants(["trend_bok"])
    assert "pair_forest" in caught.value.remedy
    assert "trend_book" in caught.value.remedy
