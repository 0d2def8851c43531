"""The comparisons of `make bench`, in the order of its table."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from benchmarks import grid_jobs, join_jobs, online_jobs, regression_jobs, year_jobs
from benchmarks.comparison import Comparison, Contender
from benchmarks.feast_online import ADDRESS, READS
from benchmarks.peer_interpreters import OLS, REDIS, SPARK, find_interpreter

OURS = "pairity"
_JOINS, _FEAST = "benchmarks.join_jobs", "benchmarks.feast_stores"
_YEAR, _FITS = "benchmarks.year_jobs", "benchmarks.regression_jobs"
_GRID, _ONLINE, _FEAST_ONLINE = "benchmarks.grid_jobs", "benchmarks.online_jobs", "benchmarks.feast_online"
_DASK_MB = 10_240


def list_comparisons(*, small: bool, redis: str | None) -> Iterator[Comparison]:
    """Yield every comparison; `small`: three small sizes each, to see whether all of them run."""
    yield _compare_joins((24, 48, 96) if small else (240, 1_460, 8_760))
    yield _compare_large_joins((60, 120, 240) if small else (3_250, 6_500, 13_000))
    yield _compare_hours((1,) if small else (3, 6, 12))
    yield _compare_pairs((2, 3) if small else (3, 5, 10))
    yield _compare_regressions((200, 400, 800) if small else (10_800, 28_800, 86_394))
    yield _compare_grids((1_000,) if small else (1_095, 2_190, 4_380))
    yield _compare_forests((200, 400, 600) if small else (300, 600, 1_200))
    yield _compare_reads((4, 6, 8) if small else (10, 30, 100), redis)


def _compare_joins(hours: tuple[int, ...]) -> Comparison:
    spark = find_interpreter(SPARK, "feast[spark]", "java")
    polars, duckdb, feast = "Polars join_asof, bare", f"DuckDB {version('duckdb')} ASOF, bare", version("feast")
    feast_duckdb, feast_dask = f"Feast {feast}, DuckDB store", f"Feast {feast}, dask store"
    feast_spark = f"Feast {feast}, Spark store, local[2]"
    return Comparison(
        title=f"as-of join, {join_jobs.PAIRS} pairs, {join_jobs.FEATURES} features, a label for every row",
        unit="rows",
        sizes=hours,
        prepare=join_jobs.prepare_join,
        contenders=(
            Contender(OURS, _JOINS, "run_ours", rounds=3),
            Contender(polars, _JOINS, "run_polars", rounds=3),
            Contender(duckdb, _JOINS, "run_duckdb", rounds=3),
            Contender(feast_duckdb, _FEAST, "join_with_duckdb", rounds=1),
            Contender(feast_dask, _FEAST, "join_with_dask", rounds=1, limit_mb=_DASK_MB, limit_s=240.0),
            Contender(
                feast_spark,
                _FEAST,
                "join_with_spark",
                rounds=1,
                python=spark.python,
                lacks=spark.lacks,
            ),
        ),
        alike=frozenset({polars, duckdb, feast_duckdb, feast_dask, feast_spark}),
        count=lambda size: join_jobs.PAIRS * size,
    )


def _compare_large_joins(hours: tuple[int, ...]) -> Comparison:
    polars, duckdb = "Polars join_asof, bare", f"DuckDB {version('duckdb')} ASOF, bare"
    feast_duckdb = f"Feast {version('feast')}, DuckDB store"
    return Comparison(
        title="as-of join, 1,000 entities, 10 features, a label for every fifteenth row",
        unit="rows",
        sizes=hours,
        prepare=join_jobs.prepare_large_join,
        contenders=(
            Contender(OURS, _JOINS, "run_ours_large", rounds=3),
            Contender(polars, _JOINS, "run_polars", rounds=3),
            Contender(duckdb, _JOINS, "run_duckdb", rounds=3),
            Contender(feast_duckdb, _FEAST, "join_with_duckdb", rounds=1, limit_s=240.0, limit_mb=16_384),
        ),
        alike=frozenset({polars, duckdb, feast_duckdb}),
        count=lambda size: 1_000 * size,
    )


def _compare_hours(months: tuple[int, ...]) -> Comparison:
    duckdb, pandas = f"DuckDB {version('duckdb')} SQL", f"pandas {version('pandas')} groupby"
    return Comparison(
        title="minutes of 10 instruments into hourly microstructure",
        unit="minutes",
        sizes=months,
        prepare=year_jobs.prepare_minutes,
        contenders=(
            Contender(OURS, _YEAR, "summarise_ours", rounds=3),
            Contender(duckdb, _YEAR, "summarise_with_duckdb", rounds=3),
            Contender(pandas, _YEAR, "summarise_with_pandas", rounds=1),
            Contender("merely reading the columns", _YEAR, "read_minutes", rounds=3),
        ),
        tolerance=1e-7,
        alike=frozenset({duckdb, pandas}),
        count=lambda size: year_jobs.MINUTES * size,
    )


def _compare_pairs(assets: tuple[int, ...]) -> Comparison:
    pandas = f"pandas {version('pandas')}, pair by pair, a fit per window for the half-life"
    rolling = f"pandas {version('pandas')}, pair by pair, the half-life by rolling sums too"
    return Comparison(
        title="a year of hourly pair features",
        unit="pairs",
        sizes=assets,
        prepare=year_jobs.prepare_bars,
        contenders=(
            Contender(OURS, _YEAR, "compute_pairs_ours", rounds=3),
            Contender(rolling, _YEAR, "compute_pairs_by_rolling_sums", rounds=3),
            Contender(pandas, _YEAR, "compute_pairs_with_pandas", rounds=1),
        ),
        tolerance=1e-6,
        alike=frozenset({rolling, pandas}),
        count=lambda size: size * (size - 1) // 2,
    )


def _compare_regressions(windows: tuple[int, ...]) -> Comparison:
    ols = find_interpreter(OLS, "polars-ols")
    polars, models, solves = (
        "polars-ols, rolling_ols",
        f"statsmodels {version('statsmodels')} RollingOLS (parameters only)",
        "NumPy, one solve per window",
    )
    return Comparison(
        title=f"rolling regression on {regression_jobs.FACTORS} factors over {regression_jobs.WINDOW:,} minutes",
        unit="windows",
        sizes=windows,
        prepare=regression_jobs.prepare_observations,
        contenders=(
            Contender(f"{OURS}, with R²", _FITS, "fit_ours", rounds=3),
            Contender(polars, _FITS, "fit_with_polars_ols", rounds=3, python=ols.python, lacks=ols.lacks),
            Contender(models, _FITS, "fit_with_statsmodels", rounds=3),
            Contender(solves, _FITS, "fit_with_solves", rounds=3),
        ),
        tolerance=1e-7,
        alike=frozenset({polars, models, solves}),
    )


def _compare_grids(hours: tuple[int, ...]) -> Comparison:
    return Comparison(
        title="backtest grid of 27 points × 45 pairs, no funding, one worker: decides and simulates",
        unit="hours",
        sizes=hours,
        prepare=grid_jobs.prepare_grid,
        contenders=(
            Contender(OURS, _GRID, "run_grid", rounds=3),
            Contender(grid_jobs.VECTORBT, _GRID, "simulate_with_vectorbt", rounds=3),
        ),
    )


def _compare_forests(hours: tuple[int, ...]) -> Comparison:
    plain = f"scikit-learn {version('scikit-learn')}, plain matrix"
    lightgbm = f"LightGBM {version('lightgbm')}, random-forest mode: another forest, on 255 bins"
    return Comparison(
        title=f"forest of {grid_jobs.TREES} trees, 22 features, one thread",
        unit="rows",
        sizes=hours,
        prepare=grid_jobs.prepare_nothing,
        contenders=(
            Contender(OURS, _GRID, "fit_our_forest", rounds=3),
            Contender(plain, _GRID, "fit_plain_forest", rounds=3),
            Contender(lightgbm, _GRID, "fit_lightgbm_forest", rounds=3),
        ),
        alike=frozenset({plain}),
        count=lambda size: 45 * size,
    )


def _compare_reads(assets: tuple[int, ...], redis: str | None) -> Comparison:
    client = find_interpreter(REDIS, "feast and redis")
    lacks = client.lacks or (None if redis else "not measured: `redis-server` is not installed")
    feast = f"Feast {version('feast')}"
    own, sqlite, other = f"{feast} on our store", f"{feast}, its SQLite store", f"{feast}, its Redis store"
    return Comparison(
        title=f"{READS} reads of the newest features of all pairs",
        unit="pairs",
        sizes=assets,
        prepare=online_jobs.prepare_online,
        contenders=(
            Contender(OURS, _ONLINE, "read_ours", rounds=3),
            Contender(own, _ONLINE, "read_through_feast", rounds=3),
            Contender(sqlite, _FEAST_ONLINE, "read_from_sqlite", rounds=3),
            Contender(
                other,
                _FEAST_ONLINE,
                "read_from_redis",
                rounds=1,
                python=client.python,
                lacks=lacks,
                variables={ADDRESS: redis or ""},
            ),
        ),
        tolerance=1e-15,
        alike=frozenset({own, sqlite, other}),
        count=lambda size: size * (size - 1) // 2,
    )
