"""Every command that the program names can be pasted: it names the data directory where the shell needs it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pairity.configuration import load_settings
from pairity.errors import MissingDataError
from pairity_cli.console import ConsoleProgress, fail
from pairity_cli.context import echo, say_note
from pairity_cli.hints import complete_hints, note_home, write_command
from pairity_cli.main import main
from pairity_cli.tables import print_line, print_table

SAID = "run `pairity ingest`, then: pairity models sign 1"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "a home"))
    return f"PAIRITY_HOME='{tmp_path}/a home'"


def test_a_command_gets_the_data_directory_that_a_variable_names(home):
    assert complete_hints(SAID) == f"run `{home} pairity ingest`, then: {home} pairity models sign 1"


def test_every_command_on_a_screen_calls_the_program_as_it_was_called(monkeypatch, tmp_path):
    """Started as a module, nothing says that the shell has a program of this name."""
    monkeypatch.delenv("PAIRITY_HOME", raising=False)
    monkeypatch.setattr("sys.argv", ["/some/where/pairity_cli/__main__.py", "models"])
    program = f"{sys.executable} -m pairity_cli"
    assert write_command(load_settings(), "models") == f"{program} models"
    assert complete_hints(SAID) == f"run `{program} ingest`, then: {program} models sign 1"
    assert complete_hints(complete_hints(SAID)) == complete_hints(SAID)
    installed = tmp_path / "bin" / "pairity"
    installed.parent.mkdir()
    installed.touch()
    monkeypatch.setattr("sys.argv", [str(installed), "models"])
    assert complete_hints("pairity ui") == f"{installed} ui" == write_command(load_settings(), "ui")
    monkeypatch.setenv("PATH", str(installed.parent))
    assert complete_hints("pairity ui") == "pairity ui" == write_command(load_settings(), "ui")


def test_what_has_one_keeps_it_and_prose_stays_prose(home):
    for text in (
        "PAIRITY_HOME=/other pairity ui",
        "PAIRITY_HOME='/o r' pairity ui",
        "as pairity does",
        "/x/bin/pairity ui",
        "run pairity demo, or pairity paper-exchange",
        "pairity datapoint",
    ):
        assert complete_hints(text) == text


@pytest.mark.parametrize("named", [None, "var", "./var"])
def test_the_default_directory_needs_nothing(named, monkeypatch):
    monkeypatch.delenv("PAIRITY_HOME", raising=False)
    if named:
        monkeypatch.setenv("PAIRITY_HOME", named)
    assert complete_hints(SAID) == SAID
    assert write_command(load_settings(), "ui") == "pairity ui"


def test_a_directory_that_a_settings_file_names_is_found_by_itself(monkeypatch, tmp_path):
    monkeypatch.delenv("PAIRITY_HOME", raising=False)
    (tmp_path / "pairity.toml").write_text('home = "elsewhere"\n')
    assert complete_hints(SAID) == SAID
    assert "PAIRITY_HOME" not in write_command(load_settings(), "ui")
    monkeypatch.setenv("PAIRITY_HOME", "var")  # another one than the file's
    assert f"PAIRITY_HOME={tmp_path}/var pairity ingest" in complete_hints(SAID)


def test_an_option_that_names_another_directory_counts(tmp_path):
    @click.command()
    def command():
        note_home(tmp_path / "demo")
        echo(SAID)

    done = CliRunner().invoke(command)
    assert f"PAIRITY_HOME={tmp_path}/demo pairity ingest" in done.output
    assert complete_hints(SAID) == SAID


def test_every_way_to_the_screen_completes_them(home, capsys):
    print_line(SAID)
    echo(SAID)
    echo(SAID, err=True)
    say_note(SAID)
    fail(MissingDataError(SAID, SAID))
    print_table(("column", "hint"), [("a", SAID)])
    with ConsoleProgress() as progress:
        progress.say(SAID)
    captured = capsys.readouterr()
    for shown in (captured.out, captured.err):
        text = " ".join(shown.split())  # a cell may be wrapped
        assert "pairity ingest" in text
        assert re.sub(f"{re.escape(home)} pairity", "", text).count("pairity") == 0


def test_the_verdict_on_the_data_is_pasted_as_it_is(home, tmp_path):
    done = CliRunner().invoke(main, ["data"])
    assert done.exit_code in {0, 4}
    hints = re.findall(r"(\S+ )?(?:home' )?pairity [a-z-]+", done.output)
    assert hints
    assert f"{home} pairity ingest" in done.output


def test_a_relative_directory_is_written_out(monkeypatch):
    monkeypatch.setenv("PAIRITY_HOME", "some/where")
    assert complete_hints("pairity ui") == f"PAIRITY_HOME={Path.cwd()}/some/where pairity ui"
