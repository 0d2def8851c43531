"""Version 3: fees in other currencies than USDT."""

from __future__ import annotations

from serving.journal.migrations.columns import key, make_table, word

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Make the table."""
    make_table("fees", key("instrument"), key("trade_id"), key("order_id"), word("amount"), word("currency"))
