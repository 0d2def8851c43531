"""Fetching what a process will read before it begins: the months that it works on, of a state not taken over yet.

The bytes wait in `.published/ahead` until the state is taken over. Where the store does not give all of them, nothing
was changed: the process goes on with the state that is here.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from feature_repo.placeholders import Placeholder, bring, fetch
from ingestion.published.checkout import AHEAD, is_fetched_late, locate_ahead
from ingestion.published.directory import Directory
from ingestion.published.state import Files
from pairity.durable import replace_file
from pairity.settings import Settings
from pairity.timeline import month_key
from pairity.universe import inst_id


@dataclass(frozen=True, slots=True)
class Needed:
    """Parquet files of all months from `since` on: features, and raw rows of the settings' venue and universe."""

    settings: Settings
    since: datetime

    def choose(self, files: Files) -> Iterator[str]:
        """Yield the paths of `files` that are needed."""
        first, venue = month_key(self.since), f"venue={self.settings.features.venue}"
        instruments = {f"instrument={inst_id(asset)}" for asset in self.settings.universe.assets}
        for path, file in files.items():
            folders = path.split("/")[:-1]
            month = next((name.partition("=")[2] for name in folders if name.startswith("month=")), first)
            is_ours = folders[0] != "lake" or (venue in folders and not instruments.isdisjoint(folders))
            if is_ours and month >= first and is_fetched_late(path, file):
                yield path


def fetch_ahead(directory: Directory, needed: Needed, local: Files, target: Files) -> None:
    """Fetch the bytes of what is needed of `target`, a state to be taken over.

    `local` are the directory's files: what they have already is filled where it is. Errors as `placeholders.fetch`.
    """
    for path in needed.choose(target):
        file = target[path]
        if local.get(path) == file:
            if local[path].is_placeholder:
                bring(directory.root / path)
        elif _read_size(place := locate_ahead(directory, file)) != file.size:
            wanted = Placeholder(file.sha256, file.size)
            replace_file(place, fetch(directory.objects.address, wanted, path, directory.objects), durable=False)


def _read_size(place: Path) -> int | None:
    return place.stat().st_size if place.exists() else None


def bring_needed(root: Path, needed: Needed, files: Files) -> None:
    """Fetch what is needed of the state that is here. Errors as `bring`."""
    for path in needed.choose(files):
        bring(root / path)


def forget_ahead(directory: Directory) -> None:
    """Delete what was fetched ahead: it is in its place, or waits for nothing any more."""
    shutil.rmtree(directory.folder / AHEAD, ignore_errors=True)
