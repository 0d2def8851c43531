"""Playing of rows: the exchanges that they need, in processes of their own, and one home for each cell."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pairity.margin import MarginMode
from pairity_cli.demo.exchange import running_exchange
from tests.fault_matrix.cell import Cell
from tests.fault_matrix.desk import open_desk
from tests.fault_matrix.operations import OPERATIONS, Operation
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
    situation: Situation,
    operation: Operation,
    url: str,
    folder: Path,
    *,
    lasting: bool,
    turn: int = 0,
    margin: MarginMode = MarginMode.CROSS,
) -> tuple[str, list[str]]:
    """Play one cell on a running exchange; return what came of it, and what must not have."""

    async def play() -> tuple[str, list[str]]:
        home = folder / f"home{next(_numbers)}"
        async with open_desk(url, home, late=situation.kind == "venue", margin=margin) as desk:
            cell = Cell(situation, operation, desk, lasting, turn)
            try:
                result = await cell.play()
            except Exception as error:  # noqa: BLE001 - whatever ends the process is what is looked for
                return "ended", [f"{type(error).__name__}: {error}", *desk.said.lines[-3:]]
            finally:
                cell.tidy()
            return result, [*cell.wrong, *(desk.said.lines[-6:] if cell.wrong else [])]

    return asyncio.run(play())


def play_row(
    situation: Situation,
    url: str,
    folder: Path,
    operations: Sequence[Operation] = OPERATIONS,
    margin: MarginMode = MarginMode.CROSS,
) -> Iterator[tuple[Operation, str, str, list[str]]]:
    """Yield (column, how long, result, what is wrong) of the cells of a row that make sense."""
    with contextlib.ExitStack() as own:
        shared = url
        if situation.alone and situation.passes:
            shared = own.enter_context(small_exchange(folder, situation))
        for turn, operation in enumerate(column for column in operations if column.fits(situation)):
            if situation.kind == "fault":
                for name, lasting in (("once", False), ("45 s", True)):
                    yield (
                        operation,
                        name,
                        *play_cell(situation, operation, url, folder, lasting=lasting, margin=margin),
                    )
            elif situation.alone and not situation.passes:
                with small_exchange(folder, situation) as once:
                    lasting = situation.kind == "event"
                    yield (
                        operation,
                        "",
                        *play_cell(situation, operation, once, folder, lasting=lasting, margin=margin),
                    )
            else:
                times = turn if situation.kind == "event" else 0
                played = play_cell(situation, operation, shared, folder, lasting=True, turn=times, margin=margin)
                yield (operation, "", *played)
