"""Which service a flow's first payload is: signatures in order of cost and likelihood, then that protocol's kernel.

`feed` is what the flow table calls; the contract is in `names.py`. The port only breaks ties and loosens weak
signatures: `services.settle_service` weighs content against port.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows import dns, dtls, http, quic, rdp, smb, socks, ssh, starttls, tls
from monitor.flows.bytes import be32, byte
from monitor.flows.datagrams import datagram_service
from monitor.flows.names import DONE, MORE, NOT, Names, new_rows, read_names
from monitor.flows.services import TCP, UDP, service_by_port, service_id
from monitor.flows.streams import stream_service
from monitor.jit import kernel

_DNS, _MDNS, _LLMNR, _NBNS = (service_id(name) for name in ("dns", "mdns", "llmnr", "nbns"))
_TLS, _QUIC, _DTLS, _HTTP, _HTTP2 = (service_id(name) for name in ("tls", "quic", "dtls", "http", "http2"))
_SSH, _SOCKS, _RDP, _SMB, _NBSS = (service_id(name) for name in ("ssh", "socks", "rdp", "smb", "nbss"))
_SMTP, _FTP, _IMAP, _POP3 = (service_id(name) for name in ("smtp", "ftp", "imap", "pop3"))
_NNTP, _IRC, _XMPP, _TOR = (service_id(name) for name in ("nntp", "irc", "xmpp", "tor"))
_LDAP, _MYSQL, _POSTGRES = (service_id(name) for name in ("ldap", "mysql", "postgres"))

_SHORT = 8  # a TCP payload shorter than this may yet become anything


@kernel
def _client_stream(buf: Any, start: int, end: int, service: int, row: Any) -> int:
    """The kernel of a service that is already known, for the initiator's bytes."""
    if service in (_TLS, _TOR):
        return tls.client(buf, start, end, row)
    if service in (_HTTP, _HTTP2):
        return http.client(buf, start, end, row)
    if service in (_DNS, _MDNS, _LLMNR):
        return dns.over_tcp(buf, start, end, row)
    if service == _SSH:
        return ssh.client(buf, start, end, row)
    if service in (_SMTP, _FTP, _IMAP, _POP3, _NNTP, _IRC, _XMPP, _LDAP, _MYSQL, _POSTGRES):
        return starttls.client(buf, start, end, row)
    if service == _SOCKS:
        return socks.client(buf, start, end, row)
    if service == _RDP:
        return rdp.client(buf, start, end, row)
    if service in (_SMB, _NBSS):
        return smb.client(buf, start, end, row)
    return DONE


@kernel
def _server_stream(buf: Any, start: int, end: int, service: int, row: Any) -> int:
    """The kernel of a service that is already known, for the responder's bytes."""
    if service in (_TLS, _TOR):
        return tls.server(buf, start, end, row)
    if service in (_HTTP, _HTTP2):
        return http.server(buf, start, end, row)
    if service in (_DNS, _MDNS, _LLMNR):
        return dns.over_tcp(buf, start, end, row)
    if service == _SSH:
        return ssh.server(buf, start, end, row)
    if service in (_SMTP, _FTP, _IMAP, _POP3, _NNTP, _IRC, _XMPP, _LDAP, _MYSQL, _POSTGRES):
        return starttls.server(buf, start, end, row)
    if service == _SOCKS:
        return socks.server(buf, start, end, row)
    if service == _RDP:
        return rdp.server(buf, start, end, row)
    if service in (_SMB, _NBSS):
        return smb.server(buf, start, end, row)
    return DONE


@kernel
def _read_stream(buf: Any, start: int, end: int, from_client: bool, service: int, row: Any) -> int:
    if from_client:
        return _client_stream(buf, start, end, service, row)
    return _server_stream(buf, start, end, service, row)


@kernel
def _readable(buf: Any, start: int, end: int, from_client: bool, by_port: int) -> int:
    """Service of a stream that begins with a letter, a digit or a sign of text; 0 for none."""
    first = byte(buf, start)
    if first == ord("S") and end - start >= 4 and be32(buf, start) == 0x5353482D:  # SSH-
        return _SSH
    if from_client:
        blank = http.method_end(buf, start, end)
        if blank > 0 and http.is_known_method(buf, start, blank):
            return _HTTP
        service = starttls.client_service(buf, start, end, by_port)
    else:
        if first == ord("H") and end - start >= 5 and be32(buf, start) == 0x48545450 and byte(buf, start + 4) == 47:
            return _HTTP
        service = starttls.server_service(buf, start, end, by_port)
    if service == 0:
        service = stream_service(buf, start, end, by_port)
    return service


@kernel
def _binary(buf: Any, start: int, end: int, from_client: bool, by_port: int, row: Any) -> tuple[int, int]:
    """Service and status of a stream that does not begin like text, for those with kernels of their own."""
    first = byte(buf, start)
    if first == 3:
        status = rdp.client(buf, start, end, row) if from_client else rdp.server(buf, start, end, row)
        if status != NOT:
            return (_RDP if status == DONE or by_port == _RDP else 0), status
    if first in (4, 5) and from_client:
        status = socks.client(buf, start, end, row)
        if status != NOT:
            return (_SOCKS if status == DONE or end - start >= 3 else 0), status
    if first == 0 or 0x81 <= first <= 0x84:
        status = smb.client(buf, start, end, row) if from_client else smb.server(buf, start, end, row)
        if first != 0:
            return (_NBSS, DONE) if smb.is_session(buf, start, end) else (0, NOT)
        if status != NOT and end - start >= 8:
            return _SMB, status
    return 0, NOT


@kernel
def _stream(buf: Any, start: int, end: int, from_client: bool, by_port: int, row: Any) -> tuple[int, int]:
    """Service and status of the first bytes of one side of a TCP connection of which nothing is known."""
    first = byte(buf, start)
    if 0x14 <= first <= 0x17:
        status = tls.client(buf, start, end, row) if from_client else tls.server(buf, start, end, row)
        if status != NOT:
            return (_TLS if end - start >= 6 else 0), status
    readable = 32 <= first < 127
    if readable:
        service = _readable(buf, start, end, from_client, by_port)
        if service:
            return service, _read_stream(buf, start, end, from_client, service, row)
        status = http.client(buf, start, end, row) if from_client else http.server(buf, start, end, row)
        if status != NOT:
            return (_HTTP if status == DONE else 0), status
    else:
        service, status = _binary(buf, start, end, from_client, by_port, row)
        if status != NOT:
            return service, status
        if first & 0x80 and from_client and tls.client(buf, start, end, row) == DONE:
            return _TLS, DONE
        service = stream_service(buf, start, end, by_port)
        if service:
            return service, _read_stream(buf, start, end, from_client, service, row)
        if not from_client and http.server(buf, start, end, row) == DONE:
            return _HTTP2, DONE
    if by_port == _DNS or end - start >= 19:
        status = dns.over_tcp(buf, start, end, row)
        if status == DONE or (status == MORE and by_port == _DNS):
            return _DNS, status
    if readable and end - start < 1024 and starttls.is_text(buf, start, end):
        return 0, MORE  # a line that may go on
    return 0, (MORE if end - start < _SHORT else NOT)


@kernel
def _datagram(buf: Any, start: int, end: int, from_client: bool, by_port: int, row: Any) -> tuple[int, int]:
    """Service and status of one datagram of a flow."""
    if by_port in (_DNS, _MDNS, _LLMNR):
        status = dns.over_udp(buf, start, end, row)
        if status != NOT:
            return by_port, status
    status = quic.datagram(buf, start, end, from_client)
    if status != NOT:
        return _QUIC, status
    if dtls.datagram(buf, start, end, row) == DONE:
        return _DTLS, DONE
    service = datagram_service(buf, start, end, by_port)
    if service:
        return service, DONE
    if dns.message(buf, start, end, row, False) == DONE:
        return _DNS, DONE
    return 0, NOT


@kernel
def feed(buf: Any, start: int, end: int, from_client: bool, proto: int, src_port: int, dst_port: int, row: Any) -> int:
    """Look at the first payload of one side of a flow: find its service and put its names into `row`.

    TCP: `buf[start:end]` is that side's stream from its first byte; call again with more while the status is MORE.
    UDP: one datagram; MORE wants that side's next one, DEFER wants it kept for `quic.put_client_hello` and the next one
    shown, too. NOT: no service is known by this side's bytes; the other side's may still name it. `row.service` is
    set once the service is known, even while the status is MORE.
    """
    if end <= start:
        return MORE
    service = int(row.service)
    if proto == TCP:
        if service:
            status = _read_stream(buf, start, end, from_client, service, row)
            return DONE if status == NOT else status
        service, status = _stream(buf, start, end, from_client, service_by_port(proto, src_port, dst_port), row)
    elif proto == UDP:
        if service and service not in (_DNS, _MDNS, _LLMNR, _QUIC, _DTLS):
            return DONE
        service, status = _datagram(buf, start, end, from_client, service_by_port(proto, src_port, dst_port), row)
        if status == NOT and row.service:
            return DONE
    else:
        return NOT
    if row.service == 0:
        row.service = service
    return status


def parse(payload: bytes, from_client: bool = True, proto: int = TCP, src_port: int = 0, dst_port: int = 0) -> Names:
    """Service and names of first bytes. Raises ValueError when no protocol is recognised in them."""
    row = new_rows(1)[0]
    feed(np.frombuffer(payload, np.uint8), 0, len(payload), from_client, proto, src_port, dst_port, row)
    if row["service"] == 0:
        raise ValueError(f"no protocol recognised: {payload[:16].hex()}")
    return read_names(row)
