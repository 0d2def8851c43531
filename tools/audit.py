"""Check requirements.lock for versions with known vulnerabilities: `make audit`.

Every version of the lock is looked up, those for other platforms and Pythons too. pip-audit asks the database; it lies
in an environment of its own, made from tools/audit.lock, so that it is no part of what it checks.

Exit codes: 0 nothing is known against any version, 1 something is, 3 not checked. `make` itself answers 2 to both of
the latter and prints which it was.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

VULNERABLE, NOT_CHECKED = 1, 3
_ENTRY = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
_LONGEST_S = 600


def list_versions(lock: str) -> list[dict[str, str]]:
    """Return names and versions of a lock, as lists in which no name comes twice: a platform may have its own."""
    lists: list[dict[str, str]] = []
    for name, version in dict.fromkeys(_ENTRY.findall(lock)):
        free = next((known for known in lists if name not in known), None)
        if free is None:
            lists.append(free := {})
        free[name] = version
    return lists


def ask(versions: dict[str, str], command: Sequence[str]) -> tuple[list[str], list[str]] | str:
    """Return what is known against `versions`, and which of them the database does not know.

    A text where it did not answer: why. `command` starts pip-audit.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted, answer = Path(folder, "versions.txt"), Path(folder, "answer.json")
        wanted.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
        options = ["--requirement", str(wanted), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
        try:
            done = subprocess.run(
                [*command, *options, "--format", "json", "--output", str(answer)],
                capture_output=True,
                text=True,
                timeout=_LONGEST_S,
                check=False,
            )
            packages = json.loads(answer.read_text())["dependencies"]
        except subprocess.TimeoutExpired:
            return f"no answer within {_LONGEST_S} s"
        except (OSError, ValueError, KeyError):
            lines = done.stderr.strip().splitlines()
            return lines[-1] if lines else f"pip-audit ended with {done.returncode} and said nothing"
    found = []
    for package in packages:
        for flaw in package.get("vulns", ()):
            mended = ", ".join(flaw["fix_versions"]) or "nothing"
            found.append(f"{package['name']} {package['version']}: {flaw['id']}, mended in {mended}")
    return found, [package["name"] for package in packages if "skip_reason" in package]


def main(lock: Path, command: Sequence[str] = (sys.executable, "-m", "pip_audit")) -> int:
    """Check a lock, print the outcome and return the exit code."""
    lists = list_versions(lock.read_text())
    found, unknown = [], []
    for versions in lists:
        answer = ask(versions, command)
        if isinstance(answer, str):
            print(f"not checked: the database cannot be reached ({answer})", file=sys.stderr)
            return NOT_CHECKED
        found += answer[0]
        unknown += answer[1]
    count = sum(len(versions) for versions in lists)
    if len(unknown) == count:  # something answers in the database's place: a mirror, or a page of a network
        print(f"not checked: the database cannot be reached (it knows none of {count} versions)", file=sys.stderr)
        return NOT_CHECKED
    for line in found:
        print(line)
    if unknown:
        print(f"not checked: the database does not know {', '.join(unknown)}", file=sys.stderr)
    print(f"{count - len(unknown)} of {count} versions of {lock.name} checked: {len(found)} known vulnerabilities")
    if found:
        return VULNERABLE
    return NOT_CHECKED if unknown else 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parents[1] / "requirements.lock"))
