"""The commands of the operations guide exist with their options, and those of a move are carried out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pairity_cli.main import COMMANDS, main
from serving.journal import Journal, StateRecord, TradingState
from tests.house.source_tree import ROOT
from tests.serving.trading import RUN, T0

GUIDE = (ROOT / "docs" / "operations.md").read_text()
_FENCED = re.compile(r"^ *```\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
OF_OTHERS = {"doctor"}
"""Commands that the guide names in its text alone."""


def command_lines() -> list[list[str]]:
    lines = [line.strip() for block in _FENCED.findall(GUIDE) for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("pairity ")]


def test_the_guide_has_commands() -> None:
    assert len(command_lines()) >= 15


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_a_command_of_the_guide_is_accepted(words: list[str]) -> None:
    command = main.get_command(click.Context(main), words[0])
    assert command is not None
    command.make_context(words[0], words[1:])  # raises for an option or argument that does not exist


def test_commands_in_the_text_exist() -> None:
    named = set(re.findall(r"`pairity ([a-z-]+)", GUIDE))
    assert named - set(COMMANDS) <= OF_OTHERS


def test_files_that_the_guide_names_exist() -> None:
    for name in set(re.findall(r"\bdeploy/[\w./-]+\w", GUIDE)):
        assert (ROOT / name).exists(), name


def test_paths_of_the_guide_are_those_of_the_unit() -> None:
    unit = (ROOT / "deploy" / "systemd" / "pairity.service").read_text()
    for path in (
        "/opt/pairity/.venv",
        "/var/lib/pairity",
        "/etc/pairity/keys.env",
        "PAIRITY_HOME=/var/lib/pairity/var",
    ):
        assert path in GUIDE
        assert path in unit


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("old", "new", "backups"):
        (tmp_path / name).mkdir(0o700)
    journal = Journal.open(tmp_path / "old" / "journal.db", scope="moved")
    journal.record_run(RUN)
    journal.states.record(StateRecord(T0, TradingState.TRADING, "the process started"))
    journal.close()
    return tmp_path


def run(machine: Path, *words: str) -> str:
    done = CliRunner().invoke(main, words, env={"PAIRITY_HOME": str(machine)})
    assert done.exit_code == 0, done.output
    return done.output


def test_a_move_as_the_guide_says(machines: Path) -> None:
    old, new, copy = machines / "old", machines / "new", str(machines / "backups" / "move")
    run(old, "halt", "--reason", "moves to another machine")
    assert "verified" in run(old, "backup", copy)
    said = run(new, "restore", copy)
    assert "trading is halted" in said
    moved = Journal.read(new / "journal.db")
    newest = moved.states.newest()
    moved.close()
    assert newest is not None
    assert newest.state is TradingState.HALTED
    run(new, "resume", "--reason", "moved")


def test_a_newer_journal_is_replaced_with_the_word_alone(machines: Path) -> None:
    old, copy = machines / "old", str(machines / "backups" / "one")
    run(old, "backup", copy)
    journal = Journal.open(old / "journal.db")
    journal.states.record(StateRecord(T0, TradingState.HALTED, "later"))
    journal.close()
    refused = CliRunner().invoke(main, ["restore", copy], env={"PAIRITY_HOME": str(old)})
    assert refused.exit_code != 0
    assert "is newer than the backup" in refused.output
    assert "REPLACE" in refused.output
    assert "before-restore" in run(old, "restore", copy, "--confirm", "REPLACE")
