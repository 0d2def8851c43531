"""The registries in which the versions of a key's signatures lie: files of data directories, and a shared database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from model_registry.connection import has_database, open_client, store_errors
from model_registry.ledger import Ledger
from model_registry.records import ModelRef
from pairity.layout import Layout
from pairity.names import MODEL, VERSION

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True, slots=True)
class SignedRegistry:
    """One registry: `layout` says where it is, `stores` for which data directories it may have signed versions."""

    layout: Layout
    stores: tuple[str, ...]

    @property
    def name(self) -> str:
        """What people call it: its data directory, or its database without a password."""
        return self.stores[0] if self.layout.tracking_database is None else self.layout.tracking_place


def find_registries(layout: Layout, ledgers: Sequence[Ledger]) -> list[SignedRegistry]:
    """Return the registries that are there: a file for each ledger that has one, and the layout's own database."""
    files = [Layout(Path(known.store)) for known in ledgers]
    found = [SignedRegistry(file, (str(file.root),)) for file in files if has_database(file)]
    if layout.tracking_database is not None and ledgers:
        # Of all directories: before names of databases were taken down, nothing said who had signed in it
        shared = replace(layout, journal_database=None)
        found.append(SignedRegistry(shared, tuple(known.store for known in ledgers)))
    return found


def list_all_versions(layout: Layout) -> list[ModelRef]:
    """Return every version of every model of a registry; RegistryError where it cannot be read."""
    client = open_client(layout)
    found: list[ModelRef] = []
    with store_errors(layout):
        token: str | None = None
        while True:
            models = client.search_registered_models(page_token=token)
            for name in (str(model.name) for model in models):
                # What is named otherwise was never signed, and must not keep anybody from exchanging the key
                if MODEL.accepts(name):
                    numbers = _list_numbers(client, name)
                    found += [ModelRef.from_mlflow(client.get_model_version(name, number)) for number in numbers]
            token = models.token
            if not token:
                return found


def _list_numbers(client: MlflowClient, name: str) -> list[str]:
    numbers: list[str] = []
    token: str | None = None
    while True:
        versions = client.search_model_versions(f"name = '{name}'", page_token=token)
        numbers += [str(version.version) for version in versions if VERSION.accepts(str(version.version))]
        token = versions.token
        if not token:
            return numbers
