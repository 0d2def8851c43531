"""PostgreSQL of the cluster profile: a schema for each of those who share the database, and what went wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pairity.errors import ConfigError, DataError

PROMISES = ("synchronous_commit", "fsync", "full_page_writes")
"""Settings of a server without which what it confirmed may be lost with its power."""


def ensure_schema(address: str, schema: str) -> None:
    """Make a schema where it is missing; errors as `postgres_errors`."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    engine = create_engine(address, poolclass=NullPool)
    with postgres_errors(address), engine.begin() as connection:
        # Asked first: who only reads must not try to make one
        known = text("SELECT 1 FROM pg_namespace WHERE nspname = :schema")
        if connection.execute(known, {"schema": schema}).first() is None:
            connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))


def name_database(address: str) -> str:
    """Return which database an address means, without its password."""
    from sqlalchemy import make_url

    url = make_url(address)
    return f"PostgreSQL {url.host}:{url.port}/{url.database}"


@contextmanager
def postgres_errors(address: str) -> Iterator[None]:
    """Say which database failed, and why: ConfigError where it refuses the user, DataError where it does not answer."""
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as error:
        why = " ".join(str(error.orig).split()) or type(error.orig).__name__
        if "authentication failed" in why or "no password supplied" in why:
            raise ConfigError(
                f"{name_database(address)} refuses the user: {why}",
                "correct cluster.postgres_user and PAIRITY_CLUSTER__POSTGRES_PASSWORD",
            ) from None
        raise DataError(
            f"{name_database(address)} cannot be used: {why}",
            "start it again, or correct cluster.postgres; connections are made anew by themselves",
        ) from None
