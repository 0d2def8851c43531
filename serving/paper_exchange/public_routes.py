"""Public endpoints: time, status, instruments, candles, quotes, trades, funding (OKX-V5 section 4)."""

from __future__ import annotations

from serving.paper_exchange.call import Call, Routes
from serving.paper_exchange.envelope import Json


def server_time(call: Call) -> list[Json]:
    """`public/time`."""
    return [{"ts": str(call.now_ms)}]


ROUTES: Routes = {("GET", "/api/v5/public/time"): server_time}
