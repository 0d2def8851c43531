"""The journal against the bills of a paper exchange that the real client trades on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pairity.child_environment import make_child_environment
from pairity.errors import VenueAnswerError
from pairity.layout import Layout
from pairity.settings import Settings
from pairity.strategy.types import Side
from pairity.timeline import from_ms
from paper_exchange.account.account import Account
from paper_exchange.account.ledger import FeeCurrency
from paper_exchange.account.placing import place
from paper_exchange.clock import VirtualClock
from paper_exchange.params import Params
from serving.execution.pace import Pace
from serving.journal import PositionClose
from serving.ledger import Finding, LedgerReport, check_ledger
from tests.paper_exchange.exchange_server import serving
from tests.paper_exchange.handmade_market import HandmadeMarket, contract
from tests.paper_exchange.paper_keys import exchange_at
from tests.serving.trading import BTC, ETH, Desk, entry, opened
from venue.okx_client import aclose, make_client

MINUTE_MS = 60_000
HOURS = 8 * 24 + 2


class HourlyMarket(HandmadeMarket):
    """A market of flat prices whose bars are hours: days pass quickly."""

    def bar_ms(self, inst_id: str) -> int:
        return 60 * MINUTE_MS

    def bars(self, inst_id, since_ms, until_ms, kind="last"):
        found = super().bars(inst_id, 0, self.end_ms, kind)
        hours = [bar._replace(open_ms=self.start_ms + at * 60 * MINUTE_MS) for at, bar in enumerate(found)]
        return [bar for bar in hours if since_ms <= bar.open_ms < until_ms]


class Scene:
    """A trading process on an exchange whose time is moved by hand."""

    def __init__(self, desk: Desk, account: Account, clock: VirtualClock, url: str) -> None:
        self.desk, self.account, self.clock, self.url = desk, account, clock, url

    def now(self) -> datetime:
        return from_ms(self.clock.now_ms())

    def wait(self, hours: float) -> None:
        self.clock.advance_to(self.clock.now_ms() + int(hours * 60) * MINUTE_MS)

    async def check(self, since: datetime | None = None) -> LedgerReport:
        start = from_ms(self.account.market.start_ms)
        return await check_ledger(self.desk.venue, self.desk.journal, since or start)


def play(tmp_path: Path, scene: Callable[[Scene], Awaitable[None]], **options: object) -> None:
    """Run a scene: a settlement of funding every eight hours, at 1 and 3 basis points."""
    path = {BTC: [(80_000,) * 4] * HOURS, ETH: [(2_000,) * 4] * HOURS}
    market = HourlyMarket(path, instruments={BTC: contract(BTC), ETH: contract(ETH, ct_val=Decimal("0.1"))})
    market.end_ms = market.start_ms + HOURS * 60 * MINUTE_MS
    settlements = range(market.start_ms + 480 * MINUTE_MS, market.end_ms, 480 * MINUTE_MS)
    market._fundings = {BTC: [(at, 0.0001) for at in settlements], ETH: [(at, 0.0003) for at in settlements]}
    clock = VirtualClock("stepped", market.start_ms)
    account = Account(market, clock, 100_000, **options)

    async def run(url: str) -> None:
        exchange = exchange_at(url)
        client = make_client(Settings(exchange=exchange), signed=True)
        desk = Desk(Layout(tmp_path).journal, client, lambda: from_ms(clock.now_ms()), Pace(poll_s=0.02, settle_s=0.2))
        try:
            await scene(Scene(desk, account, clock, url))
        finally:
            await aclose(client)
            desk.journal.close()

    with serving(market, clock, account=account) as url:
        asyncio.run(run(url))


async def trade(scene: Scene, hours: float = 17, side: Side = Side.BUY, asset: str = "BTC") -> None:
    position = await opened(scene.desk, entry(side, "6", 80_000.0 if asset == "BTC" else 2_000.0, asset))
    scene.wait(hours)
    closed = await scene.desk.executor.close(position, "z_cross", None)
    assert closed.problems == ()


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("currency", [None, FeeCurrency("OKB", Decimal(50))])
def test_what_was_traded_and_paid_is_in_both(tmp_path, side, currency):
    async def scene(it: Scene) -> None:
        await trade(it, side=side)
        it.wait(1)
        report = await it.check()
        assert report.differences == ()
        assert (report.executions, report.positions) == (2, 1)
        assert ("USDT", "funding", -side.sign * Decimal("0.96")) in report.changes  # 4,800 USDT, twice 1 bp

    play(tmp_path, scene, **({"fee_currency": currency} if currency else {}))


def test_a_week_and_a_day_are_read_from_the_archive_too(tmp_path):
    async def scene(it: Scene) -> None:
        await trade(it, hours=8 * 24)
        [record] = it.desk.journal.closed_positions()
        assert record.close is not None
        assert record.close.funding_usdt == Decimal("-0.48") * 24
        it.wait(1)
        report = await it.check()
        assert (report.differences, report.executions, report.positions) == ((), 2, 1)

    play(tmp_path, scene)


def test_what_is_kept_no_more_is_refused_and_not_taken_for_nothing(tmp_path):
    async def scene(it: Scene) -> None:
        with pytest.raises(VenueAnswerError, match="keeps them for 90 days"):
            await it.check(it.now() - timedelta(days=91))

    play(tmp_path, scene)


def test_the_newest_minute_is_left_for_later(tmp_path):
    async def scene(it: Scene) -> None:
        it.wait(1)
        await opened(it.desk, entry(Side.BUY, "6"))
        assert (await it.check()).executions == 0
        it.wait(1)
        assert (await it.check()).executions == 1

    play(tmp_path, scene)


def test_trades_by_hand_and_their_funding_are_named(tmp_path):
    async def scene(it: Scene) -> None:
        await trade(it)
        by_hand = {"instId": ETH, "tdMode": "cross", "side": "sell", "ordType": "market", "sz": "5", "clOrdId": "mine1"}
        place(it.account, Params(by_hand))
        it.wait(9)
        report = await it.check()
        found = [(item.finding, item.instrument, item.name.split()[0]) for item in report.differences]
        assert found == [(Finding.FOREIGN, ETH, "mine1"), (Finding.FOREIGN, ETH, "bill")]

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("column", "value", "finding"),
    [("fee_usdt", "-1", Finding.FEE), ("pnl_usdt", "0.01", Finding.RESULT), ("trade_id", "77", Finding.NOT_THERE)],
)
def test_a_journal_that_says_something_else_is_found(tmp_path, column, value, finding):
    async def scene(it: Scene) -> None:
        await trade(it)
        it.wait(1)
        with it.desk.journal._begin() as database:
            database.exec_driver_sql(
                f"UPDATE fills SET {column} = ? WHERE rowid = (SELECT max(rowid) FROM fills)", (value,)
            )
        found = {item.finding for item in (await it.check()).differences}
        assert found == {finding, Finding.NOT_HERE} if finding is Finding.NOT_THERE else {finding}

    play(tmp_path, scene)


@pytest.mark.parametrize(("funding", "finding"), [(Decimal("-0.95"), Finding.FUNDING), (None, Finding.UNKNOWN)])
def test_a_position_that_was_booked_with_other_funding_is_found(tmp_path, funding, finding):
    async def scene(it: Scene) -> None:
        position = await opened(it.desk, entry(Side.BUY, "6"))
        it.wait(17)
        await it.desk.executor.close(position, "z_cross", None)
        [record] = it.desk.journal.closed_positions()
        it.wait(1)
        assert isinstance(record.close, PositionClose)
        with it.desk.journal._begin() as database:
            database.exec_driver_sql(
                "UPDATE positions SET funding_usdt = ?", (None if funding is None else str(funding),)
            )
        [difference] = (await it.check()).differences
        assert (difference.finding, difference.name, difference.there) == (finding, position.position_id, "-0.96 USDT")

    play(tmp_path, scene)


def test_a_bill_that_is_missing_between_two_is_found(tmp_path):
    async def scene(it: Scene) -> None:
        await trade(it, hours=25)
        it.wait(1)
        funding = [bill for bill in it.account.ledger.bills if bill.kind == "8"]
        it.account.ledger.bills.remove(funding[1])
        found = {item.finding for item in (await it.check()).differences}
        assert found == {Finding.GAP, Finding.FUNDING}

    play(tmp_path, scene)


def test_the_command_says_what_agrees_and_ends_with_1_where_something_differs(tmp_path):
    def command(it: Scene) -> subprocess.CompletedProcess[str]:
        variables = {f"PAIRITY_EXCHANGE__API_{name}": "paper" for name in ("KEY", "SECRET", "PASSPHRASE")}
        environment = make_child_environment(
            {**variables, "PAIRITY_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        )
        words = [sys.executable, "-m", "pairity_cli", "ledger", "--exchange-url", it.url, "--since", "2d"]
        return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)

    async def scene(it: Scene) -> None:
        it.wait(2 * 24)
        await trade(it)
        it.wait(1)
        agreed = await asyncio.to_thread(command, it)
        assert (agreed.returncode, agreed.stderr) == (0, "")
        assert "2 executions and the funding of 1 closed position agree; 0 differences" in agreed.stdout
        it.account.ledger.bills.pop()
        differs = await asyncio.to_thread(command, it)
        assert differs.returncode == 1
        assert "not in the bills" in differs.stdout

    play(tmp_path, scene)
