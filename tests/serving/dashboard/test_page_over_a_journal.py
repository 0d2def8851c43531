"""The page over a real journal: what a process decided, holds and closed is what stands in the panels."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from serving.dashboard.routes import make_page_router
from tests.serving.api_scene import ApiScene, hours, serving
from tests.serving.dashboard.browsing import Look
from tests.serving.trading import T0

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


@contextmanager
def traded(home: Path, token: str | None) -> Iterator[str]:
    """The address of a process that closed a trade and holds a position; all of it in a thread beside the browser's."""
    ready, done, addresses = threading.Event(), threading.Event(), []

    def run() -> None:
        try:
            scene = ApiScene(home, **({} if token is None else {"status_token": token}))
            scene.trade(T0, close="target", price="81000")
            scene.trade(T0 + hours(1))
            with serving(scene, [make_page_router()]) as client:
                addresses.append(client.url)
                ready.set()
                done.wait()
            scene.close()
        finally:
            ready.set()

    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(run)
        ready.wait()
        try:
            if addresses:
                yield addresses[0]
        finally:
            done.set()
            running.result()


@pytest.mark.parametrize("token", [None, "a-token-to-read-with-0123456789"])
def test_the_page_shows_what_the_journal_holds(browser, tmp_path, token):
    with traded(tmp_path, token) as url:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, timezone_id="UTC")
        if token is not None:
            context.add_init_script(f"sessionStorage.setItem('pairity-token', '{token}')")
        look = Look(context, url)
        look.wait("document.querySelectorAll('#positions article').length === 1")
        look.wait("document.querySelectorAll('#why tbody tr').length === 3")
        look.wait("document.querySelectorAll('#orders tbody tr').length > 0")
        look.wait_for_text("#trades .body", "target")
        assert "short BTC 0.0125" in look.text("#positions .head")
        assert "of BTC / SOL" in look.text("#positions .head")
        look.wait_for_text("#positions .legs", "confirmed")
        assert look.complaints == []
        assert look.hosts == {url.removeprefix("http://")}
        context.close()
