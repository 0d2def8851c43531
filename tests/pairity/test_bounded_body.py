"""Bodies in pieces: what comes out is what went in, or a refusal at the limit."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pairity.bounded_body import BoundedBody
from pairity.bounded_numbers import OutOfBoundsError


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKERS = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    " GZip ": gzip.compress,
    "deflate": zlib.compress,
}


def read(encoding: str, limit: int, *pieces: bytes) -> bytes:
    body = BoundedBody(encoding, limit)
    for piece in pieces:
        body.add(piece)
    return body.finish()


@given(st.binary(max_size=300), st.sampled_from(sorted(PACKERS)), st.integers(1, 50), st.integers(0, 400))
def test_pieces_make_the_body_or_meet_the_limit(body: bytes, encoding: str, size: int, limit: int) -> None:
    packed = PACKERS[encoding](body)
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    if max(len(body), len(packed)) <= limit:
        assert read(encoding, limit, *pieces) == body
    else:
        with pytest.raises(OutOfBoundsError, match=f"the limit of {limit}"):
            read(encoding, limit, *pieces)


@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]))
def test_garbage_is_refused_or_read_but_nothing_else(garbage: bytes, encoding: str) -> None:
    try:
        assert len(read(encoding, 1000, garbage)) <= 1000
    except OutOfBoundsError:
        return


def test_deflate_without_a_header_is_read_too() -> None:
    assert read("deflate", 100, raw_deflate(b"\x00" * 50)) == b"\x00" * 50


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "deflate,gzip", "x" * 500])
def test_an_encoding_that_was_not_accepted_is_refused(encoding: str) -> None:
    with pytest.raises(OutOfBoundsError, match="only gzip, deflate were accepted"):
        BoundedBody(encoding, 10)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_is_cut_or_goes_on_is_refused(encoding: str) -> None:
    packed = PACKERS[encoding](b"abc" * 100)
    with pytest.raises(OutOfBoundsError, match="cut"):
        read(encoding, 1000, packed[:-3])
    with pytest.raises(OutOfBoundsError, match="goes on"):
        read(encoding, 1000, packed + b"x")
    with pytest.raises(OutOfBoundsError, match="goes on"):
        read(encoding, 1000, packed, packed)


def test_a_bomb_is_left_at_the_limit() -> None:
    packer = zlib.compressobj(9, wbits=31)
    packed = packer.compress(bytes(1 << 26)) + packer.flush()
    assert len(packed) < 70_000
    body = BoundedBody("gzip", 1 << 20)
    with pytest.raises(OutOfBoundsError, match="expands to more bytes"):
        body.add(packed)
    assert sum(map(len, body._pieces)) <= 1 << 20
