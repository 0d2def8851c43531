"""Answers with one element per order (docs/okx-protocol.md, Failure of a request, failure of an element)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from paper_exchange.account.refusals import Refused, convert_to_refusals
from paper_exchange.http.request import Request
from paper_exchange.http.rules.tables import check_element
from paper_exchange.params import Params
from paper_exchange.wire import Json

PLACED = ("clOrdId", "ordId", "tag", "ts", "sCode", "sMsg", "subCode")
CANCELLED = ("clOrdId", "ordId", "ts", "sCode", "sMsg")
AMENDED = ("clOrdId", "ordId", "ts", "reqId", "sCode", "sMsg", "subCode")
ALGO = ("algoClOrdId", "algoId", "clOrdId", "sCode", "sMsg", "tag")
ALGO_AMENDED = ("algoClOrdId", "algoId", "reqId", "sCode", "sMsg")
"""Keys of one element, by what was asked for."""


def answer_elements(
    request: Request,
    rows: Sequence[Params],
    act: Callable[[Request, Params], dict[str, Json]],
    keys: Sequence[str],
    *,
    message: str = "",
) -> dict[str, Json]:
    """Act on each element and return the envelope; code 0 if all went well, 1 if none did, 2 otherwise.

    `keys` are those of an element; `message` is the sMsg of one that went well.
    """
    answers, failed = [], 0
    for row in rows:
        try:
            with convert_to_refusals():
                check_element((request.method, request.path), row, request.market)
            element = {**act(request, row), "sCode": "0", "sMsg": message}
        except Refused as refusal:
            failed += 1
            # What the client named itself comes back with the refusal.
            element = {**_read_names(row), "sCode": refusal.code, "sMsg": refusal.message}
        filled = {"ts": str(request.now_ms), **element}
        answers.append({key: filled.get(key, "") for key in keys})
    code = "0" if not failed else ("1" if failed == len(rows) else "2")
    texts = {"0": "", "1": "All operations failed", "2": "Bulk operation partially succeeded."}
    stamp = str(request.now_ms * 1000)  # microseconds, unlike every other time
    return {"code": code, "data": answers, "inTime": stamp, "msg": texts[code], "outTime": stamp}


def _read_names(params: Params) -> dict[str, Json]:
    """Return ids and tag of an element as far as they are texts."""
    names = ("clOrdId", "ordId", "algoId", "algoClOrdId", "tag", "reqId")
    return {
        name: str(params.values[name]) for name in names if not isinstance(params.values.get(name, []), (dict, list))
    }
