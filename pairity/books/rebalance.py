"""Which names of a book are traded: small drifts cost more than they are worth."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Why a name is traded, or not."""

    ENTERS = "enters"
    LEAVES = "leaves"
    CHANGES_SIDE = "changes side"
    BEYOND_BAND = "beyond the band"
    WITHIN_BAND = "within the band"
    NOT_KNOWN = "nothing is known of it"


@dataclass(frozen=True, slots=True)
class Change:
    """One name of a rebalance; weights are signed fractions of equity, `held` the one that prices have drifted to."""

    name: str
    held: float
    target: float
    cause: Cause

    @property
    def is_traded(self) -> bool:
        """Whether the name is brought to its target."""
        return self.cause not in (Cause.WITHIN_BAND, Cause.NOT_KNOWN)

    @property
    def weight(self) -> float:
        """Weight after the rebalance."""
        return self.target if self.is_traded else self.held


def choose_changes(
    held: Mapping[str, float], targets: Mapping[str, float], band: float, unknown: Collection[str] = ()
) -> list[Change]:
    """Return one change per name that is held or wanted, sorted by name.

    A name is traded if |target − held| ≥ `band`, if its target is 0, or if its side changes. A name that is not held
    therefore enters with at least the band. Names of `unknown` are not traded.
    """
    names = sorted(name for name in {*held, *targets} if held.get(name, 0.0) or targets.get(name, 0.0))
    return [
        Change(name, held.get(name, 0.0), held.get(name, 0.0), Cause.NOT_KNOWN)
        if name in unknown
        else _judge(name, held.get(name, 0.0), targets.get(name, 0.0), band)
        for name in names
    ]


def _judge(name: str, held: float, target: float, band: float) -> Change:
    if target == 0.0:
        cause = Cause.LEAVES
    elif held * target < 0:
        cause = Cause.CHANGES_SIDE
    elif abs(target - held) < band:
        cause = Cause.WITHIN_BAND
    else:
        cause = Cause.ENTERS if held == 0.0 else Cause.BEYOND_BAND
    return Change(name, held, target, cause)
