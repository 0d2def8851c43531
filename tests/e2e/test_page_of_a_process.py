"""The page of a real trading process, used by a person: what it says, every action, and a process that is killed.

Two legs and three positions, on a champion that takes every spread for one that reverts: soon there is something to
close. Each figure is compared with the journal's files and the venue's answers, which share no code with the page.
"""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import threading
from decimal import Decimal

import pytest

from tests.e2e.account_checks import client_of
from tests.e2e.running import Place, paper_exchange
from tests.e2e.test_two_homes import until
from tests.serving.dashboard.browsing import Look, open_browser

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]
TOKEN = "a-control-token-that-only-this-test-has"
START = "2026-01-01T00:00:00Z"
SPEED = 60
SETTINGS = {
    "PAIRITY_UNIVERSE__ASSETS": json.dumps(["BTC", "ETH", "SOL", "XRP", "ADA", "DOT", "AVAX", "LINK"]),
    "PAIRITY_STRATEGY__LEGS": "both",
    "PAIRITY_STRATEGY__MAX_CONCURRENT_POSITIONS": "3",
    "PAIRITY_MODEL__FAMILY": "always_revert",
    "PAIRITY_SERVE__CONTROL_TOKEN": TOKEN,
    "PAIRITY_SERVE__WATCH_S": "120",
    "PAIRITY_SERVE__LEASE": "false",
}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Desk:
    """A trading process, its exchange, and the page of it as a person has it before him."""

    def __init__(self, place: Place, options: tuple[str, ...]) -> None:
        self.place, self.options = place, options
        self.serve()

    def serve(self) -> None:
        self.process = self.place.start("serve", *self.options)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        while line and not (found := re.search(r"http://127\.0\.0\.1:\d+", line)):
            line = self.process.stdout.readline()
        assert line, "it did not start"
        self.url = found[0]
        # Nobody wants what it says further on, but it must not fill the pipe.
        self.draining = threading.Thread(target=self.process.stdout.read)
        self.draining.start()

    def look(self, browser) -> Look:
        context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="dark")
        return Look(context, f"{self.url}/")

    def ask(self, query: str) -> list[sqlite3.Row]:
        connection = sqlite3.connect(f"file:{self.place.home / 'journal.db'}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def end(self) -> None:
        self.process.kill()
        self.draining.join(30)
        self.process.communicate()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A home with a champion, and an exchange whose clock runs from where the champion was trained."""
    place = Place(tmp_path_factory.mktemp("page") / "home", SETTINGS | {"PAIRITY_SERVE__PORT": str(free_port())})
    with paper_exchange("--seed", "11", "--start", START) as exchange:
        options = ("--exchange-url", exchange.url, "--control-url", exchange.control)
        for command in (("ingest", *options, "--since", "22d"), ("train", "--no-compare")):
            done = place.run(*command)
            assert done.returncode == 0, done.stdout + done.stderr
    with paper_exchange("--seed", "11", "--start", START, "--clock", f"x{SPEED}") as exchange:
        yield place, exchange


def test_a_person_works_with_the_page_of_a_real_process(world):
    place, exchange = world
    desk = Desk(place, ("--exchange-url", exchange.url))
    try:
        with open_browser() as browser:
            look = desk.look(browser)
            look.wait_for_text("#verdict", "Holds 2 positions", within_s=240)
            compare_with_the_venue(look, client_of(exchange.url))
            compare_candidates(look, desk)
            unlock(look, "a-token-that-somebody-guessed")
            is_refused(look)
            unlock(look, TOKEN)
            acknowledge(look, desk)
            guard_and_lift(look)
            close_one(look, desk)
            flatten_and_resume(look, desk, client_of(exchange.url))
            killed_and_back(look, desk)
            assert [text for text in look.complaints if "net::ERR" not in text] == []
            assert look.hosts == {desk.url.removeprefix("http://")}
    finally:
        desk.end()


def compare_with_the_venue(look, client):
    """Contracts, entries and stops of every leg are those of the venue, and so is the day's result."""
    rows = "[...document.querySelectorAll('#positions article tbody tr')]"
    look.wait(f"{rows}.filter(row => row.innerText.includes('✓ confirmed')).length === 4", within_s=60)
    rows = read_rows(look, "#positions article tbody tr")
    held = {row["instId"]: row for row in client.privateGetAccountPositions()["data"]}
    stops = {
        row["instId"]: row for row in client.privateGetTradeOrdersAlgoPending({"ordType": "conditional,oco"})["data"]
    }
    assert len(held) == len(rows)
    for row in rows:
        side, name = row[0].split()
        there, rests = held[f"{name}-USDT-SWAP"], stops[f"{name}-USDT-SWAP"]
        assert side == ("long" if Decimal(there["pos"]) > 0 else "short")
        entry, stop, target, contracts = (Decimal(row[place].replace(",", "")) for place in (3, 5, 6, 7))
        assert entry == Decimal(there["avgPx"])
        assert contracts == abs(Decimal(there["pos"]))
        assert (stop, target) == (Decimal(rests["slTriggerPx"]), Decimal(rests["tpTriggerPx"]))


def compare_candidates(look, desk):
    """The pair that a decision opened is said to be opened, and whatever else was free was passed over for a reason."""
    opened = json.loads(desk.ask("SELECT decision_json FROM decisions ORDER BY event_timestamp DESC")[0][0])["entries"]
    look.wait("document.querySelectorAll('#why tbody tr').length === 28")
    reasons = [row[-1] for row in read_rows(look, "#why tbody tr")]
    assert reasons.count("✓ opened") == len(opened)
    assert all(reason[2:] for reason in reasons)


def unlock(look, token):
    look.page.get_by_role("button", name="Read only: unlock").click()
    look.page.locator("input[name=token]").fill(token)
    look.page.keyboard.press("Enter")
    look.wait("document.querySelector('[data-key=act-guard]') !== null")


def act(look, key, word, reason="because of the test"):
    look.page.locator(f"[data-key='{key}']").click()
    dialog = look.page.locator("dialog[open]")
    dialog.locator("input[name=reason]").fill(reason)
    dialog.locator("input[name=confirmation]").fill(word)
    dialog.locator("button[type=submit]").click()
    look.wait("document.querySelector('dialog[open]') === null")


def is_refused(look):
    """A wrong token does nothing, is forgotten, and the person who looks next is told of the try."""
    look.page.locator("[data-key='act-guard']").click()
    dialog = look.page.locator("dialog[open]")
    dialog.locator("input[name=reason]").fill("a try")
    dialog.locator("input[name=confirmation]").fill("GUARD")
    dialog.locator("button[type=submit]").click()
    look.wait_for_text("dialog[open]", "The token is wrong and was forgotten")
    look.page.keyboard.press("Escape")
    look.wait("document.querySelector('[data-key=act-unlock]') !== null")
    look.wait_for_text("#verdict", "1 event waits for acknowledgement")


def guard_and_lift(look):
    act(look, "act-guard", "GUARD", "going to sleep")
    look.wait_for_text("#bar", "guarding", within_s=20)
    look.wait_for_text("#verdict", "going to sleep")
    assert look.text("#verdict").count("going to sleep") == 1
    act(look, "act-unguard", "UNGUARD")
    look.wait("!document.querySelector('#bar').innerText.includes('guarding')", within_s=20)


def close_one(look, desk):
    name = desk.ask("SELECT position_id FROM positions WHERE closed_at IS NULL ORDER BY opened_at")[0][0]
    act(look, f"close-{name}", f"CLOSE {name}")
    look.wait_for_text("#trades", "person", within_s=60)
    look.wait(f"document.querySelector(\"[data-key='close-{name}']\") === null", within_s=20)
    booked = desk.ask(f"SELECT * FROM positions WHERE position_id = '{name}'")[0]
    shown = read_rows(look, "#trades tbody tr")[0]
    net = sum(Decimal(booked[part]) for part in ("pnl_usdt", "fees_usdt", "funding_usdt"))
    assert as_number(shown[2]) == round(float(net), 2)
    assert as_number(shown[4]) == round(float(booked["fees_usdt"]), 2)


def flatten_and_resume(look, desk, client):
    act(look, "act-flatten", "FLATTEN")
    look.wait_for_text("#bar", "halted", within_s=60)
    look.wait_for_text("#verdict", "Holds nothing", within_s=60)
    assert client.privateGetAccountPositions()["data"] == []
    # Risk is of the same account: it holds nothing either, and says so without being asked again.
    look.wait_for_text("#risk", "gross exposure\n0.00 USDT")
    rows = len(desk.ask("SELECT 1 FROM positions WHERE closed_at IS NOT NULL"))
    look.wait(f"document.querySelectorAll('#trades tbody tr').length === {rows}", within_s=12)
    act(look, "act-resume", "RESUME")
    look.wait("!document.querySelector('#bar').innerText.includes('halted')", within_s=30)


def acknowledge(look, desk):
    look.page.locator("#events [data-act=acknowledge]").first.click()
    look.page.locator("dialog[open] button[type=submit]").click()
    look.wait_for_text("#events", "✓ acknowledged")
    done = "SELECT acknowledged_by FROM events WHERE acknowledged_at IS NOT NULL AND severity <> 'info'"
    assert [row[0] for row in desk.ask(done)] == ["page"]
    look.wait("!document.querySelector('#verdict').innerText.includes('for acknowledgement')")


def killed_and_back(look, desk):
    desk.process.send_signal(signal.SIGKILL)
    assert look.wait_for_text("#verdict", "The process does not answer") < 5
    assert look.is_grey()
    assert look.page.title().startswith("✕ process gone")
    desk.end()
    desk.serve()
    look.wait("document.body.dataset.link === 'open'", within_s=60)
    # Nothing of before the kill is taken for current: what is shown was read since.
    look.wait("document.body.dataset.unread === 'no'", within_s=20)
    look.wait("document.querySelectorAll('.panel.old').length === 0", within_s=20)
    # The page is there while the process still starts: its run begins a moment later.
    until(lambda: len(desk.ask("SELECT 1 FROM runs")) == 2)


def read_rows(look, selector):
    """Texts of all cells at one moment: a row that is drawn anew meanwhile has none."""
    script = "wanted => [...document.querySelectorAll(wanted)].map(row => [...row.cells].map(cell => cell.innerText))"
    return look.page.evaluate(script, selector)


def as_number(text):
    return float(text.split()[0].replace("−", "-").replace(",", ""))
