"""Books of a combination in the journal: what a decision left of each, to the last bit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pairity.books.members import MemberState, MemberStep


def member_to_json(member: MemberState) -> dict[str, Any]:
    """Return everything of a member as JSON has it."""
    return {
        "begun": member.begun,
        "weights": dict(member.weights),
        "pairs": [[*pair, side] for pair, side in sorted(member.pairs.items())],
        "hours_left": [[*pair, hours] for pair, hours in sorted(member.hours_left.items())],
        "smoothed": [[*key, value] for key, value in sorted(member.smoothed.items())],
        "between": [
            {
                "close": step.close.isoformat(),
                "weights": dict(step.weights),
                "pairs": [[*pair, side] for pair, side in sorted(step.pairs.items())],
            }
            for step in member.between
        ],
        "prior": dict(member.prior),
        "earned": member.earned,
    }


def member_from_json(row: dict[str, Any]) -> MemberState:
    """Return the member of a row by `member_to_json`."""
    return MemberState(
        begun=row["begun"],
        weights=row["weights"],
        pairs={(base, quote): side for base, quote, side in row["pairs"]},
        hours_left={(base, quote): hours for base, quote, hours in row["hours_left"]},
        smoothed={(days, name): value for days, name, value in row["smoothed"]},
        between=tuple(
            MemberStep(
                close=datetime.fromisoformat(step["close"]),
                weights=step["weights"],
                pairs={(base, quote): side for base, quote, side in step["pairs"]},
            )
            for step in row["between"]
        ),
        prior=row["prior"],
        earned=row["earned"],
    )
