"""Registered models: which versions exist, which one is champion, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from model_registry.connection import has_database, open_client, read_once, store_errors
from model_registry.descriptions import ABOUT_ALIASES, describe_version
from model_registry.files import model_digest
from model_registry.loading import read_model, require_model, verified_directory
from model_registry.records import (
    CHALLENGER,
    CHECKS_TAG,
    DESPITE_PARITY,
    DIGEST_TAG,
    GATE_FAILED,
    GATE_PASSED,
    GATE_TAG,
    ModelRef,
    Verdict,
    read_threshold,
    require_tags,
)
from model_registry.signatures import Signer, Verifier, signing
from pairity.errors import NoChampionError, RegistryError, SignatureError, UnknownNameError
from pairity.layout import Layout
from pairity.names import MODEL, VERSION
from pairity.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion


def register(settings: Settings, run_id: str, model_uri: str, tags: Mapping[str, str]) -> ModelRef:
    """Register a logged model as the next version of `settings.model.name`, with the alias `challenger`; return it.

    `tags` must hold feature_service, snapshot_id, code_revision and train_end; the digest of the model's files is
    added, and all of it is signed. `family` says how the files are read (a pair forest where it is missing), and
    `threshold` above which probability a position pays. RegistryError where a tag is missing or a threshold is none,
    ModelIntegrityError where the files are no model of the family that could be loaded again, UnknownNameError where
    there is no such family, SignatureError where the key cannot be used; nothing is registered then. The gate says
    whether the version may trade: see `promote`.
    """
    layout, name = Layout.of(settings), settings.model.name
    files = read_model(layout, model_uri)
    require_model(files, tags)
    all_tags = {**tags, DIGEST_TAG: model_digest(files)}
    require_tags(name, "new", all_tags)
    read_threshold(all_tags, f"the new version of model {name!r}")
    client = open_client(layout)
    with signing(layout) as signer, store_errors(layout):
        found = client.search_registered_models(_name_filter(name))
        if not found:
            client.create_registered_model(name, description=ABOUT_ALIASES)
        elif not found[0].description:
            client.update_registered_model(name, ABOUT_ALIASES)
        created = client.create_model_version(
            name,
            source=model_uri,
            run_id=run_id,
            tags=all_tags,
            description=describe_version(None, _read_card(client, run_id)),
            model_id=model_uri.rsplit("/", 1)[-1],
        )
        # Signed is what we know, and not what the registry answers: somebody else can write there
        model = signer.sign_registration(replace(ModelRef.from_mlflow(created), run_id=run_id, tags=all_tags))
        model = signer.sign_alias(model, CHALLENGER)
        _set_tags(settings, model.version, _added(model, all_tags))
        client.set_registered_model_alias(name, CHALLENGER, created.version)
        signer.put_in_force()
    return find_version(settings, model.version)


def record_verdict(settings: Settings, version: str, verdict: Verdict) -> None:
    """Store the gate's verdict with the version, whatever it was, sign it, and put it into the description for people.

    SignatureError where the version is not the one that was registered.
    """
    layout = Layout.of(settings)
    with signing(layout) as signer:
        model = find_version(settings, version)
        Verifier(layout).require_lineage(model)
        answer = {GATE_TAG: GATE_PASSED if verdict.passed else GATE_FAILED, CHECKS_TAG: verdict.to_json()}
        judged = signer.sign_verdict(replace(model, tags={**model.tags, **answer}))
        _set_tags(settings, version, _added(judged, model.tags))
        signer.put_in_force()
    client = open_client(layout)
    with store_errors(layout):
        described = describe_version(verdict, _read_card(client, model.run_id))
        client.update_model_version(model.name, version, description=described)


def promote(settings: Settings, version: str, reason: str, now: datetime) -> ModelRef:
    """Make `version` champion and return it; it remembers which version it replaced, for `rollback`.

    The model's files and the signatures are checked first. Raises UnknownNameError where the version does not exist,
    RegistryError where it is champion already, ModelIntegrityError where its files are not the registered ones, and
    SignatureError where it is not signed.
    """
    layout, alias = Layout.of(settings), settings.serve.model_alias
    with signing(layout) as signer:
        verifier = Verifier(layout)
        model = find_version(settings, version)
        verified_directory(layout, model)
        verifier.require_registration(model)
        if alias in model.aliases and _is_signed_as(verifier, model, alias):
            raise RegistryError(f"version {version} of {model.name!r} is champion already", "nothing to do")
        # Not what the registry says: a rollback must not lead to where somebody else has put the alias
        replaced = verifier.last_version(model.name, alias)
        tags = {"replaced": "" if replaced == version else replaced, "promotion_reason": reason}
        return _set_champion(settings, signer, model, tags, now)


def rollback(settings: Settings, reason: str, now: datetime) -> ModelRef:
    """Give the alias back to the version that the champion replaced, and return it.

    Raises NoChampionError where there is no champion or it replaced none, ModelIntegrityError where the files of the
    older version are not the registered ones, and SignatureError where either is not signed.
    """
    layout, alias = Layout.of(settings), settings.serve.model_alias
    with signing(layout) as signer:
        current = find_champion(settings)
        replaced = current.tags.get("replaced", "")
        if not replaced:
            raise NoChampionError(
                f"version {current.version} of {current.name!r} is the first champion: there is none to go back to",
                "promote another version: pairity models lists them",
            )
        restored = find_version(settings, replaced)
        verified_directory(layout, restored)
        Verifier(layout).require_past_alias(restored, alias)
        _set_tags(settings, current.version, {"rolled_back": f"{now.isoformat()}: {reason}"})
        # The older champion keeps its own `replaced`: a second rollback goes one version further back.
        said = f"rolled back from version {current.version}: {reason}"
        if restored.is_despite_parity:  # that it must not trade real money is not forgotten on the way back
            said = f"{DESPITE_PARITY}: {said}"
        tags = {"promotion_reason": said}
        return _set_champion(settings, signer, restored, tags, now)


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
    """Return the version of `settings.model.name` that carries `alias` now, signatures checked; nothing is loaded.

    NoChampionError where nothing was trained yet or no version carries the alias; RegistryError where the store cannot
    be used; SignatureError where the version, its lineage, the verdict on it or the alias is not what was signed. The
    trading process asks before every decision: this is one lookup, and none while nobody has written to the database.
    """
    try:
        return _find_alias(settings, alias)
    except SignatureError:
        # Once more: whoever exchanged the key, or promoted, was perhaps between two writes
        return _find_alias(settings, alias)


def _find_alias(settings: Settings, alias: str) -> ModelRef:
    layout, name = Layout.of(settings), settings.model.name
    if not has_database(layout):
        raise NoChampionError(
            f"there is no model registry below {layout.mlflow}, hence no {alias} of {name!r}",
            "run `pairity train` (make train) first, or `make demo`",
        )

    def missing() -> NoChampionError:
        return NoChampionError(
            f"no version of model {name!r} carries the alias {alias!r} in {layout.tracking_place}",
            "run `pairity train` (make train) first and promote a version, or set serve.model_alias to one that exists",
        )

    verifier = Verifier(layout)  # first: see there

    def read() -> ModelRef | None:
        client = open_client(layout)
        try:
            with store_errors(layout, missing):
                return _read_version(lambda: client.get_model_version_by_alias(name, alias))
        except NoChampionError:
            return None

    model = read_once(layout, f"alias {alias} of {name}", read)
    if model is None:
        raise missing()
    verifier.require_alias(model, alias)
    require_tags(model.name, model.version, model.tags)
    return model


def find_champion(settings: Settings) -> ModelRef:
    """Return the version that carries the alias `settings.serve.model_alias`; raises what `find_alias` raises."""
    return find_alias(settings, settings.serve.model_alias)


def find_last_champion(settings: Settings) -> ModelRef:
    """Return the version that was made champion last, whatever the registry says now; signatures are checked.

    NoChampionError where none was; else raises what `find_version` raises, and SignatureError.
    """
    verifier = Verifier(Layout.of(settings))
    version = verifier.last_version(settings.model.name, settings.serve.model_alias)
    if not version:
        raise NoChampionError(f"no version of {settings.model.name!r} was ever promoted here", "promote one")
    model = find_version(settings, version)
    verifier.require_registration(model)
    return model


def _is_signed_as(verifier: Verifier, model: ModelRef, alias: str) -> bool:
    try:
        verifier.require_alias(model, alias)
    except SignatureError:
        return False
    return True


def _read_version(ask: Callable[[], ModelVersion]) -> ModelRef:
    """Return a version as the registry has it; RegistryError where what somebody wrote there is no version at all."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return ModelRef.from_mlflow(ask())
    except (MlflowException, SQLAlchemyError, OSError):
        raise
    except Exception as error:
        # MLflow reads rows without checking them, and the trading process must outlive any of them
        raise RegistryError(
            f"the registry's record cannot be read: {type(error).__name__}: {error}", "restore mlflow.db from a copy"
        ) from error


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


def _set_champion(
    settings: Settings, signer: Signer, model: ModelRef, tags: Mapping[str, str], now: datetime
) -> ModelRef:
    layout, alias = Layout.of(settings), settings.serve.model_alias
    client = open_client(layout)
    named = signer.sign_alias(replace(model, tags={**model.tags, **tags, "promoted_at": now.isoformat()}), alias)
    # Tags before the alias: a trading process that reads in between never sees a champion without its history.
    _set_tags(settings, model.version, _added(named, model.tags))
    with store_errors(layout):
        client.set_registered_model_alias(model.name, alias, model.version)
        signer.put_in_force()
        if _version_with_alias(settings, CHALLENGER) == model.version:
            client.delete_registered_model_alias(model.name, CHALLENGER)
            signer.withdraw_alias(model.name, CHALLENGER)
    return find_version(settings, model.version)


def _added(model: ModelRef, before: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a version that are new or differ."""
    return {name: value for name, value in model.tags.items() if before.get(name) != value}


def _read_card(client: MlflowClient, run_id: str) -> str:
    """Return the model card, which is the note of the run that trained the model; empty where there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_run(run_id).data.tags.get("mlflow.note.content", ""))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return ""


def _set_tags(settings: Settings, version: str, tags: Mapping[str, str]) -> None:
    layout = Layout.of(settings)
    client = open_client(layout)
    with store_errors(layout):
        for name, value in tags.items():
            client.set_model_version_tag(settings.model.name, version, name, value)
