"""Redaction: the last line of defence against a secret in a message, whoever wrote the message.

Secrets are learnt where they are read. From then on `redact` replaces them, as they are and in the forms in which
libraries and venues hand them on: escaped for JSON, for Python, for HTML or for a URL, as base64, or in hexadecimal
digits. It is not what keeps secrets out of messages: nothing composes one from them. It is for what nobody thought of.
"""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "***"
_SHORTEST = 6
"""Shorter values are no secrets (the paper exchange's `paper`), and would be replaced where they are words."""
_learnt: set[str] = set()
_forms: tuple[str, ...] = ()
_lock = threading.Lock()


def learn_secrets(values: Iterable[str]) -> None:
    """Replace these values, and their forms, in everything that is redacted from now on."""
    global _forms  # noqa: PLW0603 - one list of secrets per process: whoever writes a message must not carry it
    new = {value for value in values if len(value) >= _SHORTEST} - _learnt
    if not new:
        return
    with _lock:
        _learnt.update(new)
        # Longest first: a form that contains another one is replaced whole
        forms = {form for value in _learnt for form in list_forms(value)}
        _forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))


def redact(text: str) -> str:
    """Return `text` with every known secret, in any of its forms, replaced by `***`."""
    for form in _forms:
        if form in text:
            text = text.replace(form, MASK)
    return text


def list_forms(secret: str) -> frozenset[str]:
    """Return the texts that stand for a secret; none is shorter than the shortest secret."""
    raw = secret.encode("utf-8", "surrogatepass")
    escaped = {
        secret,
        secret.strip(),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(secret)[1:-1].replace("/", "\\/"),
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        repr(raw)[2:-1],
        html.escape(secret),
        html.escape(secret, quote=False),
    }
    for safe in ("", "/", "/:"):
        for encoded in (quote(raw, safe=safe), quote_plus(raw, safe=safe)):
            escaped |= {encoded, re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded), quote(encoded)}
    escaped |= {raw.hex(), raw.hex().upper()} | _list_base64(raw)
    return frozenset(form for form in escaped if len(form) >= _SHORTEST)


def _list_base64(raw: bytes) -> set[str]:
    """Return what base64 makes of the bytes alone, and of them at any place inside other bytes."""
    forms = set()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(raw).decode()
        forms |= {whole, whole.rstrip("="), quote(whole, safe="")}
        # Three bytes make four signs: which ones depends on how many bytes stand before. Signs that share a byte
        # with a neighbour are left out.
        for before in range(3):
            signs = encode(bytes(before) + raw).decode().rstrip("=")
            whole_signs = (before + len(raw)) * 8 // 6
            forms.add(signs[(before * 8 + 5) // 6 : whole_signs])
    return forms
