"""`pairity logs` shows the log readable, and steers no terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pairity_cli.main import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path))
    (tmp_path / "logs").mkdir(0o700)
    return tmp_path


def write(home: Path, *rows: dict) -> None:
    usual = {"at": "2026-03-01T12:00:00.5+00:00", "level": "info", "logger": "pairity.progress", "text": "hello"}
    (home / "logs" / "serve.jsonl").write_text("".join(f"{json.dumps(usual | row)}\n" for row in rows))


def test_lines_are_readable_and_a_traceback_follows(home: Path) -> None:
    error = {"kind": "ValueError", "traceback": "Traceback:\n  one\nValueError: \x1b[2Jgone\n"}
    write(home, {}, {"level": "error", "text": "failed\nagain", "error": error})
    found = CliRunner().invoke(main, ["logs"])
    assert found.exit_code == 0
    assert found.output.splitlines() == [
        "2026-03-01 12:00:00 info    progress: hello",
        "2026-03-01 12:00:00 error   progress: failed\\nagain",
        "    Traceback:",
        "      one",
        "    ValueError: \\x1b[2Jgone",
    ]


def test_levels_times_and_json(home: Path) -> None:
    write(home, {}, {"level": "warning", "text": "second", "at": "2026-03-02T00:00:00+00:00"})
    assert "hello" not in CliRunner().invoke(main, ["logs", "--level", "warning"]).output
    assert "hello" not in CliRunner().invoke(main, ["logs", "--since", "2026-03-02"]).output
    assert json.loads(CliRunner().invoke(main, ["logs", "--level", "warning", "--json"]).output)["text"] == "second"


def test_without_a_log_it_says_who_writes_it(home: Path) -> None:
    found = CliRunner().invoke(main, ["logs"])
    assert found.exit_code != 0
    assert "pairity serve" in found.output
