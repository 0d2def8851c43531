"""Version 6: margin modes of orders that are not in cross margin."""

from __future__ import annotations

import sqlalchemy as sa

from serving.journal.migrations.columns import key, make_table, word

revision = "6"
down_revision = "5"


def upgrade() -> None:
    """Make the table."""
    refers = sa.ForeignKey("intents.client_order_id")
    make_table("margin_modes", key("client_order_id", refers), word("margin_mode"))
