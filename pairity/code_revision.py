"""Code revision: the commit that produced a result."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from pairity.child_environment import make_child_environment


@dataclass(frozen=True, slots=True)
class CodeRevision:
    """Commit of the checkout that the running code comes from; `dirty` says whether tracked files differ from it.

    Both are None outside a git checkout (an installed package, a machine without git): nothing is claimed then.
    """

    commit: str | None
    dirty: bool | None


def read_code_revision() -> CodeRevision:
    """Return the revision that git reports for the folder of this package."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return CodeRevision(None, None)
    return CodeRevision(commit.strip(), bool(_git("status", "--porcelain", "--untracked-files=no")))


def _git(*arguments: str) -> str | None:
    where = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(where), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            env=make_child_environment(),
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
