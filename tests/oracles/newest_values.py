"""The rule of the online store, value by value: newer replaces older; of the same times, the later write counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class NewestValues:
    """(entity, feature) → event time, created time and value."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], tuple[datetime, datetime | None, Any]] = {}

    def write(self, entity: str, event: datetime, created: datetime | None, values: Mapping[str, Any]) -> None:
        """Write some features of one entity."""
        for name, value in values.items():
            known = self.stored.get((entity, name))
            if known is None or (event, created or _NEVER) >= (known[0], known[1] or _NEVER):
                self.stored[entity, name] = (event, created, value)

    def read(
        self, entity: str, features: Sequence[str]
    ) -> tuple[datetime | None, datetime | None, dict[str, Any] | None]:
        """Return the oldest times of the features that are stored, and these features."""
        found = {name: self.stored[entity, name] for name in features if (entity, name) in self.stored}
        if not found:
            return None, None, None
        event, created = min((event, created or _NEVER) for event, created, _ in found.values())
        return event, None if created == _NEVER else created, {name: value for name, (*_, value) in found.items()}
