"""`pairity ui`."""

from __future__ import annotations

import os
import sys

import click

from pairity_cli.context import echo, reports_errors, settings_from


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port on 127.0.0.1.")
@reports_errors
def ui(port: int) -> None:
    """Open the MLflow UI on 127.0.0.1: compare runs, models, figures and trade logs.

    It is for looking only: nothing can be changed there. It is started without keys in its environment.
    """
    from model_registry.connection import database_file, prepare_environment
    from pairity.child_environment import make_child_environment
    from pairity.errors import MissingDataError
    from pairity.layout import Layout

    layout = Layout.of(settings_from())
    if not database_file(layout).is_file():
        raise MissingDataError(
            f"no run has been logged in {layout.mlflow}", "run `pairity train` (make train), or `make demo`"
        )
    echo(f"MLflow UI, for looking only: http://127.0.0.1:{port}   (Ctrl-C ends it)")
    sys.stdout.flush()
    prepare_environment()
    command = [sys.executable, "-m", "model_registry.tracking_ui", str(layout.root), str(port)]
    # In place of this process: Ctrl-C and signals reach the UI itself
    os.execve(sys.executable, command, make_child_environment())
