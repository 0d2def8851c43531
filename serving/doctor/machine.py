"""Checks of the machine: memory, open files, threads, and whether a service of the user lives on after the log-out."""

from __future__ import annotations

import getpass
import os
import resource
from collections.abc import Iterable, Mapping
from pathlib import Path

from serving.doctor.case import Case
from serving.doctor.findings import Check, Finding, Sure, hint, warning

_MEBIBYTE = 1 << 20
LEAST_MEMORY_MIB = 700
"""Memory that can still be used, swap included: below it the kernel ends a process while a decision is made."""
LEAST_FILES = 512
"""Open files: a process has about 60 for itself, 64 connections of the status page and 40 of the venue."""
_UNITS = ".config/systemd/user"


def read_memory(file: Path = Path("/proc/meminfo")) -> dict[str, int]:
    """Return the kernel's figures in MiB by name; empty where there is no such file (not Linux)."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return {}
    figures = {}
    for line in lines:
        name, _, value = line.partition(":")
        if value.split()[1:] == ["kB"]:
            figures[name] = int(value.split()[0]) * 1024 // _MEBIBYTE
    return figures


def judge_memory(figures: Mapping[str, int]) -> list[Finding]:
    """Return what is wrong with memory and swap."""
    if "MemAvailable" not in figures:
        return []
    free, swap = figures["MemAvailable"], figures.get("SwapFree", 0)
    if free + swap >= LEAST_MEMORY_MIB:
        return []
    return [
        warning(
            "there is little memory left",
            f"{free} MiB are available and {swap} MiB of swap are free; {LEAST_MEMORY_MIB} MiB are needed",
            "end what takes the memory (ps aux --sort=-rss | head), or add swap",
        )
    ]


def judge_open_files(soft: int, hard: int) -> list[Finding]:
    """Return what is wrong with the limit of open files (`resource.RLIM_INFINITY`: none)."""
    if soft == resource.RLIM_INFINITY or soft >= LEAST_FILES:
        return []
    return [
        warning(
            "a process may open too few files",
            f"the soft limit is {soft} (hard: {hard}), and {LEAST_FILES} are needed",
            f"ulimit -n {max(LEAST_FILES, 4096)}  (systemd: LimitNOFILE=4096)",
        )
    ]


def judge_threads(environment: Mapping[str, str], cores: int) -> list[Finding]:
    """Return what is wrong with the variables that say how many threads libraries start."""
    findings = []
    if environment.get("OMP_WAIT_POLICY", "PASSIVE").upper() == "ACTIVE":
        findings.append(
            warning(
                "threads that wait spin instead of sleeping",
                "OMP_WAIT_POLICY=ACTIVE; where cores are shared, boosting is ten times slower",
                "unset OMP_WAIT_POLICY",
            )
        )
    for name in ("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        value = environment.get(name, "")
        if value.isdigit() and int(value) > 2 * cores:
            findings.append(
                hint(
                    "a library starts more threads than there are cores",
                    f"{name}={value}, and {cores} cores",
                    f"unset {name}",
                    Sure.CERTAIN,
                )
            )
    return findings


def judge_service(home: Path, run: Path, linger: Path, user: str) -> list[Finding]:
    """Return what is wrong with a systemd unit of the user: without lingering it ends with the last log-in.

    `run` and `linger` are systemd's folders; without systemd, or without such a unit, nothing is wrong.
    """
    units = sorted((home / _UNITS).glob("pairity*.service"))
    if not run.is_dir() or not units or (linger / user).exists():
        return []
    return [
        warning(
            "the service of this user ends when the user logs out",
            f"{units[0]} is there, and lingering is off for {user}",
            "loginctl enable-linger",
        )
    ]


def _check_memory(_: Case) -> Iterable[Finding]:
    return judge_memory(read_memory())


def _check_open_files(_: Case) -> Iterable[Finding]:
    return judge_open_files(*resource.getrlimit(resource.RLIMIT_NOFILE))


def _check_threads(_: Case) -> Iterable[Finding]:
    return judge_threads(os.environ, os.cpu_count() or 1)


def _check_service(_: Case) -> Iterable[Finding]:
    return judge_service(Path.home(), Path("/run/systemd/system"), Path("/var/lib/systemd/linger"), getpass.getuser())


_NOTHING = frozenset[str]()
CHECKS = (
    Check("memory", "environment", _check_memory, _NOTHING),
    Check("open-files", "environment", _check_open_files, _NOTHING),
    Check("threads", "environment", _check_threads, _NOTHING),
    Check("service", "environment", _check_service, _NOTHING),
)
