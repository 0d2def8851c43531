"""An archive that skops would not write is refused, and the work of refusing it is bounded by its size."""

import gzip
import io
import json
import struct
import warnings
import zipfile

import pytest

from model_registry.forest_schema import require_forest
from model_registry.skops_archive import SCHEMA_MAX_BYTES
from pairity.errors import ModelIntegrityError
from pairity.settings import ModelSettings
from tests.model_registry.archives import (
    archive,
    pack,
    unpack,
)


def raw(content, **changes):
    """Change fields of the end record of a ZIP file."""
    fields = dict(
        zip(
            ("sign", "disk", "first", "here", "all", "size", "offset", "comment"),
            END.unpack(content[-22:]),
            strict=True,
        )
    )
    return content[:-22] + END.pack(*(fields | changes).values())


END = struct.Struct("<4s4H2LH")


def compressed(method):
    schema, members = unpack(archive())
    return pack(schema, members, method)


def bomb():
    schema, members = unpack(archive())
    return pack(schema, members | {"zeros.npy": bytes(1 << 24)}, zipfile.ZIP_DEFLATED)


def twice(name=None):
    schema, members = unpack(archive())
    buffer = io.BytesIO(archive())
    with zipfile.ZipFile(buffer, "a") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of it, and does it
        file.writestr(name or next(iter(members)), json.dumps(schema))
    return buffer.getvalue()


def overlapping():
    """Many entries of the directory for the bytes of one member."""
    content = archive()
    start = content.index(b"PK\x01\x02")
    entry_size = content.index(b"PK\x01\x02", start + 4) - start
    entry = bytearray(content[start : start + entry_size])
    entries = b""
    for number in range(3000):
        name = f"{number:015d}.npy"[-(entry_size - 46) :].encode()
        entries += bytes(entry[:46]) + name
    directory = content[start:-22] + entries
    count = 3000 + END.unpack(content[-22:])[4]
    end = {"here": count, "all": count, "size": len(directory)}
    return raw(content[:start] + directory + content[-22:], **end)


def encrypted():
    content = bytearray(archive())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def said_sizes(size):
    content = bytearray(archive())
    place = content.index(b"PK\x01\x02")
    content[place + 20 : place + 28] = struct.pack("<2L", size, size)
    return bytes(content)


def schema_of(text):
    return pack(text, unpack(archive())[1])


ARCHIVES = {
    "nothing": lambda: b"",
    "one byte": lambda: b"P",
    "an end alone": lambda: b"PK\x05\x06" + bytes(18),
    "a pickle": lambda: b"cos\nsystem\n(S'true'\ntR.",
    "a pickle in gzip": lambda: gzip.compress(b"cos\nsystem\n(S'true'\ntR."),
    "a pickle before an archive": lambda: b"cos\nsystem\n(S'true'\ntR." + archive(),
    "something behind the archive": lambda: archive() + b"x",
    "an archive behind the archive": lambda: archive() + archive(trees=1),
    "a comment": lambda: raw(archive(), comment=1) + b"x",
    "half of it": lambda: archive()[: len(archive()) // 2],
    "more entries than said": lambda: raw(archive(), here=3, all=3),
    "no entries": lambda: raw(archive(), here=0, all=0),
    "a directory elsewhere": lambda: raw(archive(), offset=0),
    "a directory without end": lambda: raw(archive(), size=0xFFFFFFFF, offset=0xFFFFFFFF),
    "a second disk": lambda: raw(archive(), disk=1),
    "deflated members": lambda: compressed(zipfile.ZIP_DEFLATED),
    "members of bzip2": lambda: compressed(zipfile.ZIP_BZIP2),
    "members of LZMA": lambda: compressed(zipfile.ZIP_LZMA),
    "a bomb": bomb,
    "one array twice": twice,
    "two schemas": lambda: twice("schema.json"),
    "entries that share their bytes": overlapping,
    "an encrypted member": encrypted,
    "a member of 4 GB": lambda: said_sizes(0xFFFFFFFE),
    "a member of unknown size": lambda: said_sizes(0xFFFFFFFF),
    "a member that ends before its end": lambda: said_sizes(8),
    "a schema that is no JSON": lambda: schema_of(b"{"),
    "a schema of nothing": lambda: schema_of(b"null"),
    "a schema of a list": lambda: schema_of(b"[]"),
    "a schema in UTF-16": lambda: schema_of(json.dumps(unpack(archive())[0], indent=2).encode("utf-16")),
    "a schema in UTF-8": lambda: schema_of(b'{"protocol": 2, "name":        "\xc3\xa9"}'),
    "deep lists": lambda: schema_of(b" " * 4_000_000 + b"[" * 200_000 + b"]" * 200_000),
    "deep objects": lambda: schema_of(b'{"a":           ' * 100_000 + b"1" + b"}" * 100_000),
    "crowded lists": lambda: schema_of(b"[" + b"[]," * 1_000_000 + b"[]]"),
    "a large schema": lambda: schema_of(b" " * (SCHEMA_MAX_BYTES + 1)),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_that_skops_does_not_write_is_refused(kind):
    with pytest.raises(ModelIntegrityError, match="the model in here is refused"):
        require_forest(ARCHIVES[kind](), "here")


def test_as_many_trees_as_the_settings_allow_fit_into_a_file():
    schema, _ = unpack(archive(trees=60))
    (most,) = [limit.le for limit in ModelSettings.model_fields["n_estimators"].metadata if hasattr(limit, "le")]
    assert len(json.dumps(schema, indent=2)) / 60 * most < SCHEMA_MAX_BYTES
