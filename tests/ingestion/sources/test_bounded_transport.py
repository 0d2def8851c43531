"""Answers that never end, expand, drip or lead elsewhere: each ends in time, within its limit, with the address."""

from __future__ import annotations

import gzip
import itertools
import json
import resource
import time
import zlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.sources.ccxt_any import CcxtAny
from ingestion.sources.http import Http
from ingestion.sources.onchain import CryptoQuant
from ingestion.sources.protocol import UnitAnswer
from ingestion.sources.tiingo import Tiingo
from pairity.errors import PairityError, VenueAnswerError, VenueError, VenueRejectedError, VenueUnreachableError
from tests.examples import examples
from tests.ingestion.sources.hostile_server import answering
from tests.ingestion.sources.web import serving

MIB = 1 << 20
DAY = datetime(2024, 3, 1, tzinfo=UTC)
OK = b"HTTP/1.1 200 OK\r\n"


def whole(body: bytes, *headers: bytes) -> list[bytes]:
    return [OK, *(header + b"\r\n" for header in headers), b"Content-Length: %d\r\n\r\n" % len(body), body]


def drip(head: bytes, piece: bytes):
    def script():
        yield head
        while True:
            time.sleep(0.02)
            yield piece

    return script


def endless(head: bytes, piece: bytes):
    return lambda: itertools.chain([head], itertools.repeat(piece))


def gzip_bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(size // MIB)) + packer.flush()


BOMB = gzip_bomb(200 * MIB)
TRICKS = {
    "gzip bomb": (lambda: whole(BOMB, b"Content-Encoding: gzip"), VenueAnswerError, "expands to more bytes"),
    "deflate bomb": (
        lambda: whole(zlib.compress(bytes(64 * MIB)), b"Content-Encoding: deflate"),
        VenueAnswerError,
        "expands to more bytes",
    ),
    "packed twice": (
        lambda: whole(gzip.compress(BOMB), b"Content-Encoding: gzip, gzip"),
        VenueAnswerError,
        "is encoded as 'gzip, gzip'",
    ),
    "other encoding": (lambda: whole(b"x", b"Content-Encoding: br"), VenueAnswerError, "is encoded as 'br'"),
    "no gzip": (lambda: whole(b"[1]", b"Content-Encoding: gzip"), VenueAnswerError, "is no gzip"),
    "cut gzip": (lambda: whole(gzip.compress(b"[1]")[:-4], b"Content-Encoding: gzip"), VenueAnswerError, "is cut"),
    "announced": (lambda: [OK, b"Content-Length: 9000000000\r\n\r\n"], VenueAnswerError, "has '9000000000' bytes"),
    "announced absurdly": (lambda: [OK, b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"], VenueError, "bytes"),
    "endless": (endless(OK + b"\r\n", b"0" * 65536), VenueAnswerError, "more bytes than the limit of 16777216"),
    "endless chunks": (
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"0" * 65536 + b"\r\n"),
        VenueAnswerError,
        "more bytes than the limit",
    ),
    "dripping body": (drip(OK + b"Content-Length: 1000000\r\n\r\n", b"0"), VenueUnreachableError, "not complete after"),
    "dripping without a length": (drip(OK + b"\r\n", b"0"), VenueUnreachableError, "not complete after"),
    "dripping chunks": (
        drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n0\r\n"),
        VenueUnreachableError,
        "not complete after",
    ),
    "dripping size of a chunk": (
        drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
        VenueUnreachableError,
        "not complete after",
    ),
    "dripping header": (drip(OK + b"X-Long: ", b"a"), VenueUnreachableError, "not complete after"),
    "dripping headers": (drip(OK, b"X-Another: 1\r\n"), VenueUnreachableError, "did not answer in full|not complete"),
    "dripping status": (drip(b"HTTP/1.1 2", b"0"), VenueUnreachableError, "not complete after"),
    "interim answers": (drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), VenueUnreachableError, "not complete after"),
    "silence": (drip(b"", b""), VenueUnreachableError, "did not answer in full|not complete after"),
    "no HTTP": (lambda: [b"SSH-2.0-OpenSSH_9.6\r\n\r\n"], VenueUnreachableError, "did not answer in full"),
    "long header": (endless(OK + b"X: ", b"a" * 65536), VenueUnreachableError, "did not answer in full"),
    "two lengths": (
        lambda: [OK, b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]"],
        VenueUnreachableError,
        "did not answer in full",
    ),
    "two lengths in one": (
        lambda: [OK, b"Content-Length: 2, 3\r\n\r\n[]"],
        VenueUnreachableError,
        "did not answer in full",
    ),
    "redirect": (
        lambda: [b"HTTP/1.1 307 T\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n"],
        VenueAnswerError,
        "redirects to 'evil.example'",
    ),
    "redirect to this host": (
        lambda: [b"HTTP/1.1 302 F\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"],
        VenueAnswerError,
        "redirects to 'another path",
    ),
    "redirect to a file": (
        lambda: [b"HTTP/1.1 301 M\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"],
        VenueAnswerError,
        "redirects to",
    ),
    "redirect to nowhere": (
        lambda: [b"HTTP/1.1 301 M\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n"],
        VenueAnswerError,
        "redirects to an address",
    ),
    "not modified": (lambda: [b"HTTP/1.1 304 N\r\nContent-Length: 0\r\n\r\n"], VenueAnswerError, "redirects"),
    "odd status": (lambda: [b"HTTP/1.1 999 ?\r\nContent-Length: 0\r\n\r\n"], VenueRejectedError, "answered 999"),
    "deep JSON": (lambda: whole(b"[" * 5000 + b"]" * 5000), VenueAnswerError, "nested deeper than the limit of 32"),
    "long number": (lambda: whole(b"[" + b"9" * 9999 + b"]"), VenueAnswerError, "holds the number"),
    "NaN": (lambda: whole(b"[NaN]"), VenueAnswerError, "the literal NaN"),
    "a key twice": (lambda: whole(b'[{"a": 1, "a": 2}]'), VenueAnswerError, "the field 'a' twice"),
    "no UTF-8": (lambda: whole(b"[\xff]"), VenueAnswerError, "is not UTF-8"),
    "nothing": (lambda: whole(b""), VenueAnswerError, "is not JSON"),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_no_answer_takes_more_time_or_memory_than_allowed(trick):
    script, error, says = TRICKS[trick]
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    # Where the answer never ends, time is the limit; the others must not meet it first on a busy machine.
    endless = error is VenueUnreachableError
    timeout_s, total_s = (0.5, 0.8) if endless else (20.0, 30.0)
    with answering(script) as (url, requests), pytest.raises(error, match=says) as caught:
        Http(0, timeout_s, total_s=total_s, headers={"Authorization": "Token hidden"}).json(
            f"{url}/page", {"key": "hidden"}
        )
    assert time.monotonic() - begun < (10 if endless else 30)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 100
    assert url in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert len(requests) == 1  # not followed, not asked again


def test_a_connection_that_was_used_before_is_shut_down_as_well():
    def script():
        yield from whole(b"[1]")
        while True:  # what comes unasked is read as the next answer
            time.sleep(0.02)
            yield b"HTTP/1.1 200 OK\r\nX: "

    with answering(script) as (url, _):
        http = Http(0, 0.5, total_s=0.8)
        assert http.json(url) == [1]
        with pytest.raises(VenueUnreachableError):
            http.json(url)


def test_packed_answers_are_read():
    for encoding, body in (("gzip", gzip.compress(b"[1]")), ("deflate", zlib.compress(b"[1]"))):
        with answering(lambda body=body, name=encoding: whole(body, f"Content-Encoding: {name}".encode())) as (url, _):
            assert Http(0, 5.0).json(url) == [1]


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_in_place_of_an_answer_are_a_value_or_an_error_of_ours(noise, with_head):
    head = OK + b"Content-Length: %d\r\n" % len(noise) if with_head else b""
    with answering(lambda: [head + noise]) as (url, _), suppress(PairityError):
        Http(0, 0.3, total_s=0.5).json(url)


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["ticker", "exchangeData", "MEXC", "date", "close", "volume", "open", "result", "data"])
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
BAR = {"date": "2024-03-01T00:00:00+00:00", "open": 1.0, "high": 2.0, "low": 1.0, "close": 1.5, "volume": 3.0}
BAR |= {"volumeNotional": 4.0, "tradesDone": 5.0}
INFLOW = {"date": "2024-03-01", "inflow_total": 5.0}


@pytest.fixture(scope="module")
def web():
    with serving() as running:
        yield running


@settings(max_examples=examples(160), deadline=None)
@given(st.sampled_from(sorted(BAR)), SHAPES, st.integers(0, 3))
def test_prices_of_any_shape_are_rows_or_an_error_of_ours(web, field, value, depth):
    places = [{**BAR, field: value}, [value], value, value]
    answer = [{"ticker": "btcusdt", "exchangeData": {"MEXC": [places[0]]}}]
    if depth == 1:
        answer[0]["exchangeData"]["MEXC"] = value
    elif depth == 2:
        answer[0]["exchangeData"] = value
    elif depth == 3:
        answer = value
    try:
        web.files["/tiingo/crypto/prices"] = json.dumps(answer).encode()
        answer = Tiingo(Http(0, 5.0), web.url).read("candles_1h", "BTC", DAY, DAY + timedelta(days=1))
    except VenueError:
        return
    rows = answer.rows if isinstance(answer, UnitAnswer) else answer
    assert rows is None or rows.height <= 1


@settings(max_examples=examples(160), deadline=None)
@given(st.sampled_from(sorted(INFLOW)), SHAPES, st.integers(0, 3))
def test_inflows_of_any_shape_are_rows_or_an_error_of_ours(web, field, value, depth):
    answer = [
        {"result": {"data": [{**INFLOW, field: value}]}},
        {"result": {"data": value}},
        {"result": value},
        value,
    ][depth]
    try:
        web.files["/v1/btc/exchange-flows/inflow"] = json.dumps(answer).encode()
        CryptoQuant(Http(0, 5.0), web.url).read("inflow", "BTC", DAY, DAY + timedelta(days=1))
    except VenueError:
        return


def okx_without_end(web, page):
    """An OKX of ccxt's with one swap, whose candles are whatever `page` says."""
    swap = {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "uly": "BTC-USDT", "instFamily": "BTC-USDT"}
    swap |= {"settleCcy": "USDT", "ctVal": "0.01", "ctMult": "1", "ctValCcy": "BTC", "ctType": "linear", "lever": "100"}
    swap |= {"tickSz": "0.1", "lotSz": "0.1", "minSz": "0.1", "state": "live", "listTime": "1600000000000"}

    def ok(data):
        return json.dumps({"code": "0", "msg": "", "data": data}).encode()

    web.files["/api/v5/public/instruments"] = ok([swap])
    web.files["/api/v5/public/time"] = ok([{"ts": "1900000000000"}])
    for path in ("/api/v5/market/candles", "/api/v5/market/history-candles"):
        web.files[path] = lambda query: page(query, ok)
    web.asked.clear()
    return CcxtAny("okx", retries=0, timeout_s=5.0, url=web.url)


def test_fresh_pages_without_end_are_left(web):
    cursor = itertools.count(int(DAY.timestamp() * 1000), 7)

    def page(_query, ok):  # one more row each time, a few milliseconds later
        return ok([[str(next(cursor)), "1", "2", "1", "1", "5", "5", "5", "1"]])

    source = okx_without_end(web, page)
    with pytest.raises(VenueAnswerError, match="and no end, where"):
        source.read("candles_1h", "BTC", DAY, DAY + timedelta(days=31))
    assert len(web.asked) < 150


@pytest.mark.parametrize(
    "answer",
    [
        b'{"code":"0","msg":"","data":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"code":"0","msg":"","data":[["1e1000000","1","2","1","1","5","5","5","1"]]}',
        b'{"code":"0","msg":"","data":[["1709251200000","1e1000000","2","1","1","5","5","5","1"]]}',
        b'{"code":"0","msg":"","data":[["' + b"9" * 100_000 + b'","1","2","1","1","5","5","5","1"]]}',
        b'{"code":"0","msg":"","data":[[NaN]]}',
        b'{"code":"0","msg":"","data":[[{}]]}',
        b'{"code":"0","msg":"","data":[null]}',
        b'{"code":"0","msg":"","data":{"a":1}}',
        b'{"code":"0","msg":"","data":"x"}',
        b'{"code":["0"]}',
        b"[]",
        b'"text"',
        b"",
        b"<html>maintenance</html>",
        b"\xff",
    ],
    ids=lambda answer: answer[:60].decode("ascii", "replace"),
)
def test_candles_of_any_shape_are_rows_or_an_error_of_ours(web, answer):
    source = okx_without_end(web, lambda _query, _ok: answer)
    begun = time.process_time()
    with suppress(VenueError):
        rows = source.read("candles_1h", "BTC", DAY, DAY + timedelta(days=1))
        assert rows is not None
        if isinstance(rows, UnitAnswer):  # nothing came: that proves nothing
            assert rows.rows.is_empty()
            assert not rows.proven
            assert "does not count as fetched" in rows.left_out[0]
        else:
            assert rows.height <= 1
    assert time.process_time() - begun < 4


def test_markets_with_a_number_that_no_market_has_are_refused(web):
    source = okx_without_end(web, lambda _query, ok: ok([]))
    web.files["/api/v5/public/instruments"] = web.files["/api/v5/public/instruments"].replace(
        b'"lotSz": "0.1"', b'"lotSz": "1e1000000"'
    )
    with pytest.raises(VenueAnswerError, match="holds the number '1e1000000'"):
        source.list_assets()


def test_a_redirect_of_an_exchange_is_not_followed(web):
    source = okx_without_end(web, lambda _query, ok: ok([]))
    with answering(lambda: whole(b"{}")) as (elsewhere, requests):
        redirect = f"HTTP/1.1 307 T\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\n\r\n".encode()
        with answering(lambda: [redirect]) as (url, _):
            source.url = url
            with pytest.raises(VenueAnswerError, match=r"redirects to '127\.0\.0\.1': not followed"):
                source.list_assets()
        assert requests == []
