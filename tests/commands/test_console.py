from __future__ import annotations

import os
import pty
import subprocess
import sys

from pairity.commands.console import fail
from pairity.commands.tables import shown
from pairity.errors import NoChampionError

PROGRAM = """
from pairity.commands.console import ConsoleProgress
with ConsoleProgress() as progress:
    progress.stage("collect", 3)
    progress.advance(2)
    progress.say("BTC: nothing new")
    progress.advance(1, "ETH")
    progress.stage("features", 0)
"""


def test_elsewhere_than_on_a_terminal_lines_are_plain():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == "BTC: nothing new"
    assert lines[1].startswith("collect: 3 of 3, ")
    assert lines[2].startswith("features: ")
    assert not any(ord(character) < 32 for line in lines for character in line)


def test_on_a_terminal_there_is_a_bar_with_an_eta():
    leader, follower = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=follower, env={**os.environ, "TERM": "xterm"})
    os.close(follower)
    text = b""
    try:
        while chunk := os.read(leader, 4096):
            text += chunk
    except OSError:
        pass
    finally:
        os.close(leader)
    assert process.wait() == 0
    assert b"collect" in text
    assert b"3/3" in text
    assert b"ETA" in text


def test_an_error_is_message_remedy_and_code(capsys):
    assert fail(NoChampionError("no champion", "make train")) == 5
    captured = capsys.readouterr()
    assert captured.err == "error: no champion\n  → make train\n"
    assert captured.out == ""


def test_cells_are_short_and_say_when_nothing_is_known():
    cells = [None, float("nan"), 3, 1234567, 0.123456, 12345.6, "text"]
    assert [shown(cell) for cell in cells] == ["–", "–", "3", "1,234,567", "0.1235", "12,346", "text"]
