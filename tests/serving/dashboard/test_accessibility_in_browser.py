"""No rule of accessibility is broken: every state, every dialog, at every size, dark and light."""

from __future__ import annotations

import json
import signal

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.serving.dashboard.browsing import SIZES, TOKEN, looking
from tests.serving.dashboard.test_states_in_browser import SAID

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(280)]
LOOKS = [(size, scheme) for size in SIZES for scheme in ("dark", "light")]
ACTS = {"waiting": ("act-guard", "act-halt", "act-flatten"), "guarded": ("act-unguard",), "halted": ("act-resume",)}


WHOLE = {"waiting", "stale", "halted", "starting"}
CHANGING = {"include": [["#bar"], ["#verdict"], ["#positions"]]}
"""What differs between the other states: the rest of the page is that of `waiting`."""


def assert_nothing_is_broken(look, where, part=None):
    found = Axe().run(look.page, context=part, options={"resultTypes": ["violations"]}).response["violations"]
    said = json.dumps([(item["id"], [node["html"] for node in item["nodes"]][:3]) for item in found])
    assert found == [], f"{where}: {said}"


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_of_every_state(browser, server, size, scheme):
    with looking(browser, server, size, scheme, TOKEN) as look:
        look.settle()
        for name, (_, verdict) in SAID.items():
            server.scenario(name)
            look.wait_for_text("#verdict", verdict)
            assert_nothing_is_broken(look, name, None if name in WHOLE else CHANGING)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_while_the_process_is_gone_and_without_a_token(browser, server, size, scheme):
    with looking(browser, server, size, scheme) as look:
        look.settle()
        assert_nothing_is_broken(look, "read only")
        server.signal(signal.SIGSTOP)
        try:
            look.wait_for_text("#verdict", "The process does not answer")
            assert_nothing_is_broken(look, "gone")
        finally:
            server.signal(signal.SIGCONT)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_of_every_dialog(browser, server, size, scheme):
    with looking(browser, server, size, scheme, TOKEN) as look:
        look.settle()
        for name, keys in ACTS.items():
            server.scenario(name)
            for key in keys:
                opened_by(look, f"[data-key={key}]")
        server.scenario("waiting")
        opened_by(look, "#positions [data-act=close]")
        opened_by(look, "#events [data-act=acknowledge]")
        opened_by(look, "#events [data-act=acknowledge-all]")
        opened_by(look, "[data-key=bar-help]")
        opened_by(look, "#why tbody button", "known since")
        look.page.locator("[data-key=bar-token]").click()  # locks
        opened_by(look, "[data-key=act-unlock]")


def opened_by(look, selector, text=None):
    """Open a dialog, look at it, and close it again."""
    look.page.locator(selector).first.click()
    if text is not None:
        look.wait_for_text("dialog[open]", text)
    assert look.page.locator("dialog[open]").count() == 1, selector
    assert_nothing_is_broken(look, selector, "dialog")
    look.page.keyboard.press("Escape")
    look.wait("document.querySelector('dialog[open]') === null")
