"""The last outcome of checks that commands make (the ledger), kept for whoever looks at the trading process."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pairity.bounded_files import read_json_file
from pairity.durable import replace_file
from pairity.errors import PairityError
from pairity.layout import Layout


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """Outcome of one check: when it was made by this machine's clock, what was compared, and what differed."""

    at: datetime
    checked: int
    different: int


def keep_outcome(layout: Layout, name: str, checked: int, different: int) -> None:
    """Keep the outcome of a check that ended just now; a disk that does not take it changes nothing."""
    content = asdict(CheckOutcome(datetime.now(UTC), checked, different))
    with contextlib.suppress(OSError, PairityError):
        replace_file(_locate(layout, name), json.dumps({**content, "at": content["at"].isoformat()}).encode())


def read_outcome(layout: Layout, name: str) -> CheckOutcome | None:
    """Return the last outcome of a check; None where there is none that can be read."""
    path = _locate(layout, name)
    if not path.is_file():
        return None
    try:
        content = read_json_file(path)
        outcome = CheckOutcome(
            datetime.fromisoformat(content["at"]), int(content["checked"]), int(content["different"])
        )
    except (PairityError, OSError, ValueError, TypeError, KeyError):
        return None
    return outcome if outcome.at.tzinfo is not None else None


def _locate(layout: Layout, name: str) -> Path:
    return layout.reports / "last-checks" / f"{name}.json"
