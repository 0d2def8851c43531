"""Two processes with homes of their own on one account: each sees the other, opens nothing, and minds its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from pairity.layout import Layout
from paper_exchange.account.account import Account
from serving.control.queue import Request, RequestQueue
from serving.journal import ID_PREFIX
from serving.journal.event_records import Wish
from serving.rivals.signs import is_sign
from tests.paper_exchange.exchange_server import inject
from tests.serving.real_time import Running, real_time_venue, running, until
from tests.serving.trading import BTC, ETH, entry, opened
from venue.okx_client import aclose, call, make_client

CAUSE = "second process"
SHORT_BTC = entry(contracts="60", reference=100.0)
SHORT_ETH = entry(contracts="6", reference=50.0, asset="ETH")
QUICK = 5.0
"""Seconds, where the venue's lists lag behind too."""


@pytest.fixture(params=[None, *(pytest.param(seed, marks=pytest.mark.slow, id=f"unkind {seed}") for seed in (1, 2))])
def venue(request: pytest.FixtureRequest) -> Iterator[tuple[str, Account]]:
    with real_time_venue(request.param) as served:
        yield served


def run(job: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(job(), 60))  # type: ignore[arg-type]


async def cancel_by_hand(process: Running, instrument: str, algo_id: str) -> None:
    client = make_client(process.parts.settings, signed=True)
    try:
        await call(client, "privatePostTradeCancelAlgos", [{"instId": instrument, "algoId": algo_id}], retries=0)
    finally:
        await aclose(client)


def guards(process: Running) -> bool:
    return CAUSE in process.status.causes


def test_both_stop_entering_and_mind_their_own_until_one_leaves(venue: tuple[str, Account], tmp_path: Path) -> None:
    url, account = venue

    async def job() -> None:
        async with running(url, tmp_path / "a", scope="a", wanted=SHORT_BTC, watch_s=300) as first:
            await first.listen()
            assert not guards(first)
            async with running(url, tmp_path / "b", scope="b", wanted=SHORT_ETH, watch_s=300) as second:
                await second.listen()
                assert await until(lambda: guards(first) and guards(second)) < QUICK
                assert "holds this account" in second.status.causes[CAUSE]
                await until(lambda: ETH in first.status.blocked and BTC in second.status.blocked)
                (of_first,), (of_second,) = account.live_algos(BTC), account.live_algos(ETH)
                await cancel_by_hand(first, BTC, of_first.algo_id)
                await until(lambda: bool(list(account.live_algos(BTC))))
                (again,) = account.live_algos(BTC)
                assert first.desk.journal.owns(again.client_id)
                assert list(account.live_algos(ETH)) == [of_second]
                assert [len(one.desk.journal.open_positions()) for one in (first, second)] == [1, 1]
            assert await until(lambda: not guards(first)) < QUICK
            assert first.status.lease is not None
            assert first.status.lease.startswith("signed at")
        assert list(account.pending()) == []
        signs = [order for order in account.orders.values() if is_sign(order.client_id)]
        assert {order.filled for order in signs} == {Decimal(0)}
        assert len(signs) >= 4
        assert len(account.orders) - len(signs) == 2

    run(job)


@pytest.mark.slow
def test_the_venue_refuses_signs_and_orders_tell(venue: tuple[str, Account], tmp_path: Path) -> None:
    """Signs are refused as a venue may refuse them; then what the other sent is what there is to see."""
    url, account = venue

    async def job() -> None:
        async with running(url, tmp_path / "a", scope="a", watch_s=1, lease=False) as first:
            await first.listen()
            async with running(url, tmp_path / "b", scope="b", watch_s=300, lease=False) as second:
                await second.listen()
                assert not guards(first)
                await opened(second.desk, SHORT_ETH)
                assert await until(lambda: guards(first)) < QUICK
                assert ID_PREFIX in first.status.causes[CAUSE]
                assert not guards(second)
            assert guards(first), "nobody said that the other one is gone"
            lifted = Request(wish=Wish.RESUME, at=first.parts.clock.now(), reason="it is mine alone")
            RequestQueue(Layout(tmp_path / "a")).put(lifted)
            assert await until(lambda: not guards(first)) < QUICK
        assert len(list(account.live_algos(ETH))) == 1

    run(job)


@pytest.mark.slow
def test_a_copy_of_a_home_is_a_second_process(venue: tuple[str, Account], tmp_path: Path) -> None:
    """Both have the same journal and so the same ids: neither takes the other's stops for orphans."""
    url, account = venue

    async def job() -> None:
        async with running(url, tmp_path / "a", watch_s=300) as first:
            await first.listen()
            (tmp_path / "b").mkdir(mode=0o700)
            for name in ("journal.db", "journal.db-wal"):
                shutil.copy(tmp_path / "a" / name, tmp_path / "b" / name)
            async with running(url, tmp_path / "b", wanted=SHORT_ETH, watch_s=300) as second:
                await second.listen()
                await until(lambda: guards(first) and guards(second))
                assert "copy of this journal" in first.status.causes[CAUSE]
                assert "copy of this journal" in second.status.causes[CAUSE]
                await first.loop._watch.look()
                assert len(list(account.live_algos(ETH))) == 1

    run(job)


@pytest.mark.slow
@pytest.mark.parametrize("adopt", [False, True])
def test_a_position_of_the_other_is_not_adopted(adopt: bool, venue: tuple[str, Account], tmp_path: Path) -> None:
    url, _ = venue

    async def job() -> None:
        async with running(url, tmp_path / "a", scope="a", wanted=SHORT_BTC, watch_s=1) as first:
            await first.listen()
            async with running(url, tmp_path / "b", scope="b", watch_s=1, adopt_positions=adopt) as second:
                await until(lambda: guards(first) and BTC in second.status.blocked)
                await asyncio.sleep(2)
                assert second.desk.journal.open_positions() == []

    run(job)


@pytest.mark.slow
def test_finished_orders_that_cannot_be_read_stop_entries_at_the_start(
    venue: tuple[str, Account], tmp_path: Path
) -> None:
    url, account = venue
    inject(url, "html_502", "trade/orders-history", count=8)

    async def job() -> None:
        async with running(url, tmp_path / "a", wanted=SHORT_BTC, watch_s=1) as process:
            await until(lambda: guards(process))
            assert "is not known" in process.status.causes[CAUSE]
            assert len(list(account.live_algos(BTC))) == 1
            await until(lambda: not guards(process))

    run(job)
