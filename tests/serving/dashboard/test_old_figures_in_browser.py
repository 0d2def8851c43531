"""Figures that are not known to be current: no status was read, the venue is away, the process has just come back."""

from __future__ import annotations

import re

import pytest

from tests.serving.dashboard.browsing import TOKEN, looking

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


def assert_nothing_is_current(look):
    bar = look.text("#bar")
    assert "+38.42" not in bar
    assert "+20.18" not in bar
    assert "✓ waiting" not in bar
    assert look.is_grey()
    assert look.page.title().startswith("✕")


def test_a_status_that_cannot_be_read_is_said_though_the_process_beats(browser, server):
    with looking(browser, server, token=TOKEN) as look:
        look.settle()
        server.set("fail", "status")
        look.wait_for_text("#verdict", "The state of the process cannot be read: the journal cannot be read", 20.0)
        assert_nothing_is_current(look)
        assert "State\n? not known" in look.text("#bar")
        server.scenario("waiting")
        look.wait_for_text("#verdict", "Well.")
        assert not look.is_grey()


def test_a_process_that_came_back_is_believed_once_it_was_read(browser, server):
    with looking(browser, server, token=TOKEN) as look:
        look.settle()
        look.context.set_offline(True)
        look.wait("document.body.dataset.link === 'gone'")
        server.set("fail", "status")
        server.set("greeting", "off")
        look.context.set_offline(False)
        look.wait("document.body.dataset.link === 'open'", within_s=15.0)
        assert_nothing_is_current(look)
        server.scenario("waiting")
        look.wait_for_text("#verdict", "Well.")
        look.complaints[:] = [text for text in look.complaints if "net::ERR" not in text]


@pytest.mark.parametrize(
    ("name", "why"),
    [("unreachable", "the venue does not answer"), ("stopped", "the process has stopped")],
)
def test_figures_that_nobody_reads_any_more_are_old(browser, server, name, why):
    server.scenario(name)
    with looking(browser, server, token=TOKEN) as look:
        look.settle()
        look.wait_for_text("#bar", "old: ")
        bar = look.text("#bar")
        assert "+20.18" not in bar
        assert "+38.42" not in bar
        assert "✓ reachable" not in bar
        assert "20.18" not in look.page.title()
        assert look.page.get_attribute("#icon", "data-kind") == "gone"
        for panel in ("positions", "risk"):
            look.wait(f"document.querySelector('#{panel}').classList.contains('old')")
            assert look.text(f"#{panel} .age") == f"not current: {why}"
        assert look.page.locator(".panel.old").count() == 2
        server.scenario("waiting")
        look.wait_for_text("#bar", "+20.18")
        look.wait("document.querySelectorAll('.panel.old').length === 0")


def test_nothing_can_be_asked_of_a_process_that_has_stopped(browser, server):
    with looking(browser, server, token=TOKEN) as look:
        look.settle()
        assert look.page.locator("[data-act]:visible").count() > 0
        server.scenario("stopped")
        look.wait_for_text("#verdict", "The process has stopped")
        shown = look.page.locator("[data-act]:visible")
        look.wait("[...document.querySelectorAll('[data-act]')].every(button => button.disabled)")
        assert shown.count() > 0
        why = "The process has stopped: nothing can be asked of it"
        assert why in look.text("#verdict .acts")
        for button in shown.all():
            assert why in button.get_attribute("title") or button.inner_text() == "Acknowledge all"
        server.set("say", "positions")  # what is drawn anew is refused as well
        look.page.wait_for_timeout(700)
        look.wait("[...document.querySelectorAll('[data-act]')].every(button => button.disabled)")
        server.scenario("waiting")
        look.wait_for_text("#verdict", "Well.")
        look.wait("[...document.querySelectorAll('#verdict [data-act]')].every(button => !button.disabled)")
        look.wait("[...document.querySelectorAll('#positions [data-act]')].every(button => !button.disabled)")


def test_a_dialog_that_was_open_when_the_process_stopped_says_why_it_is_refused(browser, server):
    with looking(browser, server, token=TOKEN) as look:
        look.settle()
        look.page.locator("#verdict [data-act=guard]").click()
        dialog = look.page.locator("dialog")
        dialog.locator("[name=reason]").fill("too late")
        dialog.locator("[name=confirmation]").fill("GUARD")
        server.scenario("stopped")
        dialog.locator("button[type=submit]").click()
        look.wait_for_text("dialog", "the process has stopped: nobody would carry this out")
        assert "start it again" in dialog.inner_text()
        assert server.actions() == []


def test_equity_says_how_old_it_is(browser, server):
    with looking(browser, server) as look:
        look.settle()
        cell = look.page.locator("#bar dl > div", has_text="Equity")
        assert "ago" in cell.inner_text()


def test_a_cause_is_said_once_and_events_that_wait_are_said(browser, server):
    server.scenario("guarded_twice")
    with looking(browser, server, token=TOKEN) as look:
        look.settle()
        look.wait_for_text("#verdict", "Guarding, no new entries")
        verdict = look.text("#verdict")
        assert verdict.count("maintenance") == 1
        assert verdict.count("shows 0 contracts") == 1
        assert "3 events wait for acknowledgement" in verdict
        assert "2 to look at" in verdict


def test_what_became_of_a_candidate_is_said(browser, server):
    with looking(browser, server) as look:
        look.settle()
        rows = look.page.locator("#why tbody tr", has_text="not taken")
        assert rows.count() > 0
        title = rows.first.locator("[title]").get_attribute("title")
        assert title == "a candidate, but the decision was to hold: position held"
        look.page.locator("#why .chips button", has_text="candidate").click()
        assert look.page.locator("#why tbody tr").count() == rows.count()


def test_what_has_no_limit_is_not_said_to_be_unmeasured(browser, server):
    with looking(browser, server) as look:
        look.settle()
        row = look.page.locator("#risk tbody tr", has_text="position usdt")
        assert "no limit" in row.inner_text()
        assert "not measured" not in row.inner_text()


def test_a_paper_venue_says_that_it_is_synthetic(browser, server):
    with looking(browser, server) as look:
        look.wait_for_text(".mode", "synthetic")
        server.scenario("live")
        look.wait("!document.querySelector('.mode').innerText.includes('synthetic')")


def test_what_changed_is_read_at_once_and_again_when_it_has_settled(browser, server):
    with looking(browser, server) as look:
        look.settle()
        look.page.wait_for_timeout(9500)  # what the beginning changed has settled
        count = "performance.getEntriesByName(location.origin + '/api/v1/trades?limit=500').length"
        before = look.page.evaluate(count)
        server.set("say", "trade")
        look.wait(f"{count} === {before + 1}", within_s=2.0)
        look.wait(f"{count} === {before + 2}", within_s=12.0)


def test_when_a_feature_was_known_is_told_from_its_event(browser, server):
    with looking(browser, server) as look:
        look.settle()
        look.page.locator("#why tbody tr", has_text="not taken").locator("button").first.click()
        look.wait("document.querySelector('dialog[open] tbody tr') !== null")
        assert "a candidate, but the decision was to hold" in look.text("dialog[open]")
        event, known = look.page.locator("dialog[open] tbody tr").first.inner_text().split("\t")[2:4]
        assert re.fullmatch(r"\d\d-\d\d \d\d:\d\d:\d\d", event)
        assert known > event  # the second after the close of the bar at which it was computed


@pytest.mark.parametrize("path", ["positions", "orders"])
@pytest.mark.parametrize("from_the_start", [True, False])
def test_it_is_not_well_while_what_is_held_cannot_be_read(browser, server, path, from_the_start):
    if from_the_start:
        server.set("fail", path)
    with looking(browser, server) as look:
        if not from_the_start:
            look.settle()
            look.wait_for_text("#verdict", "Well.")
            server.set("fail", path)
        said = {
            "positions": "What is held cannot be read",
            "orders": "Whether an order's outcome is unknown cannot be read",
        }
        look.wait_for_text("#verdict", said[path], within_s=35.0)
        assert "Well." not in look.text("#verdict").replace("Not well", "")
        if path == "positions":
            assert "Holds 2 positions" not in look.text("#verdict")
        server.scenario("waiting")
        look.wait_for_text("#verdict", "Well.", within_s=35.0)
        look.wait_for_text("#verdict", "Holds 2 positions")
