"""The oldest paths: `/status` and `/health` (JSON)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from serving.status import Status


def make_status_router(read: Callable[[], Status]) -> APIRouter:
    """Return the routes; they say what the process says of itself, and nothing else."""
    router = APIRouter(include_in_schema=False)

    @router.get("/status")
    async def status() -> dict[str, Any]:
        return asdict(read())

    @router.get("/health")
    async def health() -> dict[str, str]:
        return {"state": read().state}

    return router
