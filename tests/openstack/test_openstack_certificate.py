"""The API's certificate has expired, and is renewed: the one is said, the other is enough."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from faulty_api import FaultyApi
from os_lab import Session

from standfast.openstack import requests
from standfast.openstack.api import Fault

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore")]
DAY = datetime.timedelta(days=1)


def test_an_expired_certificate_is_named_and_a_new_one_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    cert, port = tmp_path / "cert.pem", 0
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    now = datetime.datetime.now(datetime.UTC)
    with FaultyApi(int(os.environ["OPENSTACK_BASE_PORT"]) + 1) as api:
        for is_expired in (True, False):
            cert.write_bytes(signed(key, now - 2 * DAY, now + (-DAY if is_expired else DAY)))
            server = serve(api, port, tmp_path)
            port = server.server_address[1]
            settings = f"clouds:\n  tls:\n    auth_type: none\n    network_endpoint_override: https://127.0.0.1:{port}\n"
            (tmp_path / "clouds.yaml").write_text(f"{settings}    cacert: {cert}\n")
            monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
            (reply,) = Session("tls").ask((requests.list_network("extensions"),))
            server.shutdown()
            server.server_close()
            if is_expired:
                assert reply.fault is Fault.TLS
                assert "expired" in reply.detail
                assert not api.requests, "nothing was sent to whoever that is"
            else:
                assert reply.status == 401, "the service was asked, without a token here"


def signed(key: ec.EllipticCurvePrivateKey, since: datetime.datetime, until: datetime.datetime) -> bytes:
    """A certificate of 127.0.0.1 that signs itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(since).not_valid_after(until)
    made = made.add_extension(address, critical=False).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def serve(api: FaultyApi, port: int, folder: Path) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api.serve(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
