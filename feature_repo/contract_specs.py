"""Contract specifications on disk, as the venue last gave them; backtest and trading process share them.

One Parquet file, a row per instrument. Numbers are text: Decimal in, the same Decimal out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from decimal import Decimal

import polars as pl

from pairity.durable import replace_file_with
from pairity.errors import LakeCorruptError, MissingDataError
from pairity.layout import Layout
from pairity.universe import ContractSpec, short_name

_NAMES = tuple(field.name for field in fields(ContractSpec))


def write_contracts(layout: Layout, specs: Iterable[ContractSpec]) -> None:
    """Replace the stored specifications of the given instruments in one atomic step; others stay.

    Nothing is written where nothing is new.
    """
    stored = read_contracts(layout).values() if layout.contracts.exists() else ()
    before = {spec.instrument: _texts(spec) for spec in stored}
    known = before | {spec.instrument: _texts(spec) for spec in specs}
    if known == before and layout.contracts.exists():
        return
    rows = [known[key] for key in sorted(known)]
    replace_file_with(layout.contracts, pl.DataFrame(rows, schema=dict.fromkeys(_NAMES, pl.String)).write_parquet)


def read_contracts(layout: Layout) -> dict[str, ContractSpec]:
    """Return the specifications by asset (short name); MissingDataError where none were stored."""
    if not layout.contracts.exists():
        raise MissingDataError(f"no contract specifications at {layout.contracts}", "run pairity ingest first")
    try:
        rows = pl.read_parquet(layout.contracts).select(_NAMES).to_dicts()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise LakeCorruptError(f"{layout.contracts} cannot be read: {error}", "delete it and ingest again") from None
    return {short_name(row["instrument"]): _spec(row) for row in rows}


def _spec(row: dict[str, str | None]) -> ContractSpec:
    numbers = {name: None if row[name] is None else Decimal(str(row[name])) for name in _NAMES if name != "instrument"}
    return ContractSpec(instrument=str(row["instrument"]), **numbers)  # type: ignore[arg-type]


def _texts(spec: ContractSpec) -> dict[str, str | None]:
    values = {name: getattr(spec, name) for name in _NAMES}
    return {name: None if value is None else str(value) for name, value in values.items()}
