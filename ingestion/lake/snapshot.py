"""Contents of all partitions, kept up to date, and the snapshot id: one digest that stands for all raw rows."""

from __future__ import annotations

from ingestion.lake.content import content_text
from ingestion.lake.partitions import Partition
from ingestion.lake.state import LakeState
from pairity.digest import digest_parts


class Contents:
    """Contents of the partitions that hold rows. Only what has changed is looked up again.

    A lake of years has tens of thousands of partitions, and a live hour adds to a few hundred of them.
    """

    def __init__(self, state: LakeState) -> None:
        self._state = state
        self._numbers: dict[Partition, int] = {}
        self._texts: dict[Partition, str] = {}
        self._parts: dict[Partition, tuple[str, str]] = {}
        self._snapshot: str | None = None
        self._version = 0

    @property
    def version(self) -> int:
        """A number that grows with every change of a content that this object sees, whoever made it."""
        self._update()
        return self._version

    def numbers(self) -> dict[Partition, int]:
        """Return the content of each partition with rows, from manifests and commits."""
        self._update()
        return self._numbers.copy()  # copying computes no hash again, which is what takes the time

    def texts(self) -> dict[Partition, str]:
        """Return the contents as text."""
        self._update()
        return self._texts.copy()

    def digest_snapshot(self) -> str:
        """Return a digest over (partition path, content) of all partitions that hold rows.

        It is the same for the same rows, in whichever files they lie and in whichever order they came. Coverage is
        left out: how often the venue was asked does not change what is known.
        """
        self._update()
        if self._snapshot is None:
            self._snapshot = digest_parts(self._parts.values())
        return self._snapshot

    def _update(self) -> None:
        state = self._state
        # Looking a content up may complete an old manifest, which is a change again, of the same content.
        for partition in state.index.take_changed():
            content = state.content(partition) if state.index.merged(partition).rows else None
            if content == self._numbers.get(partition):
                continue
            self._snapshot = None
            self._version += 1
            if content is None:
                del self._numbers[partition], self._texts[partition], self._parts[partition]
            else:
                text = content_text(content)
                self._numbers[partition], self._texts[partition] = content, text
                self._parts[partition] = partition.relative, text
