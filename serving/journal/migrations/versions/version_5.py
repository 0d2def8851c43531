"""Version 5: events for persons, their requests, and messages of alerts."""

from __future__ import annotations

import sqlalchemy as sa

from serving.journal.migrations.columns import (
    keep_order_of_writing,
    key,
    make_index,
    make_table,
    number,
    number_rows,
    place,
    text,
    word,
)

revision = "5"
down_revision = "4"


def upgrade() -> None:
    """Make the tables."""
    make_table(
        "events",
        place("event_id"),
        word("at"),
        word("written_at"),
        word("kind"),
        word("severity"),
        text("text"),
        word("ref", nullable=True),
        word("key", nullable=True),
        word("acknowledged_at", nullable=True),
        word("acknowledged_by", nullable=True),
        sa.UniqueConstraint("key"),
    )
    make_index("ix_events_open", "events", "acknowledged_at", "severity")
    number_rows("events", "event_id")
    make_table(
        "requests",
        key("request_id"),
        word("at"),
        word("wish"),
        text("reason"),
        word("by"),
        word("position_id", nullable=True),
        number("event_id", nullable=True),
        word("carried_out_at"),
    )
    make_index("ix_requests_wish", "requests", "wish")
    make_index("ix_requests_position_id", "requests", "position_id")
    keep_order_of_writing("requests")
    make_table(
        "deliveries",
        place("seq"),
        word("destination"),
        word("idempotency_key"),
        word("queued_at"),
        word("severity"),
        word("subject"),
        text("text"),
        word("state"),
        number("tries"),
        word("ended_at", nullable=True),
        word("answer", nullable=True),
        sa.UniqueConstraint("idempotency_key"),
    )
    make_index("ix_deliveries_waiting", "deliveries", "destination", "state", "seq")
    number_rows("deliveries", "seq")
    make_table("alert_states", key("name"), text("state_json"))
