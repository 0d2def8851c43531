"""A promotion or rollback is taken over at a decision, told, and shown."""

from __future__ import annotations

from typing import Protocol

from model_registry.records import ModelRef
from serving.journal.event_records import Severity
from serving.parts import GuardParts
from serving.report import describe_model


class Follower(Protocol):
    """What decides, and may be another version at the next decision."""

    @property
    def ref(self) -> ModelRef:
        """Version that decides."""
        ...

    def follow(self) -> list[str]:
        """Take over another version where one is due; return problems as messages, and raise none of them."""
        ...


def follow_champion(parts: GuardParts, champion: Follower) -> list[str]:
    """Take over a promotion or rollback since the last decision; it counts from this one on. Returns problems."""
    before = champion.ref
    problems = champion.follow()
    if champion.ref.key != before.key:
        parts.status.model, parts.sightings.model = describe_model(champion.ref), champion.ref
        said = f"version {champion.ref.version} is champion now, before it {before.version}"
        parts.progress.say(said)
        # Another model decides over the money from now on: whoever did not ask for it should know.
        parts.events.record("promotion", Severity.WARNING, said, champion.ref.version)
    return problems
