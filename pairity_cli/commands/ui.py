"""`pairity ui`."""

from __future__ import annotations

import os
import sys

import click

from pairity_cli.context import reports_errors, say_note, settings_from


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True, help="Port on 127.0.0.1.")
@reports_errors
def ui(port: int) -> None:
    """Print where the MLflow UI is once it answers: compare runs, models, figures and trade logs.

    The address opens the runs of the newest experiment with the columns that decide. It is on 127.0.0.1 and for
    looking only: nothing can be changed there. It is started without keys in its environment; in the profile cluster
    the address of the runs' database, with its password, is.
    """
    from model_registry.connection import prepare_environment
    from model_registry.tracking_ui.listening import listen
    from model_registry.tracking_ui.server import list_variables
    from pairity.child_environment import make_child_environment
    from pairity.layout import Layout
    from training.reports.run_views import prepare_runs_page

    layout = Layout.of(settings_from())
    listening = listen(port)
    page = prepare_runs_page(layout)
    if page.trouble:
        say_note(f"MLflow's own columns are shown: {page.trouble}")
    prepare_environment()
    listening.set_inheritable(True)
    command = [sys.executable, "-m", "model_registry.tracking_ui", str(layout.root), str(listening.fileno()), page.path]
    # In place of this process: Ctrl-C and signals reach the UI itself
    os.execve(sys.executable, command, make_child_environment(list_variables(layout)))
