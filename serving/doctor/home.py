"""Checks of the data directory: whose it is, who can enter it, and whether the disk has room for it."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable
from pathlib import Path

from pairity.errors import PrivacyError
from pairity.private_home import require_own_home
from serving.doctor.case import Case
from serving.doctor.findings import Check, Finding, SkippedError, fault, warning

_MEBIBYTE = 1 << 20
FULL_MIB, SCARCE_MIB = 256, 2048
"""Free space below which nothing can be relied on, and below which a person should look."""
SCARCE_INODES = 0.05


def judge_space(found: os.statvfs_result, where: Path) -> list[Finding]:
    """Return what is wrong with a file system: space, inodes, or that it is read-only."""
    findings = []
    free = found.f_bavail * found.f_frsize // _MEBIBYTE
    room = f"make room: du -xh --max-depth=2 {shlex.quote(str(where))} | sort -h | tail"
    if found.f_flag & getattr(os, "ST_RDONLY", 1):
        findings.append(
            fault("the file system is read-only", f"{where} lies on it", "mount it writable, and look at dmesg")
        )
    if free < FULL_MIB:
        findings.append(fault("the disk is full", f"{free} MiB are free at {where}; {FULL_MIB} are needed", room))
    elif free < SCARCE_MIB:
        findings.append(
            warning("the disk is nearly full", f"{free} MiB are free at {where}; {SCARCE_MIB} should be", room)
        )
    # Some file systems count no inodes
    if found.f_files and found.f_favail < found.f_files * SCARCE_INODES:
        what = "the disk has nearly no inodes left"
        fact = f"{found.f_favail} of {found.f_files} are free at {where}"
        findings.append(warning(what, fact, "pairity compact  (and remove small files of other programs)"))
    return findings


def _check_home(case: Case) -> Iterable[Finding]:
    root = case.layout.root
    try:
        real = require_own_home(root)
    except PrivacyError as error:
        return [fault("the data directory is not safe", error.what, error.remedy)]
    if real is None or not real.exists():
        return [fault("there is no data directory", f"{root} does not exist", "pairity ingest --since 60d")]
    if not real.is_dir():
        return [fault("the data directory is no folder", str(root), "choose another PAIRITY_HOME")]
    mode = stat.S_IMODE(real.stat().st_mode)
    findings = []
    if mode & 0o077:
        what = "others can enter the data directory"
        findings.append(warning(what, f"mode {mode:03o} of {root}", f"chmod 700 {shlex.quote(str(root))}"))
    if not os.access(real, os.R_OK | os.W_OK | os.X_OK):
        what = "the data directory cannot be written to"
        findings.append(fault(what, f"mode {mode:03o} of {root}", f"chmod 700 {shlex.quote(str(root))}"))
    return findings


def _check_disk(case: Case) -> Iterable[Finding]:
    root = case.layout.root
    if not root.is_dir():
        raise SkippedError("there is no data directory")
    return judge_space(os.statvfs(root), root)


CHECKS = (
    Check("home", "data directory", _check_home),
    Check("disk", "data directory", _check_disk),
)
