"""Command `pairity paper-exchange`: run the exchange until it is stopped."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from pairity.errors import ConfigError
from pairity.names import show
from pairity.universe import DEFAULT_UNIVERSE
from pairity_cli.context import reports_errors
from pairity_cli.parameters import AssetNames

if TYPE_CHECKING:
    from paper_exchange.account.ledger import FeeCurrency
    from paper_exchange.market.recorded import Ends

_LONGEST_AMOUNT = 20


def _parse_amount(_ctx: click.Context, _parameter: click.Parameter, value: str) -> Decimal:
    try:
        amount = Decimal(value[: _LONGEST_AMOUNT + 1])
    except InvalidOperation:
        raise click.BadParameter(f"{show(value)} is not an amount") from None
    # Bounded before it is written out anywhere: the digits of 1e1000000 take seconds.
    if not amount.is_finite() or amount < 0 or len(value) > _LONGEST_AMOUNT or abs(amount.adjusted()) > _LONGEST_AMOUNT:
        raise click.BadParameter(f"{show(value)} is not an amount of zero or more")
    return amount


def _parse_currency(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> FeeCurrency | None:
    from paper_exchange.run import parse_fee_currency

    try:
        return None if value is None else parse_fee_currency(value)
    except ConfigError as error:
        raise click.BadParameter(f"{error.what}: {error.remedy}") from None


@click.command("paper-exchange")
@click.option(
    "--market", type=click.Choice(["synthetic", "recorded", "mirror"]), default="synthetic", show_default=True
)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of recorded Parquet (with --market recorded).")
@click.option(
    "--ends",
    type=click.Choice(["first", "each"]),
    default="first",
    show_default=True,
    help="A recording is over with the first instrument that ends, or each ends by itself and is delisted then.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=18080, show_default=True, help="0 takes a free one.")
@click.option("--start", metavar="INSTANT", help="Instant at which the virtual clock starts (ISO, UTC).")
@click.option(
    "--covering",
    metavar="INSTANT",
    help="Play the recorded candles that cover this instant, instead of those that cover the start.",
)
@click.option("--clock", default="real", show_default=True, help="real, xN (N times faster) or stepped.")
@click.option("--seed", type=int, default=7, show_default=True, help="Seed of the synthetic market, and of --unkind.")
@click.option("--assets", type=click.IntRange(2, 1000), default=10, show_default=True, help="Of the synthetic market.")
@click.option(
    "--history",
    "history_days",
    type=click.IntRange(1, 3650),
    metavar="DAYS",
    help="Days of history before the start: 90 of a synthetic market, 2 of a mirror, unless given.",
)
@click.option("--from", "source", metavar="URL", help="OKX v5 API that a mirror follows: https, or this machine.")
@click.option(
    "--follow",
    "followed",
    type=AssetNames(),
    default=",".join(DEFAULT_UNIVERSE),
    metavar="ASSETS",
    help="Assets of a mirror, with commas; the default universe's unless given.",
)
@click.option("--balance", default="10000", show_default=True, callback=_parse_amount, help="USDT in the account.")
@click.option("--control", is_flag=True, help="Open /control: stepping the clock, injecting faults.")
@click.option("--rate-limits/--no-rate-limits", default=True, show_default=True, help="Enforce OKX's request limits.")
@click.option(
    "--faults",
    "script",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Script of faults and venue events, TOML or JSON.",
)
@click.option(
    "--unkind",
    is_flag=True,
    help="Be as OKX is: finite depth, partial fills, slipping stops, late lists; see --seed.",
)
@click.option(
    "--fee-currency",
    metavar="CCY=PRICE",
    callback=_parse_currency,
    help="Charge fees in another currency, at a price in USDT.",
)
@reports_errors
def paper_exchange(
    market: str,
    data: Path | None,
    ends: str,
    port: int,
    start: str | None,
    covering: str | None,
    clock: str,
    seed: int,
    assets: int,
    history_days: int | None,
    source: str | None,
    followed: tuple[str, ...],
    balance: Decimal,
    control: bool,
    rate_limits: bool,
    script: Path | None,
    unkind: bool,
    fee_currency: FeeCurrency | None,
) -> None:
    """Run an OKX v5 exchange on 127.0.0.1 for the real ccxt client; credentials are paper / paper / paper."""
    from paper_exchange.run import run

    run(
        market=market,
        data=data,
        ends=cast("Ends", ends),
        port=port,
        start=start,
        covering=covering,
        clock=clock,
        seed=seed,
        assets=assets,
        history_days=history_days,
        control=control,
        rate_limits=rate_limits,
        balance_usdt=balance,
        script=script,
        unkind=unkind,
        fee_currency=fee_currency,
        source=source,
        followed=followed,
    )
