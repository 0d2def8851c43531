"""A book that is champion: traded as one that is asked for by name, followed, and never beside pairs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from model_registry import approval, registry
from model_registry.records import NO_TRADES, TRADES_CHECK, Check, Verdict
from pairity.books.limits import BookLimits
from pairity.books.margin import with_margin
from pairity.errors import ConfigError, LiveSwitchError, RegistryError
from pairity.layout import Layout
from serving.books.cycle import BookCycle
from serving.books.kind import Trading, choose_trading, refuse_other_kind
from serving.models.book_champion import BookChampion
from serving.models.champion import Champion
from serving.opening import Stakes
from serving.risk import Mode
from tests.model_registry.book_versions import make_book, register_book
from tests.serving.books.book_scene import book_scene
from tests.serving.books.test_book_process import check_equal_to_backtest
from tests.serving.registered_models import NOW, settings_in
from tests.serving.registered_models import register as register_forest

DAY = timedelta(days=1)
OPTIONS = {
    "strategy": {},
    "serve": {"port": 0, "lease": False, "interval_minutes": 1440, "shadow": False},
    "model": {"n_estimators": 12, "min_samples_leaf": 5, "max_depth": 4},
}
FAILED = Verdict((Check("net", False, "net return -1.00%", "above +0.00%"), Check(TRADES_CHECK, True, "40 closed", "")))
IDLE = Verdict((Check(TRADES_CHECK, False, NO_TRADES, "at least 30"),))
PASSED = Verdict((Check("net", True, "net return +1.00%", "above +0.00%"),))


def make_champion(settings, verdict=FAILED, reason="forced: a test", **changes):
    version = register_book(settings, make_book(settings, **changes))
    registry.record_verdict(settings, version.version, verdict)
    return registry.promote(settings, version.version, reason, NOW)


def read_versions(scene):
    journal = scene.read()
    try:
        decided = [journal.decision(book.decision_id) for book in journal.books.all()]
    finally:
        journal.close()
    return [(one.model_name, one.model_version, one.model_sha256) for one in decided]


def test_it_is_traded_as_the_backtest_does_and_every_decision_names_it(tmp_path):
    with book_scene(tmp_path / "home", **OPTIONS) as scene:
        assert scene.settings.strategy.book is None
        champion = make_champion(scene.settings)
        report = scene.trade(2)
        assert report.problems == []
        check_equal_to_backtest(scene, 2)
        assert read_versions(scene) == [champion.key] * 2


def test_another_version_of_the_family_decides_from_the_next_decision_on(tmp_path):
    settings = settings_in(tmp_path)
    make_champion(settings)
    champion = BookChampion(settings, Mode.DEMO)
    again = make_champion(settings)
    assert champion.follow() == []
    assert champion.ref.key == again.key
    assert champion.suspended is None


@pytest.mark.slow
def test_another_champion_stops_the_deciding_and_nothing_else(tmp_path, monkeypatch):
    with book_scene(tmp_path / "home", **OPTIONS) as scene:
        make_champion(scene.settings)
        scene.trade(1)
        held = scene.list_held()
        begin = BookCycle.resume

        async def promote_forest(cycle):
            """While the process runs, somebody promotes a model of pairs."""
            forest = register_forest(settings_in(scene.home), seed=1)
            registry.promote(scene.settings, forest.version, "a test", NOW)
            await begin(cycle)

        with monkeypatch.context() as patch:
            patch.setattr(BookCycle, "resume", promote_forest)
            report = scene.trade(1)
        words = "version 2 cannot be used: it is a model of pairs, and this process trades trend_carry_book"
        assert any(words in problem for problem in report.problems)
        assert any("pairity halt --flatten" in problem for problem in report.problems)
        assert scene.list_held() == held
        assert len(read_versions(scene)) == 1
        with pytest.raises(ConfigError, match=r"this home trades a book .* champion version 2 is a model of pairs"):
            scene.trade(1)
        registry.rollback(scene.settings, "back to the book", NOW)
        assert scene.trade(1).problems == []
        assert read_versions(scene)[-1][1] == "1"


def test_a_registry_that_cannot_be_read_leaves_a_held_book_guarded(tmp_path):
    with book_scene(tmp_path / "home", **OPTIONS) as scene:
        make_champion(scene.settings)
        scene.trade(1)
        database = Layout.of(scene.settings).mlflow / "mlflow.db"
        database.rename(database.with_suffix(".gone"))
        trading = choose_trading(scene.settings)
        assert (trading.settings.strategy.book, trading.by_champion) == ("trend_carry_book", True)
        refuse_other_kind(trading, Stakes(began=True, open=True, book="trend_carry_book: 8 names held"))


def test_pairs_that_are_open_and_a_champion_that_is_a_book_do_not_go_together(tmp_path):
    settings = settings_in(tmp_path)
    champion = make_champion(settings)
    trading = choose_trading(settings)
    assert trading.champion.key == champion.key
    with pytest.raises(ConfigError, match="champion version 1 is the book trend_carry_book, and positions") as caught:
        refuse_other_kind(trading, Stakes(began=True, open=True, pairs=True))
    assert "pairity rollback" in caught.value.remedy
    assert "pairity halt --flatten" in caught.value.remedy
    refuse_other_kind(trading, Stakes(began=True, open=True, book="trend_carry_book: 3 names held"))


def test_what_is_asked_for_by_name_goes_before_the_champion(tmp_path):
    settings = settings_in(tmp_path)
    make_champion(settings)
    named = settings.model_copy(update={"strategy": settings.strategy.model_copy(update={"book": "carry_book"})})
    assert choose_trading(named) == Trading(named, None, by_champion=False)
    with pytest.raises(ConfigError, match=r"strategy.book is carry_book, and positions or orders of pairs"):
        refuse_other_kind(choose_trading(named), Stakes(began=True, open=True, pairs=True))


def test_pairs_are_traded_where_the_champion_is_a_model_of_pairs_or_there_is_none(tmp_path):
    settings = settings_in(tmp_path)
    assert choose_trading(settings) == Trading(settings, None, by_champion=False)
    forest = register_forest(settings, seed=1)
    registry.promote(settings, forest.version, "a test", NOW)
    assert choose_trading(settings).settings is settings
    refuse_other_kind(choose_trading(settings), Stakes(began=True, open=True, pairs=True))


def test_a_process_of_pairs_does_not_become_one_of_a_book(tmp_path):
    settings = settings_in(tmp_path)
    registry.promote(settings, register_forest(settings, seed=1).version, "a test", NOW)
    champion = Champion(settings, Mode.DEMO)
    make_champion(settings)
    (problem,) = champion.follow()
    assert "version 2 cannot be used: it is a book (trend_carry_book), and this process trades pairs" in problem
    assert "pairity halt --flatten" in problem
    assert champion.suspended is not None
    assert champion.ref.version == "1"


def test_real_money_is_refused_with_the_reason_until_the_gate_and_a_person_let_it(tmp_path):
    settings = settings_in(tmp_path)
    failed = make_champion(settings)
    for mode in (Mode.PAPER, Mode.DEMO):
        assert BookChampion(settings, mode).suspended is None
    with pytest.raises(LiveSwitchError, match="may not trade real money: the promotion gate says 'failed'"):
        BookChampion(settings, Mode.LIVE, pinned=failed.version)
    passed = make_champion(settings, PASSED, "passed the gate")
    assert "waits to be confirmed for real money" in BookChampion(settings, Mode.LIVE).suspended
    approval.confirm_version(settings, registry.find_version(settings, passed.version))
    assert BookChampion(settings, Mode.LIVE).suspended is None


def test_a_first_book_that_never_traded_is_for_paper_alone(tmp_path):
    settings = settings_in(tmp_path)
    make_champion(settings, IDLE, "first model, on trial: trades: 0 closed")
    assert BookChampion(settings, Mode.PAPER).ref.is_on_trial
    with pytest.raises(RegistryError, match="may not trade on demo"):
        BookChampion(settings, Mode.DEMO)


def test_a_book_of_other_names_or_limits_is_not_what_was_judged(tmp_path):
    settings = settings_in(tmp_path)
    make_champion(settings, limits=with_margin(BookLimits(gross=0.5), 1))
    with pytest.raises(RegistryError, match=r"within the limits gross 0.5, margin 0.99, and the settings") as caught:
        BookChampion(settings, Mode.DEMO)
    assert "pairity train" in caught.value.remedy
    within = settings.model_copy(update={"books": settings.books.model_copy(update={"gross_max": 0.5})})
    champion = BookChampion(within, Mode.DEMO)
    fewer = within.model_copy(update={"universe": within.universe.model_copy(update={"assets": ("BTC", "ETH")})})
    with pytest.raises(RegistryError, match="was made for the names BTC, ETH, SOL"):
        BookChampion(fewer, Mode.DEMO)
    make_champion(settings)
    (problem,) = champion.follow()
    assert "version 2 was judged within the limits margin 0.99, and the" in problem
    assert champion.ref.version == "1"
    more = within.model_copy(update={"strategy": within.strategy.model_copy(update={"leverage": 3})})
    with pytest.raises(RegistryError, match=r"strategy.leverage, say gross 0.5, margin 2.97"):
        BookChampion(more, Mode.DEMO)


def test_another_family_needs_another_start(tmp_path):
    settings = settings_in(tmp_path)
    make_champion(settings)
    champion = BookChampion(settings, Mode.DEMO)
    make_champion(settings, family="pair_continuation")
    (problem,) = champion.follow()
    assert "it is the book pair_continuation, and this process trades trend_carry_book: end the process" in problem
    registry.rollback(settings, "back", NOW)
    assert champion.follow() == []
    assert champion.suspended is None
