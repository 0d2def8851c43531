"""Custody of keys: out of the environment of the process, where everything that it starts would find them.

`pairity.child_environment` is for what the product starts itself. Libraries start processes too (git, fonts, trackers
of shared memory), and those inherit the environment. So the command line takes the keys out of it at its start; the
settings find them here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, MutableMapping

from pairity.secret_names import SECRET_SETTINGS, sounds_secret

PREFIX = "PAIRITY_"
_PATH_OF_A_KEY = "PAIRITY_SIGNING_KEY"
_taken: dict[str, str] = {}


def list_key_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that hold a secret setting, or a whole section with some, in whatever case."""
    holders = {f"{PREFIX}{section}".upper() for section in SECRET_SETTINGS}
    holders |= {f"{PREFIX}{section}__{name}".upper() for section, names in SECRET_SETTINGS.items() for name in names}
    return {name: value for name, value in variables.items() if name.upper() in holders}


def list_secrets(variables: Mapping[str, str]) -> list[str]:
    """Return the values of the variables with keys, and the texts inside those that hold a section as JSON."""
    found = []
    for content in list_key_variables(variables).values():
        found.append(content)
        try:
            section = json.loads(content)
        except ValueError:
            continue
        if isinstance(section, dict):
            for value in section.values():
                # A setting may be an object itself, with one secret per name.
                inner = value.values() if isinstance(value, dict) else [value]
                found += [text for text in inner if isinstance(text, str)]
    return found


def list_suspicious(variables: Mapping[str, str]) -> list[str]:
    """Return the values of our variables that are named like secrets: misspelt ones are secrets too.

    The path of the signing key is none; messages name it. What has no folder is no path, and may be the key itself.
    """
    return [
        value
        for name, value in variables.items()
        if name.upper().startswith(PREFIX) and sounds_secret(name)
        if name.upper() != _PATH_OF_A_KEY or os.sep not in value
    ]


def take_keys(environment: MutableMapping[str, str] = os.environ) -> None:
    """Move the variables with keys from the environment into this process's own memory."""
    for name, value in list_key_variables(environment).items():
        _taken[name] = value
        del environment[name]


def taken_keys() -> dict[str, str]:
    """Return what was taken, by variable."""
    return dict(_taken)
