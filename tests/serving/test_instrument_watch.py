"""The universe as the venue lists it: who is gone, suspended or not there yet is named, and the others trade."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from feature_repo.contract_specs import write_contracts
from pairity.errors import MissingDataError, VenueError, VenueRejectedError
from pairity.layout import Layout
from pairity.settings import Settings, UniverseSettings
from pairity.universe import ContractSpec, short_name
from serving.execution.okx import OkxVenue
from serving.journal import TradingState
from serving.opening import _read_prices, _read_universe_contracts
from tests.serving.guarding import Guard, Said
from tests.serving.tiny_client import TinyClient
from tests.serving.tiny_okx import TinyOkx
from tests.serving.trading import BTC, ETH, SPECS


def look(guard: Guard, seconds: int = 0) -> None:
    guard.tiny.now_ms += seconds * 1000
    asyncio.run(guard.watch.look())


def test_one_that_is_delisted_is_named_with_its_date_and_the_others_trade(tiny: TinyOkx, tmp_path: Path) -> None:
    guard = Guard(tiny, tmp_path, assets=("BTC", "ETH", "GONE"))
    look(guard)
    first = guard.parts.clock.now()
    wanted = {"GONE-USDT-SWAP": f"the venue does not list GONE-USDT-SWAP (seen {first:%Y-%m-%d %H:%M} UTC)"}
    assert guard.status.blocked == wanted
    assert guard.supervisor.state is TradingState.TRADING
    look(guard, 3600)
    assert guard.status.blocked == wanted  # the date is that of the first look
    guard.desk.journal.close()


@pytest.mark.parametrize("state", ["suspend", "preopen", "settling", "expired"])
def test_one_that_does_not_trade_is_named_with_its_state(tiny: TinyOkx, tmp_path: Path, state: str) -> None:
    guard = Guard(tiny, tmp_path)
    tiny.states[ETH] = state
    look(guard)
    assert guard.status.blocked[ETH].startswith(f"{ETH} does not trade: {state} (seen 20")
    assert BTC not in guard.status.blocked
    guard.desk.journal.close()


def test_one_that_is_listed_later_has_a_contract_from_then_on(tiny: TinyOkx, tmp_path: Path) -> None:
    guard = Guard(tiny, tmp_path)
    del guard.parts.contracts["ETH"]  # it was not listed when contracts were ingested
    look(guard)
    assert guard.parts.contracts["ETH"] == SPECS["ETH"]
    assert guard.status.blocked == {}
    guard.desk.journal.close()


def spec_of(asset: str) -> ContractSpec:
    return ContractSpec(f"{asset}-USDT-SWAP", Decimal(1), Decimal(1), Decimal(1), Decimal("0.1"), Decimal(10))


def test_a_start_leaves_out_what_was_never_ingested(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, universe=UniverseSettings(assets=("BTC", "ETH", "GONE")))
    layout, said = Layout.of(settings), Said()
    write_contracts(layout, [spec_of("BTC"), spec_of("ETH")])
    assert [*_read_universe_contracts(settings.universe.traded, layout, said)] == ["BTC", "ETH"]
    assert "GONE" in " ".join(said.lines)
    other = Settings(home=tmp_path, universe=UniverseSettings(assets=("GONE", "LOST")))
    with pytest.raises(MissingDataError, match="GONE, LOST"):
        _read_universe_contracts(other.universe.traded, layout, said)


class Prices(OkxVenue):
    """The venue of a tiny exchange that does not say the price of some instruments."""

    def __init__(self, tiny: TinyOkx, refusals: dict[str, VenueError]) -> None:
        super().__init__(TinyClient(tiny), retries=0)
        self.refusals = refusals

    async def last_price(self, instrument: str) -> Decimal:
        if error := self.refusals.get(short_name(instrument)):
            raise error
        return Decimal(100)


def test_a_start_goes_on_without_the_price_of_one_that_is_gone(tiny: TinyOkx) -> None:
    gone = VenueRejectedError("51001: Instrument ID doesn't exist", "look at the venue's list")
    contracts = {"BTC": spec_of("BTC"), "GONE": spec_of("GONE")}
    assert asyncio.run(_read_prices(Prices(tiny, {"GONE": gone}), contracts)) == {"BTC": Decimal(100)}
    with pytest.raises(VenueRejectedError):
        asyncio.run(_read_prices(Prices(tiny, {"GONE": gone, "BTC": gone}), contracts))
    unreachable = VenueError("no answer", "try again")
    with pytest.raises(VenueError, match="no answer"):
        asyncio.run(_read_prices(Prices(tiny, {"BTC": unreachable}), contracts))
