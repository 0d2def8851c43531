"""Certificates of the local cluster: whoever may talk to a Dask scheduler may run code on its workers.

An authority made for this one folder signs one certificate, which scheduler, workers and clients all show. Without it
every user of this machine could have the workers run what they like.
"""

from __future__ import annotations

import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_VALID = timedelta(days=365)


def make_certificates(folder: Path) -> tuple[Path, Path]:
    """Write authority.pem and member.pem (key and certificate, private to the owner); keep those that are there."""
    authority, member = folder / "authority.pem", folder / "member.pem"
    if authority.exists() and member.exists():
        return authority, member
    now = datetime.now(UTC)
    key, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("pairity local cluster")
    signed_by_itself = (
        _begin(issuer, issuer, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    place = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (_begin(_name("pairity"), issuer, own.public_key(), now).add_extension(place, critical=False)).sign(
        key, hashes.SHA256()
    )
    private = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(authority, signed_by_itself.public_bytes(serialization.Encoding.PEM))
    _write(member, private + certificate.public_bytes(serialization.Encoding.PEM))
    return authority, member


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _begin(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _VALID)
    )


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
