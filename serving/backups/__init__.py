"""Backups of the journal: made while it is written, verified, and put back without losing what stands there."""

from serving.backups.backup import Backup, make_backup, read_backup
from serving.backups.restore import REPLACE, Restored, restore_backup

__all__ = ["REPLACE", "Backup", "Restored", "make_backup", "read_backup", "restore_backup"]
