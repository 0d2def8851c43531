"""Play the fault matrix, print it with counts, and compare it with the table of docs/faults.md.

    make fault-matrix                       # everything
    make fault-matrix ARGS="reset hand:"    # the rows with one of these words in their names
    make fault-matrix ARGS="feed"           # the column of the pipeline alone; "trading" for the others
    make fault-matrix ARGS="isolated hand:" # in isolated margin, of which the table says the same

Ends with 1 where a cell is another one than the table says, or where something is wrong whatever the table says.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from pairity.margin import MarginMode
from tests.e2e.running import paper_exchange
from tests.fault_matrix.feed import Feed
from tests.fault_matrix.operations import FEED, OPERATIONS, Operation
from tests.fault_matrix.playing import play_row, small_exchange
from tests.fault_matrix.situations import ALL, Situation
from tests.fault_matrix.table import COLUMNS, NO_SENSE, read_table, write_cell, write_row

Result = tuple[Situation, Operation, str, list[str]]
_PARTS = {"feed": (FEED,), "trading": OPERATIONS}


def main(words: Sequence[str]) -> int:
    columns = [column for word in words for column in _PARTS.get(word, ())] or COLUMNS
    chosen = [word for word in words if word not in (*_PARTS, *MarginMode)]
    margin = MarginMode.ISOLATED if MarginMode.ISOLATED in words else MarginMode.CROSS
    rows = [row for row in ALL if not chosen or any(word in row.name for word in chosen)]
    played: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as made:
        for situation, operation, result, wrong in _play(rows, columns, Path(made), margin):
            played[situation.name][operation.name].append(write_cell(operation, result, situation))
            counts["played"] += 1
            counts["wrong"] += bool(wrong)
            print(f"{situation.name} | {operation.name} | {result}", *wrong, sep="\n    WRONG: ", flush=True)
    expected = read_table()
    print()
    for row in rows:
        cells = {name: " / ".join(results) for name, results in played[row.name].items()}
        print(write_row(row, cells))
        for column in columns:
            known = expected.get(row.name, {}).get(column.name, "not in the table")
            found = cells.get(column.name, NO_SENSE)
            counts["without sense"] += found == NO_SENSE
            if known != found:
                counts["other than expected"] += 1
                print(f"    {column.name}: {found!r} is not {known!r}")
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return bool(counts["wrong"] or counts["other than expected"])


def _play(
    rows: Sequence[Situation], columns: Sequence[Operation], folder: Path, margin: MarginMode
) -> Iterator[Result]:
    trading = [column for column in columns if column is not FEED]
    if trading:
        with small_exchange(folder) as url:
            for row in rows:
                for operation, _, result, wrong in play_row(row, url, folder, trading, margin):
                    yield row, operation, result, wrong
    if FEED in columns and any(FEED.fits(row) for row in rows):
        with paper_exchange("--seed", "11") as exchange:
            feed = Feed(exchange, folder)
            for row in rows:
                for lasting in (False, True) if FEED.fits(row) else ():
                    yield row, FEED, *feed.play(row, lasting=lasting)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
