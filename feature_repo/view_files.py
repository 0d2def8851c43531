"""Files of a view that count: all in its month folders, but for those whose rows a compaction put into another one.

A compaction names in `retired.json` the files that a new one replaces, and then gives the new one its name. At that
moment the new file counts and the others no longer do: a listing that has the new file has its rows once, and one that
has not has them in the old files. Old files are deleted later, so that whoever listed them before can still read them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pairity.bounded_files import read_json_file
from pairity.bounded_numbers import OutOfBoundsError
from pairity.durable import replace_file
from pairity.errors import LakeCorruptError

RETIRED = "retired.json"


@dataclass(frozen=True, slots=True)
class Replacement:
    """One file in the place of others, in one month folder: names of files."""

    by: str
    names: tuple[str, ...]


def leave_out_retired(paths: Iterable[Path]) -> list[Path]:
    """Return those of the listed files that count, in their order; LakeCorruptError for a note that cannot be read.

    `paths` are listings of whole folders, taken before this call.
    """
    listed = list(paths)
    folders: dict[Path, set[str]] = {}
    for path in listed:
        folders.setdefault(path.parent, set()).add(path.name)
    retired = {
        folder: {
            name for replacement in read_replacements(folder) if replacement.by in names for name in replacement.names
        }
        for folder, names in folders.items()
    }
    return [path for path in listed if path.name not in retired[path.parent]]


def list_month(folder: Path) -> list[Path]:
    """Return the files of one month folder that count, sorted by name."""
    return leave_out_retired(sorted(folder.glob("*.parquet")))


def read_replacements(folder: Path) -> Sequence[Replacement]:
    """Return what compactions noted in a month folder; empty without a note, LakeCorruptError for one that is damaged.

    Without it rows would be counted twice, in two files: nothing is read then, and the error says what to do.
    """
    path = folder / RETIRED
    try:
        return [
            Replacement(by=str(row["by"]), names=tuple(map(str, row["names"])))
            for row in read_json_file(path)["replacements"]
        ]
    except FileNotFoundError:
        return []
    except (KeyError, OutOfBoundsError, TypeError, ValueError) as error:
        raise LakeCorruptError(
            f"{path} cannot be read ({type(error).__name__}: {error})",
            "put it back from a copy of the data directory, such as a `pairity snapshot`",
        ) from None


def write_replacements(folder: Path, replacements: Sequence[Replacement]) -> None:
    """Note replacements, durably; the caller is the only writer of the data directory."""
    rows = [{"by": one.by, "names": list(one.names)} for one in replacements]
    replace_file(folder / RETIRED, (json.dumps({"replacements": rows}, indent=1) + "\n").encode())
