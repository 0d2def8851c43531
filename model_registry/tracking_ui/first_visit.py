"""What a browser that has not been here is told before MLflow's pages run: these are models that are trained.

MLflow opens as a place for language models, with a panel of its assistant over a quarter of the screen. Both are kept
by the browser. What somebody has chosen there is left as it is.
"""

from __future__ import annotations

SCRIPT_PATH = "/static-files/pairity/first-visit.js"
# Keys and values as MLflow 3.17 stores them
SCRIPT = """\
const first = {
  "mlflow.workflowType_v1": "machine_learning",
  "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": true,
};
for (const [name, value] of Object.entries(first)) {
  try {
    if (localStorage.getItem(name) === null) localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing shows MLflow's own first page
  }
}
"""
_HEAD = b"<head>"


def add_script(page: bytes) -> bytes:
    """Return MLflow's page with the script in front of all others; a page without a head stays as it is."""
    return page.replace(_HEAD, _HEAD + b'<script src=".' + SCRIPT_PATH.encode() + b'"></script>', 1)
