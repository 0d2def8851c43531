"""What the venue lists, asked of a running exchange and kept; what was planted in its place is refused by name."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from ingestion.listed_instruments import ask_listed, read_listed
from pairity.errors import ConfigError, DataError
from pairity.layout import Layout
from pairity_cli.main import main
from tests.ingestion.venue import NOW


def test_the_answer_is_kept_with_its_time(okx, tmp_path):
    settings = okx.settings(tmp_path)
    assert read_listed(settings) is None
    asked = asyncio.run(ask_listed(settings))
    assert {"BTC-USDT-SWAP", "ETH-USDT-SWAP"} <= asked.ids
    assert asked.asked_at == NOW
    assert read_listed(settings) == asked
    other = settings.model_copy(update={"features": settings.features.model_copy(update={"venue": "binance_um"})})
    assert read_listed(other) is None
    with pytest.raises(ConfigError, match="only okx can be asked"):
        asyncio.run(ask_listed(other))


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"asked_at": 1, "ids": []}', '{"asked_at": "2026-01-01T00:00:00+00:00", "ids": ["\\u001b[2J"]}'],
)
def test_a_damaged_list_is_refused_by_name(okx, tmp_path, content):
    settings = okx.settings(tmp_path)
    path = Layout.of(settings).listed_instruments
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(DataError, match=r"instruments\.json"):
        read_listed(settings)


def test_the_command_says_which_crosses_there_are(okx, tmp_path, monkeypatch):
    from tests.training.published import publish_all, settings_for

    made = settings_for(tmp_path)
    publish_all(made)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRITY_HOME", str(tmp_path))
    monkeypatch.setenv("PAIRITY_UNIVERSE__ASSETS", json.dumps(["BTC", "ETH", "SOL"]))
    monkeypatch.setenv("PAIRITY_EXCHANGE__URL", okx.url)
    unasked = CliRunner().invoke(main, ["pairs"])
    assert unasked.exit_code == 0, unasked.output
    assert "--ask-venue asks it" in unasked.output
    assert unasked.output.count("not known") == 3 + 1
    asked = CliRunner().invoke(main, ["pairs", "--ask-venue"])
    assert asked.exit_code == 0, asked.output
    assert asked.output.count("synthetic") == 3
    assert "as listed by the venue on 2026-01-02 05:00 UTC" in asked.output
    assert (tmp_path / "reports" / "pairs" / "pairs.csv").read_text().startswith("pair_id,base,quote,is_direct")
    refused = CliRunner().invoke(main, ["pairs", "--at", "2020-01-01"])
    assert refused.exit_code == 4
    assert "no bar of any of 3 assets is known" in refused.output
