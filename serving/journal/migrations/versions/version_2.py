"""Version 2: what challengers said beside decisions, and retrainings."""

from __future__ import annotations

import sqlalchemy as sa

from serving.journal.migrations.columns import key, make_index, make_table, number, text, word

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """Make the tables."""
    make_table(
        "shadows",
        key("decision_id", sa.ForeignKey("decisions.decision_id")),
        key("model_version"),
        word("decision_time"),
        word("model_name"),
        word("model_sha256"),
        text("probabilities_json"),
        word("choice", nullable=True),
        text("failure", nullable=True),
    )
    make_index("ix_shadows_decision_time", "shadows", "decision_time")
    make_table(
        "retrainings",
        key("due_at"),
        word("run_id", sa.ForeignKey("runs.run_id")),
        word("started_at"),
        word("ended_at", nullable=True),
        number("exit_code", nullable=True),
        text("summary"),
    )
