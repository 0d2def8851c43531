"""Files of settings: `pairity.toml`, which people share and which holds no secret, and `.env`, which is private.

What is wrong with a file is returned, not raised: an error that leaves a function carries the function's variables with
it, and here those are the content of the files. No value is in a message, and no line.
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairity.bounded_files import read_file
from pairity.bounded_numbers import OutOfBoundsError
from pairity.errors import ConfigError
from pairity.key_custody import list_key_variables, list_secrets
from pairity.private_files import find_exposure
from pairity.redaction import learn_secrets
from pairity.secret_names import SECRET_SETTINGS, show_name, sounds_secret

if TYPE_CHECKING:
    from dotenv.parser import Binding

_LARGEST = 1 << 20
_NO_FILE = "move it away: settings are read from files only"
_BOM = b"\xef\xbb\xbf"
_ONLY_ONCE = "set it in the environment of the one command that needs it"


def find_toml_fault(path: Path, known: Mapping[str, Collection[str]], prefix: str) -> ConfigError | None:
    """Return why the settings file cannot be used; None where it can, or is not there.

    `known` has the names of the settings by section. A secret is refused in any spelling, section and depth.
    """
    if not path.exists():
        return None
    if not path.is_file():
        return ConfigError(f"{path} is no file", _NO_FILE)
    if (exposed := find_exposure(path, others_may_read=True)) is not None:
        return exposed
    text = _read(path)
    if isinstance(text, ConfigError):
        return text
    content = _parse_toml(path, text)
    if isinstance(content, ConfigError):
        return content
    for names, value in _walk(content, ()):
        if sounds_secret(names[-1]) and not _is_plain_setting(names, known):
            learn_secrets(_texts(value))
            return _refuse_secret(path, names, known, prefix)
    return None


def find_dotenv_fault(path: Path, prefix: str, never: Collection[str]) -> ConfigError | None:
    """Return why `.env` cannot be used; None where it can, or is not there.

    Its keys make it private: a file with one that others can read is refused, as is one that others can write. `never`
    has the variables that are no settings.
    """
    if not path.exists():
        return None
    if not path.is_file():
        return ConfigError(f"{path} is no file", _NO_FILE)
    text = _read(path)
    if isinstance(text, ConfigError):
        return text
    lines = _parse_dotenv(text)
    variables = {line.key: line.value or "" for line in lines if line.key}
    keys = list_key_variables(variables)
    learn_secrets(list_secrets(variables))
    learn_secrets(value for name, value in variables.items() if name.upper().startswith(prefix) and sounds_secret(name))
    if (exposed := find_exposure(path, others_may_read=not keys)) is not None:
        return exposed
    broken = [_number(line) for line in lines if line.error]
    if broken:
        return ConfigError(f"{path} cannot be read in line {broken[0]}", "write it as NAME=value")
    for name in variables:
        if name.upper() in never:
            return ConfigError(f"{name.upper()} stands in {path}, where it would be forgotten", _ONLY_ONCE)
    return None


def _read(path: Path) -> str | ConfigError:
    try:
        content = read_file(path, _LARGEST)
    except OutOfBoundsError as error:
        return ConfigError(f"the file of settings {path} {error.what}", "correct or replace it")
    if content.startswith(_BOM):
        return ConfigError(f"{path} begins with a byte order mark", "save it as UTF-8 without one")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        return ConfigError(f"{path} is not UTF-8 (byte {error.start})", "save it as UTF-8")


def _parse_toml(path: Path, text: str) -> dict[str, Any] | ConfigError:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The message may quote a name of the line; where it is may be said
        place = re.search(r"\((at line \d+, column \d+|at end of document)\)$", str(error))
        where = place[1] if place else "at an unknown place"
        return ConfigError(f"{path} is not TOML {where}", "correct the line that is named")
    except RecursionError:
        return ConfigError(f"{path} nests too deeply", "settings are tables of one level")
    except ValueError:
        return ConfigError(f"{path} has a number of thousands of digits", "write plain values")


def _parse_dotenv(text: str) -> list[Binding]:
    from dotenv.parser import parse_stream

    logging.getLogger("dotenv.main").setLevel(logging.ERROR)  # what it would warn of is refused here
    return list(parse_stream(StringIO(text)))


def _number(line: Binding) -> int:
    text = line.original.string
    return line.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def _walk(value: object, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every name below a table, with the names above it, whether in tables, inline tables or arrays of tables."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*names, str(name)), inner
            yield from _walk(inner, (*names, str(name)))
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, names)


def _texts(value: object) -> list[str]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [text for item in inner for text in _texts(item)]
    return [str(value)]


def _is_plain_setting(names: tuple[str, ...], known: Mapping[str, Collection[str]]) -> bool:
    section, *leaf = names
    if not leaf:
        return section in known
    return len(leaf) == 1 and leaf[0] in known.get(section, ()) and leaf[0] not in SECRET_SETTINGS.get(section, ())


def _refuse_secret(
    path: Path, names: tuple[str, ...], known: Mapping[str, Collection[str]], prefix: str
) -> ConfigError:
    section, leaf = names[0], names[-1]
    if len(names) == 2 and leaf in SECRET_SETTINGS.get(section, ()):
        variable = f"{prefix}{section.upper()}__{leaf.upper()}"
        return ConfigError(
            f"{path} holds the secret {section}.{leaf}", f"move it to the environment or .env as {variable}"
        )
    every = {*known, *(name for leaves in known.values() for name in leaves)}
    shown = ".".join(show_name(name, every, strict=True) for name in names)
    variables = ", ".join(
        f"{prefix}{holder.upper()}__{name.upper()}" for holder, secrets in SECRET_SETTINGS.items() for name in secrets
    )
    return ConfigError(
        f"{path} holds what sounds like a secret: {shown}",
        f"people share this file: move it to the environment or .env, as one of {variables}",
    )
