"""Messages without a journal: from a process that has none, or of which it is not open yet. Sent once each."""

from __future__ import annotations

import asyncio
from datetime import datetime

from pairity.alert_settings import AlertSettings
from pairity.redaction import redact
from serving.alerts.sending import Outcome, open_session, send_post
from serving.alerts.shapes import shape_post
from serving.journal.delivery_pages import WAITING
from serving.journal.event_records import Delivery, Severity


def make_direct_message(
    scope: str,
    name: str,
    text: str,
    now: datetime,
    *,
    severity: Severity = Severity.CRITICAL,
    kind: str = "emergency",
) -> Delivery:
    """Return a message to the destination `name` that no journal holds; `scope` keeps its key apart."""
    subject = f"{kind}:{now:%Y%m%dT%H%M%S}"
    return Delivery(
        seq=0,
        destination=name,
        idempotency_key=f"{scope}-{name}-{subject}",
        queued_at=now,
        severity=severity,
        subject=subject,
        text=text,
        state=WAITING,
        tries=0,
        ended_at=None,
        answer=None,
    )


async def tell_directly(
    settings: AlertSettings,
    source: str,
    text: str,
    now: datetime,
    *,
    severity: Severity = Severity.CRITICAL,
    kind: str = "emergency",
) -> list[Outcome]:
    """Send a text to every destination that is complete and wants its severity; return what became of each.

    `source` is who speaks. No outcome is raised, and nothing is tried again.
    """
    wanted = [
        item
        for item in settings.destinations
        if settings.find_fault(item) is None and severity.rank >= Severity(item.severity).rank
    ]
    if not wanted:
        return []
    scope = source.replace(" ", "-")
    session = await open_session()
    try:
        posts = []
        for item in wanted:
            message = make_direct_message(scope, item.name, redact(text), now, severity=severity, kind=kind)
            posts.append(shape_post(settings, item, message, source))
        return list(await asyncio.gather(*(send_post(session, post, settings.timeout_s) for post in posts)))
    finally:
        await session.close()
