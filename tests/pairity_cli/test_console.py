from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pairity.durable import replace_file
from pairity.errors import DataError, NoChampionError
from pairity_cli import console
from pairity_cli.console import ConsoleProgress, fail
from pairity_cli.context import reports_errors
from pairity_cli.tables import format_cell, print_heading, print_table

PROGRAM = """
from pairity_cli.console import ConsoleProgress
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


def on_terminal(program, stdout=None):
    """Exit status of a program whose standard error is a terminal, and what it wrote there."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "140"}
    process = subprocess.Popen([sys.executable, "-c", program], stderr=follower, stdout=stdout, env=environment)
    os.close(follower)
    text = b""
    try:
        while chunk := os.read(leader, 4096):
            text += chunk
    except OSError:  # Linux says so when the last writer has gone
        pass
    finally:
        os.close(leader)
    return process.wait(), text


ENDINGS = """
import sys
from pairity_cli.console import ConsoleProgress
with ConsoleProgress() as progress:
    progress.stage("open the process", 0)
    progress.stage("families", 7)
    progress.advance(4)
    progress.stage("decisions", 2)
    progress.advance(2)
    progress.end_stage()
    print("the result")
    sys.stdout.flush()
"""


def last_screen(text):
    """What the last drawing of the bars left: the words of each bar's line."""
    shown = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", text).decode()
    return {line.split("━")[0].strip(): line for line in re.split(r"[\r\n]+", shown) if "━" in line}


def test_bars_are_full_where_the_work_has_ended():
    status, text = on_terminal(ENDINGS)
    assert status == 0
    bars = last_screen(text)
    assert {name: re.search(r"\d+/\d+", line)[0] for name, line in bars.items()} == {
        "open the process": "1/1",
        "families": "4/4",
        "decisions": "2/2",
    }


def test_a_bar_of_work_that_failed_says_so():
    failing = ENDINGS.replace("progress.end_stage()", "raise SystemExit(3)").replace("advance(2)", "advance(1)")
    status, text = on_terminal(failing)
    assert status == 3
    assert "1/2" in last_screen(text)["decisions"]
    assert "stopped" in last_screen(text)["decisions"]


def test_results_in_a_file_are_there_and_hold_no_escape_codes(tmp_path):
    """The bars are drawn on a terminal meanwhile: they must not take the results to themselves."""
    with (tmp_path / "out").open("wb") as out:
        status, text = on_terminal(ENDINGS, stdout=out)
    assert status == 0
    assert (tmp_path / "out").read_bytes() == b"the result\n"
    assert b"the result" not in text


def test_nothing_but_the_console_draws():
    """Bars are drawn in one place, which looks whether somebody sees them: no command writes codes by itself."""
    folder = Path(console.__file__).parent
    draws = re.compile(r"rich\.(progress|console|live)|\\x1b|\\033")
    assert [path.name for path in folder.rglob("*.py") if draws.search(path.read_text())] == ["console.py"]


def test_on_a_terminal_there_is_a_bar_with_an_eta():
    status, text = on_terminal(PROGRAM)
    assert status == 0
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
    assert [format_cell(cell) for cell in cells] == ["–", "–", "3", "1,234,567", "0.1235", "12,346", "text"]


def test_text_from_elsewhere_is_shown_as_it_is_and_steers_nothing(capsys):
    fail(NoChampionError("the venue said \x1b[2J\r<html>", ""))
    assert capsys.readouterr().err == "error: the venue said \\x1b[2J\\r<html>\n"
    print_table(["why [1]"], [["[/] list[0] [red]x[/red]"]], title="[b]title")
    print_heading("[/] heading")
    told = capsys.readouterr().out
    assert all(text in told for text in ("why [1]", "[/] list[0] [red]x[/red]", "[b]title", "[/] heading"))


def test_notes_with_brackets_do_not_break_the_bar():
    program = PROGRAM.replace('"ETH"', '"[/] [b]ETH"').replace('"collect"', '"col[x]"')
    status, text = on_terminal(program)
    assert status == 0
    assert b"[/] [b]ETH" in text
    assert b"col[x]" in text


def test_numbers_stand_to_the_right_under_their_column(capsys):
    print_table(["name", "count", "sure"], [["a", 1, True], ["b", 12_345, False]])
    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in lines if line.startswith(("a", "b"))] == [
        "a          1  yes",
        "b     12,345  no",
    ]


def test_a_long_stage_says_how_far_it_is_where_there_is_no_terminal(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(console.sys.stderr, "isatty", lambda: False, raising=False)
    with ConsoleProgress() as progress:
        progress.stage("families", 4)
        for at in (70.0, 150.0, 160.0):
            now[0] = at
            progress.advance(1, f"forest at {at:.0f}")
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "families: 1 of 4 after 1 min 10 s (forest at 70)",  # one step says nothing of the others
        "families: 2 of 4 after 2 min 30 s, about 2 min 30 s to go (forest at 150)",
        "families: 3 of 4, 160.0 s",
    ]


@pytest.mark.parametrize("wrong", ["a folder where a file belongs", "a file where a folder belongs"])
def test_what_stands_in_the_place_of_a_file_is_named(tmp_path, capsys, wrong):
    place = tmp_path / "there"
    place.mkdir() if wrong.startswith("a folder") else place.write_text("")

    @reports_errors
    def command():
        replace_file(place if place.is_dir() else place / "inside", b"content")

    with pytest.raises(SystemExit) as ended:
        command()
    said = capsys.readouterr().err
    assert ended.value.code == DataError("", "").exit_code
    assert "there" in said
    assert "→" in said


def test_a_failure_that_is_not_about_a_file_stays_a_bug():
    @reports_errors
    def command():
        raise OSError("nobody knows what")

    with pytest.raises(OSError, match="nobody knows"):
        command()
