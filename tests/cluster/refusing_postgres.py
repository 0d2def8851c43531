"""Ways in which a running PostgreSQL refuses to write, each brought about in the server itself, and mended."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from pairity.journal_place import JournalDatabase
from tests.cluster.journal_places import connect
from tools.local_cluster.services import POSTGRES_USER

_FILLER = "filler"


@dataclass(frozen=True)
class Refusal:
    """A server that refuses from `begin` to `mend`; `said` is what the error says, `remedy` what it advises."""

    said: str
    remedy: str
    begin: Callable[[], None]
    mend: Callable[[], None]


def run_alone(place: JournalDatabase, *statements: str) -> None:
    with connect(place) as connection:
        for statement in statements:
            connection.execute(text(statement))


def _repeat(work: Callable[[], object]) -> None:
    for _ in range(100_000):
        work()


@contextmanager
def read_only(place: JournalDatabase) -> Iterator[Refusal]:
    """As a standby, or a server that an administrator has set so."""

    def set_to(value: str) -> None:
        run_alone(place, "SET default_transaction_read_only = off", f"ALTER SYSTEM {value}", "SELECT pg_reload_conf()")
        time.sleep(0.5)  # each session reads it before its next command

    begin, mend = (
        lambda: set_to("SET default_transaction_read_only = on"),
        lambda: set_to("RESET default_transaction_read_only"),
    )
    try:
        yield Refusal("read-only transaction", "name the primary", begin, mend)
    finally:
        mend()


@contextmanager
def no_slots(place: JournalDatabase) -> Iterator[Refusal]:
    """Every connection that the server takes is somebody else's; those of the process were cut."""
    taken = ExitStack()
    url = make_url(place.address)

    def hold() -> bool:
        import psycopg  # of the extra: this module is read where it is not installed

        try:
            held = psycopg.connect(
                host=url.host, port=url.port, user=url.username, password=url.password, dbname=url.database
            )
        except psycopg.OperationalError:
            return False
        taken.callback(held.close)
        return True

    def begin() -> None:
        with connect(place) as one:
            while hold():
                pass
            one.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pairity %'")
            )
            hold_what_comes_free()
        hold_what_comes_free()

    def hold_what_comes_free() -> None:
        for _ in range(50):  # a session that was ended needs an instant
            if not hold():
                time.sleep(0.02)

    try:
        yield Refusal("too many clients", "max_connections", begin, taken.close)
    finally:
        taken.close()


@contextmanager
def full_disk(place: JournalDatabase) -> Iterator[Refusal]:
    """A file system of a few megabytes holds the tables of the database, and is full. Enter it before they are made."""
    if os.getuid():
        pytest.skip("only root may mount a small file system")
    with connect(place) as connection:
        data = Path(connection.execute(text("SHOW data_directory")).scalar_one())
    name = f"tiny_{secrets.token_hex(4)}"
    folder = data.parent / name  # where the server's own user reaches it
    folder.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("a small file system cannot be mounted here")
    database = make_url(place.address).database
    try:
        shutil.chown(folder, POSTGRES_USER, POSTGRES_USER)
        run_alone(place, f"CREATE TABLESPACE {name} LOCATION '{folder}'")
        run_alone(place, f"ALTER DATABASE {database} SET default_tablespace = {name}")

        def begin() -> None:
            with connect(place) as connection:
                connection.execute(text(f"CREATE TABLE {_FILLER} (x text) TABLESPACE {name}"))
                for rows in (400, 5):  # much at once, and then the rest
                    more = text(f"INSERT INTO {_FILLER} SELECT repeat('x', 1500) FROM generate_series(1, {rows})")
                    with pytest.raises(OperationalError, match="No space left on device"):
                        _repeat(partial(connection.execute, more))

        def mend() -> None:
            run_alone(place, f"DROP TABLE IF EXISTS {_FILLER}")

        yield Refusal("No space left on device", "make room on the disk", begin, mend)
    finally:
        run_alone(
            place,
            f"ALTER DATABASE {database} RESET default_tablespace",
            f"DROP SCHEMA IF EXISTS {place.schema} CASCADE",
        )
        run_alone(place, f"DROP TABLESPACE {name}")
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def refuses_rows(place: JournalDatabase, state: str, said: str) -> Iterator[Refusal]:
    """Each row that is written is refused with a code of PostgreSQL's."""
    yield Refusal(said, "", lambda: refuse_rows(place, state, said), lambda: allow_rows(place))
    allow_rows(place)


def refuse_rows(place: JournalDatabase, state: str, said: str) -> None:
    """Refuse what is written from now on, by a trigger of every table of the journal."""
    run_alone(
        place,
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{said}' USING ERRCODE = '{state}'; END $$",
        f"""DO $$ DECLARE found text; BEGIN FOR found IN SELECT tablename FROM pg_tables
            WHERE schemaname = '{place.schema}' LOOP EXECUTE format('CREATE TRIGGER refuse
            BEFORE INSERT OR UPDATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse()', found);
            END LOOP; END $$""",
    )


def allow_rows(place: JournalDatabase) -> None:
    """Take back what `refuse_rows` did."""
    run_alone(place, "DROP FUNCTION IF EXISTS refuse() CASCADE")
