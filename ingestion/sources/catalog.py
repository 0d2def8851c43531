"""Every source by name: what it gives, what it needs, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pairity.errors import ConfigError, CredentialsError, UnknownNameError
from pairity.names import SOURCE, VENUE
from pairity.settings import Settings
from pairity.web_address import parse_private_address

if TYPE_CHECKING:
    from pydantic import SecretStr

    from ingestion.sources.folders import CsvFolder, MinuteCsv, ParquetFolder
    from ingestion.sources.http import Http
    from ingestion.sources.inflow_sheet import InflowCsv
    from ingestion.sources.protocol import Source
    from ingestion.sources.reading import Reading


@dataclass(frozen=True, slots=True)
class Offer:
    """One source as `pairity sources` lists it. `open` takes the settings and the folder of the command line."""

    name: str
    venue: str
    datasets: str
    needs: str
    ready: Callable[[Settings], bool]
    open: Callable[[Settings, Path | None], Source] | None
    """None: the name alone does not open it (OKX is collected by `pairity ingest`, ccxt needs an exchange)."""


def _http(settings: Settings, headers: Mapping[str, str] | None = None) -> Http:
    from ingestion.sources.http import Http

    own = settings.sources
    return Http(
        retries=own.max_retries,
        timeout_s=own.timeout_s,
        spacing_s=own.spacing_s,
        total_s=own.total_s,
        headers=headers or {},
    )


def _address(text: str, name: str) -> str:
    # An archive in clear text could be anybody's: its checksums come from the same place.
    return parse_private_address(text, name).url


def _require_key(secret: SecretStr | None, name: str) -> str:
    if secret is None or not secret.get_secret_value():
        raise CredentialsError(
            f"this source needs a key, and PAIRITY_SOURCES__{name} is not set", "set it, or use .env"
        )
    return secret.get_secret_value()


def _require_folder(folder: Path | None) -> Path:
    if folder is None:
        raise ConfigError("this source reads files, and no --folder was given", "give --folder PATH")
    return folder


def _binance_um(settings: Settings, _folder_given: Path | None) -> Source:
    from ingestion.sources.binance_archive import BinanceArchive

    return BinanceArchive(
        _http(settings), _address(settings.sources.binance_archive_url, "sources.binance_archive_url"), "um"
    )


def _binance_spot(settings: Settings, _folder_given: Path | None) -> Source:
    from ingestion.sources.binance_archive import BinanceArchive

    return BinanceArchive(
        _http(settings), _address(settings.sources.binance_archive_url, "sources.binance_archive_url"), "spot"
    )


def _tiingo(settings: Settings, _folder_given: Path | None) -> Source:
    from ingestion.sources.tiingo import Tiingo

    own = settings.sources
    headers = {"Authorization": f"Token {_require_key(own.tiingo_api_key, 'TIINGO_API_KEY')}"}
    return Tiingo(
        _http(settings, headers), _address(own.tiingo_url, "sources.tiingo_url"), own.tiingo_exchange, own.tiingo_quote
    )


def _cryptoquant(settings: Settings, _folder_given: Path | None) -> Source:
    from ingestion.sources.onchain import CryptoQuant

    own = settings.sources
    headers = {"Authorization": f"Bearer {_require_key(own.cryptoquant_api_key, 'CRYPTOQUANT_API_KEY')}"}
    return CryptoQuant(_http(settings, headers), _address(own.cryptoquant_url, "sources.cryptoquant_url"))


def _ccxt(name: str, settings: Settings) -> Source:
    from ingestion.sources.ccxt_any import CcxtAny

    return CcxtAny(name.removeprefix(_CCXT), settings.sources.max_retries, settings.sources.timeout_s)


def _minute_csv(_settings: Settings, folder: Path | None) -> MinuteCsv:
    from ingestion.sources.folders import MinuteCsv

    return MinuteCsv(_require_folder(folder))


def _parquet_folder(_settings: Settings, folder: Path | None) -> ParquetFolder:
    from ingestion.sources.folders import ParquetFolder

    return ParquetFolder(_require_folder(folder))


def _csv_folder(_settings: Settings, folder: Path | None) -> CsvFolder:
    from ingestion.sources.folders import CsvFolder

    return CsvFolder(_require_folder(folder))


def _inflow_csv(_settings: Settings, folder: Path | None) -> InflowCsv:
    from ingestion.sources.inflow_sheet import InflowCsv

    return InflowCsv(_require_folder(folder))


def _always(_settings: Settings) -> bool:
    return True


_CCXT = "ccxt:"
_ANY_CCXT = f"{_CCXT}EXCHANGE"
_FUTURES, _SPOT = "candles_1m, candles_1h, funding, trade_bars_1m", "candles_1m, candles_1h, trade_bars_1m"
_RECORDED = "candles_1m, candles_1h, funding, mark_1h, index_1h, trade_bars_1m, book_tops, open_interest"
_OFFERS = (
    Offer(
        name="okx",
        venue="okx",
        datasets="all datasets but inflow",
        needs="network; no key for market data",
        ready=_always,
        open=None,
    ),
    Offer(
        name="binance-archive",
        venue="binance_um",
        datasets=_FUTURES,
        needs="network",
        ready=_always,
        open=_binance_um,
    ),
    Offer(
        name="binance-archive-spot",
        venue="binance_spot",
        datasets=_SPOT,
        needs="network",
        ready=_always,
        open=_binance_spot,
    ),
    Offer(
        name=_ANY_CCXT,
        venue="ccxt_<exchange>",
        datasets="candles_1m, candles_1h, funding",
        needs="network",
        ready=_always,
        open=None,
    ),
    Offer(
        name="tiingo",
        venue="tiingo_<exchange>",
        datasets="candles_1m, candles_1h",
        needs="network, PAIRITY_SOURCES__TIINGO_API_KEY",
        ready=lambda settings: settings.sources.tiingo_api_key is not None,
        open=_tiingo,
    ),
    Offer(
        name="minute-csv",
        venue="csv, or --venue",
        datasets="candles_1m",
        needs="--folder with SYMBOL.csv.gz",
        ready=_always,
        open=_minute_csv,
    ),
    Offer(
        name="parquet-folder",
        venue="folder, or --venue",
        datasets=_RECORDED,
        needs="--folder with SYMBOL-USDT.parquet",
        ready=_always,
        open=_parquet_folder,
    ),
    Offer(
        name="csv-folder",
        venue="folder, or --venue",
        datasets=_RECORDED,
        needs="--folder with SYMBOL-USDT.csv",
        ready=_always,
        open=_csv_folder,
    ),
    Offer(
        name="cryptoquant",
        venue="okx",
        datasets="inflow of BTC and ETH",
        needs="network, PAIRITY_SOURCES__CRYPTOQUANT_API_KEY",
        ready=lambda settings: settings.sources.cryptoquant_api_key is not None,
        open=_cryptoquant,
    ),
    Offer(
        name="inflow-csv",
        venue="okx, or --venue",
        datasets="inflow",
        needs="--folder FILE with date, asset, inflow",
        ready=_always,
        open=_inflow_csv,
    ),
)
OFFERS: Mapping[str, Offer] = MappingProxyType({offer.name: offer for offer in _OFFERS})


_SOURCES_OF_VENUES = {"okx": "okx", "binance_um": "binance-archive", "binance_spot": "binance-archive-spot"}


def find_source_name(venue: str) -> str:
    """Return the name of the source that gives the rows of a venue; ConfigError where they came from files."""
    if venue in _SOURCES_OF_VENUES:
        return _SOURCES_OF_VENUES[venue]
    kind, _, rest = venue.partition("_")
    if kind == "ccxt" and rest:
        return f"{_CCXT}{rest}"
    if kind == "tiingo" and rest:
        return "tiingo"
    raise ConfigError(
        f"which files the rows of venue {venue!r} came from is not known", "give --source NAME and --folder PATH"
    )


def open_source(
    name: str,
    settings: Settings,
    folder: Path | None = None,
    venue: str | None = None,
    reading: Reading | None = None,
) -> Source:
    """Return the source of that name; `venue` is that of a folder's rows, `reading` says how its files are read.

    UnknownNameError for a name that no source has, ConfigError where a folder is missing, and where `venue` or
    `reading` is given for a source that has its own, CredentialsError without its key.
    """
    SOURCE.check(name, "--source")
    if venue is not None:
        VENUE.check(venue, "--venue")
    offer = OFFERS[_ANY_CCXT] if name.startswith(_CCXT) else OFFERS.get(name)
    if offer is None or (offer.open is None and offer.name != _ANY_CCXT):
        raise UnknownNameError("source", name, (item.name for item in _OFFERS if item.open is not None))
    source = _ccxt(name, settings) if offer.open is None else offer.open(settings, folder)
    if reading is not None:
        from ingestion.sources.file_source import FileSource

        if not isinstance(source, FileSource):
            raise refuse_reading(name)
        source = replace(source, reading=reading)
    if venue is None:
        return source
    if offer.open not in (_parquet_folder, _csv_folder, _minute_csv, _inflow_csv):
        raise ConfigError(f"--venue {venue!r} was given for {name}, whose rows belong to {offer.venue}", "leave it out")
    return replace(source, venue=venue)  # type: ignore[type-var]  # all of them are dataclasses


def refuse_reading(name: str) -> ConfigError:
    """Return what is wrong where a source that reads no files is told how to read them."""
    return ConfigError(
        f"--time-zone, --time-format or --decimal was given for {name}, which reads no files", "leave it out"
    )
