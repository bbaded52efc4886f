"""The town's mail server: SMTP with STARTTLS and log-in, which accepts any letter and keeps none.

A plain script for Debian's own Python with python3-aiosmtpd. Usage: mailserver.py ADDRESS CERTIFICATE KEY.
"""

from __future__ import annotations

import signal
import ssl
import sys

from aiosmtpd.controller import Controller  # type: ignore[import-not-found]
from aiosmtpd.handlers import Sink  # type: ignore[import-not-found]
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword  # type: ignore[import-not-found]

PASSWORD = b"shiyakusho-2026"


def _judge(server: SMTP, session: object, envelope: object, mechanism: str, given: object) -> AuthResult:
    """Let in whoever knows the one password."""
    success = isinstance(given, LoginPassword) and given.password == PASSWORD
    return AuthResult(success=success, handled=False)


def main() -> None:
    """Listen on port 25 until told to end."""
    address, certificate, key = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    controller = Controller(
        Sink(), hostname=address, port=25, tls_context=context, authenticator=_judge, auth_require_tls=False
    )
    controller.start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    controller.stop()


if __name__ == "__main__":
    main()
