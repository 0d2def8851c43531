"""Settings of alerts: where messages go, in which form, how many, what happens when nobody acknowledges.

Addresses and tokens are secrets: whoever has the address of a webhook can write there. They are read from the
environment or `.env`, as JSON objects by the name of the destination.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from pairity.errors import ConfigError
from pairity.setting_types import Identifier, NonNegativeFloat, Section, SectionWithSecrets, TimeOfDay
from pairity.webhook_address import WebhookAddress, parse_webhook_address

TELEGRAM_URL = "https://api.telegram.org"
_MOST = 8
_HEADER_TOKEN = re.compile(r"[\x21-\x7e]{6,500}")
_TELEGRAM_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{10,100}")


def _plain_chat(chat: str) -> str:
    if chat and re.fullmatch(r"-?[0-9]{1,20}|@[A-Za-z0-9_]{1,64}", chat) is None:
        raise ValueError("write the number of the chat, or the @name of a channel")
    return chat


class DestinationSettings(Section):
    """One destination of messages. Its address and token are `alerts.urls` and `alerts.tokens` under its name."""

    name: Identifier
    shape: Literal["plain", "slack", "telegram"] = "plain"
    """Form of the body: JSON with every field, Slack's `text` (Mattermost's and Discord's `/slack` too), Telegram's."""
    severity: Literal["info", "warning", "critical"] = "warning"
    """Mildest severity that is sent."""
    daily: bool = True
    """Whether the daily message is sent here."""
    chat: Annotated[str, AfterValidator(_plain_chat)] = ""
    """Telegram: number of the chat, or @name of the channel."""


class AlertSettings(SectionWithSecrets):
    """Alerts. Without destinations nothing is sent; events are journalled all the same."""

    destinations: Annotated[tuple[DestinationSettings, ...], Field(max_length=_MOST)] = ()
    urls: dict[str, SecretStr] = Field(default_factory=dict)
    """Address of each destination by its name, as its site gives it. https, or of this machine. Telegram needs none."""
    tokens: dict[str, SecretStr] = Field(default_factory=dict)
    """Token by name: of Telegram's bot; for the others, where it is set, sent as `Authorization: Bearer`."""
    repeat_minutes: NonNegativeFloat = 15.0
    """Minutes within which the same thing is not told again; what was left out is told, with its count, after them."""
    messages_per_hour: Annotated[int, Field(ge=4, le=3600)] = 30
    """Most messages to a destination within an hour, a quarter of them kept for critical ones; more is summed up."""
    escalate_to: tuple[Identifier, ...] = ()
    """Destinations that are told of critical events that nobody acknowledges."""
    escalate_after_minutes: PositiveFloat = 15.0
    """Minutes from a critical event to its escalation; each repetition waits twice as long, up to eight hours."""
    daily_at: TimeOfDay | None = "07:00"
    """Time of day in UTC of the message that says how it goes and what yesterday brought; None: never."""
    dead_man_url: SecretStr | None = None
    """Address of an outside monitor, asked while the process lives and its watch succeeds: https, or this machine's."""
    dead_man_minutes: Annotated[float, Field(gt=0, le=1440)] = 5.0
    timeout_s: Annotated[float, Field(ge=1, le=120)] = 20.0
    """Seconds in which a destination has to answer, connecting included."""
    max_tries: PositiveInt = 8
    """Tries of a message that its destination refuses (4xx); what cannot be delivered otherwise is tried for a day."""

    @model_validator(mode="after")
    def _check(self) -> AlertSettings:
        names = [destination.name for destination in self.destinations]
        if len(set(names)) != len(names):
            raise ValueError("two destinations have the same name")
        for setting, given in (("urls", self.urls), ("tokens", self.tokens)):
            if set(given) - set(names):
                raise ValueError(f"alerts.{setting} names a destination that alerts.destinations does not have")
        if unknown := set(self.escalate_to) - set(names):
            raise ValueError(f"alerts.escalate_to names {sorted(unknown)[0]}, which is no destination")
        for destination in self.destinations:
            self._check_destination(destination)
        if self.dead_man_url is not None:
            _parse(self.dead_man_url, "alerts.dead_man_url")
        return self

    def address_of(self, destination: DestinationSettings) -> WebhookAddress:
        """Return where a destination's messages go; for Telegram without the token that its path has besides."""
        if destination.name not in self.urls:  # only Telegram needs none
            return parse_webhook_address(TELEGRAM_URL, "alerts.urls")
        return _parse(self.urls[destination.name], f"alerts.urls.{destination.name}")

    def find_fault(self, destination: DestinationSettings) -> str | None:
        """Return which secret a destination lacks, None where it is complete.

        Only the process that sends needs them: other commands, and what it starts, have the settings and no secrets.
        """
        name = destination.name
        if destination.shape == "telegram":
            return None if name in self.tokens else f"destination {name} has no token of its bot in alerts.tokens"
        return None if name in self.urls else f"destination {name} has no address in alerts.urls"

    def require_complete(self) -> None:
        """Raise ConfigError where a destination lacks a secret."""
        faults = [fault for item in self.destinations if (fault := self.find_fault(item)) is not None]
        if faults:
            raise ConfigError(
                "; ".join(faults), "set PAIRITY_ALERTS__URLS and PAIRITY_ALERTS__TOKENS to JSON objects by name"
            )

    def _check_destination(self, destination: DestinationSettings) -> None:
        name, token = destination.name, self.tokens.get(destination.name)
        is_telegram = destination.shape == "telegram"
        if is_telegram and not destination.chat:
            raise ValueError(f"destination {name} needs the chat that its bot writes to")
        sendable = _TELEGRAM_TOKEN if is_telegram else _HEADER_TOKEN
        if token is not None and sendable.fullmatch(token.get_secret_value()) is None:
            raise ValueError(f"the token of destination {name} is none of {destination.shape}")
        self.address_of(destination)


def list_hidden_parts(settings: AlertSettings) -> list[str]:
    """Return what is secret of the addresses besides themselves: their paths and queries, and parts of these."""
    addresses = [secret.get_secret_value() for secret in settings.urls.values()]
    addresses += [] if settings.dead_man_url is None else [settings.dead_man_url.get_secret_value()]
    return [part for text in addresses for part in parse_webhook_address(text, "alerts.urls").list_secret_parts()]


def _parse(secret: SecretStr, name: str) -> WebhookAddress:
    """Return an address; ValueError without anything of it where it is none that may be sent a secret."""
    try:
        return parse_webhook_address(secret.get_secret_value(), name)
    except ConfigError as error:
        fault = f"{name} is no plain https address, or one of this machine: {error.remedy}"
    # Raised here: the first error names the host
    raise ValueError(fault)
