"""Signed statements: what is said of a version, as canonical JSON, and the signature that is stored beside it.

A statement holds everything that it says: its kind, the data directory, model name, version, and values. What is stored
is only the signature; a reader composes the statement again from what the registry says now, so that any change breaks
it. A statement of one kind, version, model or data directory is never one of another.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass

from model_registry.signing_key import Keyring

_PURPOSE = b"pairity model registry 1\n"

Statement = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Signature:
    """A stored signature: the statement's number in its sequence, the name of the key, the code (hexadecimal)."""

    sequence: int
    key_id: str
    code: str

    def to_json(self) -> str:
        """Return it as it is stored in a tag."""
        return json.dumps({"sequence": self.sequence, "key": self.key_id, "code": self.code})

    @classmethod
    def from_json(cls, text: str) -> Signature | None:
        """Return what `to_json` wrote; None for anything else, whatever somebody put into the tag."""
        try:
            read = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            return None
        if not isinstance(read, dict) or set(read) != {"sequence", "key", "code"}:
            return None
        sequence, key_id, code = read["sequence"], read["key"], read["code"]
        if type(sequence) is not int or not isinstance(key_id, str) or not isinstance(code, str):
            return None
        return cls(sequence, key_id, code)


def render(statement: Statement) -> bytes:
    """Return the canonical JSON of a statement: sorted keys, no spaces, ASCII; values are texts, numbers, null, maps.

    >>> render({"version": "2", "kind": "verdict"})
    b'{"kind":"verdict","version":"2"}'
    """
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def digest(statement: Statement, sequence: int) -> str:
    """Return a name of one statement that depends on no key: by it another statement refers to this one."""
    return hashlib.sha256(render({"statement": statement, "sequence": sequence})).hexdigest()


def sign(statement: Statement, sequence: int, keys: Keyring) -> Signature:
    """Return the signature of a statement as the `sequence`-th of its kind: HMAC-SHA256 of its canonical JSON."""
    key = keys.signing
    return Signature(sequence, key.key_id, _compute_code(statement, sequence, key.secret))


def is_signed(statement: Statement, signature: Signature, keys: Keyring) -> bool:
    """Return whether an accepted key made the signature, of this very statement."""
    key = keys.find(signature.key_id)
    if key is None or not signature.code.isascii():
        return False
    return hmac.compare_digest(_compute_code(statement, signature.sequence, key.secret), signature.code)


def _compute_code(statement: Statement, sequence: int, secret: bytes) -> str:
    content = render({"statement": statement, "sequence": sequence})
    return hmac.new(secret, _PURPOSE + content, hashlib.sha256).hexdigest()
