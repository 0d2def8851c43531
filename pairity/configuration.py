"""Settings, read from file, environment and command line; misspelt and misplaced names are refused by name.

A message names the setting and the remedy. It has the value only of a setting that exists and is in no section with
secrets: a name that is misspelt may well be that of a secret. For the same reason what is wrong is returned up to
`load_settings`, which raises it: the error leads to no variable, and to no other error, that holds a value.
"""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsError

from pairity.alert_settings import list_hidden_parts
from pairity.errors import ConfigError, UnknownNameError
from pairity.gone_settings import GONE
from pairity.key_custody import PREFIX, list_secrets, list_suspicious, taken_keys
from pairity.redaction import learn_secrets
from pairity.secret_names import HIDDEN_SECTIONS, SECRET_SETTINGS, may_show, show_name
from pairity.setting_types import Section
from pairity.settings import (
    CONFIG_FILE,
    DOTENV_FILE,
    DOTENV_VARIABLE,
    IGNORE_DOTENV,
    OTHER_VARIABLES,
    Settings,
)
from pairity.settings_files import find_dotenv_fault, find_toml_fault

_SECRETS = frozenset((section, name) for section, names in SECRET_SETTINGS.items() for name in names)
_PLACES = f"{CONFIG_FILE}, .env, the environment ({PREFIX}SECTION__NAME) or the command line"


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - values of any section, checked by the model
    """Return the settings of file and environment; ConfigError names the setting, the value and the choices.

    `overrides` are nested dictionaries per section (command-line options), merged over the other sources. The value of
    a secret is in no message, nor is any value of a section with secrets or of a name that does not exist.
    """
    fault = _find_fault()
    if fault is None:
        settings = _read_settings(overrides)
        if isinstance(settings, Settings):
            return settings
        fault = settings
    raise fault


def known_settings() -> dict[str, tuple[str, ...]]:
    """Return the names of all settings by section; one that stands alone (`home`) is a section without names."""
    return {
        name: tuple(field.annotation.model_fields)
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        else ()
        for name, field in Settings.model_fields.items()
    }


def _find_fault() -> ConfigError | None:
    """Return what is wrong with a source of settings as such; what it may not say is learnt on the way."""
    _learn_from_environment()
    ignored = os.environ.get(DOTENV_VARIABLE) == IGNORE_DOTENV
    if not ignored and os.environ.get(DOTENV_VARIABLE):
        return ConfigError(
            f"{DOTENV_VARIABLE} has a value that means nothing", f"set it to {IGNORE_DOTENV}, or unset it"
        )
    return (
        _find_unknown_variable()
        or (None if ignored else find_dotenv_fault(Path(DOTENV_FILE), PREFIX, OTHER_VARIABLES))
        or find_toml_fault(Path(CONFIG_FILE), known_settings(), PREFIX)
    )


def _read_settings(overrides: dict[str, Any]) -> Settings | ConfigError:
    try:
        settings = Settings(**overrides)
    except SettingsError as error:
        named = re.search(r'for field "(\w+)"', str(error))
        where = f"setting {named[1]}" if named else "a setting"
        return ConfigError(f"{where} is not JSON in the environment or .env", f"correct it in {_PLACES}")
    except ValidationError as error:
        faults = "; ".join(_explain(item) for item in error.errors(include_url=False))
        return ConfigError(faults, f"correct it in {_PLACES}")
    for section in SECRET_SETTINGS:
        for value in vars(getattr(settings, section)).values():
            inner = value.values() if isinstance(value, dict) else [value]
            learn_secrets(item.get_secret_value() for item in inner if isinstance(item, SecretStr))
    learn_secrets(list_hidden_parts(settings.alerts))
    return settings


def _explain(item: Any) -> str:  # noqa: ANN401 - pydantic's error dictionaries
    if not item["loc"]:  # about several settings at once: the message names them
        return str(item["msg"]).removeprefix("Value error, ")
    known = known_settings()
    section, *inner = (str(part) for part in item["loc"])
    has_secrets = section in HIDDEN_SECTIONS or (section, *inner[:1]) in _SECRETS
    every = known[section] if section in known else tuple(known)
    shown = [show_name(name, every, strict=has_secrets) for name in inner[:1]]
    path = ".".join([show_name(section, known), *shown, *(name for name in inner[1:] if name.isdigit())])
    if item["type"] == "extra_forbidden":
        if (section, *inner[:1]) in GONE:
            return f"setting {section}.{inner[0]} is gone: {GONE[section, inner[0]]}"
        near = get_close_matches(inner[0] if inner else section, every, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"setting {path}: there is no such setting{hint}"
    value = item.get("input")
    if has_secrets or not isinstance(value, str | int | float):
        return f"setting {path}: {item['msg']}"
    # Where a number belongs, a text is a mistake, and may be a secret in the wrong place
    mistaken = isinstance(value, str) and item["type"].endswith(("_parsing", "_type")) and not _is_number(value)
    if mistaken or not may_show(str(value)):
        said = item["msg"] if str(value) not in item["msg"] else "it cannot be used"
        return f"setting {path}: {said}"
    return f"setting {path} = {value!r}: {item['msg']}"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[0-9.,]+(e[-+]?[0-9]+)?", text.strip(), re.IGNORECASE) is not None


def _learn_from_environment() -> None:
    ours = {name: value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}
    learn_secrets(list_suspicious(ours))
    learn_secrets(list_secrets({**ours, **taken_keys()}))


def _find_unknown_variable() -> ConfigError | None:
    """Return the error for a misspelt variable, which pydantic would ignore in silence."""
    known = known_settings()
    variables = {f"{PREFIX}{section}".upper() for section in known}
    variables |= {f"{PREFIX}{section}__{name}".upper() for section, names in known.items() for name in names}
    for variable in os.environ:
        if variable.upper().startswith(PREFIX) and variable.upper() not in variables | OTHER_VARIABLES:
            section, _, name = variable[len(PREFIX) :].lower().partition("__")
            if (section, name) in GONE:
                return ConfigError(
                    f"environment variable {variable} is gone: {GONE[section, name]}", f"unset {variable}"
                )
            return UnknownNameError("environment variable", _show_variable(variable), variables | OTHER_VARIABLES)
    return None


def _show_variable(variable: str) -> str:
    """Return a misspelt variable, each part as far as it may be shown."""
    known = known_settings()
    every = {*known, *(name for names in known.values() for name in names)}
    every |= {name.removeprefix(PREFIX) for name in OTHER_VARIABLES}
    section, *inner = variable[len(PREFIX) :].split("__")
    strict = section.lower() in HIDDEN_SECTIONS
    return variable[: len(PREFIX)] + "__".join(
        [show_name(section, every), *(show_name(name, every, strict=strict) for name in inner)]
    )
