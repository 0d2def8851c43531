"""Parts that the trading loop talks to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import Clock
from pairity.universe import ContractSpec
from serving.api import Status
from serving.execution.executor import Executor
from serving.journal import Journal
from serving.models.champion import Champion
from serving.models.shadow import Shadow
from serving.retraining import Retrainer

if TYPE_CHECKING:
    from feast import FeatureStore

    from ingestion.pipeline import Pipeline


@dataclass(frozen=True)
class Parts:
    """Everything that the loop talks to; built once per process."""

    settings: Settings
    clock: Clock
    ingest: Pipeline
    store: FeatureStore
    champion: Champion
    shadow: Shadow | None
    retrainer: Retrainer | None
    executor: Executor
    journal: Journal
    contracts: Mapping[str, ContractSpec]
    run_id: str
    status: Status
    progress: Progress
