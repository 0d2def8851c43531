"""Two spellings of one asset are one asset: in settings, options, files of contracts and names of files."""

from __future__ import annotations

import json

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from ingestion.sources.file_names import list_files, read_asset
from pairity.asset_spelling import spell_asset
from pairity.configuration import load_settings
from pairity.contract_files import read_contract_file
from pairity.errors import ConfigError
from pairity.names import ASSET
from pairity.universe import select_instruments
from pairity_cli.main import COMMANDS, main
from pairity_cli.parameters import AssetName, AssetNames, Name, Names

BTC = (
    "BTC",
    "btc",
    " Btc ",
    "BTC-USDT-SWAP",
    "btc-usdt-swap",
    "BTC/USDT:USDT",
    "BTC-USDT",
    "BTCUSDT",
    "XBT",
    "xbtusdt",
)


@pytest.mark.parametrize("written", BTC)
def test_every_spelling_is_the_one_asset_everywhere(written, tmp_path):
    assert spell_asset(written) == "BTC"
    settings = load_settings(universe={"assets": (written, "ETH"), "pair_assets": ("eth", written)})
    assert settings.universe.assets == ("BTC", "ETH")
    assert settings.universe.traded == ("BTC", "ETH")
    assert [pair.pair_id for pair in settings.universe.pairs] == ["BTC__ETH"]
    assert load_settings(lags={"symbol": written}).lags.symbol == "BTC"
    assert select_instruments([written, "BTC"], ("ETH", "BTC")) == ("BTC",)
    (tmp_path / "c.csv").write_text(f"instrument,ct_val,lot_sz,min_sz,tick_sz,max_leverage\n{written},1,1,1,1,10\n")
    assert list(read_contract_file(tmp_path / "c.csv")) == ["BTC"]
    assert AssetName().convert(written, None, None) == "BTC"
    assert AssetNames().convert(f"{written},ETH", None, None) == ("BTC", "ETH")


@pytest.mark.parametrize("written", BTC[1:])
def test_two_spellings_beside_each_other_are_refused_and_never_two_assets(written, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="listed twice"):
        load_settings(universe={"assets": ("BTC", written, "ETH")})
    monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", json.dumps(["ETH", written, "BTC"]))
    with pytest.raises(ConfigError, match=r"universe\.assets"):
        load_settings()
    with pytest.raises(click.BadParameter, match="BTC is named twice"):
        AssetNames().convert(f"BTC,{written}", None, None)
    header = "instrument,ct_val,lot_sz,min_sz,tick_sz,max_leverage"
    (tmp_path / "c.csv").write_text(f"{header}\nBTC,1,1,1,1,10\n{written},1,1,1,1,10\n")
    with pytest.raises(ConfigError, match="comes a second time"):
        read_contract_file(tmp_path / "c.csv")


def test_files_of_one_coin_under_two_codes_are_of_one_asset(tmp_path):
    for name in ("XBTUSDT.csv", "BTC-USDT.csv", "btc_usdt-1h.csv", "XDGUSDT-1m-2024-05.csv"):
        (tmp_path / name).write_text("")
    assert {asset: len(paths) for asset, paths in list_files(tmp_path, (".csv",)).of_asset.items()} == {
        "BTC": 3,
        "DOGE": 1,
    }
    assert read_asset("xbt/usdt:usdt", "") == "BTC"


@pytest.mark.parametrize("written", ["1000PEPE", "USDT", "USDC", "XBTC", "BTCDOM", "WBTC", "XDGE"])
def test_another_asset_stays_another_one(written):
    assert spell_asset(written) == written


@pytest.mark.parametrize("written", ["", "../x", "ВТС", "ſol", "BTC USDT", "btc\n", "=BTC", "BTC-USD-SWAP", "A" * 30])
def test_what_is_no_asset_is_refused_still(written):
    assert not ASSET.accepts(spell_asset(written))
    with pytest.raises(ConfigError):
        load_settings(universe={"assets": (written, "ETH")})


@given(st.text(max_size=40))
def test_spelling_twice_is_spelling_once(written):
    once = spell_asset(written)
    if ASSET.accepts(once):
        assert spell_asset(once) == once


def test_every_option_that_names_assets_takes_every_spelling():
    """An option of the plain rule would take BTC and refuse, or misread, the other spellings."""
    plain = []
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        inner = list(command.commands.values()) if isinstance(command, click.Group) else []
        for each in [command, *inner]:
            plain += [
                f"{name} {option.name}"
                for option in each.params
                if type(option.type) in {Name, Names} and option.type._rule is ASSET
            ]
    assert plain == []


@pytest.mark.parametrize("written", ["btc-usdt-swap", "BTC/USDT:USDT", "xbt"])
def test_the_command_line_takes_them(written, tmp_path):
    environment = {"PAIRITY_HOME": str(tmp_path / "home")}
    done = CliRunner().invoke(main, ["lags", written], env=environment)
    assert done.exit_code == 4, done.output
    assert "BTC" in done.output
    done = CliRunner().invoke(main, ["risk-factors", "--assets", f"{written},eth"], env=environment)
    assert done.exit_code == 4, done.output
