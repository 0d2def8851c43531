"""MLflow's server in this process, its database opened for reading, behind the read-only layer."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
import warnings
from typing import Any

from model_registry.connection import load_mlflow, open_client, store_errors
from model_registry.tracking_ui.listening import HOST
from model_registry.tracking_ui.read_only import Application, ReadOnly
from pairity.layout import Layout
from pairity.service_variables import list_postgres_variables

DATABASE = "TRACKING_DATABASE"
"""Variable with the address of MLflow's database, password included, where it is elsewhere."""
_CLOSING_S = 2
"""How long answers that are under way may take once a signal came."""


def list_variables(layout: Layout) -> dict[str, str]:
    """Return what the UI's process needs in its environment: the database's address where it is elsewhere."""
    if layout.tracking_database is None:
        return {}
    return {DATABASE: layout.tracking_database, **list_postgres_variables()}


def run(layout: Layout, listening: socket.socket, page: str) -> None:
    """Serve the UI on a socket that listens until a signal ends it; print where `page` is once it answers."""
    import uvicorn

    port = listening.getsockname()[1]
    config = uvicorn.Config(
        # Without lifespan: MLflow's would look for containers of its assistant
        ReadOnly(load_server(layout), layout, port),
        lifespan="off",
        ws="none",
        log_level="warning",
        timeout_graceful_shutdown=_CLOSING_S,
    )

    class Announced(uvicorn.Server):
        """In this process and no other: whoever looks is one person."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started:
                sys.stdout.write(f"MLflow UI, for looking only: http://{HOST}:{port}{page}   (Ctrl-C ends it)\n")
                sys.stdout.flush()  # whoever started the process waits for this line in a pipe

    Announced(config).run(sockets=[listening])


def load_server(layout: Layout) -> Application:
    """Return MLflow's own application over the layout's database, which this process can only read from now on."""
    load_mlflow(layout)
    # First with a client that may write: a database of an older MLflow says here that it must be upgraded
    with store_errors(layout):
        open_client(layout).search_experiments(max_results=1)
    _open_for_reading()
    os.environ["_MLFLOW_SERVER_FILE_STORE"] = layout.tracking_uri
    os.environ["_MLFLOW_SERVER_REGISTRY_STORE"] = layout.tracking_uri
    os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = (layout.mlflow / "artifacts").as_uri()
    os.environ["_MLFLOW_SERVER_SERVE_ARTIFACTS"] = "false"
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    with warnings.catch_warnings():
        # MLflow 3.17 uses a part of Starlette that is deprecated: nothing that our users could mend
        warnings.filterwarnings("ignore", message="starlette.middleware.wsgi is deprecated")
        from mlflow.server.fastapi_app import app

    server: Application = app
    return server


def _open_for_reading() -> None:
    """Let the database refuse every write of this process, whatever way it came."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import Pool

    def refuse_writes(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's connection
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA query_only = ON")

    def refuse_writes_of_postgres(connection: Any, *_others: object) -> None:  # noqa: ANN401 - the driver's connection
        if type(connection).__module__.partition(".")[0] == "psycopg":
            connection.read_only = True  # of every transaction from now on, also over connections from before

    event.listen(Engine, "connect", refuse_writes)
    event.listen(Pool, "checkout", refuse_writes_of_postgres)
