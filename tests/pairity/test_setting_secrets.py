"""No value of a secret, or of what may be one, is in an error of the settings, wherever it was written."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import pickle
import traceback
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import pairity.errors
from pairity.configuration import known_settings, load_settings
from pairity.errors import ConfigError, PrivacyError
from pairity.key_custody import list_suspicious
from pairity.secret_names import SECRET_SETTINGS
from pairity.settings import ExchangeSettings, Settings
from tests.examples import examples

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give a file away")
HUSH = "Hu5h-77c1-0f3eQ/x+z"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pairity.errors, "redact", str)  # the last line of defence is off: the first one must hold
    for name in [name for name in os.environ if name.startswith("PAIRITY_")]:
        monkeypatch.delenv(name)


def refusal(secret: str = HUSH) -> str:
    """The message of the refusal; the secret is nowhere in it, in what it leads to, or in the variables on its way."""
    with pytest.raises(ConfigError) as caught:
        load_settings()
    found, seen = caught.value, []
    while found is not None:
        seen += [str(found), repr(found), repr(vars(found)), repr(found.args)]
        # Without the frame of the test itself, which knows the secret
        stack = traceback.TracebackException(
            type(found), found, found.__traceback__.tb_next, capture_locals=True, compact=False
        )
        seen += list(stack.format())
        found = found.__cause__ or found.__context__
    everything = "\n".join(seen)
    assert secret not in everything
    assert secret.lower() not in everything.lower()
    return str(caught.value)


ENVIRONMENT = [
    ("PAIRITY_EXCHANGE__SECERT", HUSH, ["PAIRITY_EXCHANGE__SECERT", "did you mean"]),
    ("pairity_exchange__secert", HUSH, ["pairity_exchange__secert"]),
    ("PAIRITY_EXCHANGE__APIKEY", HUSH, ["PAIRITY_EXCHANGE__APIKEY"]),
    ("PAIRITY_EXCHANGE__API_KEY__VALUE", HUSH, ["PAIRITY_EXCHANGE__API_KEY__"]),
    ("PAIRITY_EXCHANG__API_KEY", HUSH, ["PAIRITY_EXCHANG__API_KEY"]),
    ("PAIRITY_API_SECRET", HUSH, ["PAIRITY_API_SECRET"]),
    (f"PAIRITY_EXCHANGE__{HUSH}", "1", ["PAIRITY_EXCHANGE__", "not shown"]),
    (f"PAIRITY_EXCHANGE__API_KEY_{HUSH}", "1", ["PAIRITY_EXCHANGE__", "not shown"]),
    (f"PAIRITY_{HUSH}", "1", ["PAIRITY_", "not shown"]),
    (f"PAIRITY_{HUSH}__API_KEY", "1", ["__API_KEY", "not shown"]),
    ("PAIRITY_EXCHANGE", json.dumps({"secert": HUSH}), ["exchange.secert", "no such setting"]),
    ("PAIRITY_EXCHANGE", json.dumps({HUSH: 1}), ["exchange", "not shown"]),
    ("PAIRITY_EXCHANGE", f'{{"api_key": "{HUSH}"', ["exchange", "JSON"]),
    ("PAIRITY_EXCHANGE", HUSH, ["exchange"]),
    ("PAIRITY_EXCHANGE", json.dumps([HUSH]), ["exchange"]),
    ("PAIRITY_EXCHANGE__TIMEOUT_S", HUSH, ["exchange.timeout_s"]),
    ("PAIRITY_EXCHANGE__RATE_LIMIT", HUSH, ["exchange.rate_limit"]),
    ("PAIRITY_EXCHANGE__URL", f"https://user:{HUSH}@okx.com", ["exchange.url"]),
    ("PAIRITY_EXCHANGE__URL", f"https://okx.com/?token={HUSH}", ["exchange.url"]),
    ("PAIRITY_EXCHANGE__CONTROL_URL", f"http://{HUSH}@127.0.0.1:1/control", ["exchange.control_url"]),
    ("PAIRITY_SOURCES__TIINGO_URL", f"https://api.tiingo.com/#{HUSH}", ["sources.tiingo_url"]),
    ("PAIRITY_SOURCES__MAX_RETRIES", HUSH, ["sources.max_retries"]),
    ("PAIRITY_SOURCES__TIINGO_TOKEN", HUSH, ["PAIRITY_SOURCES__TIINGO_TOKEN"]),
    ("PAIRITY_STRATEGY__Z_ENTRY", HUSH, ["strategy.z_entry"]),
    ("PAIRITY_STRATEGY__LEGS", HUSH, ["strategy.legs"]),
    ("PAIRITY_RETRAIN__AT", HUSH, ["retrain.at"]),
    ("PAIRITY_VWAP__TIME_ZONE", HUSH, ["vwap.time_zone"]),
    ("PAIRITY_UNIVERSE__ASSETS", f"BTC,{HUSH}", ["universe"]),
    ("PAIRITY_UNIVERSE__ASSETS", json.dumps([HUSH, HUSH]), ["universe.assets"]),
    ("PAIRITY_UNIVERSE__ASSETS", json.dumps({HUSH: HUSH}), ["universe.assets"]),
    ("PAIRITY_SERVE", json.dumps({"token": HUSH}), ["serve.token"]),
]


@pytest.mark.parametrize(("name", "value", "words"), ENVIRONMENT)
def test_a_variable_is_refused_without_its_value(monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)
    message = refusal()
    for word in words:
        assert word in message


@pytest.mark.parametrize(("name", "value", "words"), [row for row in ENVIRONMENT if row[0].isupper()])
def test_a_line_of_dotenv_is_refused_without_its_value(name, value, words):
    write_dotenv(f"{name}='{value}'\n")
    message = refusal()
    first = words[0].lower().removeprefix("pairity_")
    assert first.replace("__", ".").rstrip(".") in message.lower() or first in message.lower()


def write_dotenv(text: str, mode: int = 0o600) -> None:
    Path(".env").write_text(text)
    Path(".env").chmod(mode)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (f"PAIRITY_EXCHANGE__API_KEY: {HUSH}\n", "line 1"),
        (f"A=1\nPAIRITY_EXCHANGE__API_KEY='{HUSH}\n", "line 2"),
        (f"A=1\n\nPAIRITY EXCHANGE API_KEY={HUSH}\n", "line 3"),
        (f'PAIRITY_EXCHANGE__API_KEY="{HUSH}" tail\n', "line 1"),
        (f"\ufeffPAIRITY_EXCHANGE__API_KEY={HUSH}\n", "byte order mark"),
        (f"PAIRITY_EXCHANGE__API_KEY={HUSH}\nPAIRITY_LIVE_TRADING={HUSH}\n", "PAIRITY_LIVE_TRADING"),
    ],
)
def test_a_broken_dotenv_is_named_by_its_line_alone(content, word, caplog, capfd):
    write_dotenv(content)
    assert word in refusal()
    assert HUSH not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("name", [".env", "pairity.toml"])
def test_a_file_in_another_encoding_is_named_alone(name):
    Path(name).write_bytes(f"PAIRITY_EXCHANGE__API_KEY={HUSH}\xe9".encode("latin-1"))
    Path(name).chmod(0o600)
    assert "UTF-8" in refusal()


TOML = [
    f'[exchange]\napi_key = "{HUSH}"',
    f'[exchange]\nSecret = "{HUSH}"',
    f'[exchange]\n"api-key" = "{HUSH}"',
    f'[exchange]\napiKey = "{HUSH}"',
    f'[exchange]\nPASSPHRASE = "{HUSH}"',
    f'[exchange]\nAPI_KEY = "{HUSH}"',
    f'exchange.api_secret = "{HUSH}"',
    f'exchange = {{ api_secret = "{HUSH}" }}',
    f'EXCHANGE = {{ "API SECRET" = "{HUSH}" }}',
    f'[[exchange]]\nsecret = "{HUSH}"',
    f'[exchange.okx]\nsecret = "{HUSH}"',
    f'[exchange.okx]\ndeep = [[{{ password = "{HUSH}" }}]]',
    f'[exchange]\napi_key = ["{HUSH}"]',
    f'[exchange]\napi_key = {{ value = "{HUSH}" }}',
    f'[exchange]\napi_key = "a"\napi_key = "{HUSH}"',
    f'[exchange]\napi_key = "{HUSH}',
    f"[exchange]\napi_key = {HUSH}",
    f'[exchange]\n"{HUSH}" = 1',
    f'[exchange]\n"{HUSH}" = 1\n"{HUSH}" = 2',
    f'["{HUSH}"]\na = 1',
    f'["{HUSH}"]\nsecret = 1',
    f'["{HUSH}".x]\nsecret = "a"',
    f'{{"{HUSH}"}}',
    f'secret = "{HUSH}"',
    f'[sources.x]\ntoken = "{HUSH}"',
    f'[sources]\ntiingo_api_key = "{HUSH}"',
    f'[sources]\nTiingoApiKey = "{HUSH}"',
    f'[strategy]\napi_secret = "{HUSH}"',
    f'[serve]\nauth_token = "{HUSH}"',
    f'[serve]\nport = "{HUSH}"',
    f'[exchange]\n"ａｐｉ＿ｋｅｙ" = "{HUSH}"',
    f'[exchange]\nurl = "https://u:{HUSH}@okx.com"',
    f'[exchange]\nfoo = "{HUSH}"',
    f'\ufeff[exchange]\napi_key = "{HUSH}"',
    f'[exchange]\r\nsecret = """\r\n{HUSH}\r\n"""',
    f"[exchange]\nsecret = '''{HUSH}'''",
    "a=" + "[" * 5000 + f'"{HUSH}"',
]


@pytest.mark.parametrize("content", TOML)
def test_a_secret_in_the_file_is_refused_without_its_value(content):
    Path("pairity.toml").write_bytes(content.encode())
    message = refusal()
    assert "pairity.toml" in message


def respell(name: str, style: int) -> str:
    words = name.split("_")
    return [
        name,
        name.upper(),
        "-".join(words),
        words[0] + "".join(word.title() for word in words[1:]),
        "".join(word.title() for word in words),
        "".join(words),
        " ".join(words),
        ".".join(words),
        "__".join(words).title(),
    ][style]


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(
        [*(name for names in SECRET_SETTINGS.values() for name in names), "secret", "password", "token", "private_key"]
    ),
    style=st.integers(0, 8),
    above=st.lists(st.sampled_from([*known_settings(), "x", "okx", "EXCHANGE"]), max_size=3),
    shape=st.sampled_from(['"{}"', "['{}']", "{{ v = '{}' }}", "[[{{ v = ['{}'] }}]]", "'''{}'''"]),
    secret=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12, max_size=40).map("q7".__add__),
)
def test_no_spelling_place_or_shape_lets_a_secret_in(name, style, above, shape, secret):
    table = f"[{'.'.join(above)}]\n" if above else ""
    Path("pairity.toml").write_text(f'{table}"{respell(name, style)}" = {shape.format(secret)}\n')
    message = refusal(secret)
    assert "holds" in message
    assert "move it to the environment or .env" in message


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    section=st.sampled_from([*known_settings(), "exchnage", "x"]),
    name=st.sampled_from([name for names in known_settings().values() for name in names] + ["SECERT", "x", "keyz"]),
    secret=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12, max_size=40).map("q7".__add__),
)
def test_no_variable_with_a_secret_for_a_value_shows_it(section, name, secret):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(f"PAIRITY_{section}__{name}".upper(), secret)
        shown = []
        with contextlib.suppress(ConfigError):
            shown.append(repr(load_settings()))  # a name, an exchange's code or a key may be any text
        if not shown:
            refusal(secret)
        elif section in SECRET_SETTINGS:
            assert secret not in shown[0]


@pytest.mark.parametrize("section", SECRET_SETTINGS)
def test_settings_show_and_pickle_no_secret(monkeypatch, section):
    hush = HUSH.partition("/")[0]  # what may stand in an address too
    values = {name: f"{hush}{number}" for number, name in enumerate(SECRET_SETTINGS[section])}
    if section == "alerts":
        monkeypatch.setenv("PAIRITY_ALERTS__DESTINATIONS", json.dumps([{"name": "desk"}]))
        webhook = f"https://hooks.example/{hush}"
        values = {"urls": json.dumps({"desk": webhook}), "tokens": json.dumps({"desk": hush}), "dead_man_url": webhook}
    for name, value in values.items():
        monkeypatch.setenv(f"PAIRITY_{section}__{name}".upper(), value)
    found = load_settings()
    part = getattr(found, section)
    read = [getattr(part, name) for name in values]
    secrets = [secret for item in read for secret in (item.values() if isinstance(item, dict) else [item])]
    assert len(secrets) == len(values)
    assert all(hush in secret.get_secret_value() for secret in secrets)
    shown = [form(item) for form in (repr, str, vars) for item in (found, part)]
    shown += [found.model_dump(), found.model_dump_json(), found.model_dump(mode="json")]
    assert hush not in "".join(map(str, shown))
    assert hush.encode() not in pickle.dumps(found) + pickle.dumps(part)
    again, hidden = getattr(pickle.loads(pickle.dumps(found)), section), set(SECRET_SETTINGS[section])
    assert again.model_dump(exclude=hidden) == part.model_dump(exclude=hidden)
    for copied in (copy.deepcopy(found), found.model_copy(deep=True), found.model_copy()):
        assert copied == found


def test_models_of_settings_built_directly_do_not_quote_what_they_refuse():
    for build in (lambda: ExchangeSettings(secert=HUSH), lambda: Settings(exchange={"api_key": [HUSH]})):
        with pytest.raises(ValidationError) as caught:
            build()
        assert HUSH not in str(caught.value) + repr(caught.value)


def test_a_plain_mistake_is_still_shown(monkeypatch):
    for name, value, shown in (
        ("PAIRITY_LABEL__KIND", "tripple", "label.kind = 'tripple'"),
        ("PAIRITY_STRATEGY__Z_ENTRY", "-1", "strategy.z_entry = '-1'"),
        ("PAIRITY_VWAP__TIME_ZONE", "Amerika/New_York", "vwap.time_zone = 'Amerika/New_York'"),
        ("PAIRITY_SERVE__PORT", "70000", "serve.port = '70000'"),
    ):
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            assert shown in refusal()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o606, 0o666, 0o601])
def test_a_dotenv_with_keys_that_others_can_use_is_refused_with_the_command(tmp_path, mode):
    write_dotenv(f"PAIRITY_EXCHANGE__API_KEY={HUSH}\n", mode)
    assert f"chmod 600 {tmp_path / '.env'}" in refusal()
    Path(".env").chmod(0o600)
    assert load_settings().exchange.api_key.get_secret_value() == HUSH


def test_a_dotenv_without_keys_may_be_read_but_not_written_by_others(tmp_path):
    write_dotenv("PAIRITY_STRATEGY__Z_ENTRY=1.5\n", 0o644)
    assert load_settings().strategy.z_entry == 1.5
    for name in (".env", "pairity.toml"):
        Path("pairity.toml").write_text("[strategy]\nz_entry = 1.5\n")
        Path(name).chmod(0o646)
        with pytest.raises(PrivacyError, match=f"chmod 644 {tmp_path / name}"):
            load_settings()
        Path(name).chmod(0o644)


@AS_ROOT
@pytest.mark.parametrize("name", [".env", "pairity.toml"])
def test_settings_that_another_user_left_here_are_not_read(name):
    Path(name).touch(0o600)
    os.chown(name, 65534, 65534)
    with pytest.raises(PrivacyError, match="belongs to user 65534"):
        load_settings()


@AS_ROOT
@pytest.mark.parametrize("name", [".env", "pairity.toml"])
def test_a_link_to_settings_that_another_user_left_here_is_not_followed(tmp_path, name):
    (tmp_path / "mine").touch(0o600)
    Path(name).symlink_to(tmp_path / "mine")
    load_settings()
    os.lchown(name, 65534, 65534)
    with pytest.raises(PrivacyError, match="belongs to user 65534"):
        load_settings()


@pytest.mark.parametrize("name", [".env", "pairity.toml"])
def test_a_pipe_or_a_folder_in_the_place_of_settings_is_refused_at_once(name):
    os.mkfifo(name)
    assert f"{name} is no file" in refusal()
    Path(name).unlink()
    Path(name).mkdir()
    assert f"{name} is no file" in refusal()


def test_the_path_of_the_signing_key_is_shown_and_a_key_in_its_place_is_not(monkeypatch):
    path = {"PAIRITY_SIGNING_KEY": "/folder/of/signing.key"}
    assert list_suspicious(path | {"PAIRITY_EXCHNGE__APIKEY": HUSH, "OTHER_TOKEN": HUSH}) == [HUSH]
    assert list_suspicious({"pairity_signing_key": "ab" * 32}) == ["ab" * 32]
    monkeypatch.setenv("PAIRITY_HOME", "~nobody-of-this-name/var")
    assert "setting home" in refusal()


def test_the_switch_that_leaves_dotenv_out_has_one_value(monkeypatch):
    monkeypatch.setenv("PAIRITY_DOTENV", HUSH)
    assert "set it to ignore" in refusal()


def test_half_a_character_in_a_key_breaks_nothing(monkeypatch):
    monkeypatch.setenv("PAIRITY_EXCHANGE", '{"api_key": "abcdefgh\\ud800"}')
    with contextlib.suppress(ConfigError):
        load_settings()
