"""Checks of the settings: can they be read, by whom, do they fit what is stored, tokens, and which money."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pydantic import SecretStr

from pairity.configuration import known_settings
from pairity.errors import DataError, PairityError
from pairity.home_settings import collect_values, find_differences, read_remembered
from pairity.key_custody import PREFIX
from pairity.settings import CONFIG_FILE, DOTENV_FILE, DOTENV_VARIABLE, IGNORE_DOTENV, OTHER_VARIABLES
from pairity.settings_files import find_dotenv_fault, find_toml_fault
from serving.doctor.case import Case
from serving.doctor.findings import Check, Finding, fault, warning
from serving.risk import choose_mode

LEAST_TOKEN = 24
"""Characters of a token: as many of a random one hold more than 120 bits."""
_LEAST_DIFFERENT = 8
_NEW_TOKEN = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'


def _check_settings(case: Case) -> Iterable[Finding]:
    ignored = os.environ.get(DOTENV_VARIABLE) == IGNORE_DOTENV
    try:
        found = [
            None if ignored else find_dotenv_fault(Path(DOTENV_FILE), PREFIX, OTHER_VARIABLES),
            find_toml_fault(Path(CONFIG_FILE), known_settings(), PREFIX),
        ]
    except OSError:
        found = []  # reading stopped there, too
    # What a file says wrong is what reading stops at, too.
    said = {error.what for error in found if error is not None}
    if case.refused is not None and case.refused.what not in said:
        found.append(case.refused)
    return [_refusal("the settings cannot be used", error) for error in found if error is not None]


def _check_tokens(case: Case) -> Iterable[Finding]:
    serve = case.known.serve
    tokens = {
        name: token for name in ("status_token", "control_token") if (token := _reveal(getattr(serve, name, None)))
    }
    findings = [
        warning(
            f"serve.{name} is easy to guess",
            f"it has {len(token)} characters, {len(set(token))} different ones; {LEAST_TOKEN} random ones are needed",
            f"{_NEW_TOKEN}  and set {PREFIX}SERVE__{name.upper()} to what it prints",
        )
        for name, token in tokens.items()
        if len(token) < LEAST_TOKEN or len(set(token)) < _LEAST_DIFFERENT
    ]
    if len(tokens) > 1 and len(set(tokens.values())) == 1:
        findings.append(
            warning(
                "whoever may read the status may act, too",
                "serve.status_token and serve.control_token are the same",
                f"{_NEW_TOKEN}  and set one of them to what it prints",
            )
        )
    return findings


def _check_mode(case: Case) -> Iterable[Finding]:
    try:
        choose_mode(case.known, live=case.live)
    except PairityError as error:
        return [_refusal("this money cannot be traded", error)]
    return []


def _reveal(token: object) -> str:
    return token.get_secret_value() if isinstance(token, SecretStr) else ""


def _refusal(what: str, error: PairityError) -> Finding:
    return fault(what, error.what, error.remedy.removeprefix("run: ") or "correct it")


def _check_stored(case: Case) -> Iterable[Finding]:
    """Compare the settings with those that the data directory was made with."""
    try:
        remembered = read_remembered(case.layout)
    except DataError as error:
        return [fault("the record of the settings cannot be read", error.what, error.remedy)]
    differences = find_differences(remembered or {}, collect_values(case.known, interval=True))
    what = "the settings are not those that the data directory was made with"
    return [warning(what, str(item), "pairity settings") for item in differences]


CHECKS = (
    Check("configuration", "settings", _check_settings, frozenset()),
    Check("tokens", "settings", _check_tokens),
    Check("stored-settings", "settings", _check_stored),
    Check("mode", "settings", _check_mode),
)
