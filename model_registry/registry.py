"""Registered models: which versions exist, which one is champion, and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from model_registry.connection import has_database, open_client, store_errors
from model_registry.files import model_digest
from model_registry.loading import model_directory, verified_directory
from model_registry.records import (
    CHALLENGER,
    CHECKS_TAG,
    DIGEST_TAG,
    GATE_FAILED,
    GATE_PASSED,
    GATE_TAG,
    ModelRef,
    Verdict,
    require_tags,
)
from pairity.errors import NoChampionError, RegistryError, UnknownNameError
from pairity.layout import Layout
from pairity.names import MODEL, VERSION
from pairity.settings import Settings


def register(settings: Settings, run_id: str, model_uri: str, tags: Mapping[str, str]) -> ModelRef:
    """Register a logged model as the next version of `settings.model.name`, with the alias `challenger`; return it.

    `tags` must hold feature_service, snapshot_id, code_revision and train_end; the digest of the model's files is
    added. RegistryError where one is missing. The gate says whether the version may trade: see `promote`.
    """
    layout, name = Layout.of(settings), settings.model.name
    all_tags = {**tags, DIGEST_TAG: model_digest(model_directory(layout, model_uri))}
    require_tags(name, "new", all_tags)
    client = open_client(layout)
    with store_errors(layout):
        if not client.search_registered_models(_name_filter(name)):
            client.create_registered_model(name)
        created = client.create_model_version(
            name, source=model_uri, run_id=run_id, tags=all_tags, model_id=model_uri.rsplit("/", 1)[-1]
        )
        client.set_registered_model_alias(name, CHALLENGER, created.version)
    return find_version(settings, str(created.version))


def record_verdict(settings: Settings, version: str, verdict: Verdict) -> None:
    """Store the gate's verdict with the version, whatever it was."""
    answer = GATE_PASSED if verdict.passed else GATE_FAILED
    _set_tags(settings, version, {GATE_TAG: answer, CHECKS_TAG: verdict.to_json()})


def promote(settings: Settings, version: str, reason: str, now: datetime) -> ModelRef:
    """Make `version` champion and return it; it remembers which version it replaced, for `rollback`.

    The model's files are checked first. Raises UnknownNameError where the version does not exist, RegistryError where
    it is champion already, and ModelIntegrityError where its files are not the registered ones.
    """
    model = find_version(settings, version)
    verified_directory(Layout.of(settings), model)
    replaced = _version_with_alias(settings, settings.serve.model_alias)
    if replaced == model.version:
        raise RegistryError(f"version {version} of {model.name!r} is champion already", "nothing to do")
    return _set_champion(settings, model, {"replaced": replaced or "", "promotion_reason": reason}, now)


def rollback(settings: Settings, reason: str, now: datetime) -> ModelRef:
    """Give the alias back to the version that the champion replaced, and return it.

    Raises NoChampionError where there is no champion or it replaced none, and ModelIntegrityError where the files of
    the older version are not the registered ones.
    """
    current = find_champion(settings)
    replaced = current.tags.get("replaced", "")
    if not replaced:
        raise NoChampionError(
            f"version {current.version} of {current.name!r} is the first champion: there is none to go back to",
            "promote another version: pairity models lists them",
        )
    restored = find_version(settings, replaced)
    verified_directory(Layout.of(settings), restored)
    _set_tags(settings, current.version, {"rolled_back": f"{now.isoformat()}: {reason}"})
    # The older champion keeps its own `replaced`: a second rollback goes one version further back.
    why = f"rolled back from version {current.version}: {reason}"
    return _set_champion(settings, restored, {"promotion_reason": why}, now)


def list_versions(settings: Settings, name: str | None = None) -> list[ModelRef]:
    """Return all versions of a model (default: `settings.model.name`), newest first; none where nothing was trained.

    Versions that lack their lineage are listed too: only using one is refused.
    """
    layout, name = Layout.of(settings), name or settings.model.name
    if not has_database(layout):
        return []
    client = open_client(layout)
    with store_errors(layout):
        numbers = [version.version for version in client.search_model_versions(_name_filter(name))]
        # The search leaves out aliases, hence a second question for each version.
        models = [ModelRef.from_mlflow(client.get_model_version(name, number)) for number in numbers]
    return sorted(models, key=lambda model: -int(model.version))


def find_version(settings: Settings, version: str, name: str | None = None) -> ModelRef:
    """Return one version of a model (default: `settings.model.name`) by number.

    UnknownNameError, with the versions that exist, where it does not; nothing is loaded.
    """
    layout, name = Layout.of(settings), name or settings.model.name

    def unknown() -> UnknownNameError:
        return UnknownNameError(
            f"version of model {name!r}", version, [model.version for model in list_versions(settings, name)]
        )

    if not has_database(layout) or not VERSION.accepts(version):
        raise unknown()
    client = open_client(layout)
    with store_errors(layout, unknown):
        return ModelRef.from_mlflow(client.get_model_version(name, version))


def find_alias(settings: Settings, alias: str) -> ModelRef:
    """Return the version of `settings.model.name` that carries `alias` now; nothing is loaded.

    NoChampionError where nothing was trained yet or no version carries the alias; RegistryError where the store cannot
    be used or the version lacks its lineage. The trading process asks before every decision: this is one lookup.
    """
    layout, name = Layout.of(settings), settings.model.name
    if not has_database(layout):
        raise NoChampionError(
            f"there is no model registry below {layout.mlflow}, hence no {alias} of {name!r}",
            "run `make train` first (or `make demo`)",
        )

    def missing() -> NoChampionError:
        return NoChampionError(
            f"no version of model {name!r} carries the alias {alias!r} in {layout.tracking_uri}",
            "run `make train` first and promote a version, or set serve.model_alias to an alias that exists",
        )

    client = open_client(layout)
    with store_errors(layout, missing):
        model = ModelRef.from_mlflow(client.get_model_version_by_alias(name, alias))
    require_tags(model.name, model.version, model.tags)
    return model


def find_champion(settings: Settings) -> ModelRef:
    """Return the version that carries the alias `settings.serve.model_alias`; raises what `find_alias` raises."""
    return find_alias(settings, settings.serve.model_alias)


def _name_filter(name: str) -> str:
    """Return MLflow's query for a model; a name that could end the quotation is no name of a model."""
    return f"name = '{MODEL.check(name)}'"


def _version_with_alias(settings: Settings, alias: str) -> str | None:
    """Return the number that carries an alias, whatever the version's lineage; None where none does."""
    layout = Layout.of(settings)
    client = open_client(layout)
    with store_errors(layout):
        models = client.search_registered_models(_name_filter(settings.model.name))
        version = models[0].aliases.get(alias) if models else None
    return None if version is None else str(version)


def _set_champion(settings: Settings, model: ModelRef, tags: Mapping[str, str], now: datetime) -> ModelRef:
    layout = Layout.of(settings)
    client = open_client(layout)
    # Tags before the alias: a trading process that reads in between never sees a champion without its history.
    _set_tags(settings, model.version, {**tags, "promoted_at": now.isoformat()})
    with store_errors(layout):
        client.set_registered_model_alias(model.name, settings.serve.model_alias, model.version)
        if _version_with_alias(settings, CHALLENGER) == model.version:
            client.delete_registered_model_alias(model.name, CHALLENGER)
    return find_version(settings, model.version)


def _set_tags(settings: Settings, version: str, tags: Mapping[str, str]) -> None:
    layout = Layout.of(settings)
    client = open_client(layout)
    with store_errors(layout):
        for name, value in tags.items():
            client.set_model_version_tag(settings.model.name, version, name, value)
