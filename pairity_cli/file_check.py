"""What `pairity collect --check` prints: what files would give, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pairity_cli.context import echo
from pairity_cli.tables import print_table

if TYPE_CHECKING:
    from ingestion.file_check import FileCheck
    from ingestion.sources.remarks import Remark


def show_file_check(found: FileCheck) -> None:
    """Print one line per asset and dataset, then what is left out, would be withheld or cannot be read."""
    print_table(
        ("asset", "dataset", "rows", "first", "last", "step", "holes"),
        [
            (
                item.asset,
                item.dataset,
                item.rows,
                item.first,
                item.last,
                item.step,
                item.holes,
            )
            for item in found.rows
        ],
    )
    for item in found.rows:
        for rule, count in item.withheld:
            echo(f"would be withheld: {item.asset} {item.dataset}: {count} for {rule}")
    show_remarks(found.remarks)
    for failure in found.failures:
        echo(f"cannot be read: {failure}")
    echo("nothing was stored")


def show_remarks(remarks: Iterable[Remark]) -> None:
    """Print what a source left out, one line each."""
    for remark in remarks:
        echo(f"left out: {' '.join(part for part in (remark.asset, remark.dataset, remark.what) if part)}")
