"""Compressed files that others made, expanded within a limit: one ZIP member, or a gzip file.

What a packer claims about its content (sizes, names, the number of members) is checked before anything is expanded, and
what is expanded is counted while it is. Everything else is an OutOfBoundsError that says what is wrong.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib

from pairity.bounded_numbers import OutOfBoundsError, show

_PIECE = 1 << 20
_SLICE = 1 << 14
_MOST_MEMBERS = 100_000
"""Most members of a gzip file: blocks of 64 KiB, which some packers make, are a sixth of it in 1 GiB."""
_FREE, _MOST_TIMES = 64 << 20, 100
"""No table of numbers beyond 64 MiB is packed a hundredfold: candles are to a fifth, constant ones to a thirtieth."""
_DIRECTORY_ENTRY = b"PK\x01\x02"
# The signature may also occur in compressed bytes, by chance: once in 4 GiB.
_MOST_SIGNATURES = 8
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
# All that the module raises for archives that were made to break it.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
)


class ExpandsTooFarError(OutOfBoundsError):
    """An archive whose directory says that its member is larger than the limit: nothing of it was expanded."""


def unzip_one(archive: bytes, suffix: str, limit: int) -> bytes:
    """Return the only member of a ZIP archive: a plain file `*<suffix>` of at most `limit` bytes.

    OutOfBoundsError for no ZIP, a damaged one (CRC), further members, another name (a path, a link), encryption,
    methods other than deflate, and for more bytes than its directory says; ExpandsTooFarError for more than the limit.
    """
    # The module makes an object of each entry: thousands of them fit into little.
    if archive.count(_DIRECTORY_ENTRY) > _MOST_SIGNATURES:
        raise OutOfBoundsError(f"holds more than {_MOST_SIGNATURES} files instead of one {suffix}")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as whole:
            return _read_member(whole, _only_member(whole, suffix), limit)
    except OutOfBoundsError:
        raise
    except _BROKEN as error:
        raise OutOfBoundsError(f"is no whole ZIP: {show(str(error))}") from None


def gunzip(content: bytes, limit: int) -> bytes:
    """Return the content of a gzip file, its members one behind the other, of at most `limit` bytes together.

    OutOfBoundsError beyond it, for a damaged or cut file, and for more than 100,000 members.
    """
    out = bytearray()
    at = members = 0
    while at < len(content):
        members += 1
        if members > _MOST_MEMBERS:
            raise OutOfBoundsError(f"has more members than the limit of {_MOST_MEMBERS}")
        at = _skip_padding(content, _expand_member(content, at, out, limit))
    return bytes(out)


def _expand_member(content: bytes, at: int, out: bytearray, limit: int) -> int:
    """Add what the member at `at` expands to to `out`, and return where it ends."""
    member = zlib.decompressobj(16 + zlib.MAX_WBITS)
    while not member.eof:
        # In slices: what is left over is copied each time, and must not be the rest of the file.
        given = member.unconsumed_tail
        if not given:
            given = content[at : at + _SLICE]
            at += len(given)
        try:
            piece = member.decompress(given, _PIECE)
        except zlib.error as error:
            raise OutOfBoundsError(f"is no whole gzip file: {show(str(error))}") from None
        out += piece
        if len(out) > limit:
            raise OutOfBoundsError(f"expands to more bytes than the limit of {limit}")
        if len(out) > max(_FREE, _MOST_TIMES * len(content)):
            raise OutOfBoundsError(f"expands more than {_MOST_TIMES} times, which no table of numbers does")
        if not given and not piece and not member.eof:
            raise OutOfBoundsError("is cut: its gzip has no end")
    return at - len(member.unused_data)


def _skip_padding(content: bytes, at: int) -> int:
    """Return the place of the first byte from `at` on that is not zero: gzip pads with zeros."""
    while at < len(content) and not content[at]:
        rest = content[at : at + _SLICE].lstrip(b"\0")
        at += min(_SLICE, len(content) - at) - len(rest)
    return at


def _only_member(whole: zipfile.ZipFile, suffix: str) -> zipfile.ZipInfo:
    members = whole.infolist()
    if len(members) != 1:
        raise OutOfBoundsError(f"holds {len(members)} files instead of one {suffix}")
    member = members[0]
    name = member.orig_filename
    is_plain = name == member.filename and not set(name) & set("/\\:\0") and name.isprintable()
    if not is_plain or not name.endswith(suffix) or name.startswith("."):
        raise OutOfBoundsError(f"holds {show(name)} instead of one {suffix}")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise OutOfBoundsError(f"holds {show(name)}, which is a link or no plain file")
    if member.flag_bits & _ENCRYPTED:
        raise OutOfBoundsError(f"holds {show(name)}, which is encrypted")
    if member.compress_type not in _METHODS:
        raise OutOfBoundsError(f"holds {show(name)}, compressed by method {member.compress_type}, not deflate")
    return member


def _read_member(whole: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    if member.file_size > limit:
        raise ExpandsTooFarError(f"expands to {member.file_size} bytes, more than the limit of {limit}")
    if member.file_size > max(_FREE, _MOST_TIMES * member.compress_size):
        raise OutOfBoundsError(f"expands more than {_MOST_TIMES} times, which no table of numbers does")
    out = bytearray()
    with whole.open(member) as file:
        # Read to the end: the checksum is compared there. No more comes than the directory says.
        while piece := file.read(_PIECE):
            out += piece
    if len(out) != member.file_size:
        raise OutOfBoundsError(f"holds {len(out)} bytes of {show(member.filename)} instead of {member.file_size}")
    return bytes(out)
