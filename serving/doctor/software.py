"""Checks of the software: the interpreter, and the installed packages beside those that are locked."""

from __future__ import annotations

import platform
import re
import struct
import sys
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib import metadata
from pathlib import Path

from serving.doctor.case import Case
from serving.doctor.findings import Check, Finding, SkippedError, fault, warning

_PYTHONS = ((3, 11), (3, 13))
LOCK = Path(__file__).parents[2] / "requirements.lock"
"""The lock of a checkout; an installed package has none."""
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;]+)\s*(?:;\s*(.*?))?\s*\\?")
_REINSTALL = "make clean install"
_SHOWN = 5


def judge_python(version: tuple[int, int], bits: int) -> list[Finding]:
    """Return what is wrong with an interpreter."""
    found = f"Python {version[0]}.{version[1]}, {bits} bits, {platform.system()} {platform.machine()}"
    if not _PYTHONS[0] <= version <= _PYTHONS[1]:
        return [
            fault("this Python is not supported", f"{found}; 3.11 to 3.13 are", "make clean install PYTHON=python3.12")
        ]
    if bits < 64:
        return [fault("this Python is not one of 64 bits", found, "make clean install PYTHON=python3.12")]
    return []


def read_pins(lock: Path) -> dict[str, str]:
    """Return the locked version of each package that this machine needs, by normalised name."""
    from packaging.markers import Marker

    pins = {}
    for line in lock.read_text().splitlines():
        found = _PIN.fullmatch(line.strip()) if line[:1].isalnum() else None
        if found is not None and (not found[3] or Marker(found[3].rstrip(" \\")).evaluate()):
            pins[_normalise(found[1])] = found[2]
    return pins


def find_needed(declared: Iterable[str], requirements: Callable[[str], Iterable[str]]) -> set[str]:
    """Return the packages that are needed at run time, by normalised name: the declared ones and what they require.

    `requirements` gives those of a package, none where it is not installed.
    """
    from packaging.requirements import Requirement

    needed: set[str] = set()
    waiting = [(Requirement(text), "") for text in declared]
    seen: set[tuple[str, str]] = set()
    while waiting:
        required, extra = waiting.pop()
        if required.marker is not None and not required.marker.evaluate({"extra": extra}):
            continue
        name = _normalise(required.name)
        needed.add(name)
        for wanted in ("", *required.extras):
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                waiting += [(Requirement(text), wanted) for text in requirements(name)]
    return needed


def judge_packages(pins: Mapping[str, str], installed: Mapping[str, str], needed: Collection[str]) -> list[Finding]:
    """Return which locked packages are missing, and which have another version.

    Tools of the development may be missing: only what is `needed` at run time counts.
    """
    missing = sorted(name for name in pins if name in needed and name not in installed)
    other = sorted(
        f"{name} {installed[name]} (locked: {pin})"
        for name, pin in pins.items()
        if name in needed and installed.get(name, pin) != pin
    )
    findings = []
    if missing:
        findings.append(fault("packages are missing", _list(missing), _REINSTALL))
    if other:
        findings.append(warning("packages have other versions than the locked ones", _list(other), _REINSTALL))
    return findings


def _check_python(_: Case) -> Iterable[Finding]:
    return judge_python(sys.version_info[:2], struct.calcsize("P") * 8)


def _check_packages(_: Case) -> Iterable[Finding]:
    project = LOCK.with_name("pyproject.toml")
    if not LOCK.exists() or not project.exists():
        raise SkippedError("there is no lock beside the program")
    installed = {_normalise(item.name): item.version for item in metadata.distributions() if item.name}
    declared = tomllib.loads(project.read_text())["project"]["dependencies"]
    return judge_packages(read_pins(LOCK), installed, find_needed(declared, _list_requirements))


def _list_requirements(name: str) -> list[str]:
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []


def _list(names: list[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


_NOTHING = frozenset[str]()
CHECKS = (
    Check("python", "environment", _check_python, _NOTHING),
    Check("packages", "environment", _check_packages, _NOTHING),
)
