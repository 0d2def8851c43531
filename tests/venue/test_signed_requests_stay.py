"""Key, passphrase and signature reach the venue and nobody else, whatever it answers and whatever the environment says.

The real client speaks with the paper exchange over HTTP; `elsewhere` stands where the requests could be carried to.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from pairity.errors import ConfigError, OrderUnknownError, PairityError, VenueAnswerError, VenueUnreachableError
from pairity.settings import ExchangeSettings, Settings
from pairity.strategy.types import Side
from paper_exchange.account.account import Account
from paper_exchange.clock import VirtualClock
from paper_exchange.faults.catalogue import FaultPlan
from paper_exchange.market.synthetic import SyntheticMarket
from serving.execution.okx import OkxVenue
from serving.execution.venue_records import Missing, OrderRequest, ProtectionRequest, Unclear, VenueOrder
from tests.paper_exchange.exchange_server import serving
from tests.venue.conftest import NOW_MS
from tests.venue.elsewhere import Elsewhere, elsewhere
from venue.clock import PolledClock, SteppedClock
from venue.okx_client import aclose, call, make_client
from venue.okx_hosts import OKX_ITSELF
from venue.okx_session import VenueSession

BTC = "BTC-USDT-SWAP"
SECRETS = {"api_key": "the-key", "api_secret": "the-secret", "api_passphrase": "the-passphrase"}
READ, WRITE, PUBLIC = "privateGetAccountBalance", "privatePostTradeOrder", "publicGetPublicTime"
ORDER = OrderRequest("pairitye1", BTC, Side.BUY, Decimal(1))


@pytest.fixture
def url(market: SyntheticMarket, faults: FaultPlan) -> Iterator[str]:
    from paper_exchange.http.auth import Credentials

    clock = VirtualClock("stepped", NOW_MS)
    credentials = Credentials(*SECRETS.values())
    with serving(
        market, clock, account=Account(market, clock, 10_000), credentials=credentials, faults=faults
    ) as where:
        yield where


@asynccontextmanager
async def client_of(url: str, *, timeout_s: float = 2.0) -> AsyncIterator[object]:
    client = make_client(
        Settings(exchange=ExchangeSettings(url=url, rate_limit=False, timeout_s=timeout_s, **SECRETS)), signed=True
    )
    try:
        yield client
    finally:
        await aclose(client)


def nothing_came(other: Elsewhere) -> None:
    assert other.heard == []


async def refused(client: object, method: str) -> PairityError:
    with pytest.raises(PairityError) as caught:
        await call(client, method, {"instId": BTC, "clOrdId": "a1"}, retries=0)  # type: ignore[arg-type]
    assert not any(secret in str(caught.value) for secret in SECRETS.values())
    return caught.value


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 307, 308, 399])
def test_no_redirect_is_followed(url: str, faults: FaultPlan, status: int) -> None:
    async def scenario() -> None:
        async with elsewhere() as other, client_of(url) as client:
            faults.add("redirect", count=3, params={"status": status, "to": other.url})
            for method, kind in ((READ, VenueAnswerError), (WRITE, OrderUnknownError), (PUBLIC, VenueAnswerError)):
                error = await refused(client, method)
                assert isinstance(error, kind)
                assert f"redirect ({status})" in str(error)
            nothing_came(other)

    asyncio.run(scenario())


def test_a_redirect_to_the_venue_itself_is_not_followed_either(url: str, faults: FaultPlan) -> None:
    """What comes back would be the answer to another request than the one that was signed."""

    async def scenario() -> None:
        async with client_of(url) as client:
            faults.add("redirect", count=2, params={"to": url})
            assert isinstance(await refused(client, READ), VenueAnswerError)
            assert isinstance(await refused(client, WRITE), OrderUnknownError)

    asyncio.run(scenario())


@pytest.mark.parametrize("executed", [False, True])
def test_the_outcome_of_a_redirected_order_is_asked(url: str, faults: FaultPlan, executed: bool) -> None:
    async def scenario() -> None:
        async with elsewhere() as other, client_of(url) as client:
            venue = OkxVenue(client, retries=0)  # type: ignore[arg-type]
            to = {"to": other.url, "executed": executed}
            faults.add("redirect", "POST trade/order", params=to)
            with pytest.raises(OrderUnknownError, match="client order id"):
                await venue.place(ORDER)
            faults.add("redirect", "GET trade/order", params=to)
            assert isinstance(await venue.find_order(BTC, "pairitye1"), Unclear)
            found = await venue.find_order(BTC, "pairitye1")
            assert isinstance(found, VenueOrder if executed else Missing)
            for path, ask in (
                ("POST trade/order-algo", venue.place_protection(_stop())),
                ("POST trade/cancel-order", venue.cancel(BTC, "pairitye1")),
                ("POST trade/cancel-algos", venue.cancel_algo(BTC, "1")),
            ):
                faults.add("redirect", path, params=to)
                with pytest.raises(OrderUnknownError):
                    await ask
            nothing_came(other)

    asyncio.run(scenario())


def _stop() -> ProtectionRequest:
    return ProtectionRequest("pairitys1", BTC, Side.SELL, Decimal(1), Decimal(1), Decimal(999_999))


PROXIES = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]


def test_a_proxy_of_the_environment_sees_nothing(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with elsewhere() as other:
            for name in PROXIES:
                monkeypatch.setenv(name, other.url)
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.delenv("NO_PROXY", raising=False)
            (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
            monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
            async with client_of(url) as client:
                await call(client, READ, {}, retries=0)  # type: ignore[arg-type]
                assert await OkxVenue(client, retries=0).place(ORDER)  # type: ignore[arg-type]
            clock = await SteppedClock.connect(f"{url}/control")
            await clock.sleep_until(clock.now() + dt.timedelta(minutes=1))
            await PolledClock.connect(url, 2.0)
            nothing_came(other)

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["aiohttp_proxy", "httpProxy", "httpsProxy", "http_proxy", "https_proxy", "proxyUrl"])
def test_a_proxy_of_the_client_is_refused_before_anything_is_sent(url: str, name: str) -> None:
    async def scenario() -> None:
        async with elsewhere() as other, client_of(url) as client:
            # A proxy URL is put before the address, a proxy agent beside it.
            setattr(client, name, f"{other.url}/?to=" if name == "proxyUrl" else other.url)
            # ccxt itself refuses some combinations, and cannot say that nothing was sent.
            assert isinstance(await refused(client, WRITE), ConfigError | OrderUnknownError)
            nothing_came(other)

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["urls", "hostname", "sandbox", "user", "port"])
def test_a_client_that_was_bent_to_another_address_sends_nothing_there(url: str, how: str) -> None:
    async def scenario() -> None:
        async with elsewhere() as other, client_of(url) as client:
            if how == "urls":
                client.urls["api"]["rest"] = other.url  # type: ignore[attr-defined]
            elif how == "user":
                client.urls["api"]["rest"] = url.replace("//", "//someone@")  # type: ignore[attr-defined]
            elif how == "port":
                client.urls["api"]["rest"] = url[:-1] + ("1" if url[-1] != "1" else "2")  # type: ignore[attr-defined]
            elif how == "hostname":
                client.hostname = other.url.removeprefix("http://")  # type: ignore[attr-defined]
            else:
                client.set_sandbox_mode(True)  # type: ignore[attr-defined]
            if how in ("hostname", "sandbox"):  # the address has no place for a host name, and the sandbox has the same
                await call(client, READ, {}, retries=0)  # type: ignore[arg-type]
            else:
                assert isinstance(await refused(client, WRITE), ConfigError)
            nothing_came(other)

    asyncio.run(scenario())


def test_keys_of_a_connection_are_written_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(kept))
    context = VenueSession(OKX_ITSELF)._certificates()
    assert isinstance(context, ssl.SSLContext)
    assert context.keylog_filename is None
    child = (
        "import os; from pairity.process_guard import guard_process as go; go(); print('SSLKEYLOGFILE' in os.environ)"
    )
    said = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, timeout=60, check=True).stdout
    assert said == "False\n"


def test_a_certificate_that_nobody_vouches_for_ends_the_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with elsewhere(_own_certificate(tmp_path)) as other:
            assert other.url.startswith("https://127.0.0.1")
            async with client_of(other.url) as client:
                assert isinstance(await refused(client, WRITE), VenueUnreachableError)
            nothing_came(other)

    asyncio.run(scenario())


def _own_certificate(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate for 127.0.0.1 that it issued itself."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.okx.com")])
    alternatives = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("www.okx.com")]
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key(), serial_number=1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = folder / "server.pem"
    file.write_bytes(key.private_bytes(pem, *plain) + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
