"""Every state at every size, dark and light: said in words, nothing cut off, nothing old as if it were current."""

from __future__ import annotations

import re
import signal

import pytest

from tests.serving.dashboard.browsing import PANELS, SIZES, TOKEN, looking
from tests.serving.dashboard.scenarios import SCENARIOS

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
LOOKS = [(size, scheme) for size in SIZES for scheme in ("dark", "light")]

# What the bar must say of the state, and the verdict of what is not well.
SAID = {
    "waiting": ("waiting", "Well."),
    "starting": ("starting", "Starting:"),
    "undecided": ("waiting", "No decision yet."),
    "never_decided": ("stale", "Nothing was decided since the start. Nothing below is current"),
    "many": ("waiting", "The stop is not confirmed by the venue: AVAX-USDT-SWAP"),
    "suspended": ("waiting", "Nothing is opened in AVAX-USDT-SWAP: AVAX-USDT-SWAP does not trade: suspend. It is held"),
    "deciding": ("deciding", "Well."),
    "stopped": ("stopped", "The process has stopped"),
    "stale": ("stale", "Nothing below is current"),
    "unreachable": ("guarding", "The venue does not answer"),
    "unknown": ("guarding", "outcome of 1 order is unknown"),
    "unprotected": ("waiting", "No stop on the venue: AVAX-USDT-SWAP"),
    "guarded_twice": ("guarding", "Guarding, no new entries: person: maintenance"),
    "guarded": ("guarding", "Guarding, no new entries: asked by a person"),
    "halted": ("halted", "Halted until a person resumes: daily loss 312"),
    "unusable": ("guarding", "version 14 cannot be used"),
    "no_trades": ("waiting", "Holds nothing."),
    "live": ("waiting", "Well."),
    "demo": ("waiting", "Well."),
    "read_only": ("waiting", "Read only: no control token is configured"),
    "hostile": ("guarding", "<img src=x onerror=alert(1)>"),
    "nothing_known": ("waiting", "No stop on the venue"),
    "books": ("waiting", "Holds 1 position"),
}


def test_every_scenario_is_looked_at():
    assert set(SAID) == set(SCENARIOS)


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_every_state_is_said_and_nothing_is_cut_off(browser, server, size, scheme):
    with looking(browser, server, size, scheme, TOKEN) as look:
        look.settle()
        for name, (state, verdict) in SAID.items():
            server.scenario(name)
            look.wait_for_text("#verdict", verdict)
            look.wait_for_text("#bar", state)
            wide = look.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert wide[0] <= wide[1], name
            bottom = look.page.evaluate("document.querySelector('#verdict').getBoundingClientRect().bottom")
            assert bottom < SIZES[size][1], f"{name}: the three answers need scrolling"


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_every_panel_is_filled(browser, server, size, scheme):
    with looking(browser, server, size, scheme, TOKEN) as look:
        look.settle()
        look.wait("document.querySelectorAll('.chart[data-drawn=yes]').length === 2")
        assert {node.get_attribute("id") for node in look.page.query_selector_all(".panel")} == set(PANELS)
        for panel in PANELS:
            body = look.page.locator(f"#{panel} .body")
            assert body.locator(".empty button").count() + body.locator(":scope > :not(.empty)").count() > 0, panel
            assert "undefined" not in body.inner_text(), panel
            assert not re.search(r"\bNaN\b|\[object|\bnull\b", body.inner_text()), panel
        for chart in look.page.query_selector_all(".chart canvas"):
            box = chart.bounding_box()
            assert box is not None
            assert box["width"] > 200
            assert box["height"] > 150


def test_the_first_hour_is_no_fault_and_nothing_of_it_is_old(browser, server):
    server.scenario("undecided")
    with looking(browser, server, token=TOKEN) as look:
        look.settle()
        assert "Well." in look.text("#verdict")
        assert "none decided on yet" in look.text("#bar")
        assert "old" not in look.text("#bar")
        assert not look.is_grey()


def test_what_is_held_while_the_venue_is_away_is_what_was_seen_last(browser, server):
    server.scenario("unreachable")
    with looking(browser, server, token=TOKEN) as look:
        look.settle()
        look.wait_for_text("#verdict", "When last seen: held 2 positions")


def test_each_leg_has_its_own_way_from_stop_to_target(browser, server):
    with looking(browser, server, token=TOKEN) as look:
        look.settle()
        card = look.page.locator("#positions article").first
        assert card.locator(".ways .span").count() == card.locator(".legs tbody tr").count() == 2
        for bar, row in zip(card.locator(".ways .span").all(), card.locator(".legs tbody tr").all(), strict=True):
            cells = row.locator("td").all_inner_texts()
            label = bar.get_attribute("aria-label")
            assert (
                label == f"{cells[0].split()[1]}: stop {cells[5]}, entry {cells[3]}, now {cells[4]}, target {cells[6]}"
            )
            won = float(cells[2].split()[0].replace("−", "-").replace(",", "")) > 0
            assert ("up" if won else "down") in bar.get_attribute("class").split()


def test_no_figure_is_current_while_the_data_is_stale(browser, server):
    with looking(browser, server) as look:
        look.settle()
        assert not look.is_grey()
        server.scenario("stale")
        look.wait_for_text("#verdict", "3 h 12 min old")
        assert look.is_grey()
        assert look.page.title().startswith("✕ stale")
        assert "+38.42" not in look.text("#bar")
        server.scenario("waiting")
        look.wait_for_text("#verdict", "Well.")
        assert not look.is_grey()


@pytest.mark.parametrize("how", ["killed", "silent", "cut"])
def test_a_process_that_is_gone_is_said_within_five_seconds_and_so_is_its_return(browser, server, how):
    with looking(browser, server, token=TOKEN) as look:
        look.settle()
        if how == "killed":
            server.kill()
        elif how == "silent":
            server.signal(signal.SIGSTOP)
        else:
            look.context.set_offline(True)
        assert look.wait_for_text("#verdict", "The process does not answer", within_s=5.0) < 5.0
        assert look.is_grey()
        bar = look.text("#bar")
        assert "process gone" in bar
        assert "+38.42" not in bar
        assert "reachable" not in bar
        assert not re.search(r"in \d+ (min|s)", bar)  # no countdown of a process that is not there
        assert look.page.title().startswith("✕ process gone")
        assert look.page.get_attribute("#icon", "data-kind") == "gone"
        assert look.page.locator("[data-act]:visible").count() == 0
        look.wait_for_text("#positions .age", "not current")
        if how == "killed":
            server.start()
        elif how == "silent":
            server.signal(signal.SIGCONT)
        else:
            look.context.set_offline(False)
        look.wait_for_text("#verdict", "Well.", within_s=15.0)
        look.wait("document.querySelectorAll('.panel.old').length === 0")  # each is believed once it was read again
        assert not look.is_grey()
        # The browser says by itself that the connection was cut.
        look.complaints[:] = [text for text in look.complaints if "net::ERR" not in text]


def test_without_a_stream_the_page_asks_and_stays_current(browser, server):
    server.set("streams", "none")
    with looking(browser, server) as look:
        look.settle()
        look.page.wait_for_timeout(9000)
        look.wait_for_text("#verdict", "Well.")
        assert not look.is_grey()
        asked = look.page.evaluate("performance.getEntriesByName(location.origin + '/api/v1/stream').length")
        assert asked < 8


def test_a_panel_whose_answer_fails_is_old_and_the_others_are_not(browser, server):
    with looking(browser, server) as look:
        look.settle()
        server.set("fail", "risk")
        look.wait("document.querySelector('#risk').classList.contains('old')", within_s=25.0)
        assert "the journal cannot be read (look into the log)" in look.text("#risk .failure")
        assert look.page.locator("#risk tbody tr").count() > 0
        assert look.page.locator(".panel.old").count() == 1


def test_first_paint_is_within_a_second_and_without_the_charts(browser, server):
    with looking(browser, server) as look:
        look.settle()
        paints = "performance.getEntriesByType('paint').find(e => e.name === 'first-contentful-paint').startTime"
        assert look.page.evaluate(paints) < 1000
        assert not look.page.evaluate("document.querySelector('script[src*=echarts]').hasAttribute('blocking')")


def test_title_and_icon_carry_the_open_result(browser, server):
    with looking(browser, server) as look:
        look.wait_for_text("#bar", "waiting")
        assert look.page.title() == "+20.18 USDT · waiting – pairity"
        assert look.page.get_attribute("#icon", "data-kind") == "up"
        assert look.page.get_attribute("#icon", "href").startswith("data:image/png")
        server.scenario("live")
        look.wait("document.title.includes('LIVE')")
        frame = look.page.evaluate("getComputedStyle(document.body, '::after').borderTopColor")
        assert frame == "rgb(214, 41, 59)"
        assert look.text(".badge") == "LIVE"


def test_text_of_the_server_is_text(browser, server):
    server.scenario("hostile")
    with looking(browser, server) as look:
        look.wait_for_text("#verdict", "<script>alert(2)</script>")
        assert look.page.locator("main img, main script, header img, header script").count() == 0
