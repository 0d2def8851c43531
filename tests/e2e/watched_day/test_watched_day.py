"""A day of recorded trading with faults on, watched on a desk and on a phone, answered from the screens alone.

Real processes: a paper exchange that plays OKX's recorded minutes, unkind and with a script of faults, `pairity serve`
over HTTP, and a browser. DAY_PICTURES names a folder for pictures of the day (`make pictures`).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal import Journal
from tests.e2e.account_checks import check_cash, check_equal, read_cash
from tests.e2e.running import Place, paper_exchange
from tests.e2e.test_page_of_a_process import Desk, free_port
from tests.e2e.watched_day.pictures import take_pictures
from tests.e2e.watched_day.questions import ask_all
from tests.e2e.watched_day.script import (
    AFTERWARDS,
    CANCELLED_AT,
    HOURS,
    KILLED_AT,
    QUIET,
    SETTINGS,
    START,
    TOKEN,
    TOLD,
    at,
    write_script,
)
from tests.e2e.watched_day.truth import Truth
from tests.serving.dashboard.browsing import SIZES, Look, open_browser

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.recorded, pytest.mark.timeout(1800)]
STEP = 1 / 12
_LAG = 0.02
"""After this part of an hour the bar that closed at its beginning is decided on."""


@pytest.fixture
def home(tmp_path):
    """A data directory with a champion that was registered at the beginning of the day."""
    recorded = os.environ.get("PAIRITY_RECORDED_DATA")
    if not recorded:
        pytest.skip("PAIRITY_RECORDED_DATA is not set: no recorded minutes")
    data = Path(recorded) / "okx_swap" / "1m_20250318_20250417"
    place = Place(tmp_path / "home", SETTINGS | {"PAIRITY_SERVE__PORT": str(free_port())})
    with paper_exchange("--market", "recorded", "--data", str(data), "--start", at(0)) as exchange:
        options = ("--exchange-url", exchange.url, "--control-url", exchange.control)
        for command in (("ingest", *options, "--since", "24d"), ("train", "--no-compare")):
            done = place.run(*command, timeout_s=900)
            assert done.returncode == 0, done.stdout + done.stderr
    write_script(tmp_path / "faults.json")
    script = ("--unkind", "--seed", "20", "--faults", str(tmp_path / "faults.json"))
    return place, ("--market", "recorded", "--data", str(data), "--start", at(0), *script)


def test_a_day_with_faults_is_told_by_the_page_alone(home):
    place, options = home
    with paper_exchange(*options) as exchange:
        truth = Truth(place.home / "journal.db", exchange.url)
        before = read_cash(truth.client)
        desk = Desk(place, ("--exchange-url", exchange.url))
        try:
            with open_browser() as browser:
                day = Day(desk, exchange, truth, browser)
                day.watch()
                assert all(look.hosts == {desk.url.removeprefix("http://")} for look in day.looks)
                assert [text for look in day.looks for text in look.complaints if "net::ERR" not in text] == []
            reconcile(place, truth, read_cash(truth.client) - before)
        finally:
            desk.end()
            truth.close()


class Day:
    """The day as it is watched: a page on a desk and one on a phone, open from its beginning to its end.

    The exchange's time goes on in steps of five minutes, and stands while something is looked for.
    """

    def __init__(self, desk, exchange, truth, browser):
        self.desk, self.exchange, self.truth = desk, exchange, truth
        self.looks = [self._open(browser, size) for size in ("desk", "phone")]
        self.hour = 0.0
        self.told = list(TOLD)

    def _open(self, browser, size):
        width, height = SIZES[size]
        scheme = "dark" if size == "desk" else "light"
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        context.add_init_script(f"sessionStorage.setItem('pairity-token', '{TOKEN}')")
        return Look(context, f"{self.desk.url}/")

    def watch(self):
        """Look on until the day is over; ask everything in each hour in which nothing is wrong."""
        self.is_told("#verdict", "No decision yet.")
        for hour in range(1, HOURS):
            self.go_to(hour + _LAG)
            self.wait_for_decision(hour)
            take_pictures(self.looks, hour)
            if hour in QUIET:
                for look in self.looks:
                    ask_all(look, self.truth)
            if hour == int(CANCELLED_AT):
                self.cancel_a_stop()
            if hour == int(KILLED_AT):
                self.kill_and_start_again()
        for pattern in AFTERWARDS:
            self.is_told("#events .body", pattern)

    def go_to(self, until):
        """Let time pass; stop where something has to stand on the screens."""
        while self.hour < until - 1e-9:
            due = [row for row in self.told if row[0] <= self.hour + 1e-9]
            for row in due:
                self.is_told(row[1], row[2])
                self.told.remove(row)
                take_pictures(self.looks, self.hour)
            stops = [until, *(row[0] for row in self.told)]
            self.hour = min(self.hour + STEP, *(stop for stop in stops if stop > self.hour + 1e-9))
            self.exchange.post("advance", {"to": round((START.timestamp() + self.hour * 3600) * 1000)})
            time.sleep(0.3)

    def is_told(self, selector, pattern):
        """Wait until both screens say it: with time standing still, they have a look or two for it."""
        script = "([where, pattern]) => new RegExp(pattern).test(document.querySelector(where)?.innerText)"
        for look in self.looks:
            end = time.monotonic() + 90
            while not look.page.evaluate(script, [selector, pattern]):
                said = look.text(selector)
                assert time.monotonic() < end, f"at {self.hour:.2f}, {selector} does not say {pattern!r}: {said}"
                time.sleep(0.1)

    def wait_for_decision(self, hour):
        end = time.monotonic() + 180
        wanted = f"{START:%Y-%m-%d}T{hour:02}"
        while True:
            newest = self.truth.ask("SELECT max(event_timestamp) AS newest FROM decisions")[0]["newest"]
            if newest and newest.startswith(wanted):
                return
            assert time.monotonic() < end, f"nothing was decided at {wanted}: {newest}"
            time.sleep(0.1)

    def cancel_a_stop(self):
        """A person cancels a stop on the venue: it is placed again, and both screens say so."""
        stop = next(iter(self.truth.stops().values()))
        given = [{"algoId": stop["algoId"], "instId": stop["instId"]}]
        assert self.truth.client.privatePostTradeCancelAlgos(given)["data"][0]["sCode"] == "0"
        self.is_told("#events .body", f"the stop of {stop['instId']} was gone from the venue, and was placed again")

    def kill_and_start_again(self):
        self.desk.process.kill()
        for look in self.looks:
            look.wait_for_text("#verdict", "The process does not answer")
            assert look.is_grey()
        self.desk.end()
        self.desk.serve()
        for look in self.looks:
            look.wait("document.body.dataset.link === 'open'", within_s=180)


def reconcile(place, truth, change):
    """The account that the page spoke of is the journal's and the venue's, to the cent."""
    journal = Journal.read(Layout.of(Settings(home=place.home)).journal)
    try:
        check_equal(journal, truth.client)
        check_cash(journal, truth.client, change)
    finally:
        journal.close()
