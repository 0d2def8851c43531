"""A range that ends before it begins is refused by every command that takes one, before anything is read."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pairity_cli.main import main

COMMANDS = (
    ["backtest", "--rule", "always_revert"],
    ["books"],
    ["lags"],
    ["parity"],
    ["risk-factors"],
    ["trades"],
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_an_inverted_range_is_refused(command):
    done = CliRunner().invoke(main, [*command, "--since", "2025-12-05", "--until", "2025-12-01"])
    assert done.exit_code == 2, done.output
    assert "the time range is inverted: since 2025-12-05 00:00 UTC is not before until 2025-12-01" in done.stderr


@pytest.mark.parametrize(
    ("command", "refused"),
    [(words, words[0] in {"parity", "trades", "risk-factors"}) for words in COMMANDS],
    ids=lambda given: given[0] if isinstance(given, list) else "",
)
def test_one_instant_is_a_range_where_the_end_is_part_of_it(command, refused):
    done = CliRunner().invoke(main, [*command, "--since", "2025-12-05", "--until", "2025-12-05"])
    assert done.exit_code != 0
    assert ("the time range is empty" in done.stderr) == refused
