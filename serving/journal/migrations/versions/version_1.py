"""Version 1: runs, decisions with their feature vectors, intents with their events, positions, executions."""

from __future__ import annotations

import sqlalchemy as sa

from serving.journal.migrations.columns import (
    keep_order_of_writing,
    key,
    make_index,
    make_table,
    make_writers,
    number,
    number_rows,
    place,
    text,
    word,
)

revision = "1"
down_revision = None


def upgrade() -> None:
    """Make the tables of the first version."""
    make_writers()
    make_table("meta", key("key"), word("value"))
    make_table(
        "runs",
        key("run_id"),
        word("started_at"),
        word("mode"),
        word("settings_digest"),
        word("model_name"),
        word("model_version"),
        word("model_sha256"),
        word("code_revision"),
    )
    make_table(
        "decisions",
        key("decision_id"),
        word("run_id", sa.ForeignKey("runs.run_id")),
        word("decision_time"),
        word("event_timestamp"),
        word("action"),
        text("reason"),
        word("feature_service"),
        word("model_name"),
        word("model_version"),
        word("model_sha256"),
        text("decision_json"),
    )
    make_index("ix_decisions_event_timestamp", "decisions", "event_timestamp")
    make_table(
        "feature_vectors",
        key("decision_id", sa.ForeignKey("decisions.decision_id")),
        key("service"),
        key("entity"),
        word("event_timestamp", nullable=True),
        text("values_json"),
    )
    _make_orders()
    make_table(
        "positions",
        key("position_id"),
        word("opened_at"),
        text("position_json"),
        word("closed_at", nullable=True),
        word("exit_reason", nullable=True),
        word("exit_price", nullable=True),
        word("pnl_usdt", nullable=True),
        word("fees_usdt", nullable=True),
        word("funding_usdt", nullable=True),
    )
    make_index("ix_positions_closed_at", "positions", "closed_at")
    keep_order_of_writing("positions")
    make_table(
        "fills",
        key("instrument"),
        key("trade_id"),
        key("order_id"),
        word("position_id"),
        word("client_order_id"),
        word("side"),
        word("contracts"),
        word("price"),
        word("fee_usdt"),
        word("pnl_usdt"),
        word("at"),
    )
    make_index("ix_fills_position_id", "fills", "position_id")
    keep_order_of_writing("fills")


def _make_orders() -> None:
    make_table(
        "intents",
        key("client_order_id"),
        word("decision_id", sa.ForeignKey("decisions.decision_id"), nullable=True),
        word("position_id"),
        number("leg"),
        word("purpose"),
        number("attempt"),
        word("instrument"),
        word("side"),
        word("contracts"),
        word("order_type"),
        sa.Column("reduce_only", sa.Boolean, nullable=False),
        word("stop_price", nullable=True),
        word("target_price", nullable=True),
        word("created_at"),
        word("state"),
        word("order_id", nullable=True),
        word("filled_contracts"),
        word("average_price", nullable=True),
        sa.UniqueConstraint("position_id", "leg", "purpose", "attempt"),
    )
    for column in ("position_id", "state", "order_id"):
        make_index(f"ix_intents_{column}", "intents", column)
    make_index("ix_intents_filled", "intents", "purpose", "filled_contracts", "position_id")
    make_table(
        "order_events",
        place("seq"),
        word("client_order_id", sa.ForeignKey("intents.client_order_id")),
        word("at"),
        word("state"),
        text("answer"),
    )
    make_index("ix_order_events_client_order_id", "order_events", "client_order_id")
    make_index("ix_order_events_at", "order_events", "at")
    number_rows("order_events", "seq")
