"""Version 7: verdicts of parity checks, and decisions of books."""

from __future__ import annotations

import sqlalchemy as sa

from serving.journal.migrations.columns import key, make_table, number, text, word

revision = "7"
down_revision = "6"


def upgrade() -> None:
    """Make the tables."""
    make_table(
        "parity_verdicts", key("verdict_id"), word("at"), word("recorded_at"), number("different"), text("verdict_json")
    )
    refers = sa.ForeignKey("decisions.decision_id")
    make_table("book_decisions", key("decision_id", refers), word("family"), text("book_json"))
