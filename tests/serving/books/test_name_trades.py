"""Closed names of a book wherever trades are shown: list, CSV, calendar, live result, command line, open names."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

import polars as pl
import pytest
from click.testing import CliRunner

from pairity.layout import Layout
from pairity.number_formats import format_price
from pairity.universe import short_name
from pairity_cli.main import main
from serving.journal.reading import ReadingJournal
from serving.sightings import Sightings
from serving.status import Status
from serving.views.base import Cut, Inputs
from serving.views.model import view_model
from serving.views.name_trades import list_trips
from serving.views.positions import view_positions
from serving.views.trades import TradeFilter, view_calendar, view_trades, write_trades_csv
from tests.serving.books.book_scene import DAY, FIRST, MARKET, book_scene
from tests.serving.books.test_round_trips import collect


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    with book_scene(
        tmp_path_factory.mktemp("home") / "home", serve={"port": 0, "lease": False, "interval_minutes": 1440}
    ) as scene:
        assert scene.trade(8).problems == []
        scene.advance(FIRST + 7 * DAY + timedelta(hours=17))
        collect(scene, FIRST + 7 * DAY + timedelta(hours=17))
        yield scene


@pytest.fixture
def seen(scene):
    journal = ReadingJournal.connect(scene.journal_path)
    record = journal.last_decision()
    model = {"name": record.model_name, "version": record.model_version, "sha256": record.model_sha256}
    yield Inputs(
        journal=journal,
        status=Status(mode="paper", market="here", model=model, equity_usdt=1e5),
        sightings=Sightings(),
        settings=scene.settings,
        layout=Layout.of(scene.settings),
        now=FIRST + 8 * DAY,
    )
    journal.close()


def test_the_list_has_the_trips_that_ended_last_one_first_in_pages(seen):
    closed = [one for one in list_trips(seen.journal) if one.closed_at is not None]
    whole = view_trades(seen, Cut(500)).items
    assert len(whole) == len(closed) > 2
    assert [(one.closed_at, one.position_id) for one in whole] == sorted(
        [(one.closed_at, one.trip_id) for one in closed], reverse=True
    )
    assert all(one.kind == "book" and one.entry_order_id and one.exit_order_id for one in whole)
    paged, cut = [], Cut(2)
    while True:
        page = view_trades(seen, cut)
        paged += page.items
        if page.next is None:
            break
        cut = Cut(2, page.next)
    assert paged == whole
    for one in whole:
        parts = [Decimal(part) for part in (one.price_usdt, one.fees_usdt, one.funding_usdt)]
        assert Decimal(one.result_usdt) == sum(parts)


def test_filters_choose_among_names(seen):
    whole = view_trades(seen, Cut(500)).items
    name = whole[0].pair
    assert {one.pair for one in view_trades(seen, Cut(500), TradeFilter(pair=name)).items} == {name}
    won = view_trades(seen, Cut(500), TradeFilter(result="won")).items
    lost = view_trades(seen, Cut(500), TradeFilter(result="lost")).items
    assert len(won) + len(lost) == len(whole)
    assert all(Decimal(one.result_usdt) > 0 for one in won)
    middle = whole[len(whole) // 2].closed_at
    since = view_trades(seen, Cut(500), TradeFilter(since=middle)).items
    until = view_trades(seen, Cut(500), TradeFilter(until=middle)).items
    assert {one.position_id for one in (*since, *until)} == {one.position_id for one in whole}
    assert not view_trades(seen, Cut(500), TradeFilter(reason="target")).items


def test_csv_and_calendar_have_the_same_sums(seen):
    whole = view_trades(seen, Cut(500)).items
    total = sum(Decimal(one.result_usdt) for one in whole)
    rows = pl.read_csv(write_trades_csv(seen).encode(), infer_schema_length=0)
    assert sum(map(Decimal, rows["result_usdt"].to_list())) == total
    assert rows["entry_order_id"].to_list() == [one.entry_order_id for one in whole]
    for by in ("day", "week", "month"):
        items = view_calendar(seen, by).items
        assert sum(Decimal(one.result_usdt) for one in items) == total
        assert sum(one.trades for one in items) == len(whole)
    by_day = defaultdict(int)
    for one in whole:
        by_day[f"{one.closed_at:%Y-%m-%d}"] += 1
    assert {one.period: one.trades for one in view_calendar(seen, "day").items} == by_day


def test_the_live_result_counts_what_this_version_opened(seen):
    whole = view_trades(seen, Cut(500)).items
    live = view_model(seen).live
    assert (live.trades, live.result_usdt) == (len(whole), float(sum(Decimal(one.result_usdt) for one in whole)))
    seen.status.model["sha256"] = "0" * 64
    assert view_model(seen).live.trades == 0


def test_an_open_name_says_what_its_reductions_realised(seen):
    trips = {one.name: one for one in list_trips(seen.journal) if one.closed_at is None}
    items = view_positions(seen).items
    assert {one.pair for one in items} == set(trips)
    reduced = [one for one in trips.values() if one.price_usdt]
    assert reduced
    for one in items:
        trip = trips[one.pair]
        assert one.result.realised_usdt == float(trip.price_usdt)
        assert one.result.fees_usdt == float(trip.fees_usdt)
        assert one.entry_order_ids == [trip.entry_order]


def test_the_command_lists_and_exports_them(scene, seen, monkeypatch, tmp_path):
    monkeypatch.setenv("PAIRITY_HOME", str(scene.settings.home))
    monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", json.dumps(list(MARKET["close"])))
    monkeypatch.chdir(tmp_path)
    whole = view_trades(seen, Cut(500)).items
    done = CliRunner().invoke(main, ["trades", "--json", "--all"])
    assert done.exit_code == 0, done.output
    closed, opened = json.loads(done.stdout)["tables"]
    assert [row["opened_by"] for row in closed["rows"]] == [one.entry_order_id for one in whole]
    total = sum(Decimal(one.result_usdt) for one in whole)
    assert sum(Decimal(row["result_usdt"]) for row in closed["rows"]) == total
    assert {row["name"] for row in opened["rows"]} == {short_name(one) for one in seen.journal.books.count_held()}
    shown = CliRunner().invoke(main, ["trades", "--wide", "--export", "own.csv"])
    assert shown.exit_code == 0, shown.output
    assert f"{len(whole)} closed trades, " in shown.output
    newest = shown.output[
        shown.output.index(whole[0].entry_order_id) - 250 : shown.output.index(whole[0].exit_order_id)
    ]
    prices = whole[0].legs[0].entry_price, Decimal(whole[0].exit_price)
    assert all(f" {format_price(one)} " in newest for one in prices), "entry and exit have the same notation"
    assert pl.read_csv("own.csv").height == len(whole)
    why = CliRunner().invoke(main, ["why", whole[0].exit_order_id])
    assert why.exit_code == 0, why.output
    refused = CliRunner().invoke(main, ["trades", "--export", "own.txt"])
    assert refused.exit_code != 0
    assert "own.txt is no .csv file" in refused.output + refused.stderr
    nothing = CliRunner().invoke(main, ["trades", "--until", FIRST.isoformat()])
    assert "0 closed trades, 0.00 USDT" in nothing.output


def test_what_is_not_read_yet_has_no_result(scene, tmp_path):
    with book_scene(tmp_path / "home", serve={"port": 0, "lease": False, "interval_minutes": 1440}) as other:
        other.trade(1)
        journal = ReadingJournal.connect(other.journal_path)
        try:
            assert all(one.funding_usdt is None for one in list_trips(journal))
            assert not [one for one in list_trips(journal) if one.closed_at is not None]
        finally:
            journal.close()
