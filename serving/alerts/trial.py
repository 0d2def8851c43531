"""Trial of the alerts: one message to each destination, and a look at the outside monitor, in words for a person."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import NamedTuple

from pairity.alert_settings import AlertSettings
from serving.alerts.sending import Outcome, open_session, send_get, send_post
from serving.alerts.shapes import shape_post
from serving.journal.event_records import Delivery, Severity

_TEXT = "This is a trial: pairity alert-test was run, and nothing happened."


class Trial(NamedTuple):
    """What became of the message to one destination; `outside monitor` is the name of the monitor."""

    name: str
    outcome: Outcome


async def send_trials(settings: AlertSettings, source: str) -> list[Trial]:
    """Send one message to each destination, and one signal to the monitor, whatever their severities; once each.

    `source` says who speaks. Nothing is journalled. Raises ConfigError where a destination lacks a secret.
    """
    settings.require_complete()
    now, trials = datetime.now(UTC), []
    session = await open_session()
    try:
        for destination in settings.destinations:
            message = Delivery(
                seq=0,
                destination=destination.name,
                idempotency_key=f"trial-{secrets.token_hex(8)}",
                queued_at=now,
                severity=Severity.INFO,
                subject="trial",
                text=_TEXT,
                state="waiting",
                tries=0,
                ended_at=None,
                answer=None,
            )
            post = shape_post(settings, destination, message, source)
            trials.append(Trial(destination.name, await send_post(session, post, settings.timeout_s)))
        if settings.dead_man_url is not None:
            url = settings.dead_man_url.get_secret_value()
            trials.append(Trial("outside monitor", await send_get(session, url, settings.timeout_s)))
    finally:
        await session.close()
    return trials
