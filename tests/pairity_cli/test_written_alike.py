"""What screens write: one thing in the singular, no exponents, no minus before nothing, one form of instants."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pairity.home_settings import write_value
from pairity_cli.main import main

ROOT = Path(__file__).parents[2]


def test_settings_are_written_without_exponents() -> None:
    assert [write_value(value) for value in (1e-06, 0.00005, 24.0, 24, None, ["BTC"])] == [
        "0.000001",
        "0.00005",
        "24",
        "24",
        "not set",
        "BTC",
    ]


def test_the_settings_screen_has_no_exponent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    shown = CliRunner().invoke(main, ["settings"])
    assert "0.000001" in shown.output
    assert not re.search(r"[0-9]e-[0-9]", shown.output)


@pytest.mark.parametrize("room", ["training", "pairity_cli"])
def test_no_message_writes_an_instant_as_programs_do(room: str) -> None:
    """Days are written by isoformat, and so is what goes into files; a message has `%Y-%m-%d %H:%M UTC`."""
    for path in sorted((ROOT / room).rglob("*.py")):
        for line in path.read_text().splitlines():
            for name in re.findall(r"\{([^{}]*)\.isoformat\(\)\}", line):
                assert name in {"day", "first", "last"}, f"{path}: {line.strip()}"
