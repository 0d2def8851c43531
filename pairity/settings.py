"""Typed, frozen, strict configuration: `pairity.toml`, then `PAIRITY_*` environment variables, then `.env`.

Nested names use two underscores: `PAIRITY_EXCHANGE__URL`. Secrets are read from the environment or `.env` only.
Every default is the reference value of the strategy; every one can be changed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from pairity.alert_settings import AlertSettings
from pairity.cluster_settings import ClusterSettings, Profile
from pairity.evaluation_settings import BookSettings, EvaluationSettings, GateSettings, TrialSettings
from pairity.keeping_settings import LogSettings, RetentionSettings
from pairity.key_custody import PREFIX, taken_keys
from pairity.margin import MarginMode
from pairity.setting_types import (
    AmountOrAll,
    Assets,
    Currency,
    DataDirectory,
    ExchangeCode,
    Fraction,
    Identifier,
    ModelName,
    NonNegativeFloat,
    Section,
    SectionWithSecrets,
    TimeZone,
    Venue,
    WebAddress,
    require_no_credentials,
)
from pairity.study_settings import BarInterval, LagSettings
from pairity.trading_settings import LimitSettings, ParitySettings, RetrainSettings, ServeSettings
from pairity.universe import DEFAULT_UNIVERSE, Pair, inst_id, pairs_of

CONFIG_FILE = "pairity.toml"
DOTENV_FILE = ".env"
# Read elsewhere, not settings: recorded data for tests; the second switch for real money; where the signing key lies.
DOTENV_VARIABLE = "PAIRITY_DOTENV"
IGNORE_DOTENV = "ignore"
"""Value of `PAIRITY_DOTENV` with which `.env` is not read: for children that are given their settings, and no keys."""
SIGNING_KEY_VARIABLE = "PAIRITY_SIGNING_KEY"
OTHER_VARIABLES = frozenset({"PAIRITY_RECORDED_DATA", "PAIRITY_LIVE_TRADING", DOTENV_VARIABLE, SIGNING_KEY_VARIABLE})


class UniverseSettings(Section):
    """Assets that are collected and have features, in the order that defines pair ids; and those that are traded."""

    assets: Assets = DEFAULT_UNIVERSE
    pair_assets: Assets | None = None
    """Assets whose pairs are computed, trained on and traded; not set: all. N assets have N·(N − 1)/2 pairs, while
    rankings and the cross-section grow with N alone."""
    min_aligned_bars: PositiveInt = 200

    @model_validator(mode="after")
    def _pairs_are_of_assets(self) -> Self:
        if others := sorted(set(self.pair_assets or ()) - set(self.assets)):
            raise ValueError(f"pair_assets has {', '.join(others)}, which assets has not")
        return self

    @property
    def traded(self) -> tuple[str, ...]:
        """Assets of the pairs, in universe order."""
        wanted = set(self.assets if self.pair_assets is None else self.pair_assets)
        return tuple(asset for asset in self.assets if asset in wanted)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All unordered pairs of `traded`, in universe order."""
        return pairs_of(self.traded)

    @property
    def instruments(self) -> tuple[str, ...]:
        """Canonical ids of what is traded, in universe order."""
        return tuple(inst_id(asset) for asset in self.traded)


class ExchangeSettings(SectionWithSecrets):
    """The venue. `url` None means OKX itself; demo trading unless both live switches are set."""

    url: Annotated[str, AfterValidator(require_no_credentials)] | None = None
    control_url: WebAddress | None = None
    """Control endpoint of a stepped paper exchange; the trading process then takes its time from there."""
    api_key: SecretStr | None = None
    api_secret: SecretStr | None = None
    api_passphrase: SecretStr | None = None
    timeout_s: PositiveFloat = 10.0
    max_retries: Annotated[int, Field(ge=0, le=10)] = 4
    """Retries of *reads* on transient errors, with exponential back-off. Orders are never re-sent blindly."""
    rate_limit: bool = True
    """Honour the venue's limits on the client side; off only against a local paper exchange."""


class IngestSettings(Section):
    """Collection of raw data."""

    page_size: Annotated[int, Field(ge=1, le=300)] = 300
    concurrency: Annotated[int, Field(ge=1, le=32)] = 8
    datasets: tuple[Identifier, ...] = ("funding", "mark_1h", "index_1h", "open_interest")
    """Datasets collected besides candles and those of the switches below. `trade_bars_1m` exists too: many requests."""
    taker_volume: bool = False
    """Collect hourly taker volumes (`taker_volume_1h`), of which `taker_buy_ratio` is made."""
    order_book: bool = False
    """Take a snapshot of each order book at every live cycle (`book_tops`): `book_spread_bps`, `depth_imbalance` and
    `depth_imbalance_20`. The venue has no history of them."""
    liquidations: bool = False
    """Take the newest liquidations at every live cycle: `liquidation_notional`. The venue has no long history."""

    @property
    def collected(self) -> tuple[str, ...]:
        """All datasets besides candles, each once."""
        switches = (
            ("taker_volume_1h", self.taker_volume),
            ("book_tops", self.order_book),
            ("liquidations", self.liquidations),
        )
        return tuple(dict.fromkeys((*self.datasets, *(name for name, wanted in switches if wanted))))


class SourceSettings(SectionWithSecrets):
    """Sources of history that the traded venue does not serve."""

    binance_archive_url: WebAddress = "https://data.binance.vision"
    tiingo_url: WebAddress = "https://api.tiingo.com"
    tiingo_api_key: SecretStr | None = None
    tiingo_exchange: ExchangeCode = "MEXC"
    tiingo_quote: Currency = "usdt"
    cryptoquant_url: WebAddress = "https://api.cryptoquant.com"
    cryptoquant_api_key: SecretStr | None = None
    max_retries: Annotated[int, Field(ge=0, le=10)] = 4
    """Retries on transient errors, with exponential back-off."""
    timeout_s: PositiveFloat = 60.0
    """Longest silence of a source."""
    total_s: PositiveFloat = 900.0
    """Longest time of one whole answer, however it drips in."""
    spacing_s: NonNegativeFloat = 0.2
    """Least time between two requests."""


class FeatureSettings(Section):
    """Windows of the features."""

    venue: Venue = "okx"
    """Venue whose raw data the features are computed from; the trading process needs the one that it trades on."""
    bar_interval: BarInterval = "1h"
    """Size of the bars of the lag study (`pairity lags`). Published features, and all that trades on them, are hourly:
    what is served is what was trained on, and both know one interval."""
    z_window_bars: Annotated[int, Field(ge=3)] = 24
    rsi_period_bars: Annotated[int, Field(ge=2)] = 14
    roc_bars: PositiveInt = 5
    volume_mean_bars: Annotated[int, Field(ge=2)] = 12
    volatility_window_bars: Annotated[int, Field(ge=3)] = 24
    atr_period_bars: Annotated[int, Field(ge=2)] = 14
    correlation_window_bars: Annotated[int, Field(ge=3)] = 168
    hedge_window_bars: Annotated[int, Field(ge=3)] = 168
    dead_after_hours: Annotated[int, Field(ge=2, le=336)] = 24
    """Hours in a row without a trade and without a move of the price after which a contract is dead: from then on it
    has no features, no labels and no fills, until it trades again."""
    risk_days: Annotated[int, Field(ge=2, le=14)] = 7
    """Days before each day over which its liquidity and beta buckets are estimated."""
    risk_ridge: Annotated[float, Field(ge=0)] = 1e-6
    """Penalty on the coefficients of the collinear ten-bucket design, on the scale of summed squared returns."""
    exposure_minutes: Annotated[int, Field(ge=120, le=2880, multiple_of=60)] = 1440
    """Window of the exposures to the risk factors."""
    ttl_hours: PositiveInt = 2
    """A feature row older than this at an instant counts as missing in the offline join. Decisions go further, live and
    in training: they use the row of the bar that has just closed and no other."""
    decision_lag_s: NonNegativeFloat = 30.0
    """Seconds after a bar's close at which history is joined: the grace that the live loop gives the venue."""

    @property
    def ttl(self) -> timedelta:
        """`ttl_hours` as a duration."""
        return timedelta(hours=self.ttl_hours)

    @property
    def decision_lag(self) -> timedelta:
        """`decision_lag_s` as a duration."""
        return timedelta(seconds=self.decision_lag_s)


class VwapSettings(Section):
    """The daily ranking by distance from VWAP."""

    time_zone: TimeZone = "America/New_York"
    bar_hours: Literal[1, 2, 3, 4, 6, 8, 12] = 4
    window_bars: Annotated[int, Field(ge=3, le=60)] = 6
    max_fill_bars: Annotated[int, Field(ge=0, le=60)] = 6
    """Most missing bars in a row that carry the last close forward, with zero volume."""
    rebalancing_hour: Annotated[int, Field(ge=0, le=23)] = 0
    """Hour of the day, in `time_zone`, at which the sheet is decided: only bars that closed by then count."""
    top: PositiveInt = 10

    @property
    def reach_hours(self) -> int:
        """Hours before a bar's close that its values can depend on: the window, the close before it and how far that
        may be carried, a bar that the chunk's start cuts, and the hour that clocks are put back."""
        return (self.window_bars + 1 + self.max_fill_bars + 1) * self.bar_hours + 1


class LabelSettings(Section):
    """What a model learns. A label looks up to `horizon_bars` ahead; splits purge by that horizon."""

    kind: Literal["touch", "triple_barrier"] = "touch"
    """`touch`: whether the spread comes back by `target`. `triple_barrier`: whether the strategy's own position would
    have earned anything, after costs, by its target, its stop or the end of the horizon; `target` is not used then."""
    z_entry: PositiveFloat = 1.0
    horizon_bars: PositiveInt = 102
    target: Fraction = 0.005
    rows: Literal["all", "candidates"] = "all"
    weights: Literal["none", "uniqueness"] = "none"
    """`uniqueness`: a training row counts as much as its label's hours are its own."""


class ModelSettings(Section):
    """The pair model that is trained and registered, the reference forest by default, and its split."""

    name: ModelName = "pair_forest"
    family: Identifier = "pair_forest"
    """What is fitted: a family that gives every pair a probability, or a book that the trading process can trade."""
    families: Annotated[tuple[Identifier, ...], Field(max_length=20)] = ()
    """What one training fits and the gate compares, in this order; empty: `family` alone."""
    feature_service: Identifier = "pair_forest_v1"
    """Features for training and scoring: a service of the pair view."""
    n_estimators: Annotated[int, Field(ge=1, le=3000)] = 300
    """Trees of the forest; more would not fit into the file that loading accepts."""
    max_depth: PositiveInt = 5
    min_samples_leaf: PositiveInt = 30
    positive_weight: PositiveFloat = 3.0
    calibration: Literal["none", "sigmoid", "isotonic"] = "none"
    """Map from the forest's votes to frequencies, learnt on purged folds inside the training rows."""
    seed: int = 42
    test_fraction: Fraction = 0.30


class StrategySettings(Section):
    """Selection, exits, stops and sizing of the one decision function."""

    book: Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$", max_length=40)] | None = None
    """Family of books that the trading process trades in place of pairs; not set: pairs."""
    z_entry: PositiveFloat = 1.0
    probability_min: Annotated[float, Field(ge=0, le=1)] | None = None
    """Probability above which a pair may be traded; not set: the model's own threshold, 0.5 where it has none."""
    funding_limit: PositiveFloat = 0.0005
    """Largest settled funding rate of 8 hours that a position may pay; rates of other intervals count per hour."""
    correlation_max: Annotated[float, Field(gt=0, le=1)] = 0.85
    correlation_refresh_bars: PositiveInt = 24
    exit_z: float = 0.0
    """z-score at which a position entered from above is closed (mirrored for one entered from below)."""
    switch_threshold: PositiveFloat | None = None
    """A held position gives way to a candidate whose divergence is above so many times its own; None: it stays."""
    switch_margin: PositiveFloat | None = None
    """The same by a sum: above its own plus this. With both, both must hold."""
    min_hold_bars: Annotated[int, Field(ge=0)] = 0
    cooldown_bars: Annotated[int, Field(ge=0)] = 0
    max_missing_bars: Annotated[int, Field(ge=0)] = 3
    """A held pair whose features are missing or stale for more than this many decisions is closed."""
    legs: Literal["base", "both"] = "base"
    """`base` trades the base asset alone; `both` also the opposite side of the quote asset."""
    entry_order: Literal["market", "limit_then_market"] = "market"
    """Entries of the trading process: at market, or by a post-only order first and the rest at market."""
    limit_drift: Annotated[float, Field(ge=0, lt=1)] = 0.002
    """Largest relative distance by which the price may have gone from the decision's close against an entry whose
    limit order was not filled, for the rest to go at market. 0: nothing ever goes at market."""
    hedge_tolerance: Fraction = 0.05
    """Largest relative distance between the ratio of two legs' notionals, in whole lots, and the hedge ratio."""
    stop_model: Literal["atr", "volatility"] = "atr"
    stop_atr: PositiveFloat = 10.0
    target_atr: PositiveFloat = 8.0
    stop_bounds: tuple[Fraction, Fraction] = (0.02, 0.10)
    target_bounds: tuple[Fraction, Fraction] = (0.02, 0.15)
    stop_default: Fraction = 0.06
    target_default: Fraction = 0.05
    max_position_usdt: AmountOrAll = 1000.0
    """Base of a position's notional, -1 for all that is available; a high divergence score takes up to twice as much
    (see strategy.sizing)."""
    min_position_usdt: PositiveFloat = 10.0
    leverage: Annotated[int, Field(ge=1, le=125)] = 1
    """Leverage of entries; the trading process refuses to start with more than the venue allows an instrument."""
    margin_mode: MarginMode = MarginMode.CROSS
    """`cross`: positions share the account's margin; `isolated`: each leg stands on its own, and is liquidated alone.

    Positions that were opened in the other mode keep theirs; nothing is opened until they are closed.
    """
    max_balance_fraction: Annotated[float, Field(gt=0, le=1)] = 0.95
    max_concurrent_positions: PositiveInt = 1

    @property
    def may_switch(self) -> bool:
        """Whether a held position may give way to a better one."""
        return self.switch_threshold is not None or self.switch_margin is not None

    @model_validator(mode="after")
    def _exit_inside_entry(self) -> StrategySettings:
        if self.exit_z >= self.z_entry:
            raise ValueError(f"exit_z {self.exit_z} must be below z_entry {self.z_entry}: it would close at once")
        return self


class CostSettings(Section):
    """Costs, always on. Basis points of notional per side."""

    taker_fee_bps: NonNegativeFloat = 5.0
    maker_fee_bps: NonNegativeFloat = 2.0
    slippage_bps: NonNegativeFloat = 1.0
    fill_model: Literal["next_open_taker", "limit_maker"] = "next_open_taker"
    """Fills of entries in a backtest: at the next bar's open, or by a limit order at the decision's close."""
    initial_equity_usdt: PositiveFloat | None = None
    """Equity at the start of a backtest; not set: `strategy.max_position_usdt`."""


class Settings(BaseSettings):
    """Everything configurable, in one frozen object."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=DOTENV_FILE,
        toml_file=CONFIG_FILE,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    home: DataDirectory = Path("var")
    """Data directory: everything generated lives below it."""
    profile: Profile = "embedded"
    universe: UniverseSettings = UniverseSettings()
    exchange: ExchangeSettings = ExchangeSettings()
    ingest: IngestSettings = IngestSettings()
    sources: SourceSettings = SourceSettings()
    features: FeatureSettings = FeatureSettings()
    vwap: VwapSettings = VwapSettings()
    label: LabelSettings = LabelSettings()
    model: ModelSettings = ModelSettings()
    strategy: StrategySettings = StrategySettings()
    costs: CostSettings = CostSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    lags: LagSettings = LagSettings()
    gate: GateSettings = GateSettings()
    books: BookSettings = BookSettings()
    trials: TrialSettings = TrialSettings()
    serve: ServeSettings = ServeSettings()
    limits: LimitSettings = LimitSettings()
    parity: ParitySettings = ParitySettings()
    retrain: RetrainSettings = RetrainSettings()
    alerts: AlertSettings = AlertSettings()
    logs: LogSettings = LogSettings()
    retention: RetentionSettings = RetentionSettings()
    cluster: ClusterSettings = ClusterSettings()

    @model_validator(mode="after")
    def _cluster_is_complete(self) -> Self:
        self.cluster.require_complete(self.profile)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources by rank: arguments, the environment, `.env`, the file."""
        if isinstance(env_settings, EnvSettingsSource):
            taken = {name.lower(): value for name, value in taken_keys().items()}
            env_settings.env_vars = {**taken, **env_settings.env_vars}
        if os.environ.get(DOTENV_VARIABLE) == IGNORE_DOTENV:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)
        if isinstance(dotenv_settings, DotEnvSettingsSource):
            dotenv_settings.env_vars = _ours(dotenv_settings.env_vars)
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def root(self) -> Path:
        """`home` as an absolute path."""
        return self.home.expanduser().absolute()


def _ours(variables: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the variables of a `.env` that are settings; the file may have those of other programs too."""
    return {name: value for name, value in variables.items() if name.upper().startswith(PREFIX)}
