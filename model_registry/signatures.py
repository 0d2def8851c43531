"""Signing what the registry says, and telling whether it is still what was signed.

A claim counts while its signature is of an accepted key, of exactly what the registry says now, and the newest of its
sequence. Everything else is unsigned, whatever the registry says. `Verifier` answers for readers, `Signer` is for
those who change the registry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from model_registry import ledger
from model_registry.claims import (
    VERDICT_TAGS,
    Claim,
    claim_alias,
    claim_confirmation,
    claim_registration,
    claim_verdict,
)
from model_registry.ledger import Ledger, Progress
from model_registry.records import ModelRef
from model_registry.signing_key import KeyPlace, Keyring, open_keys
from model_registry.signing_turn import take_signing_turn
from model_registry.statements import is_signed, sign
from pairity.errors import SignatureError
from pairity.layout import Layout


@dataclass(frozen=True, slots=True)
class SignatureStates:
    """What of a version counts as signed: None where it does, else why not."""

    registration: str | None
    verdict: str | None
    aliases: Mapping[str, str | None]
    """By alias that the version carries."""
    confirmed: bool

    @property
    def trouble(self) -> str | None:
        """The first reason why the version is not used under an alias that it carries; None where there is none."""
        return next((why for why in (self.registration, self.verdict, *self.aliases.values()) if why), None)


class Verifier:
    """Keys and ledger as they were before the registry was asked.

    In that order a statement that was put in force meanwhile has the same number or a newer one, never an older one.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._store = store_of(layout)
        self._trouble: SignatureError | None = None
        self._keys: Keyring | None = None
        self._ledger = Ledger(self._store, {})
        try:
            with open_keys(layout.root) as place:
                self._keys, self._ledger = place.keys, ledger.read_ledger(place, self._store)
        except SignatureError as error:
            self._trouble = error  # said of a version that needs it: where nothing is registered, nothing is amiss

    def require_lineage(self, model: ModelRef) -> None:
        """Raise SignatureError unless the version's files and lineage are what was signed, whatever its verdict."""
        self._require(claim_registration(self._store, model))

    def require_registration(self, model: ModelRef) -> None:
        """Raise SignatureError unless the version and the verdict on it are what was signed."""
        self.require_lineage(model)
        if self._needs_verdict(model):
            self._require(claim_verdict(self._store, model))

    def require_alias(self, model: ModelRef, alias: str) -> None:
        """Raise SignatureError unless the version is signed and was given `alias` by the newest statement about it."""
        self.require_registration(model)
        claim = claim_alias(self._store, model, alias)
        self._require(claim)
        signature = claim.signature
        assert signature is not None
        if signature.sequence > self._progress(claim).reached:
            self._catch_up(claim, signature.sequence)

    def require_past_alias(self, model: ModelRef, alias: str) -> None:
        """Raise SignatureError unless the version is signed and carried the alias once; it says what it replaced."""
        self.require_registration(model)
        claim = claim_alias(self._store, model, alias)
        if not self._is_signed(claim):
            raise self._refuse(claim, f"it never was {alias} by a signature of ours")

    def last_version(self, name: str, alias: str) -> str:
        """Return the version that an alias was given to last, whatever the registry says; empty where none was."""
        return self._ledger.progress(name, f"alias {alias}").version

    def is_confirmed(self, model: ModelRef) -> bool:
        """Return whether a person confirmed the version for real money."""
        return self._explain(claim_confirmation(self._store, model)) is None

    def describe(self, model: ModelRef) -> SignatureStates:
        """Return what of a version counts as signed."""
        verdict = self._explain(claim_verdict(self._store, model)) if self._needs_verdict(model) else None
        return SignatureStates(
            registration=self._explain(claim_registration(self._store, model)),
            verdict=verdict,
            aliases={alias: self._explain(claim_alias(self._store, model, alias)) for alias in model.aliases},
            confirmed=self.is_confirmed(model),
        )

    def _needs_verdict(self, model: ModelRef) -> bool:
        """Return whether a verdict was ever given: one that was judged must carry it, another one must carry none."""
        claim = claim_verdict(self._store, model)
        return any(tag in model.tags for tag in (*VERDICT_TAGS, claim.tag)) or self._progress(claim).reached > 0

    def _require(self, claim: Claim) -> None:
        if self._trouble is not None:
            raise self._trouble
        why = self._explain(claim)
        if why is not None:
            raise self._refuse(claim, why)

    def _refuse(self, claim: Claim, why: str) -> SignatureError:
        version = claim.model.version
        return SignatureError(
            f"version {version} of model {claim.model.name!r} is not used: {why}",
            f"see `pairity models {version}`; if it is what you registered: pairity models sign {version}",
        )

    def _explain(self, claim: Claim) -> str | None:
        """Return why a claim does not count; None where it does."""
        if self._keys is None:
            return "it cannot be verified" if self._trouble is None else self._trouble.what
        progress, signature = self._progress(claim), claim.signature
        if signature is None:
            if claim.tag in claim.model.tags:
                return f"the signature of its {claim.title} is damaged"
            gone = f"the signature of its {claim.title} was removed"
            return gone if progress.version == claim.model.version else f"its {claim.title} is not signed"
        if self._keys.find(signature.key_id) is None:
            return f"its {claim.title} is signed with another key ({signature.key_id[:16]!r})"
        if not self._is_signed(claim):
            if (former := self._find_former_place(claim)) is not None:
                return f"its {claim.title} was signed in {former}: the data directory was moved or copied"
            return (
                f"its {claim.title} is not what was signed: it was changed, or is of another version, model or data "
                "directory"
            )
        if signature.sequence > progress.issued:
            return f"the ledger beside the signing key does not know of its {claim.title}"
        if not progress.allows(signature.sequence):
            return (
                f"its {claim.title} was replaced by a newer one (number {signature.sequence}, in force is "
                f"{progress.reached}): the registry was set back"
            )
        return None

    def _is_signed(self, claim: Claim) -> bool:
        signature = claim.signature
        return signature is not None and self._keys is not None and is_signed(claim.statement, signature, self._keys)

    def _find_former_place(self, claim: Claim) -> str | None:
        """Return the data directory for which this registration was signed with a key of ours; None where none is."""
        try:
            with open_keys(self._layout.root) as place:
                stores = [known.store for known in ledger.list_ledgers(place)]
        except SignatureError:
            return None
        registrations = {store: claim_registration(store, claim.model) for store in stores if store != self._store}
        return next((store for store, other in registrations.items() if self._is_signed(other)), None)

    def _progress(self, claim: Claim) -> Progress:
        return self._ledger.progress(claim.model.name, claim.subject)

    def _catch_up(self, claim: Claim, sequence: int) -> None:
        """Note for a promoter that was killed that its statement is in force: nobody can go back behind it then."""
        with open_keys(self._layout.root) as place:
            ledger.reach(place, self._store, claim.model.name, claim.subject, sequence, claim.model.version)


class Signer:
    """The right to sign for one data directory; use `signing`. Signed statements count after `put_in_force`."""

    def __init__(self, place: KeyPlace, store: str) -> None:
        self._place = place
        self._store = store
        self._signed: list[tuple[Claim, int]] = []

    def sign_registration(self, model: ModelRef) -> ModelRef:
        """Return the version with the signature of its registration among its tags, to be stored."""
        return self._sign(claim_registration(self._store, model))

    def sign_verdict(self, model: ModelRef) -> ModelRef:
        """Return the version with the signature of the verdict that is among its tags."""
        return self._sign(claim_verdict(self._store, model))

    def sign_alias(self, model: ModelRef, alias: str) -> ModelRef:
        """Return the version with the signature of an alias."""
        return self._sign(claim_alias(self._store, model, alias))

    def sign_confirmation(self, model: ModelRef) -> ModelRef:
        """Return the version with the signature of a person's confirmation."""
        return self._sign(claim_confirmation(self._store, model))

    def put_in_force(self) -> None:
        """Note that the registry holds what was signed so far: what it replaces does not count any more."""
        for claim, number in self._signed:
            ledger.reach(self._place, self._store, claim.model.name, claim.subject, number, claim.model.version)
        self._signed.clear()

    def withdraw_alias(self, name: str, alias: str) -> None:
        """Note that no version carries the alias any more: no statement about it counts."""
        subject = f"alias {alias}"
        number = ledger.issue(self._place, self._store, name, subject)
        ledger.reach(self._place, self._store, name, subject, number, "")

    def _sign(self, claim: Claim) -> ModelRef:
        number = ledger.issue(self._place, self._store, claim.model.name, claim.subject)
        signature = sign(claim.statement, number, self._place.keys)
        self._signed.append((claim, number))
        return replace(claim.model, tags={**claim.model.tags, claim.tag: signature.to_json()})


@contextmanager
def signing(layout: Layout) -> Iterator[Signer]:
    """Open the key to sign with, which is made at first use; others who want to sign wait until the block ends.

    In a shared database those on other machines wait too; errors as `take_signing_turn`.
    """
    store = store_of(layout)
    with open_keys(layout.root, to_sign=True) as place, take_signing_turn(layout):
        if layout.tracking_database is not None:
            ledger.note_database(place, store, layout.tracking_place)
        yield Signer(place, store)


def store_of(layout: Layout) -> str:
    """Return the name of a data directory in signed statements: its path, without links."""
    return str(layout.root.resolve())
