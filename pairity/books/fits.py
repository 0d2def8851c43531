"""What is learnt of a book at one moment, as the core sees it: a value that goes with the family, and no more."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class BookFit(Protocol):
    """Models that were fitted at one close; whoever knows their kind asks them."""

    @property
    def made_at(self) -> datetime:
        """Close at which they were fitted: nothing that was known later is in them."""
        ...
