"""`pairity contracts`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pairity_cli.context import NOTHING_STORED, echo, reports_errors, settings_from
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from pairity.universe import ContractSpec


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--export", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write what is stored.")
@reports_errors
@prints_tables()
def contracts(file: Path | None, target: Path | None) -> None:
    """Show the contract specifications that backtest and trading use; take them from a CSV FILE where one is given.

    `pairity ingest` stores those of the traded venue, `pairity collect --folder` the contracts.csv of a recording. A
    file is for venues and recordings without any.
    """
    from feature_repo.contract_specs import read_contracts, write_contracts
    from pairity.contract_files import read_contract_file, write_contract_file
    from pairity.layout import Layout
    from pairity.number_formats import format_count

    settings = settings_from()
    layout = Layout.of(settings)
    if file is not None:
        given = read_contract_file(file)
        write_contracts(layout, given.values())
        echo(f"took {format_count(len(given), 'contract')} from {file}")
    known = read_contracts(layout) if layout.contracts.exists() or layout.lake.exists() else {}
    if target is not None:
        write_contract_file(target, known.values())
        echo(f"wrote {format_count(len(known), 'contract')} to {target}")
    _show(known)
    if not known:
        return
    missing = [asset for asset in settings.universe.assets if asset not in known]
    if missing:
        echo(f"of the universe none is known for {', '.join(missing)}: they are neither backtested nor traded")


def _show(known: dict[str, ContractSpec]) -> None:
    from pairity.number_formats import format_exact
    from pairity_cli.tables import print_line, print_table

    if not known:
        print_line(f"{NOTHING_STORED}, or give contracts with: pairity contracts FILE")
        return
    rows = [
        (asset, *map(format_exact, (spec.ct_val, spec.lot_sz, spec.min_sz, spec.tick_sz, spec.max_leverage)))
        for asset, spec in sorted(known.items())
    ]
    print_table(("asset", "coins a contract", "lot", "minimum", "tick, USDT", "leverage"), rows, "Contracts")
