"""Certificates for 127.0.0.1 of an authority of our own: one that is good, one that has expired."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
HOST = "127.0.0.1"


def certificates(folder: Path) -> tuple[Path, tuple[Path, Path]]:
    """(the authority's, (good, expired)); the last two have their keys with them."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    ca, good, expired = folder / "ca.pem", folder / "good.pem", folder / "expired.pem"
    ca.write_bytes(signed("lab", authority, authority, DAY))
    good.write_bytes(signed(HOST, key, authority, DAY) + secret)
    expired.write_bytes(signed(HOST, key, authority, -DAY) + secret)
    return ca, (good, expired)


def signed(name: str, key: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey, left: datetime.timedelta) -> bytes:
    """A certificate that ends `left` from now."""
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder().subject_name(_called(name)).issuer_name(_called("lab")).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - 2 * DAY).not_valid_after(now + left)
    made = made.add_extension(x509.BasicConstraints(ca=key is authority, path_length=None), critical=True)
    if key is not authority:
        made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
    return made.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
