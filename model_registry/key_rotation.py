"""The exchange of the signing key: what verifies under the old one is signed with a new one, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model_registry import ledger
from model_registry.claims import list_claims
from model_registry.connection import open_client, store_errors
from model_registry.ledger import Ledger
from model_registry.records import ModelRef
from model_registry.signed_registries import SignedRegistry, find_registries, list_all_versions
from model_registry.signing_key import KeyPlace, begin_exchange, finish_exchange, open_keys
from model_registry.signing_turn import take_signing_turn
from model_registry.statements import is_signed, sign
from pairity.errors import SignatureError
from pairity.layout import Layout


@dataclass(frozen=True, slots=True)
class Rotation:
    """Outcome of an exchange of the key."""

    key_id: str
    signed: int
    """Signatures that were made anew."""
    left: tuple[str, ...]
    """Signatures that did not verify and were left as they are: registry, version and what they are about."""
    absent: tuple[str, ...]
    """Data directories and databases that the old key has signed in and that were not there; their versions must be
    signed again."""


def rotate_key(layout: Layout, *, leave_databases: bool = False) -> Rotation:
    """Exchange the signing key, in all data directories that it has signed in; return what was done.

    The layout's own database is among them where it is PostgreSQL's. One that the key has signed in and that the layout
    does not name cannot be asked: with `leave_databases` its versions lose their signatures.

    Readers accept both keys meanwhile. An exchange that was interrupted goes on when it is started again; until then
    the old key signs. Raises SignatureError where there is no usable key, or a database is not to be left, and
    RegistryError or DataError where a registry cannot be used: nothing is lost then, and the old key stays.
    """
    with open_keys(layout.root) as place:
        assert place.keys  # there must be a key: an exchange makes none where there was none
    with open_keys(layout.root, to_sign=True) as opened, take_signing_turn(layout) as turn:
        turn.require_durable()
        ledgers = ledger.list_ledgers(opened)
        elsewhere = {known.store: set(known.databases) - {layout.tracking_place} for known in ledgers}
        if not leave_databases:
            _require_none_elsewhere(elsewhere)
        place = begin_exchange(opened)
        signed = 0
        left: list[str] = []
        met: set[str] = set()
        for registry in find_registries(layout, ledgers):
            if registry.layout.tracking_database is None:
                met.update(registry.stores)
            for model in list_all_versions(registry.layout):
                stores, refused = _sign_anew(place, registry, model)
                met.update(stores)
                signed, left = signed + len(stores), left + refused
        for known in ledgers:
            ledger.sign_anew(place, known.store)
            ledger.forget_databases(place, known.store, elsewhere[known.store])
        turn.require()  # a database that was restarted meanwhile may have let somebody else sign
        finish_exchange(place)
        return Rotation(place.keys.signing.key_id, signed, tuple(left), _list_absent(layout, ledgers, met))


def _require_none_elsewhere(elsewhere: dict[str, set[str]]) -> None:
    for store, databases in elsewhere.items():
        if databases:
            raise SignatureError(
                f"the key has signed versions of {store} in {min(databases)} too, which these settings do not name",
                "exchange it with the settings that trade there (pairity --profile cluster models rotate-key); where "
                "that database is gone: pairity models rotate-key --leave-databases",
            )


def _list_absent(layout: Layout, ledgers: Sequence[Ledger], met: set[str]) -> tuple[str, ...]:
    gone = [known.store for known in ledgers if known.store not in met and layout.tracking_place not in known.databases]
    databases = {place for known in ledgers for place in known.databases if place != layout.tracking_place}
    return (*gone, *sorted(databases))


def _sign_anew(place: KeyPlace, registry: SignedRegistry, model: ModelRef) -> tuple[list[str], list[str]]:
    """Return the data directories for which signatures were made anew, one for each, and what did not verify."""
    client = open_client(registry.layout)
    signed: list[str] = []
    left: list[str] = []
    # One signature, and what it says for each of the directories: it verifies for the one that it was made for
    for options in zip(*(list_claims(store, model) for store in registry.stores), strict=True):
        signature = options[0].signature
        made_for = [
            (store, claim)
            for store, claim in zip(registry.stores, options, strict=True)
            if signature is not None and is_signed(claim.statement, signature, place.keys)
        ]
        if signature is None or not made_for:
            left.append(f"{registry.name}: {model.name} version {model.version}: {options[0].title}")
            continue
        store, claim = made_for[0]
        # With its number: an older statement must not become a newer one by the exchange
        again = sign(claim.statement, signature.sequence, place.keys)
        with store_errors(registry.layout):
            client.set_model_version_tag(model.name, model.version, claim.tag, again.to_json())
        signed.append(store)
    return signed, left
