"""The page over the journal of a book that traded: closed names, their sums, and what open ones realised."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace

import pytest

from pairity.layout import Layout
from serving.dashboard.routes import make_page_router
from serving.execution.okx import OkxVenue
from serving.journal.reading import ReadingJournal
from serving.sightings import Sightings
from serving.status import Status
from serving.views.name_trades import list_closed_trips, list_trips
from serving.web.sources import Sources
from tests.serving.api_scene import serving
from tests.serving.books.book_scene import DAY, FIRST, SPECS, book_scene
from tests.serving.books.test_round_trips import collect
from tests.serving.dashboard.browsing import Look, open_browser
from venue.okx_client import aclose, make_client

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
NOW = FIRST + 9 * DAY + timedelta(hours=17)


async def read_positions(settings):
    client = make_client(settings, signed=True)
    try:
        return dict(await OkxVenue(client, retries=1).positions())
    finally:
        await aclose(client)


def show(scene, look_at):
    """Serve the page over the scene's journal, and look at it from another thread: one loop a thread."""
    sightings = Sightings()
    sightings.contracts, sightings.positions = SPECS, asyncio.run(read_positions(scene.settings))
    sightings.positions_at = sightings.looked_at = NOW
    record = read(scene, lambda journal: journal.last_decision())
    model = {"name": record.model_name, "version": record.model_version, "sha256": record.model_sha256}
    status = Status(mode="paper", market="here", model=model, equity_usdt=float(scene.account.equity()))
    sources = Sources(
        status=lambda: status,
        journal=lambda: ReadingJournal.connect(scene.journal_path),
        layout=Layout.of(scene.settings),
        settings=scene.settings,
        sightings=lambda: sightings,
        now=lambda: NOW,
    )
    served = SimpleNamespace(settings=scene.settings, sources=sources)
    with serving(served, [make_page_router()]) as client, ThreadPoolExecutor(1) as thread:
        return thread.submit(look_at, client.url).result()


def read(scene, ask):
    journal = ReadingJournal.connect(scene.journal_path)
    try:
        return ask(journal)
    finally:
        journal.close()


def look_at_all(url):
    """Return by width what stands in the panels."""
    seen = {}
    with open_browser() as browser:
        for width in (1280, 390):
            context = browser.new_context(viewport={"width": width, "height": 844}, timezone_id="UTC")
            look = Look(context, url)
            look.wait("document.querySelectorAll('#trades tbody tr').length > 0")
            look.wait("document.querySelectorAll('#positions article').length > 0")
            links = look.page.locator("#trades tbody a.why").evaluate_all("nodes => nodes.map(node => node.pathname)")
            rows = look.page.locator("#trades tbody tr").all_inner_texts()
            cards = look.page.locator("#positions article").all_inner_texts()
            live = look.text("#model")
            look.page.locator("#trades [data-tab=calendar]").click()
            look.wait("document.querySelectorAll('#trades .calendar b').length > 0")
            days = look.page.locator("#trades .calendar li[title]").evaluate_all(
                "nodes => nodes.map(node => node.title)"
            )
            wide = look.page.evaluate("document.documentElement.scrollWidth")
            seen[width] = (links, rows, cards, live, days, wide, look.complaints)
            context.close()
    return seen


def test_the_page_shows_the_closed_names_of_a_book(tmp_path):
    options = {"port": 0, "lease": False, "interval_minutes": 1440}
    with book_scene(tmp_path / "home", serve=options) as scene:
        scene.trade(10)
        scene.advance(NOW)
        collect(scene, NOW)
        closed = read(scene, list_closed_trips)
        opened = [one for one in read(scene, list_trips) if one.closed_at is None]
        seen = show(scene, look_at_all)
    total = sum(one.realised_usdt for one in closed)
    for width, (links, rows, cards, live, days, wide, complaints) in seen.items():
        assert complaints == []
        assert wide <= width
        assert len(rows) == len(closed)
        assert set(links) == {f"/why/{order}" for one in closed for order in (one.entry_order, one.exit_order)}
        assert len(cards) == len(opened)
        assert all("realised" in card for card in cards)
        assert f"{len(closed)} trades" in live
        assert f"{abs(total):,.2f} USDT" in live
        assert sum(int(day.partition(" USDT, ")[2].partition(" ")[0]) for day in days) == len(closed)
