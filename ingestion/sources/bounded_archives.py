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
    """Return the content of a gzip file, its members one behind the other, of at most `limit` bytes together."""
    out = bytearray()
    rest = content
    while rest:
        member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            while not member.eof:
                piece = member.decompress(rest, _PIECE)
                out += piece
                if len(out) > limit:
                    raise OutOfBoundsError(f"expands to more bytes than the limit of {limit}")
                if len(out) > max(_FREE, _MOST_TIMES * len(content)):
                    raise OutOfBoundsError(f"expands more than {_MOST_TIMES} times, which no table of numbers does")
                rest = member.unconsumed_tail
                if not rest and not piece and not member.eof:
                    raise OutOfBoundsError("is cut: its gzip has no end")
        except zlib.error as error:
            raise OutOfBoundsError(f"is no whole gzip file: {show(str(error))}") from None
        rest = member.unused_data.lstrip(b"\0")  # gzip pads with zeros
    return bytes(out)


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
