"""Progress and errors on a console: bars with an ETA on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING

import click

from pairity.errors import PairityError
from pairity.number_formats import format_duration
from pairity.printable import printable
from pairity_cli.hints import complete_hints

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


_PLAIN_LINE_S = 60.0
"""Seconds between two lines of a long stage where there is no terminal."""


def fail(error: PairityError) -> int:
    """Print message and remedy to standard error; return the exit code."""
    click.echo(complete_hints(printable(f"error: {error.what}")), err=True)
    if error.remedy:
        click.echo(complete_hints(printable(f"  → {error.remedy}")), err=True)
    return error.exit_code


class ConsoleProgress:
    """A `pairity.progress.Progress` on standard error, so that standard output holds results only."""

    def __init__(self) -> None:
        self._bars: RichProgress | None = None
        self._task: TaskID | None = None
        self._stage: tuple[str, int, float] | None = None
        self._done = 0
        self._reported_at = 0.0

    def __enter__(self) -> ConsoleProgress:
        if sys.stderr.isatty():
            self._bars = _make_bars()
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_stage(failed=kind is not None)
        if self._bars is not None:
            self._bars.stop()

    def stage(self, name: str, total: int) -> None:
        """Begin a stage of `total` steps; 0 means that the number is not known."""
        self.end_stage()
        self._stage, self._done = (name, total, time.monotonic()), 0
        self._reported_at = time.monotonic()
        if self._bars is not None:
            self._task = self._bars.add_task(name, total=total or None, note="")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count `steps` more as done, with a note on the last one."""
        self._done += steps
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, advance=steps, note=printable(note))
        elif self._stage is not None and time.monotonic() - self._reported_at >= _PLAIN_LINE_S:
            self._reported_at = time.monotonic()
            click.echo(_format_progress(*self._stage, self._done, note, self._reported_at), err=True)

    def say(self, line: str) -> None:
        """Print a line of its own, above the bars."""
        shown = complete_hints(printable(line))
        if self._bars is not None:
            self._bars.console.print(shown, markup=False, highlight=False)
        else:
            click.echo(shown, err=True)

    def end_stage(self, *, failed: bool = False) -> None:
        """End the current stage: its bar is full, or says that it was stopped; without one, do nothing."""
        if self._stage is None:
            return
        name, total, since = self._stage
        self._stage = None
        if self._bars is not None and self._task is not None:
            if failed:
                self._bars.update(self._task, note="stopped")
            else:  # the work has ended, whatever number of steps was expected of it
                self._bars.update(self._task, total=max(self._done, 1), completed=max(self._done, 1))
            self._bars.stop_task(self._task)
            self._task = None
        else:
            count = f"{self._done:,} of {total:,}, " if total else ""
            click.echo(f"{name}: {count}{time.monotonic() - since:.1f} s{', stopped' if failed else ''}", err=True)


def _format_progress(name: str, total: int, since: float, done: int, note: str, now: float) -> str:
    """Return a plain line within a long stage: how far, how long so far, how long to go."""
    spent = timedelta(seconds=round(now - since))
    # The first step holds what is done once: connecting, opening, compiling. Alone it says nothing of the others
    left = f", about {format_duration(spent / done * (total - done))} to go" if 1 < done < total else ""
    remark = f" ({printable(note)})" if note else ""
    passed = str(format_duration(spent))
    return f"{name}: {done:,} of {total:,} after {passed}{left}{remark}" if total else f"{name}: {passed}"


def _make_bars() -> RichProgress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description:<14}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
        # Results on standard output stay there: where it is a file, what is shown beside the bars is not meant for it
        redirect_stdout=sys.stdout.isatty(),
    )
