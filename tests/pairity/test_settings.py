from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pairity.configuration import load_settings
from pairity.errors import ConfigError, UnknownNameError
from pairity.setting_types import Section
from pairity.settings import Settings, UniverseSettings


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("PAIRITY_HOME", "PAIRITY_EXCHANGE__URL"):
        monkeypatch.delenv(name, raising=False)


def test_defaults_are_the_reference_values():
    settings = load_settings()
    assert len(settings.universe.pairs) == 45
    assert (settings.label.z_entry, settings.label.horizon_bars, settings.label.target) == (1.0, 102, 0.005)
    assert (settings.model.n_estimators, settings.model.max_depth, settings.model.seed) == (300, 5, 42)
    assert (settings.strategy.stop_atr, settings.strategy.target_atr) == (10.0, 8.0)
    assert settings.strategy.legs == "base"


def test_options_win_over_environment_over_file(tmp_path, monkeypatch):
    (tmp_path / "pairity.toml").write_text("[strategy]\nz_entry = 1.1\nleverage = 2\ncooldown_bars = 4\n")
    monkeypatch.setenv("PAIRITY_STRATEGY__Z_ENTRY", "1.2")
    monkeypatch.setenv("PAIRITY_STRATEGY__LEVERAGE", "3")
    strategy = load_settings(strategy={"z_entry": 1.3}).strategy
    assert (strategy.z_entry, strategy.leverage, strategy.cooldown_bars) == (1.3, 3, 4)


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().strategy.z_entry = 2.0


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("PAIRITY_STRATEGY__Z_ENTRY", "-1", r"strategy.z_entry = '-1'"),
        ("PAIRITY_UNIVERSE__ASSETS", '["BTC"]', "universe.assets"),
        ("PAIRITY_UNIVERSE__ASSETS", '["BTC", "BTC"]', "listed twice"),
        ("PAIRITY_SERVE__HOST", "0.0.0.0", r"serve.host = '0.0.0.0'"),
        ("PAIRITY_STRATEGY__EXIT_Z", "1.0", "would close at once"),
        ("PAIRITY_RETRAIN__AT", "24:00", r"retrain.at = '24:00': .*hours go from 00 to 23"),
        ("PAIRITY_RETRAIN__AT", "9:30", "as HH:MM, such as 00:30"),
    ],
)
def test_a_bad_value_is_named_with_its_setting(monkeypatch, variable, value, words):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=words):
        load_settings()


def test_a_misspelt_variable_is_not_ignored(monkeypatch):
    monkeypatch.setenv("PAIRITY_STRATEGY__Z_ENTRI", "1.2")
    with pytest.raises(UnknownNameError, match="did you mean 'PAIRITY_STRATEGY__Z_ENTRY'"):
        load_settings()


@pytest.mark.parametrize("place", ["pairity.toml", ".env", "environment", "call"])
def test_a_setting_that_is_gone_says_what_took_its_place(place, tmp_path, monkeypatch):
    overrides = {"gate": {"psi_max": 0.2}} if place == "call" else {}
    if place == "environment":
        monkeypatch.setenv("PAIRITY_GATE__PSI_MAX", "0.2")
    elif place == ".env":
        (tmp_path / ".env").write_text("PAIRITY_GATE__PSI_MAX=0.2\n")
        (tmp_path / ".env").chmod(0o600)
    elif place == "pairity.toml":
        (tmp_path / "pairity.toml").write_text("[gate]\npsi_max = 0.2\n")
    with pytest.raises(ConfigError, match=r"gone: the limit of drift is what stretches of the training rows") as caught:
        load_settings(**overrides)
    assert "psi_max" in str(caught.value).lower()


def test_an_unknown_name_in_the_file_is_not_ignored(tmp_path):
    (tmp_path / "pairity.toml").write_text("[strategy]\nz_entri = 1.1\n")
    with pytest.raises(ConfigError, match="z_entri"):
        load_settings()


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "pairity.toml").write_text("[strategy\n")
    with pytest.raises(ConfigError, match=r"pairity\.toml is not TOML"):
        load_settings()


def test_secrets_are_refused_in_the_file_and_never_shown(tmp_path, monkeypatch):
    (tmp_path / "pairity.toml").write_text('[exchange]\napi_key = "hush-hush"\n')
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert "PAIRITY_EXCHANGE__API_KEY" in str(caught.value)
    assert "hush-hush" not in str(caught.value)
    (tmp_path / "pairity.toml").unlink()
    monkeypatch.setenv("PAIRITY_EXCHANGE__API_SECRET", "hush-hush")
    assert "hush-hush" not in repr(load_settings())
    monkeypatch.setenv("PAIRITY_EXCHANGE__TIMEOUT_S", "never")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert "hush-hush" not in str(caught.value)


def test_secrets_are_read_from_dotenv(tmp_path):
    (tmp_path / ".env").write_text("PAIRITY_EXCHANGE__API_KEY=abc\n")
    (tmp_path / ".env").chmod(0o600)
    key = load_settings().exchange.api_key
    assert key is not None
    assert key.get_secret_value() == "abc"


def test_dotenv_may_hold_the_variables_of_other_programs_but_no_misspelt_ones(tmp_path):
    (tmp_path / ".env").write_text("OTHER_TOOL=1\nPAIRITY_STRATEGY__Z_ENTRY=1.4\n")
    assert load_settings().strategy.z_entry == 1.4
    (tmp_path / ".env").write_text("PAIRITY_STRATEGY__Z_ENTRI=1.4\n")
    with pytest.raises(ConfigError, match="z_entri"):
        load_settings()


def test_consent_to_real_money_is_not_read_from_a_file(tmp_path):
    (tmp_path / ".env").write_text("PAIRITY_LIVE_TRADING=i-accept-the-risk\n")
    with pytest.raises(ConfigError, match=r"PAIRITY_LIVE_TRADING stands in \.env"):
        load_settings()


def test_every_setting_has_a_section_known_to_the_docs():
    assert set(Settings.model_fields) == {
        "home",
        "universe",
        "exchange",
        "ingest",
        "sources",
        "features",
        "vwap",
        "label",
        "model",
        "strategy",
        "costs",
        "evaluation",
        "lags",
        "gate",
        "books",
        "trials",
        "serve",
        "limits",
        "parity",
        "retrain",
        "alerts",
        "logs",
        "retention",
        "profile",
        "cluster",
    }


def test_the_documentation_lists_every_setting_with_its_default():
    text = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()
    for section in Settings.model_fields:
        value = getattr(Settings(), section)
        if isinstance(value, Section):
            assert f"## [{section}]" in text
            for name in type(value).model_fields:
                assert f"| `{name}` | " in text, f"{section}.{name} is not documented"


def test_dotenv_is_not_read_where_the_environment_says_so(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("PAIRITY_EXCHANGE__API_KEY=abc\n")
    monkeypatch.setenv("PAIRITY_DOTENV", "ignore")
    assert load_settings().exchange.api_key is None


def test_hundreds_of_assets_are_a_universe():
    names = tuple(f"C{number:03}" for number in range(700))
    universe = UniverseSettings(assets=names, pair_assets=("C003", "C001"))
    assert universe.traded == ("C001", "C003")
    assert [pair.pair_id for pair in universe.pairs] == ["C001__C003"]
    assert universe.instruments == ("C001-USDT-SWAP", "C003-USDT-SWAP")
    assert len(UniverseSettings(assets=names[:300]).pairs) == 44_850


def test_pairs_of_other_assets_are_refused():
    with pytest.raises(ValueError, match="pair_assets has LTC, which assets has not"):
        UniverseSettings(pair_assets=("BTC", "LTC"))


def test_the_profile_cluster_names_what_it_lacks(monkeypatch):
    monkeypatch.setenv("PAIRITY_PROFILE", "cluster")
    monkeypatch.setenv("PAIRITY_CLUSTER__REDIS", "redis://127.0.0.1:6379/0")
    with pytest.raises(ConfigError, match=r"the profile cluster needs cluster\.scheduler, cluster\.postgres"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SCHEDULER", "127.0.0.1:8786"),
        ("SCHEDULER", "http://127.0.0.1:8786"),
        ("REDIS", "redis://user:word@127.0.0.1:6379"),
        ("REDIS", "127.0.0.1"),
        ("POSTGRES", "postgresql://127.0.0.1:5432/pairity"),
        ("POSTGRES", "127.0.0.1:5432/pairity?options=-c"),
        ("POSTGRES_USER", "pairity;--"),
    ],
)
def test_addresses_of_the_cluster_are_plain(monkeypatch, name, value):
    monkeypatch.setenv(f"PAIRITY_CLUSTER__{name}", value)
    with pytest.raises(ConfigError, match=f"cluster.{name.lower()}"):
        load_settings()
