from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from pairity_cli.main import COMMANDS, main

HEAVY = ("feast", "mlflow", "great_expectations", "ccxt", "sklearn", "polars", "pandas", "matplotlib", "lightgbm")


def test_the_public_commands_are_these():
    assert list(COMMANDS) == [
        "paper-exchange",
        "ingest",
        "sources",
        "collect",
        "universe",
        "features",
        "data",
        "gaps",
        "contracts",
        "redenominate",
        "pairs",
        "compact",
        "snapshot",
        "store",
        "export",
        "train",
        "retrain",
        "leaderboard",
        "backtest",
        "books",
        "registrations",
        "report",
        "models",
        "promote",
        "rollback",
        "serve",
        "halt",
        "resume",
        "guard",
        "unguard",
        "close",
        "acknowledge",
        "events",
        "alert-test",
        "logs",
        "health",
        "backup",
        "restore",
        "journal",
        "settings",
        "doctor",
        "demo",
        "account",
        "trades",
        "ledger",
        "why",
        "trace",
        "parity",
        "drift",
        "replay",
        "trade-sheet",
        "cross-section",
        "lags",
        "risk-factors",
        "lookahead",
        "quarantine",
        "anomalies",
        "ui",
        "data-docs",
    ]


def test_help_lists_every_command():
    text = CliRunner().invoke(main, ["--help"]).output
    assert all(name in text for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_help_imports_nothing_heavy():
    code = f"""
import sys
from click.testing import CliRunner
from pairity_cli.main import COMMANDS, main
for arguments in [["--help"], *([name, "--help"] for name in COMMANDS)]:
    CliRunner().invoke(main, arguments)
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_an_unknown_command_is_refused():
    result = CliRunner().invoke(main, ["trane"])
    assert result.exit_code == 2
    assert "No such command 'trane'" in result.output
