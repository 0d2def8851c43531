"""Playing of rows: the exchanges that they need, in processes of their own, and one home for each cell."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pairity_cli.demo.exchange import running_exchange
from tests.fault_matrix.cell import Cell
from tests.fault_matrix.desk import open_desk
from tests.fault_matrix.operations import Operation
from tests.fault_matrix.situations import Situation

SMALL = ("--assets", "2", "--history", "2")
NO_SENSE = "—"
_numbers = itertools.count()


@contextmanager
def small_exchange(folder: Path, situation: Situation | None = None) -> Iterator[str]:
    """Yield the URL of a small exchange in a process of its own, with what a situation asks of it."""
    options = SMALL if situation is None else (*SMALL, *situation.options)
    if situation is not None and (script := situation.script()):
        path = folder / f"script{next(_numbers)}.json"
        path.write_text(json.dumps({"event": script}))
        options = (*options, "--faults", str(path))
    with running_exchange("synthetic", None, 7, folder / f"log{next(_numbers)}", options) as running:
        yield running.url


def play_cell(
    situation: Situation, operation: Operation, url: str, folder: Path, *, lasting: bool
) -> tuple[str, list[str]]:
    """Play one cell on a running exchange; return what came of it, and what must not have."""

    async def play() -> tuple[str, list[str]]:
        async with open_desk(url, folder / f"home{next(_numbers)}") as desk:
            cell = Cell(situation, operation, desk, lasting)
            try:
                result = await cell.play()
            except Exception as error:  # noqa: BLE001 - whatever ends the process is what is looked for
                return "ended", [f"{type(error).__name__}: {error}", *desk.said.lines[-3:]]
            finally:
                cell.tidy()
            return result, [*cell.wrong, *(desk.said.lines[-6:] if cell.wrong else [])]

    return asyncio.run(play())


def play_row(
    situation: Situation, operation: Operation, url: str, folder: Path
) -> Iterator[tuple[str, str, list[str]]]:
    """Yield (how long, result, what is wrong) of the cells of a row in one column; nothing where it makes no sense."""
    if not operation.fits(situation):
        return
    if situation.kind == "fault":
        for name, lasting in (("once", False), ("45 s", True)):
            yield (name, *play_cell(situation, operation, url, folder, lasting=lasting))
    elif situation.alone:
        with small_exchange(folder, situation) as own:
            yield ("", *play_cell(situation, operation, own, folder, lasting=situation.kind == "event"))
    else:
        yield ("", *play_cell(situation, operation, url, folder, lasting=True))
