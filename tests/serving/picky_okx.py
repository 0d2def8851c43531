"""The tiny exchange, refusing single orders of one instrument or filling them in part."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.serving.tiny_okx import Refused, TinyOkx


class PickyOkx(TinyOkx):
    """A tiny exchange that refuses or fills in part the next orders of one instrument."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: dict[str, list[str]] = {}
        """Share of the next entry orders by instrument; `no` refuses one."""

    def _privatePostTradeOrder(self, params: Any) -> list[Any]:
        waiting = self.shares.get(params["instId"], [])
        share = waiting.pop(0) if waiting else "1"
        if share == "no":
            raise Refused("51008", "Insufficient USDT margin in account")
        self.fill_fraction = Decimal(share)
        try:
            return super()._privatePostTradeOrder(params)
        finally:
            self.fill_fraction = Decimal(1)
