"""A data directory remembers the settings it was made with: other ones are said or refused before a command works."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from pairity.configuration import load_settings
from pairity.home_settings import collect_values, locate_record, read_remembered, remember
from pairity.layout import Layout
from pairity_cli.home_check import describe_exchange
from pairity_cli.main import main

NOBODY = "http://127.0.0.1:9"
ASSETS = ["BTC", "ETH", "SOL", "XRP"]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A data directory that was made with four assets of OKX and bars of an hour; its lake is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", json.dumps(ASSETS))
    settings = load_settings()
    (tmp_path / "home" / "lake" / "candles_1h").mkdir(parents=True)
    values = collect_values(settings, interval=True, exchange=describe_exchange(settings))
    remember(Layout.of(settings), values)
    return Layout.of(settings)


def run(*arguments, **environment):
    return CliRunner().invoke(main, list(arguments), env=environment)


OTHERS = {
    "another venue": (
        {"PAIRITY_FEATURES__VENUE": "binance_um"},
        "features.venue is remembered as okx and is binance_um",
    ),
    "another window": (
        {"PAIRITY_FEATURES__Z_WINDOW_BARS": "48"},
        "features.z_window_bars is remembered as 24 and is 48",
    ),
    "another day": ({"PAIRITY_VWAP__TIME_ZONE": "UTC"}, "vwap.time_zone is remembered as America/New_York and is UTC"),
    "another order": (
        {"PAIRITY_UNIVERSE__ASSETS": '["ETH", "BTC", "SOL", "XRP"]'},
        "universe.assets is remembered as BTC, ETH, SOL, XRP and is ETH, BTC, SOL, XRP now",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    "command", [("features",), ("train",), ("leaderboard",), ("serve",), ("ingest", "--exchange-url", NOBODY)]
)
def test_results_that_would_mix_are_refused_before_anything_is_done(home, name, command):
    environment, said = OTHERS[name]
    before = locate_record(home).read_bytes()
    done = run(*command, **environment)
    assert done.exit_code == 2, done.output
    assert "error: this data directory was made with other settings" in done.output
    assert said in done.output
    assert "as remembered" in done.output
    assert "settings --accept" in done.output
    assert locate_record(home).read_bytes() == before


def test_bars_of_another_length_and_another_exchange_are_refused(home):
    done = run("serve", "--interval", "120")
    assert done.exit_code == 2
    assert "serve.interval_minutes is remembered as 60 and is 120 now" in done.output
    done = run("ingest", "--exchange-url", NOBODY)
    assert done.exit_code == 2
    assert "exchange is remembered as OKX and is an exchange on this machine now" in done.output


@pytest.mark.parametrize(
    "command",
    [("data",), ("pairs",), ("trade-sheet",), ("cross-section",), ("leaderboard", "--last"), ("redenominate",)],
)
def test_what_shows_says_so_first_and_goes_on(home, command):
    done = run(*command, PAIRITY_FEATURES__VENUE="binance_um")
    same = run(*command)
    assert done.exit_code == same.exit_code
    note = "note: other settings than this data directory was made with: features.venue is remembered as okx"
    assert note in done.stderr
    assert note not in same.stderr


def test_a_settings_file_counts_as_the_environment_does(home, tmp_path, monkeypatch):
    (tmp_path / "pairity.toml").write_text('[features]\nvenue = "binance_um"\n')
    assert run("train").exit_code == 2


def test_added_assets_are_said_and_remembered_by_what_collects_and_refused_by_what_learns(home):
    grown = {"PAIRITY_UNIVERSE__ASSETS": json.dumps([*ASSETS, "ADA"])}
    assert run("train", **grown).exit_code == 2
    done = run("features", **grown)
    assert "and is BTC, ETH, SOL, XRP, ADA now" in done.stderr
    assert "was made with other settings" not in done.output
    assert (read_remembered(home) or {})["universe.assets"] == [*ASSETS, "ADA"]


def test_fewer_assets_may_be_studied_and_are_not_trained_on(home):
    fewer = {"PAIRITY_UNIVERSE__ASSETS": '["BTC", "SOL"]'}
    assert run("train", **fewer).exit_code == 2
    done = run("leaderboard", **fewer)
    assert "note: other settings" in done.stderr
    assert "was made with other settings: u" not in done.output.partition("note:")[0]
    assert (read_remembered(home) or {})["universe.assets"] == ASSETS


def test_the_new_ones_are_taken_when_a_person_says_so(home):
    environment = OTHERS["another venue"][0]
    shown = run("settings", **environment)
    assert shown.exit_code == 0
    assert "binance_um" in shown.output
    assert "1 differ" in shown.output
    accepted = run("settings", "--accept", **environment)
    assert accepted.exit_code == 0
    assert (read_remembered(home) or {})["features.venue"] == "binance_um"
    assert "was made with" not in run("train", **environment).output
    assert run("train").exit_code == 2


def test_a_home_without_a_record_gets_one_from_the_first_command_that_stores(home):
    locate_record(home).unlink()
    done = run("features", PAIRITY_FEATURES__VENUE="binance_um")
    assert "note: the data directory remembers the settings that it is made with" in done.stderr
    assert (read_remembered(home) or {})["features.venue"] == "binance_um"
    assert run("train").exit_code == 2


def test_looking_makes_no_record(home):
    locate_record(home).unlink()
    run("data")
    run("leaderboard")
    assert not locate_record(home).exists()


def test_a_first_command_that_stored_nothing_binds_nobody(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ("ingest", "--exchange-url", NOBODY, "--since", "1d")
    environment = {"PAIRITY_HOME": str(tmp_path / "new"), "PAIRITY_EXCHANGE__MAX_RETRIES": "0"}
    assert run(*arguments, **environment, PAIRITY_FEATURES__VENUE="binance_um").exit_code == 3
    assert run(*arguments, **environment).exit_code == 3


def test_of_two_first_commands_at_once_the_second_hears_of_the_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "new"))
    layout = Layout(tmp_path / "new")
    remember(layout, collect_values(load_settings()))
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        content = json.loads(locate_record(layout).read_text()) | {"process": other.pid}
        locate_record(layout).write_text(json.dumps(content))
        done = run("ingest", "--exchange-url", NOBODY, PAIRITY_FEATURES__VENUE="binance_um")
        assert done.exit_code == 2
        assert "features.venue is remembered as okx" in done.output
    finally:
        other.communicate(b"\n")
    done = run("ingest", "--exchange-url", NOBODY, PAIRITY_FEATURES__VENUE="b", PAIRITY_EXCHANGE__MAX_RETRIES="0")
    assert done.exit_code == 3


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"format": 1, "settings": []}', b"\xff", b'{"format": 2}'])
def test_a_damaged_record_is_named_and_written_anew(home, content):
    locate_record(home).write_bytes(content)
    done = run("train")
    assert done.exit_code == 4
    assert "settings.json cannot be read" in done.output
    assert run("data").exit_code == 0
    assert run("settings", "--accept").exit_code == 0
    assert (read_remembered(home) or {})["universe.assets"] == ASSETS


def test_a_home_that_cannot_be_written_to_says_so_and_goes_on(home, monkeypatch):
    locate_record(home).unlink()

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pairity.home_settings.replace_file", refuse)
    done = run("features")
    assert "note: the settings cannot be remembered: Read-only file system" in done.stderr


def test_the_record_is_private(home):
    assert os.stat(locate_record(home)).st_mode & 0o077 == 0


def test_commands_that_have_nothing_to_do_with_it_say_nothing(home):
    for command in (("halt", "--help"), ("health",), ("sources",), ("logs",)):
        assert "made with" not in run(*command, PAIRITY_FEATURES__VENUE="binance_um").output
