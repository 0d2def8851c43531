"""Contract specifications in a file: given by a person, or lying beside recorded candles and travelling with them.

`contracts.csv` has a header and a line per instrument: `instrument` (`BTC` or `BTC-USDT-SWAP`), `ct_val` (coins of one
contract), `lot_sz` and `min_sz` (contracts), `tick_sz` (USDT), `max_leverage`, and perhaps `max_market_sz` and
`max_stop_sz` (contracts; empty where the venue names no limit). Numbers are plain decimals.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

from pairity.asset_spelling import spell_asset
from pairity.bounded_files import read_file
from pairity.bounded_json import MIB
from pairity.bounded_numbers import OutOfBoundsError, parse_decimal
from pairity.durable import replace_file
from pairity.errors import ConfigError
from pairity.names import ASSET, show
from pairity.universe import ContractSpec, inst_id, short_name

FILE_NAME = "contracts.csv"
"""Name of the file in a folder of recordings, or in the folder above it."""
_MOST_BYTES = 4 * MIB
_OPTIONAL = ("max_market_sz", "max_stop_sz")
_COLUMNS = tuple(field.name for field in fields(ContractSpec))
_REQUIRED = tuple(name for name in _COLUMNS if name not in _OPTIONAL)


def find_contract_file(folder: Path) -> Path | None:
    """Return the file that travels with the recordings in `folder`; None where there is none."""
    return next((path for path in (folder / FILE_NAME, folder.parent / FILE_NAME) if path.is_file()), None)


def read_contract_file(path: Path) -> dict[str, ContractSpec]:
    """Return the specifications by asset (short name), in the order of the file.

    ConfigError names file, line, column and value of what cannot be right: an instrument that is none or comes twice, a
    number that is none or not above zero, a minimum that is not whole lots.
    """
    try:
        text = read_file(path, _MOST_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"no file {str(path)!r}", "give a CSV file of contract specifications") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is no UTF-8 text", "save it as CSV in UTF-8") from None
    except OutOfBoundsError as error:
        raise ConfigError(f"{path} {error.what}", "give a CSV file of contract specifications") from None
    reader = csv.DictReader(io.StringIO(text), strict=True)
    found: dict[str, ContractSpec] = {}
    try:
        missing = [name for name in _REQUIRED if name not in (reader.fieldnames or ())]
        if missing:
            raise ConfigError(
                f"{path} lacks the columns {', '.join(missing)}", f"the header is {','.join(_COLUMNS)} in any order"
            )
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            spec = _read_row(row, where)
            if short_name(spec.instrument) in found:
                raise ConfigError(f"{where}: {spec.instrument} comes a second time", "leave one of the lines out")
            found[short_name(spec.instrument)] = spec
    except csv.Error as error:
        raise ConfigError(f"{path}, line {reader.line_num}: {error}", "save it as plain CSV with commas") from None
    if not found:
        raise ConfigError(f"{path} has no line below its header", "write a line per instrument")
    return found


def write_contract_file(path: Path, specs: Iterable[ContractSpec]) -> None:
    """Write specifications as `read_contract_file` reads them, by instrument, in one atomic step."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for spec in sorted(specs, key=lambda spec: spec.instrument):
        values = [getattr(spec, name) for name in _COLUMNS]
        # Plain decimals: 1E-7 is the same number, and not what a spreadsheet takes for one.
        writer.writerow(["" if v is None else f"{v:f}" if isinstance(v, Decimal) else v for v in values])
    replace_file(path, lines.getvalue().encode())


def _read_row(row: Mapping[str, str | None], where: str) -> ContractSpec:
    name = spell_asset(row["instrument"] or "")
    if not ASSET.accepts(name):
        raise ConfigError(f"{where}: {show(row['instrument'])} is no instrument", ASSET.explain())
    numbers: dict[str, Decimal | None] = {}
    for column in _COLUMNS[1:]:
        value = (row.get(column) or "").strip()
        numbers[column] = None if not value and column in _OPTIONAL else _read_number(value, f"{where}: {column}")
    spec = ContractSpec(instrument=inst_id(name), **numbers)  # type: ignore[arg-type]
    if spec.max_leverage < 1:
        raise ConfigError(f"{where}: max_leverage is {spec.max_leverage}", "write 1 or more")
    if spec.min_sz % spec.lot_sz:
        raise ConfigError(f"{where}: min_sz {spec.min_sz} is not whole lots of {spec.lot_sz}", "correct one of the two")
    return spec


def _read_number(value: str, where: str) -> Decimal:
    try:
        number = parse_decimal(value)
    except OutOfBoundsError as error:
        raise ConfigError(f"{where} {error.what}", "write a plain decimal number above zero") from None
    if number <= 0:
        raise ConfigError(f"{where} is {value}", "write a number above zero")
    return number
