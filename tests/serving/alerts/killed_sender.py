"""A process that tells a webhook one thing and waits to be killed: python -m tests.serving.alerts.killed_sender."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from pydantic import SecretStr

from pairity.alert_settings import AlertSettings, DestinationSettings
from pairity.settings import Settings
from serving.alerts.events import Events
from serving.alerts.service import AlertService
from serving.journal import Journal
from serving.journal.event_records import Severity
from serving.status import Status
from tests.serving.trading import T0

if __name__ == "__main__":
    path, url, text = sys.argv[1:]
    journal = Journal.open(Path(path))
    alerts = AlertSettings(
        destinations=(DestinationSettings(name="hook"),), urls={"hook": SecretStr(url)}, daily_at=None, timeout_s=20
    )
    events = Events(journal, lambda: T0)
    with AlertService(Settings(alerts=alerts), journal, events, lambda: Status("paper", "tiny", {}), lambda: T0):
        while journal.deliveries.state("destination:hook") is None:
            time.sleep(0.01)
        if text:
            events.record("test", Severity.CRITICAL, text)
            events.flush()
        time.sleep(60)
