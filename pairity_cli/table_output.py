"""Options of every command that prints a table: `--wide`, `--json` and `--csv`.

With `--json` standard output is one JSON document of all tables and lines, with `--csv` it is the tables alone: cells
are the numbers, instants and words themselves, and no text for people. Lines go to standard error with `--csv`.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

import click

from pairity.errors import ConfigError
from pairity.printable import printable

P = ParamSpec("P")
R = TypeVar("R")
Value = str | int | float | bool | None
_OPTIONS = ("wide", "json", "csv")


@dataclass(slots=True)
class Recorder:
    """What a command printed so far, for programs."""

    form: str = ""
    """`json`, `csv`, `wide` or nothing."""
    tables: list[dict[str, object]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def is_for_programs(self) -> bool:
        """Whether standard output is for programs: no heading, no line, no drawing."""
        return self.form in {"json", "csv"}

    def add_table(self, title: str | None, keys: Sequence[str], rows: Sequence[Mapping[str, Value]]) -> None:
        """Keep a table."""
        self.tables.append({"title": title, "columns": list(keys), "rows": list(rows)})

    def write(self) -> str:
        """Return everything as the text of a document."""
        if self.form == "json":
            return json.dumps({"tables": self.tables, "lines": self.lines}, indent=1)
        return "\n".join(_write_csv(table, named=len(self.tables) > 1) for table in self.tables)


_current: ContextVar[Recorder | None] = ContextVar("recorder", default=None)


def find_recorder() -> Recorder:
    """Return the recorder of the command that runs; one that records nothing where a library prints."""
    return _current.get() or Recorder()


@contextmanager
def recording(form: str) -> Iterator[Recorder]:
    """Let everything that is printed meanwhile have the form."""
    recorder = Recorder(form)
    token = _current.set(recorder)
    try:
        yield recorder
    finally:
        _current.reset(token)


def prints_tables(*, json_too: bool = True) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Add the options to a command; `json_too=False` where it has a `--json` of its own.

    It stands below `reports_errors`: a command that fails writes no document. One that ends with an exit code of its
    own (something was found) writes it.
    """

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            with recording(_choose_form()) as recorder:
                try:
                    answer = command(*args, **kwargs)
                except SystemExit:
                    _finish(recorder)
                    raise
                _finish(recorder)
                return answer

        helps = {
            "wide": "Every column of a table side by side, however narrow the screen.",
            "json": "Tables and lines as one JSON document.",
            "csv": "Tables as CSV.",
        }
        made: Callable[P, R] = wrapped
        for name in reversed([name for name in _OPTIONS if name != "json" or json_too]):
            made = click.option(
                f"--{name}", f"form_{name}", is_flag=True, expose_value=False, help=helps[name], callback=_note
            )(made)
        return made

    return decorate


def _note(context: click.Context, parameter: click.Parameter, value: bool) -> bool:
    if value:
        context.meta.setdefault("pairity.forms", []).append(parameter.opts[0].removeprefix("--"))
    return value


def _choose_form() -> str:
    context = click.get_current_context(silent=True)
    forms = [] if context is None else context.meta.get("pairity.forms", [])
    if len(forms) > 1:
        raise ConfigError(f"--{forms[0]} and --{forms[1]} are two forms of one output", "give one of them")
    return forms[0] if forms else ""


def _finish(recorder: Recorder) -> None:
    if recorder.is_for_programs:
        if text := printable(recorder.write()):
            click.echo(text, nl=not text.endswith("\n"))
        sys.stdout.flush()


def _write_csv(table: Mapping[str, object], *, named: bool) -> str:
    """Return a table as CSV; a line with its title before it where there are several."""
    import polars as pl

    from pairity.csv_files import escape_formulas

    keys, rows = table["columns"], table["rows"]
    assert isinstance(keys, list)
    assert isinstance(rows, list)
    texts = {key: pl.Series([_say(row[key]) for row in rows], dtype=pl.String) for key in keys}
    head = f"# {table['title'] or ''}".rstrip() + "\n" if named else ""
    return head + escape_formulas(pl.DataFrame(texts)).write_csv()


def _say(value: Value) -> str | None:
    return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)
