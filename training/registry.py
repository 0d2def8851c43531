"""Registered models: who is champion, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from feature_repo.model_files import model_digest, verify_model
from pairity.errors import NoChampionError, RegistryError
from pairity.layout import Layout
from pairity.settings import Settings
from training.tracking import model_directory, open_client, store_errors

_REQUIRED_TAGS = ("feature_service", "model_sha256", "snapshot_id", "code_revision", "train_end")


@dataclass(frozen=True, slots=True)
class ModelRef:
    """One registered model version, and where it came from."""

    name: str
    version: str
    run_id: str
    model_uri: str
    tags: Mapping[str, str]

    @property
    def feature_service(self) -> str:
        """What the model was trained on and must be asked with."""
        return self.tags["feature_service"]

    @property
    def model_sha256(self) -> str:
        """`model_digest` of its files at registration."""
        return self.tags["model_sha256"]

    @property
    def train_end(self) -> str:
        """Last instant that training has seen (ISO): anything up to it must not be used to judge the model."""
        return self.tags["train_end"]


def register(settings: Settings, run_id: str, model_uri: str, tags: Mapping[str, str], reason: str) -> ModelRef:
    """Register a logged model as the next version of `settings.model.name` and make it champion.

    `tags` must hold feature_service, snapshot_id, code_revision and train_end; the digest of the model's files is
    added, and `reason` says on the version why it was promoted.
    """
    layout = Layout.of(settings)
    directory = model_directory(layout, model_uri)
    promotion = {"promotion": "promoted", "promotion_reason": reason, "model_sha256": model_digest(directory)}
    all_tags = {**tags, **promotion}
    _require_tags(settings.model.name, "new", all_tags)
    client = open_client(layout)
    with store_errors(layout):
        if not client.search_registered_models(f"name = '{settings.model.name}'"):
            client.create_registered_model(settings.model.name)
        version = client.create_model_version(
            settings.model.name, source=model_uri, run_id=run_id, tags=all_tags, model_id=model_uri.rsplit("/", 1)[-1]
        )
        client.set_registered_model_alias(settings.model.name, settings.serve.model_alias, version.version)
    return ModelRef(settings.model.name, str(version.version), run_id, model_uri, all_tags)


def champion(settings: Settings) -> ModelRef:
    """The version that carries the alias `settings.serve.model_alias`.

    NoChampionError where nothing was trained yet or no version carries the alias; RegistryError where the store cannot
    be used or the version lacks its lineage.
    """
    layout, name, alias = Layout.of(settings), settings.model.name, settings.serve.model_alias
    if not (layout.mlflow / "mlflow.db").exists():
        raise NoChampionError(
            f"there is no model registry below {layout.mlflow}, hence no {alias} of {name!r}", "run `make train` first"
        )
    client = open_client(layout)
    with store_errors(layout):
        known = client.search_registered_models(f"name = '{name}'")
        version = known[0].aliases.get(alias) if known else None
        if version is None:
            raise NoChampionError(
                f"no version of model {name!r} carries the alias {alias!r}",
                "run `make train` first, or set serve.model_alias to an alias that exists",
            )
        found = client.get_model_version(name, version)
    _require_tags(name, str(found.version), found.tags)
    return ModelRef(name, str(found.version), str(found.run_id), str(found.source), dict(found.tags))


def checked_directory(settings: Settings, model: ModelRef) -> Path:
    """The local directory of a version's files; ModelIntegrityError unless they are the ones registered."""
    directory = model_directory(Layout.of(settings), model.model_uri)
    verify_model(directory, model.model_sha256)
    return directory


def _require_tags(name: str, version: str, tags: Mapping[str, str]) -> None:
    missing = [tag for tag in _REQUIRED_TAGS if not tags.get(tag)]
    if missing:
        raise RegistryError(
            f"version {version} of model {name!r} lacks {', '.join(missing)}: its origin cannot be traced",
            "train again: registration writes them",
        )
