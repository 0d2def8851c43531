"""`pairity lags`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import click

from pairity.annualising import may_annualise
from pairity.measures import explain_span
from pairity.number_formats import NOTHING, Figure, format_count, format_fixed, format_percent
from pairity.study_settings import BarInterval
from pairity_cli.context import echo, reports_errors, settings_from
from pairity_cli.table_output import prints_tables

if TYPE_CHECKING:
    from datetime import timedelta

    from training.lag_study import LagStudy

_TWO_SIDED = 1.96
_MOMENTS = {"std": "standard deviation", "kurtosis": "kurtosis, excess (normal: 0)"} | {
    f"q{share}": f"{share}% quantile" for share in (1, 5, 25, 50, 75, 95, 99)
}


@click.command()
@click.argument("symbol", required=False)
@click.option(
    "--interval", type=click.Choice(get_args(BarInterval)), help="Size of a bar (default: features.bar_interval)."
)
@click.option(
    "--horizon",
    type=click.IntRange(1, 1000),
    help="Bars over which the return is forecast (default: lags.horizon_bars).",
)
@click.option("--lags", "count", type=click.IntRange(1, 100), help="How many lagged returns (default: lags.count).")
@click.option(
    "--test-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Newest share to test on, between 0 and 1 (default: lags.test_share).",
)
@click.option(
    "--model", type=click.Choice(["linear", "boosted"]), help="Least squares, or boosted trees (default: lags.model)."
)
@click.option("--since", metavar="INSTANT", help="First bar close; by default the first stored.")
@click.option("--until", metavar="INSTANT", help="Last bar close; by default the newest.")
@reports_errors
@prints_tables()
def lags(
    symbol: str | None,
    interval: str | None,
    horizon: int | None,
    count: int | None,
    test_share: float | None,
    model: str | None,
    since: str | None,
    until: str | None,
) -> None:
    """Regress the next return of SYMBOL (default lags.symbol) on its last ones, and trade the sign: tables and picture.

    Bars of any interval, made of minutes, the venue's hours, or trades. Fitted on the older decisions alone. An honest
    result is about a coin flip.
    """
    from pairity.layout import Layout
    from pairity.timeline import parse_range
    from training.lag_study import study_lags
    from training.reports.lag_files import write_study
    from venue.clock import SystemClock

    named = {"symbol": symbol, "horizon_bars": horizon, "count": count, "test_share": test_share, "model": model}
    chosen = {name: value for name, value in named.items() if value is not None}
    bars = {} if interval is None else {"bar_interval": interval}
    overrides: dict[str, Any] = {"lags": chosen, "features": bars}
    settings = settings_from(**{section: values for section, values in overrides.items() if values})
    now = SystemClock().now()
    first, last = parse_range(since, until, now=now, included=True)
    study = study_lags(settings, now, first, last)
    _show(study, settings.features.bar_interval)
    for path in write_study(Layout.of(settings), study, settings.features.bar_interval):
        echo(path)


def _show(study: LagStudy, interval: str) -> None:
    from pairity_cli.tables import print_heading, print_line, print_table

    print_heading(f"{study.asset}, bars of {interval}, return over {format_count(study.horizon_bars, 'bar')}")
    bars, made = study.bars["event_timestamp"], study.bars["source"].unique().sort()
    print_line(
        f"{format_count(len(bars), 'bar')}, {bars[0]:%Y-%m-%d %H:%M} to {bars[-1]:%Y-%m-%d %H:%M} UTC, of "
        f"{', '.join(made)}; "
        f"test from {study.test_start:%Y-%m-%d %H:%M} UTC"
    )
    print_table(
        ("coefficient", "value", "standard error", "t"),
        [
            (name, *(format_fixed(value, 6) for value in values[:2]), format_fixed(values[2]))
            for name, *values in study.coefficients.iter_rows()
        ],
    )
    print_line("units: return per return of the lagged bar; the intercept is a return (0.01 is 1%)")
    losses = (("training", study.train), ("test", study.test))
    print_table(
        ("loss", "decisions", "mean squared error × 10⁶", "of forecasting 0"),
        [
            (name, loss.rows, format_fixed(1e6 * loss.model, 4), format_fixed(1e6 * loss.zero, 4))
            for name, loss in losses
        ],
    )
    traded, span = study.trading, bars[-1] - study.test_start
    rows = [
        ("trades", format_fixed(traded.trades, 0), None),
        ("win rate", format_percent(traded.win_rate), None),
        ("average win", _signed(traded.average_win), None),
        ("average loss", _signed(traded.average_loss), None),
        ("expected value per trade, bps", _bps(traded.expected_value), None),
        ("total return", _signed(traded.total_return), _signed(traded.total_return_after_costs)),
        ("max drawdown", format_percent(traded.max_drawdown), format_percent(study.net_drawdown)),
        ("Sharpe, annualised", *(_annualised(value, span) for value in (traded.sharpe, traded.sharpe_after_costs))),
        ("  95% from", None, _annualised(study.sharpe_low, span)),
        ("  to", None, _annualised(study.sharpe_high, span)),
        ("holding the asset", _signed(study.hold_return), None),
    ]
    print_table(("trading the sign, test period", "before costs", "after costs"), rows)
    if (too_short := explain_span(span)) is not None:
        print_line(f"note: {too_short}")
    spread = [(_MOMENTS.get(name, name), _write_moment(name, value)) for name, value in study.distribution.items()]
    print_table(("returns of the whole range", "value"), spread)
    for line in _judge(study, span):
        print_line(line)


def _signed(value: float | None) -> Figure:
    return format_percent(value, signed=True)


def _bps(value: float | None) -> Figure:
    return format_fixed(None if value is None else 1e4 * value, 1)


def _annualised(value: float | None, span: timedelta) -> Figure:
    return Figure(NOTHING) if not may_annualise(span) else format_fixed(value)


def _write_moment(name: str, value: float | None) -> Figure:
    if name == "count":
        return format_fixed(value, 0)
    if name in {"skewness", "kurtosis"}:
        return format_fixed(value)
    return format_percent(value, 4, signed=name != "std")


def _judge(study: LagStudy, span: timedelta) -> list[str]:
    """Return in plain words what the test says: by its intervals, whatever the signs."""
    from training.evaluation.verdicts import judge_sharpe, state_findings

    rate, trades = study.trading.win_rate, study.trading.trades
    if rate is None:
        return ["nothing was traded: no forecast of the test period has a sign, or no return is known"]
    off = (rate - 0.5) / (0.5 / trades**0.5)
    is_coin = abs(off) <= _TWO_SIDED
    coin = "not distinguishable from a coin's" if is_coin else f"{off:+.1f} standard errors off a coin's"
    gain = study.gain_t
    if gain is None:
        better = "not compared with forecasting nothing: they do not vary"
    elif abs(gain) <= _TWO_SIDED:
        better = f"not distinguishable from forecasting nothing (t {gain:.2f})"
    else:
        better = f"{'smaller' if gain > 0 else 'larger'} than of forecasting nothing (t {gain:.2f})"
    metrics = {"trades": float(trades), "sharpe_low": study.sharpe_low, "sharpe_high": study.sharpe_high}
    return [
        f"win rate {rate:.2%}: {coin}",
        f"errors of the forecasts in the test: {better}",
        *state_findings({"trading the sign": judge_sharpe(metrics, span)}),
    ]
