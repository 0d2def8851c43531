"""Numbers with trailing zeros: the venue writes `0.00` as readily as `0`, so no client may compare numbers as text."""

from __future__ import annotations

import re
import zlib

from paper_exchange.wire import Json, empty_fields

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
AMOUNTS = frozenset(
    empty_fields(
        "accFillSz actualPx actualSz availBal availBuy availEq availPos availSell avgPx bal balChg bePx cashBal "
        "closeAvgPx closeTotalPos ctVal disEq eq eqUsd fee fillIdxPx fillMarkPx fillPnl fillPx fillSz frozenBal "
        "fundingFee fundingRate idxPx imr isoEq last lever liqPenalty liqPx lotSz maker margin markPx maxBuy maxLmtSz "
        "maxMktSz maxSell maxStopSz mgnRatio minSz mmr notionalUsd openAvgPx openMaxPos ordFrozen pnl pnlRatio pos "
        "posBal posBalChg px realizedPnl realizedRate slTriggerPx sz taker tickSz totalEq tpTriggerPx triggerPx upl "
        "uplRatio"
    )
)
"""Fields of sizes, prices and money; never ids, codes or times."""


class NumberForms:
    """Zeros behind one in four numbers, drawn from the seed and from the count of numbers written."""

    def __init__(self, seed: int) -> None:
        self._seed, self._written = seed, 0

    def rewrite(self, value: Json) -> Json:
        """Return an answer with the same numbers, some of them longer."""
        if isinstance(value, list):
            return [self.rewrite(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            name: self._lengthen(item)
            if name in AMOUNTS and isinstance(item, str) and _NUMBER.fullmatch(item)
            else self.rewrite(item)
            for name, item in value.items()
        }

    def _lengthen(self, text: str) -> str:
        self._written += 1
        draw = zlib.crc32(f"{self._seed} number {self._written}".encode())
        if draw % 4:
            return text
        zeros = "0" * (1 + draw // 4 % 3)
        return f"{text}{zeros}" if "." in text else f"{text}.{zeros}"
