"""Contract specifications on disk: exact, replaced per instrument, missing or broken files named."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest

from feature_repo.contract_specs import read_contracts, write_contracts
from pairity.errors import LakeCorruptError, MissingDataError
from pairity.universe import ContractSpec

BTC = ContractSpec(
    instrument="BTC-USDT-SWAP",
    ct_val=Decimal("0.01"),
    lot_sz=Decimal("0.01"),
    min_sz=Decimal("0.01"),
    tick_sz=Decimal("0.1"),
    max_leverage=Decimal(100),
)
PEPE = replace(BTC, instrument="PEPE-USDT-SWAP", tick_sz=Decimal("0.000000001"), ct_val=Decimal("10000000"))


def test_decimals_come_back_as_written(layout):
    write_contracts(layout, [PEPE, BTC])
    stored = read_contracts(layout)
    assert stored == {"BTC": BTC, "PEPE": PEPE}
    assert str(stored["PEPE"].tick_sz) == str(PEPE.tick_sz)
    assert stored["BTC"].max_market_sz is None


def test_only_the_given_instruments_are_replaced(layout):
    write_contracts(layout, [BTC, PEPE])
    write_contracts(layout, [replace(BTC, max_market_sz=Decimal(900))])
    assert read_contracts(layout) == {"BTC": replace(BTC, max_market_sz=Decimal(900)), "PEPE": PEPE}
    assert [path.name for path in layout.contracts.parent.iterdir()] == [layout.contracts.name]


def test_a_file_of_before_there_was_a_limit_of_stops(layout):
    write_contracts(layout, [BTC, PEPE])
    older = pl.read_parquet(layout.contracts).drop("max_stop_sz")
    older.write_parquet(layout.contracts)
    assert read_contracts(layout) == {"BTC": BTC, "PEPE": PEPE}
    write_contracts(layout, [replace(BTC, max_stop_sz=Decimal(90))])
    assert read_contracts(layout)["BTC"].max_stop_sz == 90


def test_missing_and_broken_files_are_named(layout):
    with pytest.raises(MissingDataError, match="run pairity ingest, or give them"):
        read_contracts(layout)
    write_contracts(layout, [BTC])
    layout.contracts.write_bytes(layout.contracts.read_bytes()[:30])
    with pytest.raises(LakeCorruptError, match=r"contracts\.parquet is no Parquet file"):
        read_contracts(layout)


def test_the_same_specifications_again_leave_the_file_alone(layout):
    write_contracts(layout, [BTC, PEPE])
    before = layout.contracts.stat().st_mtime_ns, layout.contracts.stat().st_ino
    write_contracts(layout, [PEPE])
    assert (layout.contracts.stat().st_mtime_ns, layout.contracts.stat().st_ino) == before
    write_contracts(layout, [replace(PEPE, lot_sz=Decimal("0.010"))])  # the same number, and another text
    assert str(read_contracts(layout)["PEPE"].lot_sz) == "0.010"
