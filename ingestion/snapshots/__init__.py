"""Named states of the data directory, from which a training is repeated: saved, verified, copied, removed."""

from ingestion.snapshots.actions import copy_snapshot, count_freed_bytes, remove_snapshots, save_snapshot
from ingestion.snapshots.saved import SavedSnapshot, find_snapshot, list_snapshots, name_snapshot
from ingestion.snapshots.verifying import Verification, verify_snapshot

__all__ = [
    "SavedSnapshot",
    "Verification",
    "copy_snapshot",
    "count_freed_bytes",
    "find_snapshot",
    "list_snapshots",
    "name_snapshot",
    "remove_snapshots",
    "save_snapshot",
    "verify_snapshot",
]
