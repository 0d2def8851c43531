"""Compaction: pending commits become rows of the month partitions, and their files are deleted.

It may be killed at any step, and readers need no lock beside it. Each partition is replaced as by any other write, and
its manifest says up to which commit it has taken rows in; readers leave those rows of the segments out. Only when every
partition is done, and the generation says so, do the records go, and the segments after them. A record that is left
over adds nothing to any partition, and is deleted by the next recovery.
"""

from __future__ import annotations

from dataclasses import dataclass

from ingestion.lake.commits import Commit
from ingestion.lake.state import LakeState
from pairity.durable import remove_flushed


@dataclass(frozen=True, slots=True)
class CompactionReport:
    """What a compaction did: commits and their rows that were folded, partitions rewritten, files deleted."""

    commits: int
    rows: int
    partitions: int
    files: int


def compact(state: LakeState, keep: int = 0) -> CompactionReport:
    """Fold pending commits, but for the `keep` newest, into the month partitions; with the writer lock held."""
    commits = state.index.commits()
    commits = commits[: max(0, len(commits) - keep)]
    if not commits:
        return CompactionReport(0, 0, 0, 0)
    touched = sorted({partition for commit in commits for partition in commit.pieces})
    with state.changing():
        folded = sum(state.fold(partition, commits[-1].number) for partition in touched)
        files = delete_folded(state)
    rows = sum(piece.rows for commit in commits for piece in commit.pieces.values())
    return CompactionReport(len(commits), rows, folded, files)


def delete_folded(state: LakeState) -> int:
    """Delete the commits that add nothing to any partition any more, and return the number of files deleted."""
    done = [commit for commit in state.index.commits() if _is_folded(state, commit)]
    if not done:
        return 0
    # Readers that find the records gone must not go on believing the manifests of before.
    state.begin_change()
    state.advance()
    records = [state.segments / commit.name for commit in done]
    segments = [state.segments / segment.file for commit in done for segment in commit.segments.values()]
    # A segment without a record is garbage; a record without its segment would be damage.
    remove_flushed(records, durable=state.durable)
    remove_flushed(segments, durable=state.durable)
    state.forget_commits({commit.number for commit in done})
    return len(records) + len(segments)


def _is_folded(state: LakeState, commit: Commit) -> bool:
    return all(state.index.base(partition).folded >= commit.number for partition in commit.pieces)
