"""Parts that the trading loop talks to."""

from __future__ import annotations

from dataclasses import dataclass, field

from pairity.progress import Progress
from pairity.settings import Settings
from pairity.timeline import Clock
from pairity.universe import ContractSpec
from serving.alerts.events import Events
from serving.child_jobs import DailyJob
from serving.execution.executor import Executor
from serving.health import Pulse
from serving.hourly_data import HourlyData
from serving.journal import Journal
from serving.metrics import Metrics
from serving.models.deciding_model import DecidingModel
from serving.models.shadow import Shadow
from serving.sightings import Sightings
from serving.status import Status
from serving.supervisor import Supervisor
from venue.okx_stream import OkxStream


@dataclass(frozen=True, kw_only=True)
class GuardParts:
    """What guarding needs: the venue through the executor, the journal, and who is told. No model, no features.

    `contracts` by asset are the executor's own: the watch keeps them as the venue lists them. `stream` wakes the watch.
    `metrics` and `pulse` only take: nothing depends on them.
    """

    settings: Settings
    clock: Clock
    executor: Executor
    journal: Journal
    contracts: dict[str, ContractSpec]
    status: Status
    progress: Progress
    supervisor: Supervisor
    events: Events
    stream: OkxStream | None = None
    sightings: Sightings = field(default_factory=Sightings)
    metrics: Metrics = field(default_factory=Metrics)
    pulse: Pulse = field(default_factory=Pulse)


@dataclass(frozen=True, kw_only=True)
class DecidingParts(GuardParts):
    """What every loop talks to beside what guards; built once per process."""

    data: HourlyData
    run_id: str
    jobs: tuple[DailyJob, ...] = ()
    """Jobs in processes of their own, started when they fall due; of two at once the first goes first."""


@dataclass(frozen=True, kw_only=True)
class Parts(DecidingParts):
    """Everything that the loop of pairs talks to."""

    champion: DecidingModel
    shadow: Shadow | None
