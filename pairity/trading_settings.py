"""Settings of the trading process: its pace, its limits of risk, its checks, its retraining."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt, SecretStr, model_validator

from pairity.setting_types import Alias, Fraction, NonNegativeFloat, Section, SectionWithSecrets, TimeOfDay

_SHORTEST_TOKEN = 16


def _sendable(token: SecretStr) -> SecretStr:
    """Refuse a token that can be guessed, or that no header carries. The message has nothing of it."""
    text = token.get_secret_value()
    if len(text) < _SHORTEST_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"write at least {_SHORTEST_TOKEN} letters and digits, such as openssl rand -hex 24 makes")
    return token


ControlToken = Annotated[SecretStr, AfterValidator(_sendable)]


class ServeSettings(SectionWithSecrets):
    """The trading process."""

    interval_minutes: Annotated[int, Field(ge=60, multiple_of=60)] = 60
    """Features are hourly: decisions come every hour, or every few."""
    host: Literal["127.0.0.1", "localhost", "::1"] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8700
    status_token: SecretStr | None = None
    """Where it is set, the status API answers only who sends it: `Authorization: Bearer TOKEN`."""
    control_token: ControlToken | None = None
    """Where it is set, whoever sends it may act over HTTP (guard, halt, close, …), and read; without it nobody may."""
    grace_s: NonNegativeFloat = 5.0
    """Seconds after a bar's close at which its data is fetched; the decision follows at `features.decision_lag_s`."""
    model_alias: Alias = "champion"
    shadow: bool = True
    """Score the challenger beside the champion at every decision, without influence."""
    retrain: bool = False
    """Retrain daily at `retrain.at`, in a process of its own."""
    watch_s: Annotated[float, Field(ge=1, le=300)] = 15.0
    """Seconds between two looks at positions, stops, executions and requests, from one decision to the next.

    Of the clock in use; a stepped clock is not stepped for it, except while the process is guarding.
    """
    watch_stepped: bool = False
    """Step a stepped clock from look to look, too."""
    stream: bool = True
    """Listen to the account's WebSocket: what changes there is looked at at once. Not with a stepped clock."""
    lease: bool = True
    """Give signs of life on the account: a second process is noticed before it trades. Not with a stepped clock.

    A sign is an order that cannot be executed and never rests, every five minutes.
    """
    order_poll_s: PositiveFloat = 0.2
    order_deadline_s: PositiveFloat = 20.0
    leg_deadline_s: PositiveFloat = 60.0
    """Seconds in which both legs of an entry are filled in the hedge ratio; what is filled by then is closed else."""
    limit_deadline_s: Annotated[float, Field(ge=5, le=3000)] = 60.0
    """Seconds of the clock in use after which an entry's limit orders are over; they never meet the next decision."""
    limit_requotes: Annotated[int, Field(ge=0, le=20)] = 0
    """How often an entry's limit order is cancelled and quoted again; each quote has the same share of the time."""
    cancel_after_s: Annotated[int, Field(ge=10, le=120)] = 60
    """Seconds of silence after which the venue itself cancels a resting limit order."""
    adopt_positions: bool = False
    """Take over a position found on the venue; otherwise open nothing beside it and leave it alone."""

    @model_validator(mode="after")
    def _check_tokens(self) -> ServeSettings:
        if self.control_token is not None and self.control_token == self.status_token:
            raise ValueError("serve.control_token is serve.status_token: who may only read could act")
        return self


class LimitSettings(Section):
    """Limits of risk. What is beyond one opens nothing more; beyond the drawdown a person decides.

    Exits and protection are never limited.
    """

    position_usdt: PositiveFloat | None = None
    """Largest notional of one leg at its entry; None: as large as the strategy makes it."""
    gross_leverage: PositiveFloat = 3.0
    """Most that the notionals of all legs may be together, as a multiple of equity."""
    day_loss: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Largest loss since 00:00 UTC, as a fraction of the equity then; unrealised results and transfers counted out."""
    drawdown: Annotated[float, Field(gt=0, le=1)] = 0.20
    """Largest fall from the highest equity so far: the process halts, and a person decides."""
    margin_ratio: Annotated[float, Field(gt=1)] = 3.0
    """Smallest equity in multiples of the maintenance margin; at 1 of it the venue liquidates.

    In isolated margin each position's own, too.
    """
    orders_per_hour: PositiveInt = 60
    """Most orders that are sent within an hour, exits and protection counted."""
    rejects_per_hour: PositiveInt = 10
    """Most refusals of the venue within an hour."""
    clock_skew_s: PositiveFloat = 5.0
    """Largest distance between this machine's clock and the venue's, where this machine's is used."""
    drift: Fraction = 0.10
    """Largest share of a decision's features far outside of what the champion was trained on."""
    price_deviation: PositiveFloat = 0.10
    """Largest relative distance between an asset's mark price and the last bar that was decided on."""
    funding_rate: PositiveFloat = 0.02
    """Largest amount of a settled funding rate of 8 hours; a larger one is taken for an error, and its asset is not
    opened. Rates of other intervals are compared per hour."""


class ParitySettings(Section):
    """Check of parity by the trading process: what was decided on against the offline store, once a day."""

    daily: bool = True
    """Check at `at` every day, in a process of its own."""
    at: TimeOfDay = "00:15"
    """Time of day in UTC, HH:MM: before the retraining, whose gate reads the verdict."""
    most_different: NonNegativeInt = 0
    """Values of one check that may differ without guarding; with more, nothing is opened.

    Promotions are refused from the first one on.
    """
    stepped: bool = False
    """Check with a stepped clock, too; it stands still meanwhile."""
    niceness: Annotated[int, Field(ge=0, le=19)] = 10
    """CPU niceness of the check (0–19)."""
    limit_hours: PositiveFloat = 6.0
    """A check that takes longer is ended."""


class RetrainSettings(Section):
    """Daily retraining: by `pairity retrain`, or by the trading process with `serve.retrain`."""

    at: TimeOfDay = "00:30"
    """Time of day in UTC, HH:MM."""
    niceness: Annotated[int, Field(ge=0, le=19)] = 10
    """CPU niceness of the job (0–19)."""
    limit_hours: PositiveFloat = 12.0
    """A job that takes longer is ended: the next one must not find it still running."""
