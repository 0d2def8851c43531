"""Names of recorded files: which asset a file is of. Two spellings of one asset are one asset."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pairity.errors import ConfigError, DataError
from pairity.names import ASSET, show

ENDINGS = (".parquet", ".csv", ".csv.gz")
_QUOTES = r"(?:[-_/:]?USDT)(?:[-_:]?(?:SWAP|PERP|USDT))?"
_STEP = r"(?:[-_](?:[0-9]{1,2}(?:m|h|d)))?"
_PERIOD = r"(?:[-_][0-9]{4}-?[0-9]{2}(?:-?[0-9]{2})?)?"
_NAME = re.compile(rf"(?P<base>.+?){_QUOTES}{_STEP}{_PERIOD}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """Files of one folder: those of each asset, sorted by name, and those whose names say no asset."""

    of_asset: dict[str, list[Path]]
    others: list[Path]


def list_folders(folder: Path) -> list[Path]:
    """Return a folder and the folders in it, sorted; hidden ones are left alone. ConfigError where there is none."""
    if not folder.is_dir():
        raise ConfigError(f"no folder {str(folder)!r}", "give --folder the folder that holds the files")
    own = (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return [folder, *sorted(path for path in own if not path.name.endswith(ENDINGS))]


def list_files(folder: Path, endings: tuple[str, ...]) -> FolderFiles:
    """Return the files of a folder with these endings, by asset.

    BTC-USDT, btc_usdt, BTCUSDT and BTC-USDT-SWAP are one asset, with a bar size and a period behind it (BTCUSDT-1m-
    2024-05) or without. DataError for a name that could be another asset's: letters of other scripts, or signs.
    """
    files = FolderFiles({}, [])
    for path in sorted(folder.iterdir()):
        ending = next((ending for ending in endings if path.name.lower().endswith(ending)), None)
        if ending is None or path.name.startswith("."):
            continue
        asset = read_asset(path.name[: -len(ending)], f"file {show(path.name)} of {folder}")
        if asset is None:
            files.others.append(path)
        else:
            files.of_asset.setdefault(asset, []).append(path)
    return files


def read_asset(written: str, where: str) -> str | None:
    """Return the asset of a symbol against USDT, however it is spelt; None for a name that is no such symbol.

    DataError for one whose asset is none by the rule of assets.

    >>> read_asset("btc_usdt", ""), read_asset("BTC-USDT-SWAP", ""), read_asset("BTCUSDT-1m-2024-05", "")
    ('BTC', 'BTC', 'BTC')
    """
    # Some letters of other scripts are Latin ones in capitals, and would be another asset's name.
    fits = _NAME.fullmatch(written if written.isascii() else written.upper())
    if fits is None:
        return None
    base = fits["base"].upper() if written.isascii() else written[: len(fits["base"])]
    return ASSET.check(base, where, DataError)


def iterate_files(folder: Path, endings: tuple[str, ...]) -> Iterator[tuple[str | None, Path]]:
    """Yield the asset (None: its name says none) and path of every file in a folder and its sub-folders."""
    for place in list_folders(folder):
        files = list_files(place, endings)
        for asset, paths in files.of_asset.items():
            for path in paths:
                yield asset, path
        for path in files.others:
            yield None, path
