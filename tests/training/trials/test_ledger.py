"""What the ledger keeps: trials that grow, are never counted twice, and never lost."""

import json
import multiprocessing
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.errors import ConfigError, DataError
from pairity.evaluation_settings import TrialSettings
from pairity.settings import Settings
from tests.training.trials.runs import HOUR, NOW, START, closes_of, make_run
from training.trials.book import count_hours
from training.trials.ledger import TrialLedger
from training.trials.records import LookRecord
from training.trials.run import identify_line


@pytest.fixture
def ledger(tmp_path):
    return TrialLedger(tmp_path / "trials")


def test_an_empty_ledger_has_no_trial_and_makes_no_file(ledger):
    book = ledger.read()
    assert (book.count().trials, book.looks) == (0, ())
    assert not ledger.folder.exists()


def test_what_is_written_is_read_back_to_the_bit(ledger):
    run = make_run()
    ledger.record([run], "training", NOW)
    (series,) = ledger.read().series
    assert series.returns.tobytes() == run.returns.tobytes()
    assert series.hours.tolist() == [count_hours(START) + hour for hour in range(240)]
    assert (series.name, series.records[0].source, series.records[0].at) == ("trial a", "training", NOW)
    assert oct(ledger.path.stat().st_mode)[-3:] == "600"


def test_a_repeated_run_writes_nothing(ledger):
    ledger.record([make_run(), make_run("b", seed=1)], "leaderboard", NOW)
    before = ledger.path.read_bytes()
    for _ in range(3):
        book = ledger.record([make_run(), make_run("b", seed=1)], "leaderboard", NOW)
    assert ledger.path.read_bytes() == before
    assert book.count().trials == 2


def test_a_year_of_daily_retrainings_is_one_trial_that_grows(ledger):
    for day in range(365):
        book = ledger.record([make_run(first=START + day * 24 * HOUR, seed=day)], "training", NOW)
    found = book.count()
    assert (found.trials, found.effective) == (1, 1.0)
    (series,) = ledger.read().series
    assert len(series.hours) == 240 + 364 * 24
    assert series.returns[:240].tobytes() == make_run(seed=0).returns.tobytes()  # as they were seen first
    assert ledger.path.stat().st_size < 300_000


def test_other_code_on_the_same_data_and_another_market_are_other_trials(ledger):
    ledger.record([make_run(data="d")], "training", NOW)
    ledger.record([make_run(seed=1, data="d")], "training", NOW)
    assert ledger.read().count().trials == 2
    ledger.record([make_run(seed=2, market=1)], "training", NOW)
    assert ledger.read().count().trials == 3
    ledger.record([make_run(seed=1, data="d"), make_run(seed=2, market=1)], "training", NOW)
    assert ledger.read().count().trials == 3


def test_corrected_closes_do_not_make_another_market(ledger):
    ledger.record([make_run(hours=24 * 30)], "training", NOW)
    later = make_run(first=START + 24 * HOUR, hours=24 * 30, seed=5)
    later = replace(later, closes=dict(later.closes))
    later.closes[next(iter(later.closes))] += 0.5
    ledger.record([later], "training", NOW)
    assert ledger.read().count().trials == 1


def test_the_same_returns_under_another_name_are_one_trial(ledger):
    ledger.record([make_run("a"), make_run("b")], "training", NOW)
    book = ledger.read()
    assert (len(book.series), book.count().trials) == (2, 1)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(1, 40)), min_size=1, max_size=12))
def test_every_hour_is_kept_as_it_was_seen_first(tmp_path_factory, pieces):
    """Against a dictionary of hours, for pieces in any order with overlaps and gaps."""
    ledger = TrialLedger(tmp_path_factory.mktemp("trials"))
    expected = {}
    for number, (line, begin, length) in enumerate(pieces):
        run = make_run(str(line), START + begin * HOUR, length, seed=number)
        # One day of the market ties all pieces together
        run = replace(run, closes=closes_of(START, 100))
        ledger.record([run], "training", NOW)
        for hour, value in enumerate(run.returns.tolist()):
            expected.setdefault(str(line), {}).setdefault(count_hours(run.first) + hour, value)
    found = {one.line: dict(zip(one.hours.tolist(), one.returns.tolist(), strict=True)) for one in ledger.read().series}
    short = {line for line, _, _ in ((str(p[0]), p[1], p[2]) for p in pieces)}
    assert set(found) == short
    for line in short:
        if sum(one.line == line for one in ledger.read().series) == 1:
            assert found[line] == expected[line]


def test_what_a_killed_process_left_of_a_line_is_cut_off(ledger):
    ledger.record([make_run()], "training", NOW)
    whole = ledger.path.read_bytes()
    for left in (1, 40, len(whole) - 1):
        ledger.path.write_bytes(whole + whole[:left])
        assert ledger.read().count().trials == 1
        ledger.record([make_run("b", seed=1)], "training", NOW)
        assert ledger.read().count().trials == 2
        assert ledger.path.read_bytes().startswith(whole)
    ledger.path.write_bytes(whole[:30])
    assert ledger.record([make_run()], "training", NOW).count().trials == 1
    assert ledger.path.read_bytes() == whole


def break_returns(record):
    record["returns"] = record["returns"][:-8] + "AAAAAAA="


BREAKS = {
    "returns": break_returns,
    "digest": lambda record: record.update(sha256="0" * 64),
    "kind": lambda record: record.update(kind="wish"),
    "time": lambda record: record.update(first="yesterday"),
    "zone": lambda record: record.update(first="2025-01-01T00:00:00"),
    "closes": lambda record: record.update(closes=[1]),
    "missing": lambda record: record.pop("line"),
    "type": lambda record: record.update(name=3),
}


@pytest.mark.parametrize("what", BREAKS)
def test_a_line_that_was_changed_is_named_and_nothing_is_forgotten(ledger, what):
    ledger.record([make_run(), make_run("b", seed=1)], "training", NOW)
    lines = ledger.path.read_text().splitlines()
    record = json.loads(lines[0])
    BREAKS[what](record)
    ledger.path.write_text("\n".join([json.dumps(record), *lines[1:]]) + "\n")
    with pytest.raises(DataError, match=r"(?s)line 1 of the ledger of trials .*restore the file"):
        ledger.read()
    with pytest.raises(DataError, match="line 1"):
        ledger.record([make_run("c", seed=2)], "training", NOW)


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_lines_of_anything_else_are_refused(ledger, line):
    ledger.folder.mkdir()
    ledger.path.write_bytes(line + b"\n")
    with pytest.raises(DataError, match="line 1"):
        ledger.read()


def _record_many(folder, line):
    ledger = TrialLedger(Path(folder))
    for number in range(10):
        ledger.record([make_run(f"{line}-{number}", seed=line * 100 + number, hours=60)], "training", NOW)


def test_processes_that_write_at_the_same_time_lose_nothing(ledger):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_record_many, args=(str(ledger.folder), line)) for line in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert ledger.read().count().trials == 30


def test_a_folder_that_cannot_be_used_is_named_with_the_remedy(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match=r"(?s)cannot be used: .*PAIRITY_TRIALS__FOLDER"):
        TrialLedger(tmp_path / "file" / "trials").record([make_run()], "training", NOW)


def test_homes_share_the_ledger_of_their_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    one, other = (TrialLedger.of(Settings(home=tmp_path / name)) for name in ("one", "other"))
    one.record([make_run()], "training", NOW)
    assert other.read().count().trials == 1
    assert one.path == tmp_path / "state" / "pairity" / "trials" / "trials.jsonl"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert TrialLedger.of(Settings(home=tmp_path)).folder == tmp_path / "me" / ".local" / "state" / "pairity" / "trials"
    named = Settings(home=tmp_path, trials=TrialSettings(folder=tmp_path / "own"))
    assert TrialLedger.of(named).folder == tmp_path / "own"


def test_tests_do_not_write_into_the_ledger_of_whoever_runs_them():
    assert TrialLedger.of(Settings()).folder.is_relative_to(os.environ["XDG_STATE_HOME"])
    assert "pairity-tests-" in os.environ["XDG_STATE_HOME"]


def test_looks_are_found_where_hours_and_market_meet(ledger):
    closes = closes_of(START, 240)
    look = LookRecord("a", NOW, START + 100 * HOUR, START + 200 * HOUR, closes, "")
    ledger.record_look(look)
    book = ledger.read()
    assert book.looks == (look,)
    assert book.find_look(START + 200 * HOUR, START + 300 * HOUR, closes).startswith("the gate looked at them on 2026-")
    assert book.find_look(START + 201 * HOUR, START + 300 * HOUR, closes) is None
    assert book.find_look(START, START + 300 * HOUR, closes_of(START, 300, market=1)) is None


def test_whoever_traded_hours_has_looked_at_them(ledger):
    ledger.record([make_run(hours=240)], "backtest", NOW)
    book = ledger.read()
    assert "trial a of backtest" in book.find_look(START + 239 * HOUR, START + 500 * HOUR, closes_of(START, 500))
    assert book.find_look(START + 240 * HOUR, START + 500 * HOUR, closes_of(START, 500)) is None


def test_trials_of_the_same_hours_stand_side_by_side(ledger):
    runs = [make_run("a"), make_run("b", seed=1, hours=300), make_run("c", seed=2, first=START + HOUR, hours=400)]
    book = ledger.record([*runs, make_run("d", returns=np.zeros(240))], "training", NOW)
    table = book.cover(START + 24 * HOUR, 200)
    assert table.shape == (200, 3)
    assert table[:, 1].tobytes() == runs[1].returns[24:224].tobytes()
    assert book.cover(START, 240).shape == (240, 2)
    assert book.cover(START - timedelta(days=1), 240).shape[1] == 0


def test_a_line_is_what_its_returns_depend_on():
    base = Settings()
    line = identify_line(base, "pair_forest")
    assert line == identify_line(Settings(home="elsewhere", gate={"trades_min": 3}), "pair_forest")
    assert line == identify_line(Settings(model={"name": "other"}), "pair_forest")
    changed = Settings(strategy={"z_entry": 1.2})
    assert line != identify_line(changed, "pair_forest") == identify_line(base, "pair_forest", {"z_entry": 1.2})
    assert identify_line(base, "pair_forest", {"z_entry": 1, "max_missing_bars": 3.0}) == line
    others = [
        identify_line(base, "pair_boosting"),
        identify_line(Settings(costs={"taker_fee_bps": 4}), "pair_forest"),
        identify_line(Settings(features={"venue": "binance_um"}), "pair_forest"),
        identify_line(Settings(universe={"assets": ("BTC", "ETH")}), "pair_forest"),
        identify_line(Settings(label={"horizon_bars": 24}), "pair_forest"),
    ]
    assert len({line, *others}) == 6


def choose(assets, pairs=None):
    return Settings(universe={"assets": assets, "pair_assets": pairs})


@pytest.mark.parametrize("trial", ["trend_book", "carry_book within gross 0.5", "pair_continuation, costs × 2"])
def test_a_line_of_a_book_is_of_the_names_that_it_trades(trial):
    few, many = ("BTC", "ETH", "SOL"), ("BTC", "ETH", "SOL", "XRP")
    pairs = ("BTC", "ETH")
    lines = {identify_line(choose(few), trial), identify_line(choose(many), trial)}
    assert len(lines) == 2
    # Pairs that are chosen besides are not what a book trades.
    assert {identify_line(choose(few, pairs), trial), identify_line(choose(many, pairs), trial)} == lines
    assert identify_line(choose(few, pairs), "pair_forest") == identify_line(choose(many, pairs), "pair_forest")


def test_every_universe_that_a_book_is_tried_on_counts(ledger):
    universes = [("BTC", "ETH", "SOL"), ("BTC", "ETH", "XRP"), ("BTC", "ETH", "SOL", "XRP")]
    for place, assets in enumerate(universes):
        line = identify_line(choose(assets, ("BTC", "ETH")), "trend_book")
        ledger.record([make_run(line, seed=place)], "books", NOW)  # the same closes: those of BTC
    book = ledger.read()
    assert book.count().trials == 3
    assert [one.returns.tobytes() for one in book.series] == [make_run(seed=n).returns.tobytes() for n in range(3)]
