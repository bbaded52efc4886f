"""What we call the services that Zeek recognises; without one, the port tells, as it does for the flow table."""

from __future__ import annotations

from functools import lru_cache

_OURS = {"ssl": "tls", "krb": "kerberos", "krb_tcp": "kerberos", "dce_rpc": "dcerpc", "ntlm": "smb", "gssapi": "smb"}
_LAST = ("gssapi", "ntlm", "spicy", "ssl", "krb", "krb_tcp")
"""What is carried within others, or carries others: of several, the one that is none of these."""


@lru_cache(maxsize=1 << 14)
def service_of(zeek: str, proto: int, src_port: int, dst_port: int) -> tuple[str, bool]:
    """Our name of the service, and whether port and content disagree; `zeek` may name several, with commas."""
    from monitor.flows import SERVICE_NAMES
    from monitor.flows.services import service_by_port

    by_port = SERVICE_NAMES[service_by_port(proto, src_port, dst_port)]
    words = sorted((word for word in zeek.lower().split(",") if word), key=lambda word: (word in _LAST, word))
    for word in words:
        name = _OURS.get(word, word)
        if name in SERVICE_NAMES:
            return name, name != by_port
    return by_port, False
