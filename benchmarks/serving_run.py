"""One measured run of the trading process: the real `serve`, with meters around its steps."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from benchmarks.isolated_process import read_resident_mb, reset_peak
from benchmarks.serving_meters import DecisionMeasures, attach_meter
from benchmarks.serving_results import digest_results
from benchmarks.serving_scene import Scene
from feature_repo.catalog import MARKET_STATE, PAIR_FOREST_FEATURES
from pairity.progress import SilentProgress

WARM_UP = 2
"""Decisions that are not counted: the first one catches up, and both load libraries."""
_PEER_ROUNDS = 20


def measure(scene: dict[str, Any], hours: int) -> dict[str, Any]:
    """Trade `WARM_UP` hours and then `hours` measured ones; return the measures as JSON."""
    from serving.process import serve

    settings = Scene(**scene).settings
    meter = attach_meter()
    meter.on_decision = lambda: reset_peak() if len(meter.decisions) == WARM_UP else None
    report = asyncio.run(
        serve(settings, live=False, cycles=WARM_UP + hours, progress=SilentProgress(), on_ready=lambda _: None)
    )
    peak_mb = read_resident_mb("VmHWM")
    assert report.blind == 0, f"{report.blind} decisions without fresh features: {report.problems[:3]}"
    assert len(meter.decisions) == WARM_UP + hours, meter.decisions
    return {
        "decisions": [_as_json(item) for item in meter.decisions],
        "looks": [(look.cpu_s, look.wall_s) for look in meter.looks],
        "peer": _measure_peer(Scene(**scene)),
        "peak_mb": peak_mb,
        "actions": dict(report.actions),
        "problems": report.problems,
        "missing": meter.missing,
        "results": digest_results(settings),
    }


def _as_json(item: DecisionMeasures) -> dict[str, Any]:
    return {
        "steps": {name: (spent.cpu_s, spent.wall_s) for name, spent in item.steps.items()},
        "counts": dict(item.counts),
        "to_order": None if item.to_order is None else (item.to_order.cpu_s, item.to_order.wall_s),
        "collections": item.collections,
    }


def _measure_peer(scene: Scene) -> list[tuple[float, float]]:
    """Return processor and wall seconds of Feast's own read of what one decision reads, per round; the first warms."""
    from feature_repo.feature_store import open_store

    settings = scene.settings
    store = open_store(settings)
    asked = (
        (PAIR_FOREST_FEATURES.name, [{"pair_id": pair.pair_id} for pair in settings.universe.pairs]),
        (MARKET_STATE.name, [{"asset": asset} for asset in settings.universe.assets]),
    )
    spent = []
    for _ in range(_PEER_ROUNDS + 1):
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        for service, entities in asked:
            answer = store.get_online_features(features=store.get_feature_service(service), entity_rows=entities)
            assert len(answer.to_dict()) > 1
        spent.append((time.process_time() - cpu_s, time.perf_counter() - wall_s))
    return spent[1:]
