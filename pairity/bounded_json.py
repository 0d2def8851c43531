"""JSON that others wrote, or could have damaged: parsed within limits, or refused before it costs anything.

`json.loads` recurses as deep as the text asks for, builds as many values as fit into it, keeps the last of two equal
keys in silence, and takes `NaN`, `1e999` (infinity) and integers of any length. Here size, nesting and the number of
values are checked on the bytes, in linear time and without recursion, before the parser of the standard library (in C)
begins. Numbers go through Python only in texts that hold a suspicious one: an ordinary answer costs little more than
its parsing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from pairity.bounded_numbers import MAX_DIGITS, OutOfBoundsError, show

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """Most that a text may hold. `not_finite` lets the literals NaN and Infinity in, which only own files hold."""

    size: int = 16 * MIB
    depth: int = 32
    values: int = 1_000_000
    """Values of all kinds and depths: each takes up to some 200 bytes of memory."""
    not_finite: bool = False


ANSWER = JsonLimits()
"""An answer of a venue or an archive: the largest real ones (all instruments of a venue) have about 2 MiB."""
OWN_FILE = JsonLimits(size=64 * MIB, not_finite=True)
"""A file that this product wrote."""

_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
# One kind of brackets: the parser tells the kinds apart, and counting need not.
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
# With signs left out, a text without these has no number that is long, large or tiny (beyond 1e±99).
_SHAPE_OF_NUMBERS = bytes.maketrans(b"123456789.E", b"0000000000e")
_SUSPICIOUS = (b"0" * MAX_DIGITS, b"0e000")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(content: bytes | str, limits: JsonLimits = ANSWER) -> Any:  # noqa: ANN401 - whatever was sent
    """Return the value of a JSON text in UTF-8; OutOfBoundsError says what is wrong with it, and the limit.

    Every number is finite, has at most 40 digits, and no object has a key twice. A text can always be written as UTF-8.

    >>> parse_json('{"code": "0", "data": [1.5]}')
    {'code': '0', 'data': [1.5]}
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    pairity.bounded_numbers.OutOfBoundsError: is not JSON: its brackets do not match
    """
    if len(content) > limits.size:
        raise OutOfBoundsError(f"has {len(content)} bytes, more than the limit of {limits.size}")
    body, text = _both_forms(content)
    if len(body) > limits.size:
        raise OutOfBoundsError(f"has {len(body)} bytes, more than the limit of {limits.size}")
    values = body.count(b",") + body.count(b"[") + body.count(b"{") + body.count(b'"') // 4
    if values > limits.values:
        raise OutOfBoundsError(f"has about {values} values, more than the limit of {limits.values}")
    _check_depth(body, limits.depth)
    try:
        parsed = _decoder(body, limits).decode(text)
    except OutOfBoundsError:
        raise
    except ValueError as error:
        message = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise OutOfBoundsError(f"is not JSON: {message}; it begins with {show(text[:200])}") from None
    if _SURROGATE.search(body):
        _require_writable(parsed)
    return parsed


def _both_forms(content: bytes | str) -> tuple[bytes, str]:
    try:
        if isinstance(content, str):
            return content.encode(), content
        return bytes(content), content.decode()
    except UnicodeError as error:
        raise OutOfBoundsError(f"is not UTF-8: {getattr(error, 'reason', 'broken text')}") from None


def _check_depth(body: bytes, most: int) -> None:
    """Refuse brackets that do not match, and those that are nested deeper than `most`."""
    brackets = _brackets(body)
    # Each round takes the innermost pairs away, so that the number of rounds is the depth.
    for _ in range(most):
        if not brackets:
            return
        inner = brackets.replace(b"[]", b"")
        if len(inner) == len(brackets):
            raise OutOfBoundsError("is not JSON: its brackets do not match")
        brackets = inner
    if brackets:
        raise OutOfBoundsError(f"is nested deeper than the limit of {most}, or its brackets do not match")


def _brackets(body: bytes) -> bytes:
    """Return all brackets outside strings, in order, each as a square one."""
    # Without escapes a quote begins or ends a string, and two side by side hold no bracket. What is left over is an
    # alternation of outside and inside.
    if b"\\" in body:
        body = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    structure = body.translate(_ONE_KIND, _NOT_STRUCTURE).replace(b'""', b"")
    return b"".join(structure.split(b'"')[::2])


def _decoder(body: bytes, limits: JsonLimits) -> json.JSONDecoder:
    hooks: dict[str, Any] = {"object_pairs_hook": _unique}
    if not limits.not_finite:
        hooks["parse_constant"] = _refuse_constant
    shape = body.translate(_SHAPE_OF_NUMBERS, b"+-")
    if any(sign in shape for sign in _SUSPICIOUS):
        hooks |= {"parse_float": _checked_float, "parse_int": _checked_int}
    return json.JSONDecoder(**hooks)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise OutOfBoundsError(f"has the field {show(twice)} twice in one object")
    return fields


def _refuse_constant(literal: str) -> float:
    raise OutOfBoundsError(f"holds the literal {literal}, which is not JSON")


def _checked_float(text: str) -> float:
    mantissa = text.lower().partition("e")[0]
    if len(text) > MAX_DIGITS and sum(map(str.isdigit, mantissa)) > MAX_DIGITS:
        raise OutOfBoundsError(f"holds the number {show(text)}, with more than {MAX_DIGITS} digits")
    number = float(text) if len(text) <= 2 * MAX_DIGITS else float("inf")
    if number in (float("inf"), float("-inf")):
        raise OutOfBoundsError(f"holds the number {show(text)}, beyond what a double holds")
    return number


def _checked_int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise OutOfBoundsError(f"holds the number {show(text)}, with more than {MAX_DIGITS} digits")
    return int(text)


def _require_writable(parsed: object) -> None:
    """Refuse half of a surrogate pair, which no file and no terminal takes."""
    try:
        # The depth is bounded by now, and so is the recursion of the encoder.
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise OutOfBoundsError("holds half of a surrogate pair, which is not Unicode") from None
