"""Acting and reading by a person: typed confirmation, token of the tab, keyboard only, filters, pages, copies."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.serving.dashboard.browsing import TOKEN, looking

pytestmark = [pytest.mark.slow, pytest.mark.e2e]


def test_without_a_token_nothing_can_be_asked(browser, server):
    with looking(browser, server) as look:
        look.settle()
        assert look.page.locator("[data-act]:visible").count() == 0
        assert look.page.get_by_role("button", name="Read only: unlock").is_visible()
        server.scenario("read_only")
        look.wait_for_text("#verdict", "no control token is configured")
        assert look.page.locator("#verdict button").count() == 0


ACTIONS = [
    ("waiting", "#verdict [data-act=guard]", "GUARD", {"action": "guard"}),
    ("guarded", "#verdict [data-act=unguard]", "UNGUARD", {"action": "unguard"}),
    ("waiting", "#verdict [data-act=halt]", "HALT", {"action": "halt"}),
    ("halted", "#verdict [data-act=resume]", "RESUME", {"action": "resume"}),
    ("waiting", "#verdict [data-act=flatten]", "FLATTEN", {"action": "flatten"}),
    ("waiting", "#positions [data-act=close]", "CLOSE p7f3a2c91", {"action": "close", "position_id": "p7f3a2c91"}),
    ("waiting", "#events [data-act=acknowledge]", None, {"action": "acknowledge", "event_id": 479}),
    ("waiting", "#events [data-act=acknowledge-all]", None, {"action": "acknowledge-all"}),
]


@pytest.mark.parametrize(("scenario", "button", "word", "sent"), ACTIONS, ids=[case[3]["action"] for case in ACTIONS])
def test_each_action_needs_a_reason_and_its_word(browser, server, scenario, button, word, sent):
    server.scenario(scenario)
    with looking(browser, server, token=TOKEN) as look:
        look.settle()
        look.page.locator(button).first.click()
        dialog = look.page.locator("dialog")
        send = dialog.locator("button[type=submit]")
        assert send.is_disabled() is (word is not None)  # acknowledging needs no reason
        dialog.locator("[name=reason]").fill("a test of the page")
        if word is not None:
            assert send.is_disabled()
            for wrong in (word.lower(), word[:-1], f"{word} "):
                dialog.locator("[name=confirmation]").fill(wrong)
                assert send.is_disabled()
            dialog.locator("[name=confirmation]").fill(word)
        assert Axe().run(look.page).response["violations"] == []
        send.click()
        dialog.wait_for(state="detached")
        assert server.actions() == [{**sent, "reason": "a test of the page", "confirmation": word or ""}]


def test_acknowledged_events_wait_no_more(browser, server):
    with looking(browser, server, token=TOKEN) as look:
        look.settle()
        waiting = look.page.locator("#events [data-act=acknowledge]").count()
        look.page.locator("#events [data-act=acknowledge-all]").click()
        look.page.locator("dialog [name=reason]").fill("seen")
        look.page.keyboard.press("Enter")
        look.wait("document.querySelectorAll('#events [data-act=acknowledge]').length === 0")
        assert waiting > 0
        assert "acknowledged" in look.text("#events .body")


def test_a_wrong_token_is_said_and_forgotten(browser, server):
    with looking(browser, server, token="wrong") as look:
        look.settle()
        look.page.locator("#verdict [data-act=guard]").click()
        look.page.locator("dialog [name=reason]").fill("try")
        look.page.locator("dialog [name=confirmation]").fill("GUARD")
        look.page.locator("dialog button[type=submit]").click()
        look.wait_for_text("dialog", "The token is wrong and was forgotten. Nothing was asked")
        assert look.page.evaluate("sessionStorage.getItem('pairity-token')") is None
        assert server.actions() == []
        # What was typed stays, the token is asked for in its place, and nothing goes without one.
        dialog = look.page.locator("dialog")
        send = dialog.locator("button[type=submit]")
        assert send.is_disabled()
        assert look.page.evaluate("document.activeElement.name") == "token"
        assert Axe().run(look.page).response["violations"] == []
        for token, taken in (("wrong again", False), (TOKEN, True)):
            look.page.keyboard.type(token)
            look.page.keyboard.press("Enter")
            if not taken:
                look.wait("document.querySelector('dialog [name=token]').value === ''")
                look.wait_for_text("dialog", "The token is wrong and was forgotten")
        dialog.wait_for(state="detached")
        assert [(row["action"], row["reason"]) for row in server.actions()] == [("guard", "try")]
        look.wait_for_text("#bar", "guarding")


def test_a_page_that_needs_a_token_to_read_asks_for_it(browser, server):
    server.set("reading-token", "to-read")
    with looking(browser, server, link="locked") as look:
        assert "Reading needs a token" in look.text("#verdict")
        look.page.get_by_role("button", name="Unlock").first.click()
        look.page.locator("dialog [name=token]").fill("to-read")
        look.page.keyboard.press("Enter")
        look.wait("document.body.dataset.link === 'open'")
        look.wait_for_text("#verdict", "Well.")


def test_everything_goes_by_keyboard_alone(browser, server):
    with looking(browser, server) as look:
        look.settle()
        keys = look.page.keyboard
        keys.press("Tab")
        assert look.page.evaluate("document.activeElement.className") == "skip"
        keys.press("u")
        keys.type(TOKEN)
        keys.press("Enter")
        look.page.wait_for_selector("#verdict [data-act=halt]")
        for _ in range(40):
            keys.press("Tab")
            if look.page.evaluate("document.activeElement.dataset.act === 'halt'"):
                break
        keys.press("Enter")
        keys.type("by keyboard")
        keys.press("Tab")
        keys.type("HALT")
        keys.press("Enter")
        look.wait_for_text("#bar", "halted")
        assert server.actions()[0]["reason"] == "by keyboard"


def test_keys_jump_to_panels_and_escape_gives_the_focus_back(browser, server):
    with looking(browser, server) as look:
        look.settle()
        keys = look.page.keyboard
        for key, panel in zip("1234567890-", ("positions", "why", "equity", "pair", "heat", "orders", "trades", "risk",
                                              "model", "trust", "events"), strict=True):  # fmt: skip
            keys.press(key)
            assert look.page.evaluate("document.activeElement.closest('.panel').id") == panel
        keys.press("2")
        keys.press("Tab")  # into the head of the table
        look.page.locator("#why tbody button").first.focus()
        key = look.page.evaluate("document.activeElement.dataset.key")
        keys.press("Enter")
        look.wait_for_text("dialog", "known since")
        assert Axe().run(look.page).response["violations"] == []
        keys.press("Escape")
        assert look.page.evaluate("document.activeElement.dataset.key") == key
        keys.press("?")
        look.page.locator("#keys-on").uncheck()
        keys.press("Escape")
        keys.press("9")
        assert look.page.evaluate("document.activeElement.dataset.key") != "model"


def test_news_takes_neither_focus_nor_place(browser, server):
    with looking(browser, server, token=TOKEN) as look:
        look.settle()
        look.page.locator("#positions [data-act=close]").nth(1).focus()
        key = look.page.evaluate("document.activeElement.dataset.key")
        look.page.evaluate("document.querySelector('#why .body').scrollTop = 200")
        server.scenario("waiting")
        look.page.wait_for_timeout(700)
        assert look.page.evaluate("document.activeElement.dataset.key") == key
        assert look.page.evaluate("document.querySelector('#why .body').scrollTop") == 200


def test_tables_are_sorted_and_filtered(browser, server):
    with looking(browser, server) as look:
        look.settle()
        pairs = look.page.locator("#why tbody tr")
        assert pairs.count() == 45
        naming = [text for text in pairs.all_inner_texts() if "XRP" in text]
        assert len(naming) >= 9  # nine pairs, and those whose reason names it
        look.page.get_by_label("Filter pairs or reasons").fill("xrp")
        assert pairs.all_inner_texts() == naming
        look.page.get_by_label("Filter pairs or reasons").fill("")
        look.page.locator("#why .chips button", has_text="candidate").click()
        assert pairs.count() == 1
        look.page.locator("#why .chips button", has_text="candidate").click()
        look.page.locator("#why thead button", has_text="z").click()
        figures = [text.replace("−", "-") for text in look.page.locator("#why tbody td:nth-child(2)").all_inner_texts()]
        values = [float(text) for text in figures if text != "–"]
        assert values == sorted(values, reverse=True)
        assert figures.index("–") == len(values)  # what is not known stands last
        before = look.text("#why .tools p")
        look.page.get_by_label("Older decision").click()
        look.wait("text => document.querySelector('#why .tools p').innerText !== text", before)


def test_trades_by_pair_by_day_and_as_a_file(browser, server):
    with looking(browser, server) as look:
        look.settle()
        rows = look.page.locator("#trades tbody tr")
        every = rows.count()
        look.page.locator("#trades").get_by_label("Result").select_option("won")
        assert 0 < rows.count() < every
        look.page.locator("#trades button", has_text="Per pair").click()
        for cell in look.page.locator("#trades tbody td:last-child > span").all():
            interval = cell.locator("small").inner_text().strip(" []")
            coloured = bool({"up", "down"} & set((cell.get_attribute("class") or "").split()))
            if interval == "no interval":
                assert not coloured
            else:
                low, high = (float(text.replace("−", "-").replace(",", "")) for text in interval.split(", "))
                assert coloured is not (low <= 0 <= high)
        look.page.locator("#trades button", has_text="Calendar").click()
        assert look.page.locator("#trades .calendar li b").count() > 20
        for by, count in (("week", 5), ("month", 1)):
            look.page.locator("#trades").get_by_label("Calendar by").select_option(by)
            look.page.wait_for_selector("#trades .calendar.wide")
            assert look.page.locator("#trades .calendar.wide li").count() > count
        with look.page.expect_download() as download:
            look.page.locator("#trades button", has_text="CSV").click()
        assert download.value.suggested_filename == "trades.csv"
        assert download.value.path().read_text().startswith("position_id,pair,result_usdt")


def test_orders_open_and_ids_are_copied(browser, server):
    with looking(browser, server) as look:
        look.context.grant_permissions(["clipboard-read", "clipboard-write"])
        look.settle()
        look.page.locator("#orders tbody button").first.click()
        look.page.get_by_label("Copy 1873305412377600000").first.click()
        look.page.wait_for_selector(".notice")
        assert look.page.evaluate("navigator.clipboard.readText()") == "1873305412377600000"
        assert "after 40 ms" in look.page.locator("#orders .line").first.get_attribute("aria-label")


def test_a_pair_is_chosen_from_the_heat_map(browser, server):
    with looking(browser, server) as look:
        look.settle()
        look.page.locator("#heat td button").nth(3).click()
        look.wait("document.querySelector('#pair .chart')?.ariaLabel.startsWith('BTC / AVAX')")
        look.page.mouse.move(900, 300)
        look.page.locator("#pair canvas").hover()
        look.wait("document.querySelector('.tip')?.textContent.includes('ratio')")


def test_the_heat_map_says_what_became_of_each_pair(browser, server):
    with looking(browser, server) as look:
        look.settle()
        opened = look.page.locator("#heat td button.opened")
        assert opened.count() == 2  # one pair stands on both sides of the diagonal
        assert opened.first.inner_text().split()[-1] == "✓"
        assert opened.first.get_attribute("title").endswith(", opened")
        assert "✓ opened (1)" in look.text("#heat .legend")
        waiting = look.page.locator("#heat td button.candidate").first
        assert "a candidate, but the decision was to hold" in waiting.get_attribute("title")


def test_colours_follow_the_reader(browser, server):
    with looking(browser, server, scheme="light") as look:
        look.settle()
        background = "getComputedStyle(document.body).backgroundColor"
        assert look.page.evaluate(background) == "rgb(238, 241, 245)"
        look.page.keyboard.press("t")
        assert look.page.evaluate(background) == "rgb(10, 13, 18)"
        look.page.reload()
        look.wait("document.body.dataset.link === 'open'")
        assert look.page.evaluate(background) == "rgb(10, 13, 18)"


def test_a_book_shows_weight_target_and_drift(browser, server):
    server.scenario("books")
    with looking(browser, server) as look:
        look.settle()
        text = look.text("#positions .body")
        assert "Book of 10 legs" in text
        assert all(word in text for word in ("weight", "target", "drift", "confirmed"))
        assert look.page.locator("#positions tbody tr").count() == 10
