"""A trading process that is left alone: the venue, a person and the disk do their worst, and it goes on."""

from __future__ import annotations

import json
import urllib.request

import pytest

from pairity.layout import Layout
from pairity.settings import Settings
from serving.journal import Journal, TradingState
from tests.e2e.running import ASSETS, Place, paper_exchange

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(900)]


class Alone:
    """One exchange, one data directory with a champion, and the trading process over and over."""

    def __init__(self, place, exchange):
        self.place, self.exchange = place, exchange
        self.options = ("--exchange-url", exchange.url, "--control-url", exchange.control)
        for done in (place.run("ingest", *self.options, "--since", "22d"), place.run("train", "--no-compare")):
            assert done.returncode == 0, done.stdout + done.stderr
        self.trade(8)

    def trade(self, cycles, **extra):
        done = self.place.run("serve", *self.options, "--cycles", str(cycles), **extra)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def read(self, look):
        journal = Journal.read(Layout.of(Settings(home=self.place.home, universe={"assets": ASSETS})).journal)
        try:
            return look(journal)
        finally:
            journal.close()

    def states(self):
        return self.read(lambda journal: journal.states.all())

    def fault(self, kind, path, count=1, **params):
        self.exchange.post("faults", {"kind": kind, "path": path, "count": count, "params": params})

    def clear(self):
        urllib.request.urlopen(urllib.request.Request(f"{self.exchange.control}/faults", method="DELETE")).close()


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    with paper_exchange("--seed", "11") as exchange:
        yield Alone(Place(tmp_path_factory.mktemp("alone") / "home"), exchange)


EMPTY = json.dumps({"code": "0", "msg": "", "data": []})


@pytest.mark.parametrize(
    ("kind", "path", "count", "params"),
    [
        ("maintenance_50001", "*", 12, {}),
        ("reset", "*", 9, {}),
        ("html_503", "account/*", 9, {}),
        ("body", "account/positions", 12, {"text": EMPTY}),
        ("maintenance_50001", "POST trade/order", 12, {}),
        ("code", "POST trade/order", 20, {"code": "51028", "msg": "under delivery", "http_status": 200}),
    ],
    ids=["maintenance", "resets", "gateway", "empty positions", "no orders", "suspended"],
)
def test_a_bad_spell_of_the_venue_is_survived(alone, kind, path, count, params):
    before = alone.read(lambda journal: len(journal.decisions()))
    alone.fault(kind, path, count, **params)
    try:
        alone.trade(2)
    finally:
        alone.clear()
    assert alone.states()[-1].state is TradingState.TRADING
    assert alone.read(lambda journal: len(journal.decisions())) > before
    assert alone.read(lambda journal: [i for i in journal.unsettled() if i.purpose.value != "protect"]) == []


def test_a_torn_lake_file_guards_and_does_not_end_it(alone):
    files = sorted((alone.place.home / "lake").rglob("*.parquet"))
    newest = [path for path in files if path.parent.name == files[-1].parent.name]
    kept = {path: path.read_bytes() for path in newest}
    for path in newest:
        path.write_bytes(kept[path][: len(kept[path]) // 2])
    try:
        done = alone.place.run("serve", *alone.options, "--cycles", "2")
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
    said = done.stdout + done.stderr
    # Both decisions were made, and after a run without fresh features the exit code says so.
    assert (done.returncode, "Traceback" in said) == (4, False), said
    assert "now guarding: data:" in said
    assert "not one of 2 decisions found fresh features" in said


def test_a_damaged_online_store_guards_and_does_not_end_it(alone):
    store = next((alone.place.home / "feast").glob("online*"), None)
    assert store is not None, list((alone.place.home / "feast").iterdir())
    kept = store.read_bytes()
    store.write_bytes(b"not a database" * 100)
    done = alone.place.run("serve", *alone.options, "--cycles", "2")
    store.write_bytes(kept)
    assert "Traceback" not in done.stdout + done.stderr
    open_now = alone.read(lambda journal: journal.open_positions())
    assert (done.returncode == 0) or not open_now, done.stdout + done.stderr


def test_a_halt_is_taken_up_at_the_next_start_and_lifted_by_a_person(alone):
    assert alone.place.run("halt", "--reason", "a drill").returncode == 0
    alone.trade(2)
    assert (alone.states()[-1].state, alone.states()[-1].by) == (TradingState.HALTED, "person")
    decisions = alone.read(lambda journal: journal.decisions()[-2:])
    assert all(record.decision.entries == () for record in decisions)
    assert alone.place.run("resume").returncode == 0
    alone.trade(1)
    assert alone.states()[-1].state is TradingState.TRADING
