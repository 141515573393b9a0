"""A calendar server of one's own, with a certificate from an authority that only this machine knows."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_ASK = """
import sys
from calsync_core.models import Password
from calsync_core.transport import HttpxConnection
print(HttpxConnection(Password("ana", "secret"), 10).exchange("PROPFIND", sys.argv[1], {}, b"", 10).status)
"""


class _Answer(BaseHTTPRequestHandler):
    def do_PROPFIND(self) -> None:
        self.send_response(207)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (http.server's)
        pass


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Its own authority, as many a server at home has it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "calendars at home")])
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    path = tmp_path / "certificate.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}/"
        server.shutdown()


def ask(url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _ASK, url]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def test_the_machine_s_authorities_are_trusted_and_no_others(url: str, certificate: Path, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to name an authority as its folder wants it")
    authorities = tmp_path / "authorities"
    authorities.mkdir()
    shutil.copy(certificate, authorities)
    # OpenSSL's way to say where the machine's authorities are; httpx takes the folder only where there is no file.
    machine = {"SSL_CERT_FILE": certifi.where(), "SSL_CERT_DIR": str(authorities)}
    assert "CERTIFICATE_VERIFY_FAILED" in ask(url, **machine).stderr
    subprocess.run([openssl, "rehash", str(authorities)], check=True)
    told = ask(url, **machine)
    assert told.stdout.strip() == "207", told.stderr
