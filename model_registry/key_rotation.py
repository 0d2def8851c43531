"""The exchange of the signing key: what verifies under the old one is signed with a new one, and nothing else is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model_registry import ledger
from model_registry.claims import list_claims
from model_registry.connection import has_database, open_client, store_errors
from model_registry.records import ModelRef
from model_registry.signing_key import KeyPlace, begin_exchange, finish_exchange, open_keys
from model_registry.statements import is_signed, sign
from pairity.layout import Layout
from pairity.names import MODEL, VERSION


@dataclass(frozen=True, slots=True)
class Rotation:
    """Outcome of an exchange of the key."""

    key_id: str
    signed: int
    """Signatures that were made anew."""
    left: tuple[str, ...]
    """Signatures that did not verify and were left as they are: data directory, version and what they are about."""
    absent: tuple[str, ...]
    """Data directories that the old key has signed in and that are not there; their versions must be signed again."""


def rotate_key(layout: Layout) -> Rotation:
    """Exchange the signing key, in all data directories that it has signed in; return what was done.

    Readers accept both keys meanwhile. An exchange that was interrupted goes on when it is started again; until then
    the old key signs. Raises SignatureError where there is no usable key, and RegistryError where a registry cannot be
    read: nothing is lost then, and the old key stays.
    """
    with open_keys(layout.root) as place:
        assert place.keys  # there must be a key: an exchange makes none where there was none
    with open_keys(layout.root, to_sign=True) as opened:
        place = begin_exchange(opened)
        stores = ledger.list_stores(place)
        present = [store for store in stores if has_database(Layout(Path(store)))]
        signed = 0
        left: list[str] = []
        for store in present:
            for model in _list_all_versions(Layout(Path(store))):
                count, refused = _sign_anew(place, store, model)
                signed, left = signed + count, left + refused
        for store in stores:
            ledger.sign_anew(place, store)
        finish_exchange(place)
        absent = tuple(store for store in stores if store not in present)
        return Rotation(place.keys.signing.key_id, signed, tuple(left), absent)


def _list_all_versions(layout: Layout) -> list[ModelRef]:
    client = open_client(layout)
    with store_errors(layout):
        found = [
            (str(version.name), str(version.version))
            for model in client.search_registered_models()
            # What is named otherwise was never signed, and must not keep anybody from exchanging the key
            if MODEL.accepts(str(model.name))
            for version in client.search_model_versions(f"name = '{model.name}'")
            if VERSION.accepts(str(version.version))
        ]
        return [ModelRef.from_mlflow(client.get_model_version(name, version)) for name, version in found]


def _sign_anew(place: KeyPlace, store: str, model: ModelRef) -> tuple[int, list[str]]:
    layout = Layout(Path(store))
    client = open_client(layout)
    signed = 0
    left: list[str] = []
    for claim in list_claims(store, model):
        signature = claim.signature
        if signature is None or not is_signed(claim.statement, signature, place.keys):
            left.append(f"{store}: {model.name} version {model.version}: {claim.title}")
            continue
        # With its number: an older statement must not become a newer one by the exchange
        again = sign(claim.statement, signature.sequence, place.keys)
        with store_errors(layout):
            client.set_model_version_tag(model.name, model.version, claim.tag, again.to_json())
        signed += 1
    return signed, left
