"""Files of an exported data set: one per part, each replaced as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pairity.csv_files import escape_formulas
from pairity.durable import replace_file_with
from pairity.layout import Layout
from pairity.settings import Settings
from training.data.export import Exported

_NAMES = ("data", "train", "valid", "test")
_KINDS = ("parquet", "csv")


def locate_directory(settings: Settings) -> Path:
    """Return the directory of the newest export, where no other is named."""
    return Layout.of(settings).reports / "export"


def write_export(folder: Path, exported: Exported, kind: str, *, own: bool) -> list[Path]:
    """Write every part as `<part>.parquet` or `.csv` into `folder` and return the paths.

    `own`: the folder is ours, and parts of an export before this one are removed: two splits must not be read as one.
    In a person's folder nothing is removed; see `list_older_parts`.
    """
    paths = []
    for name, part in exported.parts.items():
        path = folder / f"{name}.{kind}"
        replace_file_with(path, escape_formulas(part).write_csv if kind == "csv" else part.write_parquet)
        paths.append(path)
    if own:
        for old in list_older_parts(folder, paths):
            old.unlink()
    return paths


def list_older_parts(folder: Path, written: Sequence[Path]) -> list[Path]:
    """Return files in `folder` that look like parts of a data set, besides those that were just `written`."""
    names = (folder / f"{name}.{kind}" for name in _NAMES for kind in _KINDS)
    return [path for path in names if path not in written and path.is_file()]
