"""`pairity contracts`, and contracts that `pairity collect` finds beside a recording."""

import polars as pl
from click.testing import CliRunner

from feature_repo.contract_specs import read_contracts
from pairity.layout import Layout
from pairity_cli.main import main

LINES = "instrument,ct_val,lot_sz,min_sz,tick_sz,max_leverage\nBTC,0.01,0.01,0.01,0.1,100\nETH,0.1,0.01,0.01,0.01,50\n"


def run(home, *arguments):
    environment = {"PAIRITY_HOME": str(home), "PAIRITY_UNIVERSE__ASSETS": '["BTC","ETH","SOL"]'}
    return CliRunner().invoke(main, arguments, env=environment)


def test_a_file_is_taken_shown_and_exported_as_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text(LINES)
    done = run(tmp_path / "home", "contracts", "own.csv")
    assert done.exit_code == 0, done.output
    assert "took 2 contracts" in done.output
    assert "none is known for SOL" in done.output
    assert {*read_contracts(Layout(tmp_path / "home"))} == {"BTC", "ETH"}
    assert run(tmp_path / "home", "contracts", "--export", "again.csv").exit_code == 0
    assert run(tmp_path / "other", "contracts", "again.csv").exit_code == 0
    assert read_contracts(Layout(tmp_path / "other")) == read_contracts(Layout(tmp_path / "home"))


def test_nothing_stored_and_bad_files_end_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(tmp_path / "home", "contracts")
    assert done.exit_code == 0
    assert "nothing stored yet" in done.output
    assert "pairity contracts FILE" in done.output
    (tmp_path / "bad.csv").write_text(LINES.replace("0.1,100", "zero,100"))
    done = run(tmp_path / "home", "contracts", "bad.csv")
    assert done.exit_code != 0
    assert "line 2: tick_sz is 'zero'" in done.output


def test_collect_takes_the_contracts_of_a_recording(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "recorded" / "1h"
    folder.mkdir(parents=True)
    (folder.parent / "contracts.csv").write_text(LINES)
    ts = [1_742_299_200_000 + hour * 3_600_000 for hour in range(30)]
    bars = {"ts": ts} | {name: [100.0] * 30 for name in ("open", "high", "low", "close", "volume")}
    pl.DataFrame(bars).write_parquet(folder / "BTC-USDT.parquet")
    span = ("--since", "2025-03-18T12:00", "--until", "2025-03-19T12:00")
    options = ("--source", "parquet-folder", "--folder", str(folder), "--assets", "BTC", "--datasets", "candles_1h")
    done = run(tmp_path / "home", "collect", *options, *span)
    assert "contracts of BTC taken from the recording" in done.output, done.output
    assert {*read_contracts(Layout(tmp_path / "home"))} == {"BTC"}
