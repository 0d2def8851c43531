"""Names of recorded files: which asset a file is of. Two spellings of one asset are one asset."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingestion.sources.remarks import Remarks
from pairity.asset_spelling import SYMBOL_QUOTE, usual_code
from pairity.errors import ConfigError, DataError
from pairity.names import ASSET, show

_PACKED = (".zip", ".gz", ".bz2", ".xz", ".zst", ".7z")
_TABLES = (
    *_PACKED,
    ".parquet",
    ".pq",
    ".csv",
    ".tsv",
    ".txt",
    ".json",
    ".jsonl",
    ".feather",
    ".arrow",
    ".xlsx",
    ".xls",
)
"""Endings of what may be a table that somebody expects to be read."""
_READERS = {".parquet": "parquet-folder", ".csv": "csv-folder"}
"""Sources of folders by the ending of what they read."""
_SHOWN = 5
_STEP = r"(?:[-_](?:[0-9]{1,2}(?:m|h|d)))?"
_PERIOD = r"(?:[-_][0-9]{4}-?[0-9]{2}(?:-?[0-9]{2})?)?"
_NAME = re.compile(rf"(?P<base>.+?){SYMBOL_QUOTE}{_STEP}{_PERIOD}", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """Files of one folder, sorted by name.

    Those of each asset, those whose names say no asset, those with a name that could be another asset's (and what is
    wrong with it), and tables of other kinds than were asked for.
    """

    of_asset: dict[str, list[Path]]
    others: list[Path]
    odd: dict[Path, DataError]
    unread: list[Path]


def list_folders(folder: Path) -> list[Path]:
    """Return a folder and the folders in it, sorted; hidden ones are left alone. ConfigError where there is none."""
    if not folder.is_dir():
        raise ConfigError(f"no folder {str(folder)!r}", "give --folder the folder that holds the files")
    own = (path for path in _list_entries(folder) if path.is_dir() and not path.name.startswith("."))
    return [folder, *sorted(path for path in own if not path.name.lower().endswith(_TABLES))]


def list_files(folder: Path, endings: tuple[str, ...]) -> FolderFiles:
    """Return the files of a folder with these endings, by asset; hidden ones are left alone.

    BTC-USDT, btc_usdt, BTCUSDT, XBTUSDT and BTC-USDT-SWAP are one asset, with a bar size and a period behind it
    (BTCUSDT-1m-2024-05) or without. An odd name has letters of other scripts, or signs.
    """
    files = FolderFiles({}, [], {}, [])
    for path in _list_entries(folder):
        name = path.name.lower()
        ending = next((ending for ending in endings if name.endswith(ending)), None)
        if name.startswith("."):
            continue
        if ending is None:
            if name.endswith(_TABLES):
                files.unread.append(path)
            continue
        try:
            asset = read_asset(path.name[: -len(ending)], f"file {show(path.name)} of {folder}")
        except DataError as error:
            files.odd[path] = error
            continue
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
    return ASSET.check(usual_code(base), where, DataError)


def iterate_files(folder: Path, endings: tuple[str, ...], remarks: Remarks) -> Iterator[tuple[str | None, Path]]:
    """Yield the asset (None: its name says none) and path of every file in a folder and its sub-folders.

    Files that are not read, and folders below the sub-folders, become remarks.
    """
    for place in list_folders(folder):
        files = list_files(place, endings)
        for asset, paths in files.of_asset.items():
            for path in paths:
                yield asset, path
        for path in files.others:
            yield None, path
        for path, error in files.odd.items():
            remarks.note("", "", f"{show(str(path))} is not read: {error.what}")
        for kind, unread in (("files of other kinds", files.unread), ("folders", _list_deeper(folder, place))):
            if unread:
                names = ", ".join(show(path.name) for path in unread[:_SHOWN])
                more = f" and {len(unread) - _SHOWN} more" if len(unread) > _SHOWN else ""
                remarks.note("", "", f"{place} holds {kind} that are not read: {names}{more}{_name_reader(unread)}")


def _name_reader(unread: Sequence[Path]) -> str:
    """Return which source reads files of this kind, where one does."""
    readers = sorted({_READERS[path.suffix.lower()] for path in unread if path.suffix.lower() in _READERS})
    return "".join(f"; --source {reader} reads such" for reader in readers)


def require_sound_names(folder: Path, endings: tuple[str, ...]) -> None:
    """Raise DataError for the first file whose name could be another asset's."""
    for place in list_folders(folder):
        for error in list_files(place, endings).odd.values():
            raise error


def _list_entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise ConfigError(f"the folder {str(folder)!r} cannot be read: {error.strerror}", "let it be read") from None


def _list_deeper(folder: Path, place: Path) -> list[Path]:
    return [] if place == folder else list_folders(place)[1:]
