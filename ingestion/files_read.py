"""Which local files were read, and of which ranges: a file that has changed, or is read in another way, is read again.

A file is no venue whose answer is final: it grows, is corrected, or is replaced by another of the same name. It counts
as unchanged while its content is the same; size and times spare reading it to know that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ingestion.lake.manifest import parse_spans
from ingestion.lake.spans import Span, union
from ingestion.sources.protocol import LocalSource
from pairity.bounded_files import digest_plain_file, read_json_file
from pairity.bounded_numbers import OutOfBoundsError
from pairity.durable import replace_file
from pairity.errors import DataError
from pairity.layout import Layout
from pairity.names import VENUE

Key = tuple[str, str]
"""Dataset and asset."""


@dataclass(slots=True)
class FilesRead:
    """What was read of local files for one venue, and what their content was then.

    `known` has size, time of content, time of the entry and SHA-256 of each file; `read` has the digest of all files of
    a dataset and asset and of the manner of reading them, and the ranges that were read while they had it.
    """

    path: Path
    known: dict[str, list[Any]] = field(default_factory=dict)
    read: dict[Key, tuple[str, tuple[Span, ...]]] = field(default_factory=dict)
    _now: dict[Key, str] = field(default_factory=dict)

    @classmethod
    def of(cls, layout: Layout, venue: str) -> FilesRead:
        """Return what is noted of a venue. What cannot be read is as if it were not there: the files are read again."""
        path = layout.root / "reference" / f"files-{VENUE.check(venue)}.json"
        try:
            content = read_json_file(path)
            known = {str(name): list(facts) for name, facts in content["files"].items()}
            read = {
                (item["dataset"], item["asset"]): (item["digest"], parse_spans(item["spans"]))
                for item in content["read"]
            }
        except (FileNotFoundError, LookupError, TypeError, ValueError, AttributeError):
            return cls(path)
        return cls(path, known, read)

    def find_unchanged(self, source: LocalSource, dataset: str, asset: str) -> tuple[Span, ...]:
        """Return the ranges that were read of the files as they are now, in the same manner.

        ConfigError where there is no folder.
        """
        try:
            digest = self._digest(source.files(dataset, asset), source.manner)
        except (OutOfBoundsError, DataError, OSError):  # reading them says what is wrong
            return ()
        self._now[dataset, asset] = digest
        noted, spans = self.read.get((dataset, asset), ("", ()))
        return spans if noted == digest else ()

    def note(self, dataset: str, asset: str, span: tuple[datetime, datetime]) -> None:
        """Note that a range was read of the files that `find_unchanged` looked at."""
        digest = self._now.get((dataset, asset))
        if digest is not None:
            noted, spans = self.read.get((dataset, asset), ("", ()))
            self.read[dataset, asset] = digest, union((*(spans if noted == digest else ()), span))

    def save(self) -> None:
        """Write what was noted, if anything is new; the caller has the writer lock."""
        read = [
            {
                "dataset": dataset,
                "asset": asset,
                "digest": digest,
                "spans": [[since.isoformat(), until.isoformat()] for since, until in spans],
            }
            for (dataset, asset), (digest, spans) in sorted(self.read.items())
        ]
        content = (json.dumps({"files": dict(sorted(self.known.items())), "read": read}, indent=1) + "\n").encode()
        if not self.path.exists() or self.path.read_bytes() != content:
            replace_file(self.path, content)

    def _digest(self, files: Sequence[Path], manner: str) -> str:
        parts = [f"{manner}\n", *(f"{path.name} {self._digest_file(path)}\n" for path in sorted(files))]
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def _digest_file(self, path: Path) -> str:
        status, name = path.stat(), str(path.resolve())
        facts = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        known = self.known.get(name, [])
        if known[:-1] == facts:
            return str(known[-1])
        digest = digest_plain_file(path)
        self.known[name] = [*facts, digest]
        return digest
