"""Tables of the journal. Times are ISO text (UTC, microseconds), decimals and floats exact text: nothing is rounded."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = "8"
"""Raised with every change of the tables; a journal of an unknown version is refused, never guessed at."""

EXTENDED = frozenset({"1", "2", "3", "4", "5", "6", "7"})
"""Older versions that only lack whole tables: they are read as they are, and get the tables when opened for writing."""

metadata = MetaData()
# SQLite's whole numbers have 64 bits; its primary keys are row numbers where the type is called INTEGER.
_NUMBER = Integer().with_variant(BigInteger(), "postgresql")

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", String, nullable=False))

runs = Table(
    "runs",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("started_at", String, nullable=False),
    Column("mode", String, nullable=False),
    Column("settings_digest", String, nullable=False),
    Column("model_name", String, nullable=False),
    Column("model_version", String, nullable=False),
    Column("model_sha256", String, nullable=False),
    Column("code_revision", String, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", String, primary_key=True),
    Column("run_id", ForeignKey("runs.run_id"), nullable=False),
    Column("decision_time", String, nullable=False),
    Column("event_timestamp", String, nullable=False, index=True),
    Column("action", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("feature_service", String, nullable=False),
    Column("model_name", String, nullable=False),
    Column("model_version", String, nullable=False),
    Column("model_sha256", String, nullable=False),
    Column("decision_json", Text, nullable=False),
)

feature_vectors = Table(
    "feature_vectors",
    metadata,
    Column("decision_id", ForeignKey("decisions.decision_id"), primary_key=True),
    Column("service", String, primary_key=True),
    Column("entity", String, primary_key=True),
    Column("event_timestamp", String),
    Column("values_json", Text, nullable=False),
)

book_decisions = Table(
    "book_decisions",  # decisions of books: every name with its reason
    metadata,
    Column("decision_id", ForeignKey("decisions.decision_id"), primary_key=True),
    Column("family", String, nullable=False),
    Column("book_json", Text, nullable=False),
)

book_fundings = Table(
    "book_fundings",  # settlements of funding on instruments that a book traded
    metadata,
    Column("bill_id", String, primary_key=True),
    Column("instrument", String, nullable=False),
    Column("at", String, nullable=False),
    Column("amount_usdt", String, nullable=False),
)

shadows = Table(
    "shadows",
    metadata,
    Column("decision_id", ForeignKey("decisions.decision_id"), primary_key=True),
    Column("model_version", String, primary_key=True),
    Column("decision_time", String, nullable=False, index=True),
    Column("model_name", String, nullable=False),
    Column("model_sha256", String, nullable=False),
    Column("probabilities_json", Text, nullable=False),
    Column("choice", String),
    Column("failure", Text),
)

retrainings = Table(
    "retrainings",
    metadata,
    Column("due_at", String, primary_key=True),
    Column("run_id", ForeignKey("runs.run_id"), nullable=False),
    Column("started_at", String, nullable=False),
    Column("ended_at", String),
    Column("exit_code", _NUMBER),
    Column("summary", Text, nullable=False),
)

parity_verdicts = Table(
    "parity_verdicts",  # of what was decided on against the offline store
    metadata,
    Column("verdict_id", String, primary_key=True),
    Column("at", String, nullable=False),  # by this machine's clock
    Column("recorded_at", String, nullable=False),
    Column("different", _NUMBER, nullable=False),
    Column("verdict_json", Text, nullable=False),
)

rescalings = Table(
    "rescalings",  # of open positions whose contract changed its value: what they have from then on
    metadata,
    Column("position_id", String, primary_key=True),
    Column("instrument", String, primary_key=True),
    Column("at", String, primary_key=True),
    Column("contracts", String, nullable=False),
)

states = Table(
    "states",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=True),
    Column("at", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("by", String, nullable=False),
    Column("flatten", Boolean, nullable=False),
)

intents = Table(
    "intents",
    metadata,
    Column("client_order_id", String, primary_key=True),
    Column("decision_id", ForeignKey("decisions.decision_id")),
    Column("position_id", String, nullable=False, index=True),
    Column("leg", _NUMBER, nullable=False),
    Column("purpose", String, nullable=False),
    Column("attempt", _NUMBER, nullable=False),
    Column("instrument", String, nullable=False),
    Column("side", String, nullable=False),
    Column("contracts", String, nullable=False),
    Column("order_type", String, nullable=False),
    Column("reduce_only", Boolean, nullable=False),
    Column("stop_price", String),
    Column("target_price", String),
    Column("created_at", String, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("order_id", String, index=True),
    Column("filled_contracts", String, nullable=False),
    Column("average_price", String),
    UniqueConstraint("position_id", "leg", "purpose", "attempt"),
)

margin_modes = Table(
    "margin_modes",  # of orders that are not in cross margin
    metadata,
    Column("client_order_id", ForeignKey("intents.client_order_id"), primary_key=True),
    Column("margin_mode", String, nullable=False),
)

Index("ix_intents_filled", intents.c.purpose, intents.c.filled_contracts, intents.c.position_id)

order_events = Table(
    "order_events",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=True),
    Column("client_order_id", ForeignKey("intents.client_order_id"), nullable=False, index=True),
    Column("at", String, nullable=False),
    Column("state", String, nullable=False),
    Column("answer", Text, nullable=False),
)

Index("ix_order_events_at", order_events.c.at)

positions = Table(
    "positions",
    metadata,
    Column("position_id", String, primary_key=True),
    Column("opened_at", String, nullable=False),
    Column("position_json", Text, nullable=False),
    Column("closed_at", String, index=True),
    Column("exit_reason", String),
    Column("exit_price", String),
    Column("pnl_usdt", String),
    Column("fees_usdt", String),
    Column("funding_usdt", String),
)

fills = Table(
    "fills",
    metadata,
    Column("instrument", String, primary_key=True),
    Column("trade_id", String, primary_key=True),
    Column("order_id", String, primary_key=True),
    Column("position_id", String, nullable=False, index=True),
    Column("client_order_id", String, nullable=False),
    Column("side", String, nullable=False),
    Column("contracts", String, nullable=False),
    Column("price", String, nullable=False),
    Column("fee_usdt", String, nullable=False),  # empty: the venue had no price of the currency in `fees`
    Column("pnl_usdt", String, nullable=False),
    Column("at", String, nullable=False),
)

fees = Table(
    "fees",  # of executions whose fee was charged in another currency than USDT
    metadata,
    Column("instrument", String, primary_key=True),
    Column("trade_id", String, primary_key=True),
    Column("order_id", String, primary_key=True),
    Column("amount", String, nullable=False),
    Column("currency", String, nullable=False),
)

equity_marks = Table(
    "equity_marks",
    metadata,
    Column("at", String, primary_key=True),
    Column("equity_usdt", String, nullable=False),
    Column("paid_in_usdt", String, nullable=False),
    Column("peak_usdt", String, nullable=False),
)

events = Table(
    "events",  # what a person should know of; `key` is set where a second record of the same thing must not be made
    metadata,
    Column("event_id", _NUMBER, primary_key=True, autoincrement=True),
    Column("at", String, nullable=False),
    Column("written_at", String, nullable=False),  # by this machine's clock: escalation waits in real minutes
    Column("kind", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("ref", String),
    Column("key", String, unique=True),
    Column("acknowledged_at", String),
    Column("acknowledged_by", String),
)

Index("ix_events_open", events.c.acknowledged_at, events.c.severity)

requests = Table(
    "requests",  # of persons, once they are carried out
    metadata,
    Column("request_id", String, primary_key=True),
    Column("at", String, nullable=False),
    Column("wish", String, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("by", String, nullable=False),
    Column("position_id", String, index=True),
    Column("event_id", _NUMBER),
    Column("carried_out_at", String, nullable=False),
)

deliveries = Table(
    "deliveries",  # messages to destinations of alerts: the outbox, and what became of each
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=True),
    Column("destination", String, nullable=False),
    Column("idempotency_key", String, nullable=False, unique=True),
    Column("queued_at", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("tries", _NUMBER, nullable=False),
    Column("ended_at", String),
    Column("answer", String),
)

Index("ix_deliveries_waiting", deliveries.c.destination, deliveries.c.state, deliveries.c.seq)

alert_states = Table(
    "alert_states",  # what the planning of a destination's messages, and of escalation, goes on from
    metadata,
    Column("name", String, primary_key=True),
    Column("state_json", Text, nullable=False),
)
