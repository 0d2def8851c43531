"""The oldest paths: `/status` (JSON), `/health` and `/metrics` (Prometheus text)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from serving.status import Status

_STATES = {"trading": 0, "guarding": 1, "halted": 2}


def make_status_router(read: Callable[[], Status]) -> APIRouter:
    """Return the routes; they say what the process says of itself, and nothing else."""
    router = APIRouter(include_in_schema=False)

    @router.get("/status")
    async def status() -> dict[str, Any]:
        return asdict(read())

    @router.get("/health")
    async def health() -> dict[str, str]:
        return {"state": read().state}

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> str:
        return _format_metrics(read())

    return router


def _format_metrics(status: Status) -> str:
    values = {
        "pairity_cycles_total": (status.cycles, "counter", "Decisions made by this process."),
        "pairity_equity_usdt": (status.equity_usdt, "gauge", "Account equity as the venue reports it."),
        "pairity_available_usdt": (status.available_usdt, "gauge", "Available balance as the venue reports it."),
        "pairity_trading_state": (
            _STATES.get(status.trading),
            "gauge",
            "State of the process: 0 trading, 1 guarding (no entries), 2 halted.",
        ),
        "pairity_stream_open": (
            None if status.stream is None else int(status.stream["state"] == "open"),
            "gauge",
            "Whether the account's stream is open: 1, or 0 while only the watch looks.",
        ),
        "pairity_positions": (len(status.positions), "gauge", "Open pair positions."),
        "pairity_pairs_unusable": (len(status.unusable), "gauge", "Pairs that could not be scored last time."),
        "pairity_problems": (len(status.problems), "gauge", "Problems of the last cycle."),
    }
    lines = []
    for name, (value, kind, text) in values.items():
        # What is not known is left out: a gauge of 0 would be a claim.
        if value is not None:
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}", f"{name} {value}"]
    return "\n".join(lines) + "\n"
