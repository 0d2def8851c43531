"""Names of secrets: which settings are secret, which names sound like one, and how much of an unknown name is shown.

A name is written by the same hand as a value, and now and then a value lands in its place. So an unknown name is shown
only where it reads like the name of a setting.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher

SECRETS = ("api_key", "api_secret", "api_passphrase")
SECRET_SETTINGS = {
    "exchange": SECRETS,
    "sources": ("tiingo_api_key", "cryptoquant_api_key"),
    "serve": ("status_token", "control_token"),
    "alerts": ("urls", "tokens", "dead_man_url"),
    "cluster": ("redis_password", "postgres_password"),
}
"""Settings that are secret, by section."""
HIDDEN_SECTIONS = frozenset({"exchange", "sources"})
"""Sections of which no value is ever shown, secret or not."""

_SOUNDS = re.compile(
    r"secret|secert|passphrase|password|passwort|passwd|pwd|token|credential|bearer|authorization"
    r"|(api|access|private|secret|signing|auth)key|^keys?$|mnemonic"
    # Who has the address of a webhook can write there
    r"|webhook|deadmanurl|^(pairityalerts)?urls$"
)
_WORDS = re.compile(r"[A-Z]{1,12}|[A-Z]?[a-z]{1,12}")
_LONGEST_NAME = 32
_LONGEST_TEXT = 32
_CLOSE = 0.75


def sounds_secret(name: str) -> bool:
    """Return whether a name, in any spelling (`Api-Key`, `apiKey`, `PASSPHRASE`), says that its value is secret."""
    return _SOUNDS.search(_spell(name)) is not None


def show_name(name: str, known: Iterable[str], *, strict: bool = False) -> str:
    """Return `name` where it reads like the name of a setting, else how long it is.

    It does where it is close to one of the `known` ones, or is made of a few words without digits. `strict` (sections
    with secrets) asks for one that is close, or that sounds like a secret, besides.
    """
    close = any(_is_close(name, other) for other in known)
    words = [word for word in re.split(r"[_\-. ]+", name) if word]
    plain = len(name) <= _LONGEST_NAME and all(_is_word(word) for word in words) and len(words) > 0
    if close or (plain and (not strict or sounds_secret(name))):
        return name
    return f"(a name of {len(name)} characters, not shown)"


def may_show(text: str) -> bool:
    """Return whether a text that was given for a setting can be shown: a number, a time, or a few plain words."""
    if len(text) > _LONGEST_TEXT:
        return False
    return re.fullmatch(r"[-+]?[0-9.:, eE+\-/%TZ]*", text) is not None or all(
        _is_word(word) or word.isdigit() for word in re.split(r"[_\-. /:+,]+", text) if word
    )


def _spell(name: str) -> str:
    """Return the letters and digits of a name alone, in the one form that different spellings share."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join(sign for sign in plain if sign.isalnum())


def _is_close(name: str, other: str) -> bool:
    one, two = _spell(name), _spell(other)
    if one == two:
        return True
    return abs(len(one) - len(two)) <= 2 and SequenceMatcher(None, one, two).ratio() >= _CLOSE


def _is_word(word: str) -> bool:
    """Whether a word is of letters in one case, or of a few such words written together (`apiKey`)."""
    parts = _WORDS.findall(word)
    return word.isascii() and "".join(parts) == word and len(parts) <= 3
