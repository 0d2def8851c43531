"""The way of the journal's tables from version to version, as scripts of Alembic."""
