"""An empty data directory: every command says "nothing stored yet", with one exit code for what lists and one for what
needs data; and what it advises can be pasted."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from pairity_cli.main import COMMANDS, main

LISTS: dict[str, list[str]] = {
    "data": [],
    "gaps": [],
    "contracts": [],
    "redenominate": [],
    "compact": [],
    "snapshot": [],
    "snapshot list": [],
    "models": [],
    "events": [],
    "journal upgrade": [],
    "quarantine": [],
    "quarantine list": [],
    "anomalies": [],
}
"""Commands that list what is there: an empty list is no failure."""
NEEDS: dict[str, list[str]] = {
    "features": [],
    "pairs": [],
    "export": ["pair_hourly"],
    "snapshot save": [],
    "snapshot verify": [],
    "snapshot copy": ["latest", "copy"],
    "snapshot prune": ["latest"],
    "train": [],
    "train --no-compare": [],
    "retrain": ["--once"],
    "leaderboard": [],
    "leaderboard --last": [],
    "backtest": [],
    "books": [],
    "report": ["latest"],
    "promote": ["1"],
    "rollback": ["--reason", "x"],
    "serve": ["--cycles", "1"],
    "logs": [],
    "backup": ["copy"],
    "ledger": [],
    "trades": [],
    "why": [],
    "trace": ["latest"],
    "parity": [],
    "drift": [],
    "trade-sheet": [],
    "cross-section": [],
    "lags": [],
    "risk-factors": [],
    "lookahead": [],
    "ui": [],
    "data-docs": [],
}
"""Commands that cannot work without what is stored."""
OTHERS = {
    "paper-exchange": "an exchange of its own",
    "demo": "makes its own data directory",
    "replay": "as demo",
    "ingest": "fills it",
    "collect": "fills it",
    "universe": "asks a source that needs a key",
    "sources": "lists what exists anywhere",
    "registrations": "lists what lies beside the ledger of trials, whatever the directory",
    "settings": "shows those of the present, too",
    "halt": "waits for the trading process to start",
    "resume": "as halt",
    "guard": "as halt",
    "unguard": "as halt",
    "close": "as halt",
    "acknowledge": "as halt",
    "alert-test": "sends where the settings say",
    "health": "asks a process",
    "restore": "needs a backup",
    "doctor": "names an empty directory as a fault",
    "account": "asks the exchange",
    "store": "needs the address of an object store",
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    for name in ("KEY", "SECRET", "PASSPHRASE"):
        monkeypatch.setenv(f"PAIRITY_EXCHANGE__API_{name}", "paper")
    monkeypatch.setenv("PAIRITY_EXCHANGE__URL", "http://127.0.0.1:9")
    return tmp_path / "home"


def check_hints(text, home):
    """Every command that is named has the data directory before it."""
    names = "|".join(COMMANDS.keys() - {"demo", "paper-exchange", "sources"})
    bare = re.findall(rf"(?<!PAIRITY_HOME={re.escape(str(home))} )(?<![\w/.-])pairity (?:{names})\b", text)
    assert bare == []


def test_every_command_is_of_one_kind():
    named = [word.split()[0] for word in (*LISTS, *NEEDS)]
    assert set(named) | set(OTHERS) == set(COMMANDS)
    assert not set(named) & set(OTHERS)


@pytest.mark.parametrize("line", LISTS)
def test_what_lists_ends_with_0(line, home):
    done = CliRunner().invoke(main, [*line.split(), *LISTS[line]])
    assert "nothing stored yet" in done.output
    assert done.exit_code == 0, done.output
    check_hints(done.output, home)
    assert not home.exists() or not any(home.iterdir())


@pytest.mark.parametrize("line", NEEDS)
def test_what_needs_data_ends_with_4(line, home):
    done = CliRunner().invoke(main, [*line.split(), *NEEDS[line]])
    assert "error: nothing stored yet" in done.stderr, done.output
    assert "\n  → " in done.stderr
    assert done.exit_code == 4, done.output
    check_hints(done.output, home)


@pytest.mark.parametrize("line", ["features", "data-docs", "lookahead", "train", "leaderboard"])
def test_a_command_that_refused_leaves_the_directory_empty(line, home):
    CliRunner().invoke(main, [line])
    assert not home.exists() or not any(home.iterdir())
    assert CliRunner().invoke(main, [line]).exit_code == 4


def test_what_is_wrong_with_the_command_line_is_said_first(home):
    for line in (
        ["lookahead", "--month", "soon"],
        ["pairs", "--at", "soon"],
        ["lags", "../x"],
        ["train", "--rows", "x"],
    ):
        assert CliRunner().invoke(main, line).exit_code == 2
