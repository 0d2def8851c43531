"""Features as they are printed: to the last bit."""

from __future__ import annotations

from pairity.number_formats import NOTHING, Figure


def write_exactly(value: float | str | None) -> Figure:
    """Return every digit of a feature: what was decided on must be readable to the bit."""
    return Figure(NOTHING if value is None else repr(value), None if isinstance(value, str) else value)
