"""`GET /metrics` in Prometheus' text format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.metrics.collected import Metrics
from serving.metrics.readings import Readings

if TYPE_CHECKING:
    from fastapi import APIRouter


def make_metrics_router(metrics: Metrics, readings: Readings) -> APIRouter:
    """Return the route `/metrics`: the metrics of one process, and how things stand at the moment of the scrape."""
    from fastapi import APIRouter
    from fastapi.responses import Response
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    from serving.metrics.standing import Standing

    router = APIRouter()
    metrics.registry.register(Standing(readings))

    @router.get("/metrics", include_in_schema=False)
    def read_metrics() -> Response:
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return router
