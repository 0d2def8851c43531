"""What a person says of a version: that an unsigned one is theirs, and that one may trade real money."""

from __future__ import annotations

from model_registry.connection import open_client, store_errors
from model_registry.loading import verified_directory
from model_registry.records import GATE_FAILED, GATE_NOT_ASKED, GATE_PASSED, ModelRef
from model_registry.registry import find_version
from model_registry.signatures import SignatureStates, Verifier, signing
from pairity.errors import RegistryError
from pairity.layout import Layout
from pairity.settings import Settings


def describe_signatures(settings: Settings, model: ModelRef) -> SignatureStates:
    """Return what of a version counts as signed, and why the rest does not."""
    return Verifier(Layout.of(settings)).describe(model)


def is_confirmed(settings: Settings, model: ModelRef) -> bool:
    """Return whether a person confirmed the version for real money; False where that cannot be verified."""
    return Verifier(Layout.of(settings)).is_confirmed(model)


def sign_version(settings: Settings, model: ModelRef) -> ModelRef:
    """Sign a version as it was shown to a person: lineage, verdict, and the aliases that it carries; return it.

    For versions of earlier releases, and for registries that were restored from a copy or moved. Its files are checked
    first. RegistryError where the version has changed since it was read.
    """
    layout = Layout.of(settings)
    with signing(layout) as signer:
        now = find_version(settings, model.version, model.name)
        if now != model:
            raise RegistryError(
                f"version {model.version} of {model.name!r} has changed since it was shown", "look at it again"
            )
        verified_directory(layout, model)
        _require_consistent_verdict(model)
        signed = signer.sign_registration(model)
        if model.verdict is not None:
            signed = signer.sign_verdict(signed)
        for alias in model.aliases:
            signed = signer.sign_alias(signed, alias)
        _store(settings, signed, model)
        signer.put_in_force()
    return find_version(settings, model.version, model.name)


def confirm_version(settings: Settings, model: ModelRef) -> ModelRef:
    """Confirm a signed version for real money, by a signature of its own; return it.

    Raises SignatureError where the version is not signed, and ModelIntegrityError where its files are not the
    registered ones.
    """
    layout = Layout.of(settings)
    with signing(layout) as signer:
        verified_directory(layout, model)
        Verifier(layout).require_registration(model)
        confirmed = signer.sign_confirmation(model)
        _store(settings, confirmed, model)
        signer.put_in_force()
    return find_version(settings, model.version, model.name)


def _require_consistent_verdict(model: ModelRef) -> None:
    """Raise RegistryError where the gate's answer is not what its checks say."""
    verdict = model.verdict
    answer = GATE_NOT_ASKED if verdict is None else GATE_PASSED if verdict.passed else GATE_FAILED
    if model.gate != answer:
        raise RegistryError(
            f"version {model.version} of {model.name!r} says of the gate {model.gate!r}, its checks say {answer!r}",
            "train again: somebody has changed it",
        )


def _store(settings: Settings, signed: ModelRef, before: ModelRef) -> None:
    """Store the tags that signing has added or changed."""
    layout = Layout.of(settings)
    client = open_client(layout)
    with store_errors(layout):
        for name, value in signed.tags.items():
            if before.tags.get(name) != value:
                client.set_model_version_tag(signed.name, signed.version, name, value)
