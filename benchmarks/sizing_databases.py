"""The measured processes of `sizing_postgres`: they trade and register, and say what the databases hold."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

from benchmarks.serving_scene import Scene, register_model
from pairity.configuration import load_settings
from pairity.journal_place import JournalDatabase, JournalPlace
from pairity.layout import TRACKING_SCHEMA, Layout
from pairity.progress import SilentProgress
from pairity.settings import Settings

_FEAST_SCHEMA = "feast"
_FILE = "journal.db"


def make_database() -> str:
    """Make a database on the server that the environment names, and return its name."""
    name = f"sizing_{secrets.token_hex(4)}"
    _ask(load_settings(profile="cluster"), f"CREATE DATABASE {name}")
    return name


def drop_database(name: str) -> None:
    """Drop it, whoever still uses it."""
    _ask(load_settings(profile="cluster"), f"DROP DATABASE {name} WITH (FORCE)")


def trade_hours(scene: dict[str, Any], hours: int, models: int) -> dict[str, Any]:
    """Trade `hours` hours and register `models` models besides the scene's; return the fields of a `Traded`."""
    from serving.journal import Journal
    from serving.process import serve

    settings = Scene(**scene).settings
    layout = Layout.of(settings)
    place = layout.journal_place
    Journal.open(place).close()
    before, written = _measure_journal(settings), _count_wal(settings)
    report = asyncio.run(serve(settings, live=False, cycles=hours, progress=SilentProgress(), on_ready=lambda _: None))
    assert report.blind == 0, f"{report.blind} decisions without fresh features: {report.problems[:3]}"
    after, wal = _measure_journal(settings), _count_wal(settings) - written
    sizes = [_measure_tracking(settings)]
    for _ in range(models):
        register_model(settings)
        sizes.append(_measure_tracking(settings))
    return {
        "before": before,
        "after": after,
        "rows": _count_rows(place),
        "wal": wal,
        "models": sizes,
        "registry": _measure_registry(settings),
    }


def _measure_journal(settings: Settings) -> dict[str, int]:
    layout = Layout.of(settings)
    if isinstance(layout.journal_place, JournalDatabase):
        return _measure_schema(settings, layout.journal_place.schema)
    return {_FILE: _measure_files(layout.journal.parent, f"{_FILE}*")}


def _measure_tracking(settings: Settings) -> int:
    layout = Layout.of(settings)
    if layout.tracking_database is not None:
        return sum(_measure_schema(settings, TRACKING_SCHEMA).values())
    return _measure_files(layout.mlflow, "mlflow.db*")


def _measure_registry(settings: Settings) -> int:
    if settings.profile == "cluster":
        return sum(_measure_schema(settings, _FEAST_SCHEMA).values())
    return _measure_files(Layout.of(settings).feast, "registry*")


def _measure_files(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


def _measure_schema(settings: Settings, schema: str) -> dict[str, int]:
    query = (
        "SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_class AS c JOIN pg_namespace AS n "
        f"ON n.oid = c.relnamespace WHERE n.nspname = '{schema}' AND c.relkind = 'r'"
    )
    return {str(name): int(size) for name, size in _ask(settings, query)}


def _count_rows(place: JournalPlace) -> dict[str, int]:
    from sqlalchemy import func, select

    from serving.journal import tables
    from serving.journal.opened import connect_store

    store = connect_store(place)
    with store.begin_reading() as connection:
        counted = {
            table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
            for table in tables.decisions.metadata.sorted_tables
        }
    store.close()
    return counted


def _count_wal(settings: Settings) -> int:
    """Return how many bytes the whole server has written to its log until now; 0 for files."""
    if settings.profile != "cluster":
        return 0
    return int(_ask(settings, "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")[0][0])


def _ask(settings: Settings, statement: str) -> list[Any]:
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    address = settings.cluster.make_postgres_address("public")
    engine = create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        answer = connection.execute(text(statement))
        return list(answer.all()) if answer.returns_rows else []
