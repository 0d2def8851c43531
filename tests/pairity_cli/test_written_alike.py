"""What screens write: one thing in the singular, no exponents, no minus before nothing, one form of instants."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from pairity.home_settings import write_value
from pairity_cli.commands.pairs import _write_ratio
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


SOURCES = ("*.py", "*.html", "*.js", "*.md")
ROOMS = ("training", "pairity_cli", "serving", "ingestion", "validation", "model_registry", "feature_repo", "venue")


@pytest.mark.parametrize("room", [*ROOMS, "pairity", "paper_exchange", "docs"])
def test_percent_stands_at_its_number(room: str) -> None:
    """95%, never with a space between: on one screen both would stand. A number that follows makes it a remainder."""
    apart = re.compile(r"[0-9}] %(?![0-9(a-z%])(?! (?:[0-9(]|len|coins|step))")
    for pattern in SOURCES:
        for path in sorted((ROOT / room).rglob(pattern)):
            if "vendor" in path.parts:
                continue
            for line in path.read_text().splitlines():
                assert "{%" in line or not apart.search(line), f"{path}: {line.strip()}"


@pytest.mark.parametrize(
    "room", ["serving", "ingestion", "pairity", "validation", "model_registry", "venue", "feature_repo"]
)
def test_no_sentence_has_an_instant_as_programs_write_it(room: str) -> None:
    for path in sorted((ROOT / room).rglob("*.py")):
        for line in path.read_text().splitlines():
            assert not re.search(r"[a-z,:] \{[^{}]*\.isoformat\(\)\}", line), f"{path}: {line.strip()}"


def test_a_small_hedge_ratio_is_not_nothing() -> None:
    written = [_write_ratio(ratio) for ratio in (1.2345, 0.104, 0.0042, -0.00051, 0.0, None)]
    assert written == ["1.23", "0.10", "0.0042", "-0.00051", "0.00", "–"]
    assert written[2].number == 0.0042


@pytest.mark.parametrize("room", ["training", "pairity_cli"])
def test_no_message_writes_an_instant_as_programs_do(room: str) -> None:
    """Days are written by isoformat, and so is what goes into files; a message has `%Y-%m-%d %H:%M UTC`."""
    for path in sorted((ROOT / room).rglob("*.py")):
        for line in path.read_text().splitlines():
            for name in re.findall(r"\{([^{}]*)\.isoformat\(\)\}", line):
                assert name in {"day", "first", "last"}, f"{path}: {line.strip()}"
