"""Positions and entries of the margin mode that the settings do not ask for any more.

`strategy.margin_mode` is of entries. What was opened before it changed keeps its own mode to the end: its stops, its
exits and its accounting are looked for there. Nothing is opened meanwhile, so that no two positions of ours stand in
one instrument, and so that no entry is sized by margin that the other mode is about to take or to give back.
"""

from __future__ import annotations

from collections.abc import Iterable

from pairity.margin import MarginMode
from pairity.strategy.types import Entry, PairPosition
from serving.journal import Journal, Purpose

CAUSE = "margin mode"
"""Cause of guarding while something of ours is in the other mode."""


def explain_positions(positions: Iterable[PairPosition], wanted: MarginMode) -> str | None:
    """Return which open positions are in the other mode, as a reason to guard; None where none is."""
    others = [position.position_id for position in positions if position.margin_mode is not wanted]
    if not others:
        return None
    return (
        f"{', '.join(others)} in {wanted.other} margin, and strategy.margin_mode is {wanted}: stops and exits go on, "
        "nothing is opened until it is closed"
    )


def explain_orders(journal: Journal, wanted: MarginMode) -> str | None:
    """Return which entry in the other mode has begun and not ended, as a reason to guard; None where none has."""
    for intent in journal.unsettled():
        if intent.purpose is Purpose.ENTRY and intent.margin_mode is not wanted:
            return (
                f"the entry {intent.position_id} began in {intent.margin_mode} margin, and strategy.margin_mode is "
                f"{wanted}: it is brought to its end first"
            )
    return None


def explain_entry(entry: Entry, wanted: MarginMode) -> str | None:
    """Return why an entry that was decided before the mode changed is not opened; None where it may be."""
    if entry.margin_mode is wanted:
        return None
    return f"it was decided for {entry.margin_mode} margin, and strategy.margin_mode is {wanted}"
