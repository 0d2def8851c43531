"""Contract specifications in files: read as they were written, or refused with file, line and column."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairity.contract_files import find_contract_file, read_contract_file, write_contract_file
from pairity.errors import ConfigError
from pairity.universe import ContractSpec
from tests.examples import examples

HEADER = "instrument,ct_val,lot_sz,min_sz,tick_sz,max_leverage,max_market_sz,max_stop_sz"
BTC = ContractSpec(
    "BTC-USDT-SWAP", Decimal("0.01"), Decimal("0.01"), Decimal("0.02"), Decimal("0.1"), Decimal(100), Decimal(900)
)
positive = st.decimals(min_value=Decimal("1e-9"), max_value=Decimal("1e9"), allow_nan=False, places=9)
names = st.text("ABCXYZ019", min_size=1, max_size=12)


@st.composite
def specifications(draw):
    lot = draw(positive)
    numbers = draw(positive), lot, lot * draw(st.integers(1, 50)), draw(positive), Decimal(draw(st.integers(1, 125)))
    limits = draw(st.none() | positive), draw(st.none() | positive)
    return [*numbers, *limits]


@settings(max_examples=examples(120), deadline=None)
@given(st.dictionaries(names, specifications(), min_size=1, max_size=6))
def test_what_is_written_is_read_again(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("contracts") / "contracts.csv"
    specs = {name: ContractSpec(f"{name}-USDT-SWAP", *numbers) for name, numbers in rows.items()}
    write_contract_file(path, specs.values())
    assert read_contract_file(path) == specs
    assert "E" not in path.read_text().partition("\n")[2].replace("-USDT-SWAP", "").upper().translate(
        {ord(letter): None for letter in "ABCXYZ"}
    )


def test_short_names_other_orders_blanks_and_a_mark_of_byte_order(tmp_path):
    path = tmp_path / "contracts.csv"
    path.write_bytes(
        b"\xef\xbb\xbftick_sz,instrument,ct_val,lot_sz,min_sz,max_leverage,max_market_sz,said\r\n"
        b" 0.1 ,BTC,0.01,0.01,0.02,100,900,by hand\r\n0.001,SOL-USDT-SWAP,1,0.1,0.1,50,,\r\n"
    )
    found = read_contract_file(path)
    assert found["BTC"] == BTC
    assert (found["SOL"].max_market_sz, found["SOL"].max_stop_sz) == (None, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("instrument,ct_val\nBTC,1\n", "lacks the columns lot_sz, min_sz, tick_sz, max_leverage"),
        (f"{HEADER}\n", "no line below its header"),
        ("", "lacks the columns instrument"),
        (f"{HEADER}\nbtc$,1,1,1,1,1,,\n", "line 2: 'btc$' is no instrument"),
        (f"{HEADER}\nBTC,1,1,1,1,1,,\nBTC-USDT-SWAP,1,1,1,1,1,,\n", "line 3: BTC-USDT-SWAP comes a second time"),
        (f"{HEADER}\nBTC,0,1,1,1,1,,\n", "line 2: ct_val is 0"),
        (f"{HEADER}\nBTC,1,-1,1,1,1,,\n", "line 2: lot_sz is -1"),
        (f"{HEADER}\nBTC,1,1,1,nan,1,,\n", "line 2: tick_sz is 'nan', not a number"),
        (f"{HEADER}\nBTC,1,1,1,,1,,\n", "line 2: tick_sz is '', not a number"),
        (f"{HEADER}\nBTC,1,2,3,1,1,,\n", "line 2: min_sz 3 is not whole lots of 2"),
        (f"{HEADER}\nBTC,1,1,1,1,0.5,,\n", "line 2: max_leverage is 0.5"),
        (f"{HEADER}\nBTC,1,1,1,1,1e99,,\n", "line 2: max_leverage"),
        (f'{HEADER}\n"BTC,1,1\n', "line"),
    ],
)
def test_what_cannot_be_right_is_named(tmp_path, text, words):
    path = tmp_path / "contracts.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_contract_file(path)
    assert words in caught.value.what
    assert "contracts.csv" in caught.value.what
    assert caught.value.remedy


def test_files_that_are_none(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.csv").write_bytes(b"instrument\xe4")
    for name in ("gone.csv", "folder", "latin.csv"):
        with pytest.raises(ConfigError, match=name):
            read_contract_file(tmp_path / name)


def test_it_lies_beside_the_candles_or_above_them(tmp_path):
    folder = tmp_path / "1h"
    folder.mkdir()
    assert find_contract_file(folder) is None
    (tmp_path / "contracts.csv").write_text(HEADER)
    assert find_contract_file(folder) == tmp_path / "contracts.csv"
    (folder / "contracts.csv").write_text(HEADER)
    assert find_contract_file(folder) == folder / "contracts.csv"
