"""Checks of the model: the signing key, the registry, the champion with its files, verdict, features and age."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from feature_repo.catalog import MARKET_STATE, find_service
from model_registry.approval import describe_signatures
from model_registry.connection import has_database
from model_registry.loading import verified_directory
from model_registry.records import GATE_PASSED, ModelRef, require_tags
from model_registry.registry import list_versions
from model_registry.signing_key import locate_key, open_keys
from pairity.errors import PairityError, RegistryError, SignatureError, UnknownNameError
from serving.doctor.case import Case
from serving.doctor.findings import TIMED, Check, Finding, SkippedError, Sure, fault, warning

_TRAIN = "pairity train"
_OLD = timedelta(days=45)
"""Age of the newest thing that a champion has seen, above which a person should look."""


def find_named_champion(case: Case) -> ModelRef | None:
    """Return the version that carries the champion's alias, signed or not; None where none does.

    SkippedError where there is no registry, or it cannot be read.
    """
    if not has_database(case.layout):
        raise SkippedError("nothing was trained yet")
    try:
        versions = list_versions(case.known)
    except RegistryError:
        raise SkippedError("the registry cannot be read") from None
    alias = case.known.serve.model_alias
    return next((model for model in versions if alias in model.aliases), None)


def _champion(case: Case) -> ModelRef:
    model = find_named_champion(case)
    if model is None:
        raise SkippedError("there is no champion")
    return model


def _check_key(case: Case) -> Iterable[Finding]:
    if not has_database(case.layout):
        raise SkippedError("training makes the key")
    try:
        with open_keys(case.layout.root):
            return []
    except SignatureError as error:
        what = (
            "there is no signing key" if "there is no signing key" in error.what else "the signing key cannot be used"
        )
        return [fault(what, error.what, error.remedy or f"put the key back to {locate_key(case.layout.root)}")]


def _check_registry(case: Case) -> Iterable[Finding]:
    if not has_database(case.layout):
        return [fault("there is no model", f"nothing was trained below {case.layout.mlflow}", _TRAIN)]
    try:
        versions = list_versions(case.known)
    except RegistryError as error:
        return [fault("the model registry cannot be read", error.what, error.remedy)]
    if not versions:
        return [fault("there is no model", f"no version of {case.known.model.name} is registered", _TRAIN)]
    return []


def _check_champion(case: Case) -> Iterable[Finding]:
    model = find_named_champion(case)
    if model is None:
        fact = f"no version of {case.known.model.name} carries the alias {case.known.serve.model_alias}"
        return [fault("there is no champion", fact, "pairity models, then: pairity promote VERSION")]
    named = f"champion version {model.version}"
    trouble = describe_signatures(case.known, model).trouble
    findings = []
    if trouble is not None:
        command = f"pairity models {model.version}; if it is yours: pairity models sign {model.version}"
        findings.append(fault(f"{named} is not signed", trouble, command))
    try:
        require_tags(model.name, model.version, model.tags)
        verified_directory(case.layout, model)
    except PairityError as error:
        command = "pairity rollback --reason …, or: pairity train"
        findings.append(fault(f"the files of {named} are not the registered ones", error.what, command))
    return findings


def _check_gate(case: Case) -> Iterable[Finding]:
    """For real money the gate must have passed the champion, and a person must have confirmed it."""
    model = _champion(case)
    if not case.live:
        raise SkippedError("only real money asks for it")
    findings = []
    if model.gate != GATE_PASSED:
        verdict = model.verdict
        fact = f"the gate says {model.gate!r}" + (f": {verdict.reason}" if verdict is not None else "")
        findings.append(fault(f"champion version {model.version} may not trade real money", fact, _TRAIN))
    elif not describe_signatures(case.known, model).confirmed:
        command = f"pairity models confirm {model.version}"
        what = f"champion version {model.version} waits to be confirmed for real money"
        findings.append(fault(what, "nobody has confirmed it", command))
    return findings


def _check_fit(case: Case) -> Iterable[Finding]:
    model = _champion(case)
    findings = []
    traded = ",".join(case.known.universe.assets if model.is_book else case.known.universe.traded)
    if model.universe and model.universe != traded:
        fact = f"trained on {model.universe}; traded are {traded}"
        findings.append(warning("the champion was made for other assets", fact, _TRAIN))
    try:
        service = find_service(model.feature_service)
    except UnknownNameError as error:
        return [*findings, fault("the champion asks for features that this program does not have", error.what, _TRAIN)]
    if not model.is_book and service.name != case.known.model.feature_service:
        fact = f"it asks for {service.name}; model.feature_service is {case.known.model.feature_service}"
        findings.append(warning("the next training has other features than the champion", fact, _TRAIN))
    return findings


def _check_age(case: Case) -> Iterable[Finding]:
    model = _champion(case)
    if model.is_book:
        raise SkippedError("the champion is a book: nothing of it is learnt")
    try:
        seen = datetime.fromisoformat(model.train_end)
        age = case.now - seen
    except (ValueError, TypeError):
        return [warning("nobody knows what the champion has seen", f"train_end is {model.train_end!r}", _TRAIN)]
    if age <= _OLD:
        return []
    fact = f"it has seen the market up to {seen:%Y-%m-%d}, {age.days} days ago"
    return [warning("the champion is old", fact, f"{_TRAIN}, or keep: pairity retrain", Sure.LIKELY)]


def list_needed_views(case: Case) -> tuple[str, ...]:
    """Return the feature views that a decision reads: those of the champion's service and of the market's state."""
    try:
        service = find_service(_champion(case).feature_service)
    except (SkippedError, UnknownNameError):
        service = find_service(case.known.model.feature_service)
    return tuple(dict.fromkeys((service.view, MARKET_STATE.view)))


CHECKS = (
    Check("key", "model", _check_key),
    Check("registry", "model", _check_registry, limit_s=120.0),
    Check("champion", "model", _check_champion, limit_s=120.0),
    Check("gate", "model", _check_gate),
    Check("fit", "model", _check_fit),
    Check("age", "model", _check_age, TIMED),
)
