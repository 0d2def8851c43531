"""The locks: one file for every supported Python and platform, with hashes and without addresses."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {"requirements.lock": ("dev",), "requirements-cluster.lock": ("dev", "cluster"), "tools/s3_server.lock": ()}
LOCKS = {name: (ROOT / name).read_text() for name in EXTRAS}
LARGE = ("requirements.lock", "requirements-cluster.lock")

PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = {
    "linux-x86_64": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    "linux-arm64": {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
    "macos-x86_64": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "x86_64"},
    "macos-arm64": {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
}


def _direct(name: str) -> list[Requirement]:
    if name not in LARGE:
        return [Requirement(line) for line in (ROOT / name).with_suffix(".in").read_text().splitlines()]
    extras = (PROJECT["optional-dependencies"][extra] for extra in EXTRAS[name])
    return [Requirement(line) for lines in (PROJECT["dependencies"], *extras) for line in lines]


def _entries(name: str) -> list[tuple[Requirement, list[str]]]:
    """Requirement and hashes of every entry."""
    lines = [
        line
        for line in LOCKS[name].replace("\\\n", " ").splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    return [
        (Requirement(line.partition("--hash")[0]), re.findall(r"--hash=sha256:([0-9a-f]{64})(?!\S)", line))
        for line in lines
    ]


ENTRIES = {name: _entries(name) for name in LOCKS}


def _environment(python: str, platform: str) -> dict[str, str]:
    return PLATFORMS[platform] | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "extra": "",
    }


def _applying(requirements: list[Requirement], environment: dict[str, str]) -> list[Requirement]:
    return [item for item in requirements if item.marker is None or item.marker.evaluate(environment)]


def _name(requirement: Requirement) -> str:
    return re.sub(r"[-_.]+", "-", requirement.name).lower()


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_names_no_address_and_no_index(name):
    assert not re.search(r"://|^\s*-|^[^#\n]* @ ", LOCKS[name].replace("    --hash=", ""), re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_is_one_version_with_hashes(name):
    assert len(ENTRIES[name]) > len(_direct(name))
    for requirement, hashes in ENTRIES[name]:
        assert [item.operator for item in requirement.specifier] == ["=="], requirement
        assert hashes, f"{requirement} has no hash"
        assert len(hashes) == len(set(hashes)), f"{requirement} has a hash twice"
    assert sum(len(hashes) for _, hashes in ENTRIES[name]) == LOCKS[name].count("--hash="), "a hash that is no sha256"


@pytest.mark.parametrize("name", LOCKS)
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_direct_dependency_is_locked_at_a_version_it_allows(python, platform, name):
    environment, direct = _environment(python, platform), _direct(name)
    locked = {}
    for requirement in _applying([item for item, _ in ENTRIES[name]], environment):
        assert _name(requirement) not in locked, f"{requirement.name} twice"
        locked[_name(requirement)] = Version(next(iter(requirement.specifier)).version)
    wanted = _applying(direct, environment)
    assert {_name(item) for item in direct} - {"cryptography"} <= {_name(item) for item in wanted}
    for requirement in wanted:
        assert _name(requirement) in locked, f"{requirement} is not locked"
        assert locked[_name(requirement)] in requirement.specifier, f"{requirement}, but {locked[_name(requirement)]}"


def test_the_supported_pythons_are_the_ones_that_are_declared():
    supported = SpecifierSet(PROJECT["requires-python"])
    assert [f"3.{minor}" for minor in range(9, 20) if f"3.{minor}.0" in supported] == list(PYTHONS)
    declared = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    assert declared == list(PYTHONS)


def test_the_extra_adds_packages_and_changes_none():
    plain, cluster = ({str(requirement): hashes for requirement, hashes in ENTRIES[name]} for name in LARGE)
    added = {_name(Requirement(entry)) for entry in cluster.keys() - plain.keys()}
    assert plain.items() <= cluster.items()
    assert added >= {_name(Requirement(line)) for line in PROJECT["optional-dependencies"]["cluster"]}
