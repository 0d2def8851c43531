from __future__ import annotations

import doctest
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pairity.universe as universe
from pairity.errors import ConfigError, UnknownNameError
from pairity.universe import DEFAULT_UNIVERSE, ContractSpec, Pair, exact, pairs_of, select_instruments

BTC = ContractSpec("BTC-USDT-SWAP", Decimal("0.01"), Decimal("0.01"), Decimal("0.01"), Decimal("0.1"), Decimal(100))
XRP = ContractSpec("XRP-USDT-SWAP", Decimal(100), Decimal("0.01"), Decimal("0.01"), Decimal("0.0001"), Decimal(50))
AMOUNTS = st.decimals(Decimal("0.01"), Decimal(10_000_000), places=2)
PRICES = st.decimals(Decimal("0.0001"), Decimal(200_000), places=4)


def test_examples_in_docstrings():
    assert doctest.testmod(universe).failed == 0


def test_ten_assets_make_45_pairs_in_universe_order():
    pairs = pairs_of(DEFAULT_UNIVERSE)
    assert len(pairs) == len(set(pairs)) == 45
    rank = DEFAULT_UNIVERSE.index
    assert all(rank(pair.base) < rank(pair.quote) for pair in pairs)
    assert all(Pair.from_id(pair.pair_id) == pair for pair in pairs)


@pytest.mark.parametrize("text", ["", "BTC", "BTC_ETH", "__ETH", "BTC__"])
def test_what_is_not_a_pair_id_is_refused(text):
    with pytest.raises(ConfigError, match="BASE__QUOTE"):
        Pair.from_id(text)


def test_instruments_are_selected_in_universe_order_and_strangers_named():
    assert select_instruments(["eth", "BTC-USDT-SWAP"], ("BTC", "SOL", "ETH")) == ("BTC", "ETH")
    with pytest.raises(UnknownNameError, match=r"instrument 'BTCC'[\s\S]*did you mean 'BTC'"):
        select_instruments(["BTCC"], ("BTC", "ETH"))


@given(AMOUNTS, PRICES, st.sampled_from([BTC, XRP]))
def test_contracts_are_whole_lots_within_the_notional(notional, price, spec):
    """Trap: contracts taken for coins. Brute force: the next lot would exceed the notional."""
    size = spec.contracts_for(notional, price)
    assert size % spec.lot_sz == 0
    if size:
        assert size >= spec.min_sz
        assert spec.notional(size, price) <= notional
        assert spec.notional(size + spec.lot_sz, price) > notional
    else:
        assert spec.notional(spec.min_sz, price) > notional


def test_market_orders_never_exceed_the_venue_limit():
    limited = ContractSpec("X-USDT-SWAP", Decimal(1), Decimal(1), Decimal(1), Decimal("0.1"), Decimal(5), Decimal(7))
    assert limited.contracts_for(Decimal(1000), Decimal(10)) == 7
    # An entry carries its stop: no larger than either may be.
    assert replace(limited, max_stop_sz=Decimal(5)).contracts_for(Decimal(1000), Decimal(10)) == 5
    assert replace(limited, max_stop_sz=Decimal(9)).contracts_for(Decimal(1000), Decimal(10)) == 7


@given(PRICES, st.sampled_from([BTC, XRP]))
def test_prices_land_on_the_nearest_tick(price, spec):
    rounded = spec.round_price(price)
    assert rounded % spec.tick_sz == 0
    assert rounded >= spec.tick_sz
    assert abs(rounded - price) <= spec.tick_sz / 2 or rounded == spec.tick_sz


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_exact_decimals_read_back_as_the_same_float(value):
    assert float(exact(value)) == value
