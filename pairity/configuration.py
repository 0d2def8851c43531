"""Settings, read from file, environment and command line; misspelt and misplaced names are refused by name."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pairity.errors import ConfigError, UnknownNameError
from pairity.settings import CONFIG_FILE, OTHER_VARIABLES, PREFIX, SECRET_SETTINGS, SECRETS, Section, Settings


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - values of any section, checked by the model
    """Return the settings of file and environment; ConfigError names the setting, the value and the choices.

    `overrides` are nested dictionaries per section (command-line options), merged over the other sources.
    """
    _refuse_unknown_variables()
    try:
        settings = Settings(**overrides)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{CONFIG_FILE} is not TOML: {error}", "correct the line that is named") from None
    except ValidationError as error:
        faults = "; ".join(_explain(item) for item in error.errors(include_url=False))
        places = f"{CONFIG_FILE}, .env, the environment ({PREFIX}SECTION__NAME) or the command line"
        raise ConfigError(faults, f"correct it in {places}") from None
    _refuse_secrets_in_file()
    return settings


def _explain(item: Any) -> str:  # noqa: ANN401 - pydantic's error dictionaries
    path = ".".join(str(part) for part in item["loc"])
    # A secret must not be printed, and neither a whole section, which may hold one.
    if not isinstance(item.get("input"), str | int | float) or any(secret in path for secret in SECRETS):
        return f"setting {path}: {item['msg']}"
    return f"setting {path} = {item.get('input')!r}: {item['msg']}"


def _refuse_unknown_variables() -> None:
    """Raise UnknownNameError for a misspelt variable, which pydantic would ignore in silence."""
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            known |= {f"{PREFIX}{name}__{leaf}".upper() for leaf in field.annotation.model_fields}
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable not in known | OTHER_VARIABLES:
            raise UnknownNameError("environment variable", variable, known | OTHER_VARIABLES)


def _refuse_secrets_in_file() -> None:
    """Raise ConfigError where the settings file, which people share, holds a secret."""
    path = Path(CONFIG_FILE)
    if not path.is_file():
        return
    content = tomllib.loads(path.read_text())
    for section, secrets in SECRET_SETTINGS.items():
        for secret in secrets:
            if secret in content.get(section, {}):
                raise ConfigError(
                    f"{CONFIG_FILE} holds the secret {section}.{secret}",
                    f"move it to the environment or .env as {PREFIX}{section.upper()}__{secret.upper()}",
                )
