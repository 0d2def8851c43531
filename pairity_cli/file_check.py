"""What `pairity collect --check` prints: what files would give, and what is wrong with them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pairity_cli.context import echo
from pairity_cli.tables import print_table

if TYPE_CHECKING:
    from ingestion.file_check import FileCheck
    from ingestion.report import InstrumentFailure
    from ingestion.rows_kept import KeptRows
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


def show_kept(kept: Iterable[KeptRows], source: str, venue: str) -> None:
    """Print which stored rows files gave once and hold no longer, and how to have a store without them."""
    roots = []
    for item in kept:
        rows = f"{item.rows:,} row{'' if item.rows == 1 else 's'}"
        echo(
            f"kept: {item.asset} {item.dataset}: {rows}, the first of {item.first:%Y-%m-%d %H:%M} UTC, are stored, and "
            f"{item.root} held them once and does not now"
        )
        roots += [item.root] if item.root not in roots else []
    for root in roots:
        command = shlex.join(["pairity", "collect", "--source", source, "--folder", str(root), "--venue", venue])
        echo(f"  → nothing is removed; a store of the files as they are now: PAIRITY_HOME=NEW {command} --since …")


def show_failures(failures: Iterable[InstrumentFailure]) -> None:
    """Print what failed, then what is not there: a line for each reason, with all datasets that it holds for."""
    failed: dict[tuple[str, str], list[str]] = {}
    absent: dict[tuple[str, str], list[str]] = {}
    for failure in failures:
        if failure.served:
            failed.setdefault((failure.asset, failure.reason), []).append(failure.dataset)
        else:
            absent.setdefault((failure.dataset, failure.reason), []).append(failure.asset)
    for (asset, reason), datasets in failed.items():
        echo(f"failed: {asset} {', '.join(datasets)}: {reason}")
    alike: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for (dataset, reason), lacking in absent.items():
        about = reason.replace(f"no {dataset} of it", "none of them")
        alike.setdefault((" ".join(lacking), about), []).append((dataset, reason))
    for (assets, about), found in alike.items():
        said = found[0][1] if len(found) == 1 else about
        echo(f"lacks: {assets} {', '.join(dataset for dataset, _ in found)}: {said}")
