"""The same kind of problem has the same exit code in every command (docs/guide.md, Output)."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pairity.home_settings import has_data
from pairity.layout import Layout
from pairity.settings import Settings
from pairity_cli.context import reports_errors
from pairity_cli.main import COMMANDS, main

USAGE, VENUE, DATA, INTERRUPTED = 2, 3, 4, 130
NEEDED = {
    "export": ["pair_hourly"],
    "collect": ["--source", "csv-folder", "--folder", "."],
    "universe --since": ["--from", "okx"],
    "universe --until": ["--from", "okx"],
    "retrain": ["--once"],
}
"""Arguments without which a command, or an option of it, is not looked at."""
INSTANTS = {"--since", "--until", "--at", "--date", "--as-known-at", "--day"}
KINDS: dict[str, tuple[int, list[list[str]]]] = {
    "a name that does not exist": (
        USAGE,
        [
            ["backtest", "--rule", "zzz"],
            ["books", "--family", "zzz"],
            ["collect", "--source", "zzz"],
            ["cross-section", "--universe", "zzz"],
            ["doctor", "--only", "zzz"],
            ["export", "zzz"],
            ["features", "--universe", "zzz"],
            ["gaps", "--datasets", "zzz"],
            ["gaps", "--source", "zzz", "--repair"],
            ["leaderboard", "--families", "zzz"],
            ["paper-exchange", "--market", "zzz"],
            ["report", "zzz"],
            ["quarantine", "show", "zzz"],
            ["train", "--family", "zzz"],
            ["trade-sheet", "--universe", "zzz"],
        ],
    ),
    "a file that was given and cannot be read": (
        USAGE,
        [
            ["contracts", "FILE"],
            ["demo", "--market", "recorded", "--data", "FILE"],
            ["demo", "--data", "FILE"],
            ["paper-exchange", "--faults", "FILE"],
            ["paper-exchange", "--market", "recorded", "--data", "FILE"],
            ["restore", "FILE"],
            ["collect", "--source", "csv-folder", "--folder", "FILE"],
            ["collect", "--source", "parquet-folder", "--folder", "FILE"],
        ],
    ),
    "an address where nothing answers": (
        VENUE,
        [
            ["account", "--exchange-url", "http://127.0.0.1:9"],
            ["ingest", "--since", "2h", "--exchange-url", "http://127.0.0.1:9"],
            ["paper-exchange", "--market", "mirror", "--from", "http://127.0.0.1:9"],
        ],
    ),
    "a key that is not set": (
        VENUE,
        [["account"], ["collect", "--source", "tiingo"], ["collect", "--source", "cryptoquant"], ["universe"]],
    ),
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("PAIRITY_TRIALS__FOLDER", str(tmp_path / "trials"))
    Path("FILE").write_bytes(b"\xff\xfe\x00 no text")
    return tmp_path / "var"


def _list_instants() -> list[tuple[str, str]]:
    context = click.Context(main)
    found = []
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        options = {option for parameter in command.params for option in parameter.opts}
        found += [(name, option) for option in sorted(options & INSTANTS)]
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_that_does_not_exist(command):
    assert CliRunner().invoke(main, [command, "--no-such-option"]).exit_code == USAGE


@pytest.mark.parametrize(("command", "option"), _list_instants())
def test_a_time_that_is_none_is_refused_also_where_nothing_is_stored(home, command, option):
    needed = NEEDED.get(f"{command} {option}") or NEEDED.get(command, [])
    done = CliRunner().invoke(main, [command, *needed, option, "yesterdayish"])
    assert done.exit_code == USAGE, done.output
    assert "yesterdayish" in done.output
    assert option in done.output
    assert not has_data(Layout.of(Settings(home=home)))


@pytest.mark.parametrize(
    ("code", "words"), [(code, words) for code, cases in KINDS.values() for words in cases], ids=str
)
def test_a_kind_of_problem_has_one_exit_code(code, words, monkeypatch):
    if "--exchange-url" in words:
        for name in ("KEY", "SECRET", "PASSPHRASE"):
            monkeypatch.setenv(f"PAIRITY_EXCHANGE__API_{name}", "paper")
    done = CliRunner().invoke(main, words)
    assert done.exit_code == code, done.output
    assert "→" in done.output or "Error: " in done.output


def test_ctrl_c_ends_every_command_with_130():
    @click.command()
    @reports_errors
    def works() -> None:
        raise KeyboardInterrupt

    done = CliRunner().invoke(works)
    assert done.exit_code == INTERRUPTED
    assert done.output == "interrupted\n"


def test_what_the_documents_say_of_exit_codes():
    said = " ".join((Path(__file__).parents[2] / "docs" / "guide.md").read_text(encoding="utf-8").split())
    for words in ("2 | a setting, an option, a file", "3 | the venue", "4 | stored data", "130 | interrupted"):
        assert words in said
