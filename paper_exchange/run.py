"""Start of a paper exchange, and its service until it is stopped."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiohttp import web

from pairity.bounded_numbers import OutOfBoundsError, parse_decimal, show
from pairity.connection_limits import ConnectionLimits, limit_connections
from pairity.errors import ConfigError, TimeRangeError, UnknownNameError
from pairity.timeline import from_ms, parse_instant, to_ms
from pairity.universe import DEFAULT_UNIVERSE, inst_id
from pairity.web_address import WebAddress, parse_private_address
from paper_exchange.account.account import Account
from paper_exchange.account.ledger import FeeCurrency
from paper_exchange.clock import VirtualClock, parse_clock, wall_ms
from paper_exchange.events.schedule import Schedule
from paper_exchange.events.script import Event, read_script
from paper_exchange.events.scripted_market import ScriptedMarket
from paper_exchange.events.sizes import vary_sizes
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.http.auth import Credentials
from paper_exchange.http.server import MAX_BODY_BYTES, make_app
from paper_exchange.market.market import Market
from paper_exchange.market.recorded import Ends, RecordedMarket
from paper_exchange.market.synthetic import HISTORY_DAYS, SyntheticMarket
from paper_exchange.market.synthetic_assets import MODELS
from paper_exchange.mirror.follower import Follower
from paper_exchange.mirror.source import Source
from paper_exchange.ws.hub import add_streams

HOST = "127.0.0.1"
SYNTHETIC_START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR_MS = 3_600_000
LIMITS = ConnectionLimits(connections=256, request_s=60.0, idle_s=75.0, request_bytes=MAX_BODY_BYTES + 65_536)
"""Generous: a fault may hold an answer back for long, and that counts too."""
MARKETS = ("synthetic", "recorded", "mirror")
MIRROR_DAYS = 2
"""Days of history that a mirror reads before it serves, where nothing else is asked for."""
_CURRENCY = re.compile(r"[A-Za-z0-9]{1,12}", re.ASCII)


def run(
    *,
    market: str = "synthetic",
    data: Path | None = None,
    port: int = 0,
    start: str | None = None,
    clock: str = "real",
    seed: int = 7,
    control: bool = False,
    rate_limits: bool = True,
    balance_usdt: Decimal = Decimal(10_000),
    credentials: Credentials | None = None,
    assets: int = len(MODELS),
    history_days: int | None = None,
    script: Path | None = None,
    unkind: bool = False,
    fee_currency: FeeCurrency | None = None,
    source: str | None = None,
    followed: Sequence[str] = DEFAULT_UNIVERSE,
    ends: Ends = "first",
    covering: str | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; print one line with the URL when ready (port 0 picks a free one).

    `start` is where the clock begins. Synthetic: 2026-01-01 by default, but on a `real` clock the wall's time.
    Recorded: by default the full hour after which a quarter of the recording is still to come; with `ends` each
    instrument is delisted where its own recording ends, otherwise all end with the first one. `covering`: the candles
    that cover this instant are played, and not those that cover the start. `assets` and
    `history_days` before the start are the size of a synthetic market. `script` is a file of faults and events. An
    `unkind` exchange fills orders as OKX would (see `Account`), and does what else a venue does and a client would
    rather it did not; `seed` draws for it too, whatever the market. Fees are charged in `fee_currency` where it is
    given, otherwise in USDT. A `mirror` follows the assets `followed` of the venue at `source`, by that venue's clock.
    """
    credentials = credentials or Credentials()

    def make(traded: Market, ticking: VirtualClock, **parts: Any) -> web.Application:  # noqa: ANN401 - of make_app
        account = Account(traded, ticking, balance_usdt, fee_currency=fee_currency, unkind=unkind, seed=seed)
        return make_app(
            traded,
            ticking,
            account,
            credentials,
            control=control,
            rate_limits=rate_limits,
            unkind_seed=seed if unkind else None,
            add_streams=add_streams,
            **parts,
        )

    if market == "mirror":
        _refuse_with_a_mirror(data=data, start=start, covering=covering, script=script, stepped=clock != "real")
        if source is None:
            raise ConfigError("a mirror needs a source", "give --from the address of an OKX v5 API")
        address = parse_private_address(source, "--from")
        names = [inst_id(name) for name in followed]
        asyncio.run(_follow(address, names, MIRROR_DAYS if history_days is None else history_days, make, port))
        return
    if source is not None:
        raise ConfigError("--from is for a mirror", "choose --market mirror, or drop --from")
    played, ticking = open_market(
        market,
        data=data,
        start=start,
        clock=clock,
        seed=seed,
        assets=assets,
        history_days=HISTORY_DAYS if history_days is None else history_days,
        ends=ends,
        covering=covering,
    )
    faults, schedule, events = FaultPlan(), None, list_ends(played)
    if unkind or script is not None or events:
        played = changing = ScriptedMarket(played)
        if unkind:
            vary_sizes(changing, seed)
        if script is not None:
            events += read_script(script, changing, ticking.start_ms)
        if events:
            schedule = Schedule(events, changing, faults)
    app = make(played, ticking, faults=faults, schedule=schedule)
    asyncio.run(_serve(app, port, f"{played.label}, clock {clock} from {from_ms(ticking.start_ms):%Y-%m-%dT%H:%M:%SZ}"))


def open_market(
    market: str,
    *,
    data: Path | None,
    start: str | None,
    clock: str,
    seed: int,
    assets: int = len(MODELS),
    history_days: int = HISTORY_DAYS,
    ends: Ends = "first",
    covering: str | None = None,
) -> tuple[Market, VirtualClock]:
    """Return the market and the clock that belongs to it; ConfigError and its children say what cannot be used."""
    parse_clock(clock)  # before a market is read, which takes long
    if market not in ("synthetic", "recorded"):
        raise UnknownNameError("market", market, MARKETS)
    start_ms = _parse_ms(start, "--start")
    covering_ms = _parse_ms(covering, "--covering")
    if market == "recorded":
        if data is None:
            raise ConfigError("a recorded market needs a folder", "give --data a folder of recorded Parquet files")
        recorded = RecordedMarket(data, start_ms if covering_ms is None else covering_ms, ends=ends)
        begin_ms = _choose_start(recorded) if start_ms is None else start_ms
        if not recorded.start_ms <= begin_ms < recorded.end_ms:
            raise TimeRangeError(
                f"--start {from_ms(begin_ms):%Y-%m-%dT%H:%M} lies outside of what covers --covering: "
                f"{from_ms(recorded.start_ms):%Y-%m-%dT%H:%M} to {from_ms(recorded.end_ms):%Y-%m-%dT%H:%M}",
                "start in between",
            )
        return recorded, VirtualClock(clock, begin_ms)
    if data is not None:
        raise ConfigError("a synthetic market reads no folder", "drop --data, or choose --market recorded")
    if covering is not None:
        raise ConfigError("--covering is for a recorded market", "choose --market recorded, or drop --covering")
    if start_ms is None and clock != "real":
        start_ms = to_ms(SYNTHETIC_START)
    if start_ms is not None and start_ms < 0:
        raise TimeRangeError("--start lies before 1970", "give a later --start")
    start_day_ms = wall_ms() if start_ms is None else start_ms
    played = SyntheticMarket(seed, start_day_ms, history_days=history_days, assets=assets)
    return played, VirtualClock(clock, start_ms)


def list_ends(market: Market) -> list[Event]:
    """Return the delistings of a recorded market's instruments that end before it; nobody announces them."""
    ended = market.ended if isinstance(market, RecordedMarket) else {}
    return [Event(kind="delist", at_ms=end, announced_ms=end, subject=name) for name, end in ended.items()]


def _parse_ms(text: str | None, name: str) -> int | None:
    return None if text is None else to_ms(parse_instant(text, now=from_ms(wall_ms()), name=name))


def _choose_start(market: Market) -> int:
    return (market.start_ms + (market.end_ms - market.start_ms) * 3 // 4) // HOUR_MS * HOUR_MS


def _refuse_with_a_mirror(**given: object) -> None:
    """Refuse what a market that follows another one cannot have."""
    options = {
        "data": "--data",
        "start": "--start",
        "covering": "--covering",
        "script": "--faults",
        "stepped": "--clock",
    }
    wrong = [options[name] for name, value in given.items() if value]
    if wrong:
        raise ConfigError(
            f"a mirror has no {', '.join(wrong)}", "it follows its source as it is; inject faults with --control"
        )


async def _follow(
    address: WebAddress, names: Sequence[str], days: int, make: Callable[..., web.Application], port: int
) -> None:
    async with Source(address) as source:
        follower = Follower(source, names)
        await follower.open(days)
        app = make(follower.market, follower.clock, follower=follower)
        async with follower:
            began = f"{from_ms(follower.clock.start_ms):%Y-%m-%dT%H:%M:%SZ}"
            await _serve(app, port, f"{follower.market.label}, from {began}")


async def _serve(app: web.Application, port: int, description: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with listen(app, port) as bound:
        sys.stdout.write(f"paper exchange: http://{HOST}:{bound} ({description})\n")
        sys.stdout.flush()  # whoever started the process waits for this line in a pipe
        await stop.wait()


@asynccontextmanager
async def listen(app: web.Application, port: int, shutdown_s: float = 1.0) -> AsyncIterator[int]:
    """Serve `app` on 127.0.0.1 while the block runs and yield the port (0 takes a free one); ConfigError if in use."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_s)
    await runner.setup()
    assert runner.server is not None
    try:
        listening = await asyncio.get_running_loop().create_server(
            limit_connections(runner.server, LIMITS), HOST, port, backlog=128
        )
    except OSError as error:
        await runner.cleanup()
        raise ConfigError(f"port {port} cannot be used: {error.strerror}", "give --port another one, or 0") from None
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await runner.cleanup()


def parse_fee_currency(text: str) -> FeeCurrency:
    """Return a fee currency written as `CCY=PRICE`, the price in USDT; ConfigError for anything else.

    >>> parse_fee_currency("OKB=50").usdt
    Decimal('50')
    """
    name, _, price = text.partition("=")
    try:
        usdt = parse_decimal(price)
    except OutOfBoundsError:
        usdt = Decimal(0)
    if not _CURRENCY.fullmatch(name) or usdt <= 0:
        raise ConfigError(f"{show(text)} is not a currency with its price", "write it as OKB=50")
    return FeeCurrency(name.upper(), usdt)
