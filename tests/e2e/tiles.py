"""Four pictures for the README, of one demo: the page, the report of its training, what was judged, and why.

`make demo ARGS=--keep-open` in one terminal, `make tiles` in another. Nothing on the pictures is arranged: the page is
that of the process that trades, the others are what `pairity report`, `data-docs` and `why` make of the same folder.
"""

from __future__ import annotations

import argparse
import html
import os
import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser

from tests.e2e.running import ROOT
from tests.serving.dashboard.browsing import Look, open_browser

SIZE = {"width": 1280, "height": 800}
COLUMNS = 132
"""Characters in a line of the terminal's picture."""
_TERMINAL = """<body style="margin:0;background:#0d1117;color:#e6edf3"><pre style="margin:24px;
font:14px/1.45 'DejaVu Sans Mono',monospace">{}</pre></body>"""


def said(home: Path, *command: str) -> str:
    """Return what a command printed about the demo in `home`; SystemExit with its words where it failed."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PAIRITY_HOME": str(home), "COLUMNS": str(COLUMNS)}
    done = subprocess.run(
        [sys.executable, "-m", "pairity_cli", *command], text=True, capture_output=True, env=environment, check=False
    )
    if done.returncode:
        sys.exit(f"pairity {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def take_page(browser: Browser, url: str, to: Path) -> None:
    """Take the page of the trading process."""
    context = browser.new_context(viewport=SIZE, color_scheme="dark")  # type: ignore[arg-type]
    look = Look(context, url)
    look.settle()
    look.page.screenshot(path=to)
    context.close()


def take_file(browser: Browser, file: Path, to: Path) -> None:
    """Take the beginning of a page that is a file."""
    context = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(file.absolute().as_uri())
    page.screenshot(path=to)
    context.close()


def take_text(browser: Browser, text: str, to: Path) -> None:
    """Take what a terminal shows, as many lines as fit."""
    context = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_content(_TERMINAL.format(html.escape(text)))
    page.screenshot(path=to)
    context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Take the four pictures of a demo whose page is open.")
    parser.add_argument("--home", type=Path, default=Path("var/demo-synthetic"), help="the demo's data directory")
    parser.add_argument("--page", required=True, help="address of its page, as the demo printed it")
    parser.add_argument("--to", type=Path, default=Path("docs/pictures"), help="folder of the pictures")
    chosen = parser.parse_args()
    chosen.to.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        take_page(browser, chosen.page, chosen.to / "tile-page.png")
        take_text(browser, "$ pairity why\n" + said(chosen.home, "why"), chosen.to / "tile-why.png")
        run = re.search(r"\b[0-9a-f]{32}\b", said(chosen.home, "models", "1"))
        assert run, "the first version names no run"
        report = chosen.home / "reports" / "tile.html"
        said(chosen.home, "report", run[0], "--output", str(report))
        take_file(browser, report, chosen.to / "tile-report.png")
        overview = re.search(r"overview: (.+)", said(chosen.home, "data-docs"))
        assert overview, "data-docs names no overview"
        take_file(browser, Path(overview[1].strip()), chosen.to / "tile-judged.png")


if __name__ == "__main__":
    main()
