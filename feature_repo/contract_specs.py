"""Contract specifications on disk, as the venue last gave them; backtest and trading process share them.

One Parquet file, a row per instrument. Numbers are text: Decimal in, the same Decimal out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from decimal import Decimal

import polars as pl

from feature_repo.stored_tables import naming, read_stored
from pairity.bounded_numbers import OutOfBoundsError, parse_decimal, show
from pairity.durable import replace_file_with
from pairity.errors import MissingDataError
from pairity.layout import Layout
from pairity.universe import ContractSpec, short_name

_OPTIONAL = frozenset({"max_market_sz", "max_stop_sz"})
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
        raise MissingDataError(
            f"no contract specifications at {layout.contracts}",
            "run pairity ingest, or give them with pairity contracts FILE",
        )
    remedy = "delete it and ingest again"
    rows = read_stored(layout.contracts, remedy)
    with naming(layout.contracts, remedy):
        # A file of an earlier version lacks what was not read then.
        rows = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in _OPTIONAL - {*rows.columns})
        return {short_name(str(row["instrument"])): _spec(row) for row in rows.select(_NAMES).to_dicts()}


def _spec(row: dict[str, str | None]) -> ContractSpec:
    numbers: dict[str, Decimal | None] = {}
    for name in _NAMES:
        if name != "instrument":
            value = row[name]
            if value is None and name not in _OPTIONAL:
                raise OutOfBoundsError(f"does not say {name} of {show(row['instrument'])}")
            try:
                numbers[name] = None if value is None else parse_decimal(value)
            except OutOfBoundsError as error:
                raise OutOfBoundsError(f"is damaged: {name} of {show(row['instrument'])} {error.what}") from None
    return ContractSpec(instrument=str(row["instrument"]), **numbers)  # type: ignore[arg-type]


def _texts(spec: ContractSpec) -> dict[str, str | None]:
    values = {name: getattr(spec, name) for name in _NAMES}
    return {name: None if value is None else str(value) for name, value in values.items()}
