"""Version 4: states of the trading process, marks of equity, contracts whose value changed."""

from __future__ import annotations

import sqlalchemy as sa

from serving.journal.migrations.columns import key, make_table, number_rows, place, text, word

revision = "4"
down_revision = "3"


def upgrade() -> None:
    """Make the tables."""
    make_table("rescalings", key("position_id"), key("instrument"), key("at"), word("contracts"))
    make_table(
        "states",
        place("seq"),
        word("at"),
        word("state"),
        text("reason"),
        word("by"),
        sa.Column("flatten", sa.Boolean, nullable=False),
    )
    number_rows("states", "seq")
    make_table("equity_marks", key("at"), word("equity_usdt"), word("paid_in_usdt"), word("peak_usdt"))
