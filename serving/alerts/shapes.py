"""Shapes of messages: what a plain webhook, Slack and Telegram are sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pairity.alert_settings import AlertSettings, DestinationSettings
from pairity.redaction import redact
from serving.journal.event_records import Delivery, Severity

_SIGNS = {Severity.INFO: "ℹ️", Severity.WARNING: "⚠️", Severity.CRITICAL: "🔴"}
_ABOUT_EVENTS = ("event", "again", "held")
_LONGEST = 3500
"""Most signs of a text; Telegram takes 4,096, Slack 40,000."""


@dataclass(frozen=True, slots=True)
class Post:
    """A POST of JSON: where to, with which headers, and the body. Its address and headers are never shown."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes


def shape_post(settings: AlertSettings, destination: DestinationSettings, message: Delivery, source: str) -> Post:
    """Return the request that delivers a message; `source` says which process speaks, such as `pairity paper`.

    The header `Idempotency-Key` is the same for every try of one message, so that a receiver can recognise repetitions.
    """
    text = redact(message.text)[:_LONGEST]
    kind, _, about = message.subject.partition(":")
    event_id = int(about) if kind in _ABOUT_EVENTS and about.isdigit() else None
    number = "" if event_id is None else f" (#{event_id})"
    line = f"{_SIGNS[message.severity]} {source}, {message.severity}: {text}{number}"
    headers = {"Content-Type": "application/json", "Idempotency-Key": message.idempotency_key}
    address, token = settings.address_of(destination), settings.tokens.get(destination.name)
    url = address.url
    body: dict[str, object]
    match destination.shape:
        case "telegram":
            assert token is not None, "the settings refuse a Telegram destination without a token"
            url = address.extend(f"/bot{token.get_secret_value()}/sendMessage")
            # No parse_mode: the text of a venue must not become markup or a link.
            body = {"chat_id": destination.chat, "text": line, "link_preview_options": {"is_disabled": True}}
        case "slack":
            escaped = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
            body = {"text": escaped, "unfurl_links": False, "unfurl_media": False}
        case "plain":
            body = {
                "id": message.idempotency_key,
                "at": message.queued_at.isoformat(),
                "source": source,
                "severity": message.severity.value,
                "kind": kind,
                "event_id": event_id,
                "text": text,
            }
    if token is not None and destination.shape != "telegram":
        headers["Authorization"] = f"Bearer {token.get_secret_value()}"
    return Post(url, headers, json.dumps(body, ensure_ascii=False).encode())
