"""The page in a real browser, and the scenario server as a process that can be stopped, killed and started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).parents[3]
CHROMIUM = "/usr/bin/chromium"
TOKEN = "a-control-token-of-the-tests"
SIZES = {"phone": (390, 844), "desk": (1280, 800), "wall": (2560, 1440)}
PANELS = ("positions", "why", "equity", "pair", "heat", "orders", "trades", "risk", "model", "trust", "events")


class ScenarioProcess:
    """The scenario server as a process of its own, on one port for its whole life."""

    def __init__(self) -> None:
        self.port = 0
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.serving.dashboard.scenario_server", "--port", str(self.port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.process.stdout.close()
        self.port = int(self.url.rpartition(":")[2])

    def set(self, *path: str) -> None:
        with urlopen(Request(f"{self.url}/test/{'/'.join(path)}", method="POST")):
            pass

    def scenario(self, name: str) -> None:
        self.set("scenario", name)

    def actions(self) -> list[dict]:
        with urlopen(f"{self.url}/test/actions") as answer:
            return json.loads(answer.read())

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Look:
    """One open page with everything that went wrong on it: errors, complaints of the policy, foreign requests."""

    def __init__(self, context: BrowserContext, url: str, link: str | None = "open") -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("console", lambda said: self._hear(said.type, said.text))
        self.page.on("request", lambda asked: self._note(asked.url))
        self.url = url
        self.page.goto(url)
        if link is not None:  # a page that listens to no stream has none
            self.wait("link => document.body.dataset.link === link", link)

    def _hear(self, kind: str, text: str) -> None:
        # A server that is away or refuses is part of the tests; the browser notes each such request by itself.
        if kind in ("error", "warning") and "Failed to load resource" not in text:
            self.complaints.append(f"{kind}: {text}")

    def _note(self, url: str) -> None:
        if not url.startswith(("data:", "blob:")):
            self.hosts.add(url.split("/")[2])

    def settle(self) -> None:
        """Wait until every panel has drawn its first answer."""
        self.wait("[...document.querySelectorAll('.panel .empty')].every(node => node.textContent !== 'loading')")

    def wait(self, expression: str, arg: object = None, within_s: float = 8.0) -> None:
        """Wait until an expression (of `arg`, where it is a function) is true; AssertionError where it does not get so.

        Asked from outside: the policy of the page lets nobody evaluate anything in it on its own time.
        """
        end = time.monotonic() + within_s
        while not self.page.evaluate(expression, arg):
            assert time.monotonic() < end, f"never came: {expression} of {arg}: {self.text('#verdict')!r}"
            time.sleep(0.03)

    def wait_for_text(self, selector: str, text: str, within_s: float = 5.0) -> float:
        """Wait until `text` stands in `selector`; return the seconds that it took."""
        begun = time.monotonic()
        wanted = "([selector, text]) => Boolean(document.querySelector(selector)?.innerText.includes(text))"
        self.wait(wanted, [selector, text], within_s)
        return time.monotonic() - begun

    def text(self, selector: str) -> str:
        return self.page.locator(selector).first.inner_text()

    def colour(self, name: str) -> str:
        """Return a colour as elements inside the panels get it."""
        return self.page.evaluate(
            "name => { const node = document.createElement('i'); node.style.color = `var(--${name})`;"
            "document.querySelector('#positions .body').append(node);"
            "const found = getComputedStyle(node).color; node.remove(); return found; }",
            name,
        )

    def is_grey(self) -> bool:
        """Return whether results have no colour of their own any more."""
        return self.colour("up") == self.colour("down") == self.colour("muted")


@contextlib.contextmanager
def looking(
    browser: Browser,
    server: ScenarioProcess,
    size: str = "desk",
    scheme: str = "dark",
    token: str | None = None,
    link: str = "open",
) -> Iterator[Look]:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    if token is not None:
        context.add_init_script(f"sessionStorage.setItem('pairity-token', {json.dumps(token)})")
    try:
        look = Look(context, server.url, link)
        yield look
        assert look.complaints == []
        assert look.hosts == {server.url.removeprefix("http://")}
    finally:
        context.close()
