"""Settings of alerts: what fits together, and that no address or token is ever shown."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pairity.alert_settings import AlertSettings
from pairity.configuration import load_settings
from pairity.errors import ConfigError
from pairity.redaction import MASK, redact

URL = "https://hooks.example.com/services/T0000AAAA/B0000BBBB/XXXXYYYYZZZZ0123456789ab"
BOT = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"
PLAIN = {"name": "desk"}


def alerts(**given: Any) -> AlertSettings:
    return AlertSettings(**given)


def test_a_destination_has_an_address_by_its_name() -> None:
    made = alerts(destinations=[PLAIN], urls={"desk": URL})
    assert made.address_of(made.destinations[0]).url == URL


@pytest.mark.parametrize(
    "destination", [PLAIN, {"name": "desk", "shape": "slack"}, {"name": "desk", "shape": "telegram", "chat": "-42"}]
)
def test_a_command_without_the_secrets_has_the_settings_and_only_sending_needs_them(
    destination: dict[str, str],
) -> None:
    """Training is started by the process with its settings and without its keys."""
    made = alerts(destinations=[destination])
    with pytest.raises(ConfigError, match="destination desk has no"):
        made.require_complete()


def test_telegram_needs_its_token_and_chat_and_no_address() -> None:
    made = alerts(destinations=[{"name": "phone", "shape": "telegram", "chat": "-42"}], tokens={"phone": BOT})
    assert made.address_of(made.destinations[0]).url == "https://api.telegram.org"


@pytest.mark.parametrize(
    "given",
    [
        {"destinations": [PLAIN, PLAIN], "urls": {"desk": URL}},
        {"destinations": [PLAIN], "urls": {"desk": URL, "other": URL}},
        {"destinations": [PLAIN], "urls": {"desk": URL}, "tokens": {"other": BOT}},
        {"destinations": [PLAIN], "urls": {"desk": URL}, "escalate_to": ["boss"]},
        {"destinations": [PLAIN], "urls": {"desk": URL.replace("https", "http")}},
        {"destinations": [PLAIN], "urls": {"desk": "https://user:pass@example.com/x"}},
        {"destinations": [PLAIN], "urls": {"desk": f"{URL}#token"}},
        {"destinations": [PLAIN], "urls": {"desk": f"{URL}?token=a b"}},
        {"destinations": [PLAIN], "urls": {"desk": f"{URL}?token=1".replace("https", "http")}},
        {"destinations": [PLAIN], "urls": {"desk": "https://user:pass@example.com?x=XXXXYYYY"}},
        {"destinations": [PLAIN], "urls": {"desk": "https://example.com\\@evil.example/?x=XXXXYYYY"}},
        {"destinations": [PLAIN], "urls": {"desk": f"{URL}/%2e%2E/?x=XXXXYYYY"}},
        {"dead_man_url": "http://ping.example.com/1?x=XXXXYYYY"},
        {"destinations": [PLAIN], "urls": {"desk": "file:///etc/passwd"}},
        {"destinations": [PLAIN], "urls": {"desk": "http://127.0.0.1.evil.example/x"}},
        {"destinations": [PLAIN], "urls": {"desk": URL}, "tokens": {"desk": "with a blank\r\nX: y"}},
        {"destinations": [{"name": "p", "shape": "telegram"}], "tokens": {"p": BOT}},
        {"destinations": [{"name": "p", "shape": "telegram", "chat": "-42"}], "tokens": {"p": "../../x"}},
        {"destinations": [{"name": "p", "shape": "telegram", "chat": "4 2"}], "tokens": {"p": BOT}},
        {"destinations": [{"name": "Not Plain"}], "urls": {"Not Plain": URL}},
        {"destinations": [{"name": f"d{n}"} for n in range(9)], "urls": {f"d{n}": URL for n in range(9)}},
        {"dead_man_url": "http://ping.example.com/1"},
        {"messages_per_hour": 3},
    ],
)
def test_what_does_not_fit_is_refused_without_a_secret_in_the_message(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        alerts(**given)
    assert "XXXXYYYY" not in str(refused.value)
    assert BOT not in str(refused.value)
    assert "pass@" not in str(refused.value)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_addresses_come_from_the_environment_and_are_redacted_in_every_part(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "pairity.toml").write_text('[[alerts.destinations]]\nname = "desk"\nshape = "slack"\n')
    monkeypatch.setenv("PAIRITY_ALERTS__URLS", f'{{"desk": "{URL}"}}')
    monkeypatch.setenv("PAIRITY_ALERTS__TOKENS", '{"desk": "a-token-of-the-desk"}')
    loaded = load_settings()
    assert loaded.alerts.urls["desk"].get_secret_value() == URL
    path = URL.partition(".com")[2]
    for text in (URL, path, path.rpartition("/")[2], "a-token-of-the-desk"):
        assert redact(f"cannot connect to {text}").endswith(MASK)
        assert text not in repr(loaded.alerts) + str(loaded.alerts) + loaded.model_dump_json()
    again = pickle.loads(pickle.dumps(loaded.alerts))
    assert (again.urls, again.tokens) == ({}, {})


@pytest.mark.parametrize("name", ["urls", "tokens"])
def test_secrets_of_alerts_are_refused_in_the_shared_file(name: str, place: Path) -> None:
    (place / "pairity.toml").write_text(f'[[alerts.destinations]]\nname = "desk"\n[alerts.{name}]\ndesk = "{URL}"\n')
    with pytest.raises(ConfigError, match=f"PAIRITY_ALERTS__{name.upper()}") as refused:
        load_settings()
    assert "XXXXYYYY" not in str(refused.value)


def test_a_secret_that_is_no_json_is_named_without_its_value(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIRITY_ALERTS__URLS", URL)
    with pytest.raises(ConfigError) as refused:
        load_settings()
    assert "XXXXYYYY" not in str(refused.value)


def test_the_address_of_the_monitor_is_refused_in_the_shared_file(place: Path) -> None:
    (place / "pairity.toml").write_text(f'[alerts]\ndead_man_url = "{URL}"\n')
    with pytest.raises(ConfigError, match="PAIRITY_ALERTS__DEAD_MAN_URL"):
        load_settings()
