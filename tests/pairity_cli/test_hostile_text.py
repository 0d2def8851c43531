"""Whatever text an option is given: it is a name, or it is refused with exit code 2 and nothing has happened."""

from __future__ import annotations

import os

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pairity.errors import PairityError
from pairity_cli.console import fail
from pairity_cli.context import echo
from pairity_cli.main import COMMANDS, main
from pairity_cli.parameters import Name, Names, Note
from pairity_cli.tables import print_heading, print_line, print_table

# Texts that are no names: times, amounts and addresses, each with a parser of its own that refuses all else.
PARSED = frozenset(
    {
        "as_known_at",
        "at",
        "axes",
        "balance",
        "begins",
        "clock",
        "control_url",
        "covering",
        "daily_at",
        "day",
        "exchange_url",
        "fee_currency",
        "first",
        "instant",
        "last",
        "rechecks",
        "restarts",
        "since",
        "source",
        "split",
        "start",
        "symbol",
        "until",
    }
)
# Names of the universe, short or canonical and in any case: `select_instruments` and the settings read them.
OF_UNIVERSE = frozenset({"assets", "instruments", "symbol"})
HOSTILE = (
    "../../x",
    "/etc/passwd",
    "x' OR '1'='1",
    "<script>",
    "=cmd|' /C calc'!A0",
    "BTC\n",
    "\x1b[2J",
    "CON",
    "..",
    "é",
)


def commands():
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        if isinstance(command, click.Group):
            yield from (((name, sub), inner) for sub, inner in command.commands.items())
        yield (name,), command


ALL = tuple(commands())
TEXTS = tuple(
    (path, parameter)
    for path, command in ALL
    for parameter in command.params
    if isinstance(parameter.type, click.types.StringParamType | Name | Names | Note)
)
NAMES = tuple(item for item in TEXTS if isinstance(item[1].type, Name | Names | Note))


def test_every_option_that_takes_text_is_a_checked_name_or_has_a_parser():
    unchecked = [
        (*path, parameter.name)
        for path, parameter in TEXTS
        if not isinstance(parameter.type, Name | Names | Note) and parameter.name not in PARSED | OF_UNIVERSE
    ]
    assert unchecked == []
    assert len(NAMES) >= 20


def arguments(path, wanted, text):
    """Return a command line in which `wanted` is `text`, and what else is required is right."""
    command = dict(ALL)[path]
    line = [*path]
    positional = []
    for parameter in command.params:
        if parameter is not wanted and not parameter.required:
            continue
        value = text if parameter is wanted else {"name": "tiingo", "reason": "because"}.get(parameter.name, "1")
        if isinstance(parameter, click.Argument):
            positional.append(value)
        else:
            line.append(f"{parameter.opts[0]}={value}")
    return [*line, "--", *positional] if positional else line


def name_of(item):
    return item.name if isinstance(item, click.Parameter) else "-".join(item)


def everything_below(folder):
    return sorted((str(place), place.stat().st_mtime_ns) for place in folder.rglob("*"))


@pytest.fixture
def place(tmp_path, monkeypatch):
    work = tmp_path / "outside" / "work"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    for variable in [name for name in os.environ if name.startswith("PAIRITY_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PAIRITY_HOME", str(work / "home"))
    monkeypatch.setenv("PAIRITY_EXCHANGE__URL", "http://127.0.0.1:9")
    return tmp_path


@pytest.mark.parametrize(("path", "parameter"), NAMES, ids=name_of)
def test_hostile_names_are_refused_and_nothing_changes(place, path, parameter):
    before = everything_below(place)
    for text in HOSTILE:
        if isinstance(parameter.type, Note) and text.strip().isprintable():
            continue  # a reason may say anything that can be printed
        done = CliRunner().invoke(main, arguments(path, parameter, text))
        assert done.exit_code == 2, (text, done.output, done.exception)
        assert "Traceback" not in done.output
        assert done.output.replace("\n", "").isprintable(), done.output
    assert everything_below(place) == before


@pytest.mark.parametrize("text", [*HOSTILE, "BTC,../../x", "", ","])
@pytest.mark.parametrize("line", [["gaps", "--assets"], ["risk-factors", "--assets"], ["ingest", "--instruments"]])
def test_hostile_assets_are_refused_before_anything_is_asked(place, line, text):
    before = everything_below(place)
    done = CliRunner().invoke(main, [*line, text])
    assert done.exit_code == 2, (done.output, done.exception)
    assert everything_below(place) == before


@given(st.sampled_from(NAMES), st.text(max_size=40))
def test_any_text_is_a_name_or_a_usage_error(item, text):
    kind = item[1].type
    value, refused = None, None
    try:
        value = kind.convert(text, item[1], None)
    except click.BadParameter as error:
        refused = error
    if refused is not None:
        assert refused.exit_code == 2
        assert refused.message.isprintable()
        return
    values = value if isinstance(value, tuple) else (value,)
    if isinstance(kind, Note):
        assert value.isprintable()
    else:
        assert all(name.isascii() and name.isprintable() and " " not in name and "'" not in name for name in values)


@given(st.text(max_size=60))
def test_nothing_that_is_printed_steers_a_terminal(text):
    runner = CliRunner()

    @click.command()
    def show():
        echo(text)
        fail(PairityError(text, text))
        print_line(text)
        print_heading(text)
        print_table((text, "b"), [(text, 1.5), (None, 2)], text)

    done = runner.invoke(show)
    assert done.exit_code == 0, done.exception
    assert done.output.replace("\n", "").isprintable()
