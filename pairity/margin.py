"""Margin modes of the venue: where the margin of a position stands, and so what a loss of it can reach."""

from __future__ import annotations

from enum import StrEnum


class MarginMode(StrEnum):
    """Margin mode of an order or a position. The venue keeps positions of both beside each other in one instrument."""

    CROSS = "cross"
    """All positions share the account's equity, and are liquidated together."""
    ISOLATED = "isolated"
    """A position stands on margin of its own, which leaves the cash; it is liquidated alone, and loses no more."""

    @property
    def other(self) -> MarginMode:
        """The mode that this one is not."""
        return MarginMode.ISOLATED if self is MarginMode.CROSS else MarginMode.CROSS


def is_cross(mode: MarginMode) -> bool:
    """Return whether a mode is cross: records leave that one out where they are written."""
    return mode is MarginMode.CROSS
