"""Scrapes of `/metrics` over HTTP, and what a guarding process gives for them."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from pairity.trading_settings import LimitSettings, ServeSettings
from serving.metrics import Metrics, Readings
from serving.web.app import make_app
from serving.web.metrics_routes import make_metrics_router
from serving.web.server import serve_api
from tests.serving.api_scene import status_sources
from tests.serving.guarding import Guard

Sample = tuple[str, frozenset[tuple[str, str]]]


def scrape(metrics: Metrics, readings: Readings) -> dict[Sample, float]:
    """The samples of one scrape over HTTP, by name and labels."""

    async def ask() -> str:
        app = make_app(status_sources(readings.status()), [make_metrics_router(metrics, readings)])
        async with (
            serve_api(app, ServeSettings(port=0)) as url,
            aiohttp.ClientSession() as http,
            http.get(f"{url}/metrics") as answer,
        ):
            assert answer.status == 200
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            return await answer.text()

    families = text_string_to_metric_families(asyncio.run(ask()))
    return {(item.name, frozenset(item.labels.items())): item.value for family in families for item in family.samples}


def value(samples: dict[Sample, float], name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def scrape_guard(guard: Guard) -> dict[Sample, float]:
    return scrape(guard.parts.metrics, readings_of(guard))


def readings_of(guard: Guard, **changed: Any) -> Readings:
    usual = {
        "status": lambda: guard.status,
        "now": guard.parts.clock.now,
        "sightings": guard.parts.sightings,
        "limits": LimitSettings(),
        "journal": guard.home / "journal.db",
    }
    return Readings(**usual | changed)
