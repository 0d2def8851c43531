"""Version 8: settlements of funding on a book's instruments."""

from __future__ import annotations

from serving.journal.migrations.columns import key, make_table, word

revision = "8"
down_revision = "7"


def upgrade() -> None:
    """Make the table."""
    make_table("book_fundings", key("bill_id"), word("instrument"), word("at"), word("amount_usdt"))
