"""How one element of a request is refused while the others go through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from paper_exchange.http.envelope import Json, WireError
from paper_exchange.http.request import Params


class Refused(Exception):
    """One element of a request that the venue refuses: `sCode` and `sMsg`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


@contextmanager
def refusing() -> Iterator[None]:
    """Parameter errors of the frame become refusals of the element."""
    try:
        yield
    except WireError as error:
        raise Refused(error.code, error.msg) from None


def refused_row(params: Params, refusal: Refused, ts_ms: int) -> dict[str, Json]:
    """The element of an answer that says why an order was not taken."""
    return {"clOrdId": params.text("clOrdId"), "ordId": "", "tag": params.text("tag"), "ts": str(ts_ms),
            "sCode": refusal.code, "sMsg": refusal.message, "subCode": ""}  # fmt: skip
