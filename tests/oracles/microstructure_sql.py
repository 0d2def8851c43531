"""Hourly microstructure in SQL. Standard deviations and covariances are DuckDB's own."""

import duckdb

QUERY = """
with steps as (
  select *, case when lag(open_time) over w = open_time - interval 1 minute then lag(close) over w end as before,
    case when lag(open_time, 2) over w = open_time - interval 2 minute
          and lag(open_time) over w = open_time - interval 1 minute then lag(close, 2) over w end as earlier,
    coalesce(volume_quote, (high + low + close) / 3 * volume) as quote,
    date_trunc('hour', open_time) + interval 1 hour as event_timestamp
  from minutes window w as (partition by asset order by open_time)
)
select asset, event_timestamp,
  sum(quote) filter (volume > 0) / sum(volume) filter (volume > 0) as vwap,
  last(close order by open_time) / vwap - 1 as vwap_deviation,
  stddev_samp(close / before - 1) * sqrt(60) as realized_vol_1h,
  case when sum(volume) > 0 then stddev_samp(volume) / avg(volume) end as volume_cv,
  sum(taker_buy_volume) / nullif(sum(volume) filter (taker_buy_volume is not null), 0) as taker_buy_ratio,
  sqrt(60 * avg(ln(high / low) ** 2) / (4 * ln(2))) as parkinson_vol,
  60 * avg(0.5 * ln(high / low) ** 2 - (2 * ln(2) - 1) * ln(close / open) ** 2) as klass,
  case when klass >= 0 then sqrt(klass) end as garman_klass_vol,
  avg(abs(close / before - 1) / quote) filter (quote > 0) as amihud,
  covar_samp(close - before, before - earlier) as covariance,
  count(*) as minutes_observed
from steps group by all order by asset, event_timestamp
"""


def hours(minutes):
    """`minutes`: a Polars frame of candles_1m rows with `asset`. A pandas frame, one row per asset and hour."""
    with duckdb.connect() as database:
        database.execute("set timezone = 'UTC'")
        database.register("minutes", minutes.to_arrow())
        return database.execute(QUERY).df()
