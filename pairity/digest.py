"""Content hashes of model files, records and manifests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def digest_bytes(content: bytes) -> str:
    """Return the SHA-256 of `content`, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def digest_parts(parts: Iterable[tuple[str, str]]) -> str:
    """Return one SHA-256 over (name, content digest) pairs, whatever their order.

    Used for a model's directory (relative path, file digest) and for the snapshot id (partition, manifest digest).
    """
    lines = sorted(f"{name}\t{digest}\n" for name, digest in parts)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
