"""Every command that prints a table, on a screen of 80 columns: no id, name or time of it is cut."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from decimal import Decimal
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pairity.layout import Layout
from pairity_cli.commands.account import show_account
from pairity_cli.main import COMMANDS, main
from pairity_cli.summaries import show_hour_costs, show_serving
from pairity_cli.table_output import recording
from serving.account import view_account
from serving.execution.okx import OkxVenue
from serving.report import ServeReport
from tests.pairity_cli.damaged_home import ASSETS, make_home
from tests.serving.tiny_client import TinyClient
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import desk_on, opened

WIDTH = 80
FORMS = {"--wide", "--csv", "--json"}
STORED = (
    ("data",),
    ("gaps",),
    ("contracts",),
    ("sources",),
    ("events",),
    ("quarantine", "list"),
    ("quarantine", "show", "latest"),
    ("trace", "latest"),
    ("anomalies",),
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A data directory with one of everything, and a venue on which a position is open."""
    home = tmp_path_factory.mktemp("narrow") / "home"
    make_home(home)
    venue = TinyOkx()
    desk = desk_on(venue, home / "journal.db")
    asyncio.run(opened(desk))
    desk.journal.close()
    venue.now_ms += 60_000
    venue.trade_by_hand("SOL-USDT-SWAP", "buy", Decimal(12))
    return home, venue


@pytest.fixture
def run(stored, monkeypatch):
    monkeypatch.setenv("PAIRITY_HOME", str(stored[0]))
    monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", json.dumps(list(ASSETS)))
    monkeypatch.setenv("COLUMNS", str(WIDTH))

    def invoke(*arguments):
        return CliRunner().invoke(main, arguments)

    return invoke


def read_words(document):
    """Return the words of every cell of the tables: ids, names, times, paths, reasons."""
    cells = [value for table in document["tables"] for row in table["rows"] for value in row.values()]
    texts = [value for value in cells if isinstance(value, str)]
    # An instant is written for programs with a T and an offset
    texts = [re.sub(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*", r"\1 \2", text) for text in texts]
    # Decimals are grouped by thousands for people
    return {word for text in texts for word in text.split() if not re.fullmatch(r"-?[0-9.]+", word)}


def require_all(shown, document):
    drawn = set(re.split(r"[\s·]+", shown)) | {word[:5] for word in re.findall(r"\d\d:\d\d:\d\d", shown)}
    assert {word for word in read_words(document) if word not in drawn} == set(), shown
    assert "…" not in shown
    for line in shown.splitlines():
        if not re.search(r"\S{60,}", line) and re.match(r"^\S.*  |^    ", line):  # a row, or what stands below one
            assert len(line) <= WIDTH, line


def run_any(run, line, *more):
    done = run(*line, *more)
    assert "Traceback" not in done.output
    return done


@pytest.mark.parametrize("line", [line for line in STORED if line not in {("data",), ("events",), ("trace", "latest")}])
def test_no_table_of_a_store_loses_a_word(run, line):
    shown, said = run_any(run, line), run_any(run, line, "--json")
    assert shown.exit_code == said.exit_code
    document = json.loads(said.stdout)
    require_all(shown.stdout, document)
    wide = run_any(run, line, "--wide")
    require_rows_in_one_line(wide.stdout, document)
    if document["tables"]:
        first = document["tables"][0]
        lines = [text for text in run_any(run, line, "--csv").stdout.splitlines() if not text.startswith("#")]
        assert lines[0] == ",".join(first["columns"])


def require_rows_in_one_line(shown, document):
    for table in document["tables"]:
        for row in table["rows"]:
            words = [value for value in row.values() if isinstance(value, str) and re.fullmatch(r"[a-z_]{4,}", value)]
            assert any(all(word in line for word in words) for line in shown.splitlines()), words


def test_tables_of_commands_with_a_form_of_their_own(run):
    names = [entry["name"] for entry in json.loads(run("data", "--json").stdout)]
    shown = run("data").stdout
    assert names
    assert all(re.search(rf"^{name} ", shown, re.MULTILINE) for name in names)
    verdict, *table = shown.splitlines()
    assert verdict.startswith("Data ")  # a line of text, which the terminal wraps: its command can be copied
    for line in table:
        assert len(line) <= WIDTH, line


def test_an_account_at_80_columns_has_every_order_id_whole(stored, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    view = asyncio.run(view_account(OkxVenue(TinyClient(stored[1]), retries=1)))
    show_account(view, "demo")
    shown = capsys.readouterr().out
    with recording("json") as recorder:
        show_account(view, "demo")
    document = json.loads(recorder.write())
    assert len(document["tables"]) == 5
    require_all(shown, document)
    assert any("pairity" in word for word in read_words(document))


def test_what_was_traded_at_80_columns_has_every_id_whole(stored, run, monkeypatch, capsys):
    from pairity_cli.context import settings_from

    settings, report = settings_from(), ServeReport(cycles=1)
    show_serving(settings, report)
    show_hour_costs(report)
    shown = capsys.readouterr().out
    with recording("json") as recorder:
        show_serving(settings, report)
        show_hour_costs(report)
    document = json.loads(recorder.write())
    orders = next(table for table in document["tables"] if table["title"] == "Orders")
    assert orders["rows"]
    require_all(shown, document)


def commands():
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        for sub in (command, *(command.commands.values() if isinstance(command, click.Group) else ())):
            yield name, COMMANDS[name][0], sub


def test_every_command_whose_module_draws_a_table_has_all_forms():
    folder = Path(__file__).parents[2] / "pairity_cli" / "commands"
    for name, module, _ in commands():
        text = (folder / f"{module}.py").read_text()
        if not re.search(r"print_table|show_(serving|training|ingest|demo|file_check)", text):
            continue
        forms = [
            {option for parameter in sub.params for option in parameter.opts} & FORMS
            for _, own, sub in commands()
            if own == module
        ]
        assert FORMS in forms, name


def test_two_forms_at_once_are_refused(run):
    done = run("contracts", "--json", "--csv")
    assert done.exit_code == 2
    assert "--json and --csv are two forms" in done.stderr


def test_an_empty_store_says_so_everywhere_with_the_same_code(tmp_path, monkeypatch):
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path / "home"))
    shutil.rmtree(tmp_path / "home", ignore_errors=True)
    for line in (["data"], ["gaps"], ["contracts"], ["quarantine", "list"], ["events"], ["models"], ["anomalies"]):
        done = CliRunner().invoke(main, line)
        assert "nothing stored yet" in done.output, (line, done.output)
        assert done.exit_code == 0, (line, done.output)
        as_json = CliRunner().invoke(main, [*line, "--json"])
        assert as_json.exit_code == 0
    for line in (["trace", "latest"], ["why"], ["pairs"], ["cross-section"], ["trade-sheet"]):
        done = CliRunner().invoke(main, line)
        assert "nothing stored yet" in done.stderr, (line, done.output)
        assert done.exit_code == 4, (line, done.output)
    assert not Layout(tmp_path / "home").mlflow.exists()
