"""Which service a flow's first payload is: signatures in order of cost and likelihood, then that protocol's kernel.

`feed` is what the flow table calls; the contract is in `names.py`. The port only breaks ties and loosens weak
signatures: `services.settle_service` weighs content against port.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows import dns, dtls, google_quic, http, quic, rdp, smb, socks, ssh, starttls, tls
from monitor.flows.bytes import be32, byte
from monitor.flows.datagrams import datagram_service
from monitor.flows.names import DNS_QUERY, DONE, MORE, NOT, Names, new_rows, read_names
from monitor.flows.services import TCP, UDP, service_by_port, service_id
from monitor.flows.streams import stream_service
from monitor.jit import Integer, kernel, spliced

_DNS, _TLS, _QUIC, _DTLS = (service_id(name) for name in ("dns", "tls", "quic", "dtls"))
_HTTP, _SSH, _SOCKS, _RDP = (service_id(name) for name in ("http", "ssh", "socks", "rdp"))
_SMB, _NBSS = service_id("smb"), service_id("nbss")

_SHORT = 8  # a TCP payload shorter than this may yet become anything
_LONG_LINE = 1024  # text longer than this without an end of line is no command

_KERNELS = {
    "tls": ("tls", "tor"),
    "http": ("http", "http2"),
    "dns": ("dns", "mdns", "llmnr"),
    "ssh": ("ssh",),
    "starttls": ("smtp", "ftp", "imap", "pop3", "nntp", "irc", "xmpp", "ldap", "mysql", "postgres"),
    "socks": ("socks",),
    "rdp": ("rdp",),
    "smb": ("smb", "nbss"),
    "quic": ("quic",),
    "dtls": ("dtls",),
}
"""Services by the module that reads them; the others are recognised only."""
_BY_TLS, _BY_HTTP, _BY_DNS, _BY_SSH, _BY_STARTTLS, _BY_SOCKS, _BY_RDP, _BY_SMB, _BY_QUIC, _BY_DTLS = range(1, 11)
_KERNEL_OF = np.zeros(256, np.uint8)
for _number, _services in enumerate(_KERNELS.values(), 1):
    for _name in _services:
        _KERNEL_OF[service_id(_name)] = _number


@spliced
def _read_stream(buf: Any, start: Integer, end: Integer, from_client: bool, service: Integer, row: Any) -> Integer:
    """Run the kernel of `service` over one side of a TCP connection."""
    reader = _KERNEL_OF[service]
    if reader == _BY_TLS:
        return tls.client(buf, start, end, row) if from_client else tls.server(buf, start, end, row)
    if reader == _BY_HTTP:
        return http.client(buf, start, end, row) if from_client else http.server(buf, start, end, row)
    if reader == _BY_DNS:
        return dns.over_tcp(buf, start, end, row)
    if reader == _BY_SSH:
        return ssh.client(buf, start, end, row) if from_client else ssh.server(buf, start, end, row)
    if reader == _BY_STARTTLS:
        return starttls.client(buf, start, end, row) if from_client else starttls.server(buf, start, end, row)
    if reader == _BY_SOCKS:
        return socks.client(buf, start, end, row) if from_client else socks.server(buf, start, end, row)
    if reader == _BY_RDP:
        return rdp.client(buf, start, end, row) if from_client else rdp.server(buf, start, end, row)
    if reader == _BY_SMB:
        return smb.client(buf, start, end, row) if from_client else smb.server(buf, start, end, row)
    return DONE


@spliced
def _guess_text(buf: Any, start: Integer, end: Integer, from_client: bool, by_port: Integer) -> tuple[Integer, bool]:
    """Service of a stream that begins with a printable character (0: none), and whether it is certain already."""
    first, size = byte(buf, start), end - start
    if not starttls.begins_as_text(buf, start, end):
        return stream_service(buf, start, end, by_port), True
    if first == ord("S") and size >= 4 and be32(buf, start) == 0x5353482D:  # SSH-
        return _SSH, True
    if from_client:
        blank = http.method_end(buf, start, end)
        if blank > 0 and http.is_known_method(buf, start, blank):
            return _HTTP, True
        service = starttls.client_service(buf, start, end, by_port)
    else:
        if first == ord("H") and size >= 5 and be32(buf, start) == 0x48545450 and byte(buf, start + 4) == 47:
            return _HTTP, True
        blank = -1
        service = starttls.server_service(buf, start, end, by_port)
    if service == 0:
        service = stream_service(buf, start, end, by_port)
    if service != 0:
        return service, True
    return (_HTTP if blank >= 0 else 0), False


@spliced
def _guess_binary(buf: Any, start: Integer, end: Integer, from_client: bool, by_port: Integer) -> tuple[Integer, bool]:
    """Service of a stream that does not begin like text (0: none), and whether it is certain already."""
    first, size = byte(buf, start), end - start
    if 0x14 <= first <= 0x17 and tls.record_status(buf, start, end) != NOT:
        return _TLS, size >= 6
    if first == 3 and rdp.tpkt_status(buf, start, end, 0xE0 if from_client else 0xD0) != NOT:
        service = stream_service(buf, start, end, by_port)  # S7comm has another request in the same frame
        return (service, True) if service else (_RDP, by_port == _RDP)
    if (first == 4 or first == 5) and from_client and size < 300:
        service = stream_service(buf, start, end, by_port)
        return (service, True) if service else (_SOCKS, size >= 3)
    if first == 0 and smb.begins(buf, start, end):
        return _SMB, size >= 8
    if 0x81 <= first <= 0x84 and smb.is_session(buf, start, end):
        return _NBSS, True
    if first & 0x80 and from_client and tls.is_old_hello(buf, start, end):
        return _TLS, True
    if not from_client and http.is_settings(buf, start, end):
        return _HTTP, True
    return stream_service(buf, start, end, by_port), True


@spliced
def _stream(
    buf: Any,
    start: Integer,
    end: Integer,
    from_client: bool,
    proto: Integer,
    src_port: Integer,
    dst_port: Integer,
    row: Any,
) -> Integer:
    """First bytes of one side of a TCP connection, of which `row` may know the service already."""
    service, certain = int(row.service), True
    if service == 0:
        by_port = service_by_port(proto, src_port, dst_port)
        if 32 <= byte(buf, start) < 127:
            service, certain = _guess_text(buf, start, end, from_client, by_port)
        else:
            service, certain = _guess_binary(buf, start, end, from_client, by_port)
        if service == 0 and (by_port == _DNS or dns.begins_stream(buf, start, end)):
            service, certain = _DNS, end - start >= dns.ENOUGH
    if service == 0:
        status = NOT
    else:
        status = _read_stream(buf, start, end, from_client, service, row)
        if row.service != 0:
            return DONE if status == NOT else status
        if status == DONE or (status == MORE and certain):
            row.service = service
    if status == NOT:
        is_line = 32 <= byte(buf, start) < 127 and end - start < _LONG_LINE and starttls.is_text(buf, start, end)
        return MORE if is_line or end - start < _SHORT else NOT
    return status


@spliced
def _datagram(
    buf: Any, start: Integer, end: Integer, from_client: bool, by_port: Integer, row: Any
) -> tuple[Integer, Integer]:
    """Service and status of one datagram of a flow."""
    if _KERNEL_OF[by_port] == _BY_DNS:
        status = dns.over_udp(buf, start, end, row)
        if status == DONE and row.size[DNS_QUERY] == 0:
            status = MORE  # an announcement of mDNS: a question may follow
        if status != NOT:
            return by_port, status
    status = quic.datagram(buf, start, end, from_client)
    if status != NOT:
        if status == DONE and from_client:
            google_quic.put_hello(buf, start, end, row)
        return _QUIC, status
    if dtls.datagram(buf, start, end, row) == DONE:
        return _DTLS, DONE
    service = datagram_service(buf, start, end, by_port)
    if service:
        return service, DONE
    if dns.message(buf, start, end, row, np.bool_(False)) == DONE:
        return _DNS, DONE
    return 0, NOT


@kernel
def feed(
    buf: Any,
    start: Integer,
    end: Integer,
    from_client: bool,
    proto: Integer,
    src_port: Integer,
    dst_port: Integer,
    row: Any,
) -> Integer:
    """Look at the first payload of one side of a flow: find its service and put its names into `row`.

    TCP: `buf[start:end]` is that side's stream from its first byte; call again with more while the status is MORE.
    UDP: one datagram; MORE wants that side's next one; DEFER, too, and this one shown to `quic.hello`. NOT: no
    service is known by this side's bytes; the other side's may still name it. `row.service` is set once the service is
    known, even while the status is MORE.
    """
    if end <= start:
        return MORE
    if proto == TCP:
        return _stream(buf, start, end, from_client, proto, src_port, dst_port, row)
    if proto != UDP:
        return NOT
    known = int(row.service)
    if known and _KERNEL_OF[known] == 0:
        return DONE
    service, status = _datagram(buf, start, end, from_client, service_by_port(proto, src_port, dst_port), row)
    if known:
        return DONE if status == NOT else status
    row.service = service
    return status


def parse(payload: bytes, from_client: bool = True, proto: int = TCP, src_port: int = 0, dst_port: int = 0) -> Names:
    """Service and names of first bytes. Raises ValueError when no protocol is recognised in them."""
    row = new_rows(1)[0]
    feed(np.frombuffer(payload, np.uint8), 0, len(payload), from_client, proto, src_port, dst_port, row)
    if row["service"] == 0:
        raise ValueError(f"no protocol recognised: {payload[:16].hex()}")
    return read_names(row)
