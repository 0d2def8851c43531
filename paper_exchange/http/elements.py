"""Answers with one element per order (docs/okx-protocol.md, Failure of a request, failure of an element)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from paper_exchange.account.refusals import Refused
from paper_exchange.http.request import Request
from paper_exchange.params import Params
from paper_exchange.wire import Json


def answer_elements(
    request: Request, rows: Sequence[Params], act: Callable[[Request, Params], dict[str, Json]], message: str
) -> dict[str, Json]:
    """Act on each element and return the envelope; code 0 if all went well, 1 if none did, 2 otherwise."""
    answers, failed = [], 0
    for row in rows:
        try:
            element = act(request, row)
        except Refused as refusal:
            failed += 1
            answers.append(_refuse_row(row, refusal, request.now_ms))
        else:
            answers.append({**element, "sCode": "0", "sMsg": message, "subCode": "", "ts": str(request.now_ms)})
    code = "0" if not failed else ("1" if failed == len(rows) else "2")
    texts = {"0": "", "1": "All operations failed", "2": "Bulk operation partially succeeded."}
    stamp = str(request.now_ms * 1000)  # microseconds, unlike every other time
    return {"code": code, "data": answers, "inTime": stamp, "msg": texts[code], "outTime": stamp}


def _refuse_row(params: Params, refusal: Refused, ts_ms: int) -> dict[str, Json]:
    """Return the element that says why an order was not taken."""
    return {
        "clOrdId": params.text("clOrdId"),
        "ordId": "",
        "tag": params.text("tag"),
        "ts": str(ts_ms),
        "sCode": refusal.code,
        "sMsg": refusal.message,
        "subCode": "",
    }
