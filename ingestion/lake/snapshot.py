"""The snapshot id: one digest that stands for all raw rows."""

from __future__ import annotations

from collections.abc import Mapping

from ingestion.lake.content import content_text
from ingestion.lake.partitions import Partition
from pairity.digest import digest_parts


def digest_snapshot(contents: Mapping[Partition, int]) -> str:
    """Return a digest over (partition path, content) of all partitions that hold rows.

    It is the same for the same rows, in whichever files they lie and in whichever order they came. Coverage is left
    out: how often the venue was asked does not change what is known.
    """
    return digest_parts((partition.relative, content_text(content)) for partition, content in contents.items())
