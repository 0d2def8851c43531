"""Registered models: who is champion, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from feature_repo.model_files import CHALLENGER, model_digest, verify_model
from pairity.errors import NoChampionError, RegistryError, UnknownNameError
from pairity.layout import Layout
from pairity.settings import Settings
from training.promotion.gate import Verdict
from training.tracking import model_directory, open_client, store_errors

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

_GATE, _GATE_CHECKS = "gate", "gate_checks"
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
    def verdict(self) -> Verdict | None:
        """What the gate said of it; None where it was not asked."""
        text = self.tags.get(_GATE_CHECKS)
        return None if text is None else Verdict.from_json(text)

    @property
    def train_end(self) -> str:
        """Last instant that training has seen (ISO): anything up to it must not be used to judge the model."""
        return self.tags["train_end"]


def register(settings: Settings, run_id: str, model_uri: str, tags: Mapping[str, str]) -> ModelRef:
    """Register a logged model as the next version of `settings.model.name`, with the alias `challenger`.

    `tags` must hold feature_service, snapshot_id, code_revision and train_end; the digest of the model's files is
    added. Whether it may trade is for the gate to say: see `promote`.
    """
    layout, name = Layout.of(settings), settings.model.name
    all_tags = {**tags, "model_sha256": model_digest(model_directory(layout, model_uri))}
    _require_tags(name, "new", all_tags)
    client = open_client(layout)
    with store_errors(layout):
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        version = client.create_model_version(
            name, source=model_uri, run_id=run_id, tags=all_tags, model_id=model_uri.rsplit("/", 1)[-1]
        )
        client.set_registered_model_alias(name, CHALLENGER, version.version)
    return ModelRef(name, str(version.version), run_id, model_uri, all_tags)


def record_verdict(settings: Settings, version: str, verdict: Verdict) -> None:
    """Keep the gate's verdict with the version, whatever it was."""
    layout, name = Layout.of(settings), settings.model.name
    client = open_client(layout)
    with store_errors(layout):
        client.set_model_version_tag(name, version, _GATE, "passed" if verdict.passed else "failed")
        client.set_model_version_tag(name, version, _GATE_CHECKS, verdict.to_json())


def promote(settings: Settings, version: str, reason: str, now: datetime) -> ModelRef:
    """Make `version` champion; the version before it is remembered, for `rollback`.

    The model's files are checked first. RegistryError where the version does not exist or is champion already,
    ModelIntegrityError where its files are not those that were registered.
    """
    found = version_of(settings, version)
    checked_directory(settings, found)
    before = _alias(settings, settings.serve.model_alias)
    if before == version:
        raise RegistryError(f"version {version} of {found.name!r} is champion already", "nothing to do")
    return _set_champion(settings, found, {"replaced": before or "", "promotion_reason": reason}, now)


def rollback(settings: Settings, reason: str, now: datetime) -> ModelRef:
    """Give the alias back to the version that the champion replaced; NoChampionError where it replaced none."""
    current = champion(settings)
    before = current.tags.get("replaced", "")
    if not before:
        raise NoChampionError(
            f"version {current.version} of {current.name!r} is the first champion: there is none to go back to",
            "promote another version: pairity models lists them",
        )
    found = version_of(settings, before)
    checked_directory(settings, found)
    layout = Layout.of(settings)
    with store_errors(layout):
        open_client(layout).set_model_version_tag(
            current.name, current.version, "rolled_back", f"{now.isoformat()}: {reason}"
        )
    # What the older champion had replaced stays as it was: a second rollback goes one further back.
    return _set_champion(settings, found, {"promotion_reason": f"rolled back from version {current.version}: {reason}"},
                         now)  # fmt: skip


def versions(settings: Settings) -> list[ModelRef]:
    """All versions, newest first, none where nothing was trained; `aliases` (comma-separated) is among their tags."""
    layout, name = Layout.of(settings), settings.model.name
    if not (layout.mlflow / "mlflow.db").exists():
        return []
    client = open_client(layout)
    with store_errors(layout):
        known = client.search_registered_models(f"name = '{name}'")
        aliases: dict[str, list[str]] = {}
        for alias, version in known[0].aliases.items() if known else ():
            aliases.setdefault(str(version), []).append(alias)
        found = client.search_model_versions(f"name = '{name}'")
        refs = [_reference(v.name, client.get_model_version(v.name, v.version)) for v in found]
    refs.sort(key=lambda ref: -int(ref.version))
    return [replace(ref, tags={**ref.tags, "aliases": ", ".join(sorted(aliases.get(ref.version, [])))}) for ref in refs]


def version_of(settings: Settings, version: str) -> ModelRef:
    """One version by number; UnknownNameError where it does not exist."""
    known = {ref.version: ref for ref in versions(settings)}
    if version not in known:
        raise UnknownNameError(f"version of model {settings.model.name!r}", version, known)
    return known[version]


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
    version = _alias(settings, alias)
    if version is None:
        raise NoChampionError(
            f"no version of model {name!r} carries the alias {alias!r}",
            "run `make train` first and promote a version, or set serve.model_alias to an alias that exists",
        )
    with store_errors(layout):
        found = _reference(name, client.get_model_version(name, version))
    _require_tags(name, found.version, found.tags)
    return found


def checked_directory(settings: Settings, model: ModelRef) -> Path:
    """The local directory of a version's files; ModelIntegrityError unless they are the ones registered."""
    directory = model_directory(Layout.of(settings), model.model_uri)
    verify_model(directory, model.model_sha256)
    return directory


def _alias(settings: Settings, alias: str) -> str | None:
    layout = Layout.of(settings)
    client = open_client(layout)
    with store_errors(layout):
        known = client.search_registered_models(f"name = '{settings.model.name}'")
        version = known[0].aliases.get(alias) if known else None
    return None if version is None else str(version)


def _set_champion(settings: Settings, found: ModelRef, tags: Mapping[str, str], now: datetime) -> ModelRef:
    layout = Layout.of(settings)
    client = open_client(layout)
    told = {**tags, "promoted_at": now.isoformat()}
    with store_errors(layout):
        for name, value in told.items():
            client.set_model_version_tag(found.name, found.version, name, value)
        client.set_registered_model_alias(found.name, settings.serve.model_alias, found.version)
        if _alias(settings, CHALLENGER) == found.version:
            client.delete_registered_model_alias(found.name, CHALLENGER)
    return replace(found, tags={**found.tags, **told})


def _reference(name: str, found: ModelVersion) -> ModelRef:
    return ModelRef(name, str(found.version), str(found.run_id), str(found.source), dict(found.tags))


def _require_tags(name: str, version: str, tags: Mapping[str, str]) -> None:
    missing = [tag for tag in _REQUIRED_TAGS if not tags.get(tag)]
    if missing:
        raise RegistryError(
            f"version {version} of model {name!r} lacks {', '.join(missing)}: its origin cannot be traced",
            "train again: registration writes them",
        )
