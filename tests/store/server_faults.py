"""Faults of the test server: what each does to a request. Switched on by GET /fault?kind=K&requests=N&seconds=S.

GET /calm forgets a fault that no insert has met, and answers 200 once connections are taken as they should be.
A fault hits the next N inserts; `refused` and `certificate` change how connections are taken for S seconds.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

ERRORS: dict[str, tuple[int, int, str]] = {
    "500": (500, 0, "Internal Server Error"),
    "503": (503, 0, "<html><body><h1>503 Service Unavailable</h1>No server is available.</body></html>"),
    "quota": (500, 201, "Quota for user `writer` for 3600s has been exceeded. (QUOTA_EXCEEDED)"),
    "readonly": (500, 164, "writer: Cannot execute query in readonly mode. (READONLY)"),
    "password": (403, 516, "writer: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)"),
}
"""Status, ClickHouse's error code and text of the faults that are an answer."""

OF_REQUESTS = (*ERRORS, "reset", "unanswered", "slow")
OF_CONNECTIONS = ("refused", "certificate")
KINDS = (*OF_REQUESTS, *OF_CONNECTIONS)


class Faults:
    """What is to go wrong next."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kind, self._left, self._until = "", 0, 0.0
        self.refusing = threading.Event()
        self.seconds = 0.0

    def switch_on(self, kind: str, requests: int, seconds: float) -> None:
        """From the next insert on."""
        if kind not in KINDS:
            raise ValueError(f"unknown fault {kind!r}")
        with self._lock:
            self.seconds = seconds
            if kind in OF_CONNECTIONS:
                self._until, self._kind = time.monotonic() + seconds, kind
                if kind == "refused":
                    self.refusing.set()
            else:
                self._kind, self._left = kind, requests

    def take(self) -> str:
        """The fault of an insert that begins; empty: none."""
        with self._lock:
            if self._kind in OF_REQUESTS and self._left > 0:
                self._left -= 1
                return self._kind
            return ""

    def calm(self) -> bool:
        """Forget a fault of inserts; whether none of connections is on."""
        with self._lock:
            self._left = 0
            return not self.refusing.is_set() and time.monotonic() >= self._until

    @property
    def bad_certificate(self) -> bool:
        """Whether a connection gets a certificate that nobody signed."""
        return self._kind == "certificate" and time.monotonic() < self._until


def reset(connection: socket.socket) -> None:
    """Close so that the other side gets a TCP reset."""
    plain: Any = connection
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def certificate(names: list[str], signer: tuple[Any, Any] | None = None) -> tuple[Any, Any]:
    """A certificate and its key, signed by `signer` (another such pair), else by itself."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test server" if names else "test authority")])
    issuer, signing = (signer[0].subject, signer[1]) if signer else (subject, key)
    now = datetime.now(UTC)
    made: Callable[..., Any] = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=1)
    ).add_extension
    builder = made(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(name)) for name in names]), critical=False
        )
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
    )
    return builder.sign(signing, hashes.SHA256()), key
