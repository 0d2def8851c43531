"""The snapshot id: one digest that stands for all raw rows."""

from __future__ import annotations

from collections.abc import Iterable

from ingestion.lake.manifest import Manifest
from ingestion.lake.partitions import Partition
from pairity.digest import digest_parts


def digest_snapshot(manifests: Iterable[tuple[Partition, Manifest]]) -> str:
    """Return a digest over (partition path, file digest) of all partitions that hold rows.

    Coverage is left out: how often the venue was asked does not change what is known.
    """
    return digest_parts(
        (partition.relative, manifest.sha256) for partition, manifest in manifests if manifest.sha256 is not None
    )
