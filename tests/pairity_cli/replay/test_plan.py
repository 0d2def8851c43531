"""What a replay runs with: whole hours, settings of its own, and a directory that is nobody else's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner

from pairity.errors import ConfigError, TimeRangeError
from pairity.progress import SilentProgress
from pairity.settings import Settings
from pairity_cli.demo.exchange import DemoExchange
from pairity_cli.main import main
from pairity_cli.replay.expected import make_quotes
from pairity_cli.replay.home import note_features, prepare_home
from pairity_cli.replay.models import make_rule
from pairity_cli.replay.plan import ReplayPlan, make_replay_settings
from pairity_cli.replay.run import check_span, run_replay
from paper_exchange.market.prices import best_quotes
from paper_exchange.market.specifications import specify_instrument
from tests.training.generated import spec

SINCE = datetime(2025, 3, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def plan(tmp_path):
    return ReplayPlan(
        data=tmp_path / "data",
        since=SINCE,
        until=SINCE + 9 * HOUR,
        home=tmp_path / "replay",
        features="store",
        model="champion",
        rule="always_revert",
        balance=Decimal(5000),
    )


def test_both_ends_are_decided_on(plan):
    assert plan.cycles == 10
    assert plan.starts_at < plan.since
    late = SINCE + timedelta(minutes=20)
    assert ReplayPlan.whole_hours(late, late + HOUR) == (SINCE + HOUR, SINCE + HOUR)
    assert ReplayPlan.whole_hours(SINCE, late) == (SINCE, SINCE)


def test_nothing_of_the_person_is_used_but_the_strategy(plan, tmp_path):
    url = "http://127.0.0.1:1"
    exchange = DemoExchange(url, "recorded", True, SINCE, SINCE, SINCE + 20 * HOUR, ())
    own = Settings(
        home=tmp_path / "mine",
        exchange={"api_key": "mine", "api_secret": "mine", "api_passphrase": "mine"},
        alerts={"dead_man_url": "https://example.org/mine"},
        strategy={"z_entry": 1.7, "entry_order": "limit_then_market"},
        serve={"retrain": True, "control_token": "a" * 20},
        costs={"taker_fee_bps": 1.0},
    )
    made = make_replay_settings(own, plan, exchange)
    assert made.root == plan.home
    assert made.exchange.url == url
    assert made.exchange.api_key.get_secret_value() == "paper"
    assert made.alerts == Settings().alerts
    assert not made.serve.retrain
    assert made.serve.control_token is None
    assert made.strategy.z_entry == 1.7
    assert made.strategy.entry_order == "market"
    assert made.costs.taker_fee_bps == 5.0
    assert made.costs.initial_equity_usdt == 5000.0
    assert Settings.model_validate(made.model_dump()).limits == made.limits  # within what a limit may be


def test_what_is_traded_is_recorded_to_an_hour_beyond_the_end(plan):
    settings = Settings(universe={"assets": ("BTC", "ETH")})

    def exchange(**ended):
        return DemoExchange("http://127.0.0.1:1", "recorded", True, SINCE, SINCE, plan.until + 20 * HOUR, (), ended)

    check_span(settings, plan, exchange(**{"SOL-USDT-SWAP": SINCE, "ETH-USDT-SWAP": plan.until + HOUR}))
    with pytest.raises(TimeRangeError, match="the recording of ETH at 2025-03-01 14:00") as refused:
        check_span(settings, plan, exchange(**{"ETH-USDT-SWAP": plan.until}))
    assert refused.value.remedy == "give --to 2025-03-01T13:00 at most, or leave ETH out of universe.assets"
    short = replace(plan, until=plan.until + 20 * HOUR)
    with pytest.raises(TimeRangeError, match="the recording of BTC"):
        check_span(settings, short, exchange())


def test_a_directory_that_no_replay_made_is_refused(plan):
    plan.home.mkdir()
    (plan.home / "journal.db").write_text("precious")
    for again in (False, True):
        with pytest.raises(ConfigError, match="no replay made"):
            prepare_home(Settings(), replace(plan, again=again))
    assert (plan.home / "journal.db").read_text() == "precious"


def test_features_are_used_again_for_the_same_hours_and_settings_alone(plan):
    prepare_home(Settings(), plan)
    again = replace(plan, again=True)
    with pytest.raises(ConfigError, match="no features of a finished replay"):
        prepare_home(Settings(), again)
    note_features(Settings(), plan)
    for name in ("lake", "logs"):
        (plan.home / name).mkdir()
        (plan.home / name / "file").touch()
    (plan.home / "journal.db").touch()
    prepare_home(Settings(), again)
    assert (plan.home / "lake" / "file").exists()
    assert not (plan.home / "logs").exists()
    assert not (plan.home / "journal.db").exists()
    others = (
        (Settings(), replace(again, until=plan.until + HOUR)),
        (Settings(universe={"assets": ("BTC", "ETH")}), again),
    )
    for settings, asked in others:
        with pytest.raises(ConfigError, match="leave out --again"):
            prepare_home(settings, asked)
    prepare_home(Settings(), plan)
    assert not (plan.home / "lake").exists()


def test_quotes_are_those_of_the_exchange():
    contract = spec("BTC", tick="0.5")
    quote = make_quotes({"BTC": contract})
    instrument = specify_instrument("BTC", price=1.0, list_ms=0, given=contract)
    for price in ("100.0", "100.5", "81234.5"):
        bid, ask = best_quotes(instrument, Decimal(price))
        assert (quote("BTC", float(price), -1), quote("BTC", float(price), 1)) == (float(bid), float(ask))
        assert bid < Decimal(price) < ask


def test_a_rule_says_the_same_of_every_pair_and_has_seen_nothing():
    scorer = make_rule(Settings(), "always_revert", SINCE)
    assert scorer.ref.train_end == (SINCE - HOUR).isoformat()
    assert scorer.ref.service.name == Settings().model.feature_service
    assert list(scorer.estimator.classes_) == [0, 1]
    with pytest.raises(ConfigError, match="choose from always_revert"):
        make_rule(Settings(), "pair_forest", SINCE)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--data", "nowhere", "--from", "2025-03-01", "--to", "2025-03-02"), "no folder"),
        (("--data", ".", "--from", "2025-03-02", "--to", "2025-03-01"), "not before"),
        (("--data", ".", "--from", "2025-03-01T00:10", "--to", "2025-03-01T00:50"), "not before"),
        (("--data", ".", "--from", "soon", "--to", "2025-03-01"), "--from"),
        (("--data", ".", "--from", "2025-03-01", "--to", "2025-03-02", "--model", "1", "--rule", "x"), "give one"),
        (
            ("--data", ".", "--from", "2025-03-01", "--to", "2025-03-02", "--features", "live", "--again"),
            "leave out one of the two",
        ),
        (("--data", ".", "--from", "2025-03-01", "--to", "2025-03-02", "--rule", "magic"), "is no rule"),
        (
            ("--data", ".", "--from", "2025-03-01", "--to", "2025-03-02", "--promote-refused"),
            "--promote-refused is given without --retrain-every",
        ),
    ],
)
def test_what_cannot_be_replayed_is_refused_before_anything_begins(options, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    result = CliRunner().invoke(main, ["replay", *options])
    assert result.exit_code == 2, result.output
    assert said in result.output


def test_decisions_of_every_few_hours_are_no_backtests(plan):
    with pytest.raises(ConfigError, match="every hour"):
        run_replay(Settings(serve={"interval_minutes": 240}), plan, SilentProgress())
    assert not plan.home.exists()


def test_a_book_may_be_looked_at_once_a_day(plan):
    """Bars of a day from midnight on; the one before which the exchange stands is the first."""
    daily = replace(plan, book="trend_carry_book", interval=timedelta(days=1))
    midnight = SINCE.replace(hour=0)
    whole = replace(daily, since=midnight, until=midnight + timedelta(days=3))
    assert whole.cycles == 4
    assert whole.count_cycles(midnight, whole.until) == 3
    assert replace(daily, until=SINCE + timedelta(days=2)).cycles == 2  # the first begins after SINCE
    assert replace(daily, since=midnight + HOUR, until=midnight + 9 * HOUR).cycles == 0


def test_features_of_a_book_serve_pairs_too_but_not_the_other_way_round(plan):
    book = replace(plan, book="trend_carry_book")
    prepare_home(Settings(), book)
    note_features(Settings(), book)
    prepare_home(Settings(), replace(plan, again=True))
    prepare_home(Settings(), plan)
    note_features(Settings(), plan)
    with pytest.raises(ConfigError, match="leave out --again"):
        prepare_home(Settings(), replace(book, again=True))


def test_features_of_a_longer_history_serve_a_shorter_one_but_not_the_other_way_round(plan):
    learning = replace(plan, history_days=180)
    prepare_home(Settings(), learning)
    note_features(Settings(), learning)
    for days in (180, 60, 0):
        prepare_home(Settings(), replace(plan, history_days=days, again=True))
    with pytest.raises(ConfigError, match="leave out --again"):
        prepare_home(Settings(), replace(plan, history_days=181, again=True))
    with pytest.raises(ConfigError, match="leave out --again"):
        prepare_home(Settings(), replace(plan, book="trend_carry_book", again=True))


def test_the_book_is_traded_with_stops_that_are_out_of_the_way(plan):
    exchange = DemoExchange("http://127.0.0.1:1", "recorded", True, SINCE, SINCE, SINCE + 20 * HOUR, ())
    own = Settings(strategy={"book": "carry_book"})
    made = make_replay_settings(own, replace(plan, book="trend_carry_book"), exchange)
    assert made.strategy.book == "trend_carry_book"
    assert made.books.disaster_stop == 0.95
    assert make_replay_settings(own, plan, exchange).strategy.book is None


@pytest.mark.parametrize("more", [("--rule", "always_revert"), ("--legs", "both"), ("--retrain-every", "3")])
def test_a_book_needs_nothing_of_pairs(more):
    done = CliRunner().invoke(
        main, ["replay", "--data", ".", "--from", "2025-03-01", "--to", "2025-03-02", "--book", "carry_book", *more]
    )
    assert done.exit_code == 2
    assert "the book carry_book is given with" in done.stderr
