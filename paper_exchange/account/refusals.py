"""Refusal of one element of a request, while the other elements go through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from paper_exchange.wire import WireError


class Refused(Exception):
    """Refusal of one element: `code` and `message` become its `sCode` and `sMsg`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


@contextmanager
def convert_to_refusals() -> Iterator[None]:
    """Raise parameter errors, which would refuse the whole request, as refusals of the element."""
    try:
        yield
    except WireError as error:
        raise Refused(error.code, error.msg) from None
