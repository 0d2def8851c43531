"""What is signed of a version: its registration, the gate's verdict, an alias, and a person's confirmation.

A claim is composed from what the registry says now. It says everything that serving and the promotion gate rely on: a
tag that is missing is part of it too, as null.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from model_registry.records import (
    CHALLENGER,
    CHECKS_TAG,
    DRIFT_TAG,
    FAMILY_TAG,
    GATE_TAG,
    REQUIRED_TAGS,
    THRESHOLD_TAG,
    ModelRef,
)
from model_registry.statements import Signature, Statement, digest

SIGNATURE_PREFIX = "signature."
_ALIAS_PREFIX = f"{SIGNATURE_PREFIX}alias."
LINEAGE_TAGS = (*REQUIRED_TAGS, "universe", "training_digest", "code_dirty", "fitted_sha256")
"""Tags that registration writes and signs, those that are missing too; family, threshold and drift besides, if there.

A version of the reference forest has no such tags, and what is signed of it says nothing of them.
"""
_TAGS_IF_THERE = frozenset({FAMILY_TAG, THRESHOLD_TAG, DRIFT_TAG})
VERDICT_TAGS = (GATE_TAG, CHECKS_TAG)
PROMOTION_TAGS = ("replaced", "promotion_reason", "promoted_at")
"""Tags that a promotion writes and signs."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement about a version, the sequence that it belongs to, and the tag that holds its signature."""

    model: ModelRef
    subject: str
    """Its sequence in the ledger, below the model's name."""
    tag: str
    title: str
    """What it is, for messages."""
    statement: Statement

    @property
    def signature(self) -> Signature | None:
        """The stored signature; None where there is none or it cannot be read."""
        return Signature.from_json(self.model.tags.get(self.tag, ""))


def claim_registration(store: str, model: ModelRef) -> Claim:
    """Return the claim that a version has these files and this lineage. `store` names the data directory."""
    statement = {
        "kind": "registration",
        "store": store,
        "name": model.name,
        "version": model.version,
        "run_id": model.run_id,
        "uri": model.uri,
        "tags": _pick(model, LINEAGE_TAGS) | _pick(model, set(model.tags) & _TAGS_IF_THERE),
    }
    return Claim(model, f"registration {model.version}", f"{SIGNATURE_PREFIX}registration", "registration", statement)


def claim_verdict(store: str, model: ModelRef) -> Claim:
    """Return the claim that the gate gave this verdict on a version, checks included."""
    return _claim_about(store, model, "verdict", "verdict of the gate", _pick(model, VERDICT_TAGS))


def claim_confirmation(store: str, model: ModelRef) -> Claim:
    """Return the claim that a person wants a version to trade real money."""
    return _claim_about(store, model, "confirmation", "confirmation", {})


def claim_alias(store: str, model: ModelRef, alias: str) -> Claim:
    """Return the claim that a version carries an alias, and for a champion why and what it replaced."""
    statement = {
        "kind": "alias",
        "alias": alias,
        "store": store,
        "name": model.name,
        "version": model.version,
        "registration": _name_registration(store, model),
        "tags": {} if alias == CHALLENGER else _pick(model, PROMOTION_TAGS),
    }
    return Claim(model, f"alias {alias}", f"{_ALIAS_PREFIX}{alias}", f"alias {alias!r}", statement)


def list_claims(store: str, model: ModelRef) -> list[Claim]:
    """Return the claims whose signatures a version carries, in force or not."""
    claims = [claim_registration(store, model), claim_verdict(store, model), claim_confirmation(store, model)]
    aliases = [tag.removeprefix(_ALIAS_PREFIX) for tag in model.tags if tag.startswith(_ALIAS_PREFIX)]
    claims += [claim_alias(store, model, alias) for alias in sorted(aliases)]
    return [claim for claim in claims if claim.tag in model.tags]


def _claim_about(store: str, model: ModelRef, kind: str, title: str, tags: dict[str, str | None]) -> Claim:
    registration = _name_registration(store, model)
    statement = {
        "kind": kind,
        "store": store,
        "name": model.name,
        "version": model.version,
        "registration": registration,
        "tags": tags,
    }
    # Of this registration: a data directory that was made anew has versions with the numbers of the old ones
    subject = f"{kind} {model.version} {registration[:16]}"
    return Claim(model, subject, f"{SIGNATURE_PREFIX}{kind}", title, statement)


def _name_registration(store: str, model: ModelRef) -> str:
    """Return what stands in other claims for the registration that they are about."""
    claim = claim_registration(store, model)
    signature = claim.signature
    return digest(claim.statement, 0 if signature is None else signature.sequence)


def _pick(model: ModelRef, tags: Iterable[str]) -> dict[str, str | None]:
    return {tag: model.tags.get(tag) for tag in tags}
