"""PostgreSQL of the cluster profile: addresses for SQLAlchemy, one schema for each of those who share the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pairity.errors import ConfigError, DataError
from pairity.settings import Settings

_TIMEOUT_S = 10


def make_address(settings: Settings, schema: str) -> str:
    """Return the address of the database with the password in it; tables are made and looked for in `schema`."""
    from sqlalchemy import URL

    own = settings.cluster
    place, _, database = str(own.postgres).partition("/")
    host, _, port = place.rpartition(":")
    password = own.reveal_passwords().get("postgres_password")
    return URL.create(
        "postgresql+psycopg",
        own.postgres_user,
        password,
        host,
        int(port),
        database,
        {"options": f"-csearch_path={schema}"},
    ).render_as_string(hide_password=False)


def ensure_schema(settings: Settings, schema: str) -> None:
    """Make a schema where it is missing; errors as `postgres_errors`."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    engine = create_engine(
        make_address(settings, schema), poolclass=NullPool, connect_args={"connect_timeout": _TIMEOUT_S}
    )
    with postgres_errors(settings), engine.begin() as connection:
        connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))


@contextmanager
def postgres_errors(settings: Settings) -> Iterator[None]:
    """Say which database failed, and why: ConfigError where it refuses the user, DataError where it does not answer."""
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as error:
        said = str(error.orig).strip().splitlines()
        why = said[-1] if said else type(error.orig).__name__
        own = settings.cluster
        if "authentication failed" in why or "no password supplied" in why:
            raise ConfigError(
                f"PostgreSQL {own.postgres} refuses the user {own.postgres_user}: {why}",
                "correct cluster.postgres_user and PAIRITY_CLUSTER__POSTGRES_PASSWORD",
            ) from None
        raise DataError(
            f"PostgreSQL {own.postgres} cannot be used: {why}", "start it again, or correct cluster.postgres"
        ) from None
