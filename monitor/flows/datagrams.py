"""Signatures of services over UDP that are recognised and not read further.

Each is strict enough that random bytes match less than once in 100 000 times; weaker ones count only on the service's
own port. Services with names to keep have files of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.ber import is_kerberos, is_ldap, is_snmp
from monitor.flows.bytes import be16, be32, byte
from monitor.flows.names import Names
from monitor.flows.octets import find, is_digit, is_letter, le16, line_end, pattern, starts_with, trim_line
from monitor.flows.services import SERVICE_NAMES, service_id
from monitor.flows.starttls import begins_as_text
from monitor.flows.streams import is_stun, is_sunrpc
from monitor.flows.vpn import is_ike, is_openvpn, is_wireguard
from monitor.jit import Integer, inner, kernel

_NTP, _STUN, _WIREGUARD, _OPENVPN = (service_id(name) for name in ("ntp", "stun", "wireguard", "openvpn"))
_BITTORRENT, _SNMP, _DHCP, _DHCPV6 = (service_id(name) for name in ("bittorrent", "snmp", "dhcp", "dhcpv6"))
_TFTP, _IKE, _RTCP, _RTP, _SYSLOG = (service_id(name) for name in ("tftp", "ike", "rtcp", "rtp", "syslog"))
_SSDP, _SIP, _STEAM, _BACNET = (service_id(name) for name in ("ssdp", "sip", "steam", "bacnet"))
_KERBEROS, _LDAP, _DNSCRYPT, _RADIUS = (service_id(name) for name in ("kerberos", "ldap", "dnscrypt", "radius"))
_NBNS, _NBDGM, _COAP, _WSD = (service_id(name) for name in ("nbns", "nbdgm", "coap", "ws-discovery"))
_TEAMVIEWER, _DCERPC, _ANYDESK = (service_id(name) for name in ("teamviewer", "dcerpc", "anydesk"))

_DHT = pattern(b"d1:")
_DHT_ASK, _DHT_ANSWER = pattern(b"d2:id20:"), pattern(b"d2:id20:")
_LOCAL_PEERS = pattern(b"BT-SEARCH * HTTP/1.1")
_SEARCH, _NOTIFY = pattern(b"M-SEARCH * HTTP/1."), pattern(b"NOTIFY * HTTP/1.")
_HTTP_OK = pattern(b"HTTP/1.1 200 OK")
_SIP_VERSION = pattern(b"SIP/2.0")
_OCTET, _NETASCII = pattern(b"octet\0"), pattern(b"netascii\0")
_DNSCRYPT_ANSWER = pattern(b"r6fnvWj8")
_XML, _ENVELOPE = pattern(b"<?xml"), pattern(b"Envelope")


@inner
def _is_classic_stun(buf: Any, start: Integer, end: Integer) -> bool:
    """A message of STUN before its cookie (RFC 3489, 11): a known type, and attributes that end where it does."""
    if end - start < 20 or byte(buf, start) > 1 or (byte(buf, start + 1) & 0xEF) not in (1, 2, 3):
        return False
    if start + 20 + be16(buf, start + 2) != end:
        return False
    at = start + 20
    while at + 4 <= end:
        if 0x30 < be16(buf, at) < 0x8000:
            return False
        at += 4 + be16(buf, at + 2)
    return bool(at == end)


@inner
def _is_ntp(buf: Any, start: Integer, end: Integer, on_port: bool) -> bool:
    """NTP (RFC 5905, 7.3; control messages RFC 9327; private mode 7). Off its port only a plain request counts."""
    first, size = byte(buf, start), end - start
    version, mode = (first >> 3) & 7, first & 7
    if on_port:
        if mode == 6 or mode == 7:
            return size >= 8
        return bool(size >= 48 and 1 <= version <= 4 and mode >= 1 and byte(buf, start + 1) <= 16)
    if size != 48 or mode != 3 or not 3 <= version <= 4:
        return False
    for i in range(start + 12, start + 40):
        if byte(buf, i) != 0:
            return False
    return True


@inner
def _is_bittorrent(buf: Any, start: Integer, end: Integer) -> bool:
    """DHT messages (BEP 5), tracker requests over UDP (BEP 15), opening packets of uTP (BEP 29), local search."""
    size = end - start
    if starts_with(buf, start, end, _DHT) and size > 24:
        kind = byte(buf, start + 3)
        if kind in (ord("a"), ord("r")):
            return starts_with(buf, start + 4, end, _DHT_ASK)
        return kind == ord("e") and byte(buf, start + 4) == ord("l") and byte(buf, start + 5) == ord("i")
    if size == 16 and be32(buf, start) == 0x417 and be32(buf, start + 4) == 0x27101980:
        return be32(buf, start + 8) == 0
    if byte(buf, start) == 0x41 and 20 <= size <= 40 and byte(buf, start + 1) in (0, 1, 2):
        return bool(be32(buf, start + 8) == 0 and be16(buf, start + 16) == 1 and be16(buf, start + 18) == 0)
    return starts_with(buf, start, end, _LOCAL_PEERS)


@inner
def _is_dhcp(buf: Any, start: Integer, end: Integer) -> bool:
    """BOOTP and DHCP (RFC 2131, 2): operation, sane hardware address length, magic cookie."""
    if end - start < 240 or byte(buf, start) not in (1, 2) or byte(buf, start + 2) > 16:
        return False
    return be32(buf, start + 236) == 0x63825363


@inner
def _is_tftp(buf: Any, start: Integer, end: Integer) -> bool:
    """A TFTP request (RFC 1350, 5): read or write, file name, mode."""
    if end - start < 10 or not 1 <= be16(buf, start) <= 2:
        return False
    name = find(buf, start + 2, end, 0)
    for i in range(start + 2, name):
        if byte(buf, i) < 32:
            return False
    return starts_with(buf, name + 1, end, _OCTET) or starts_with(buf, name + 1, end, _NETASCII)


@inner
def _is_rtcp(buf: Any, start: Integer, end: Integer) -> bool:
    """RTCP (RFC 3550, 6.1): reports whose lengths end just where the datagram does."""
    at, count = start, 0
    while at + 8 <= end and count < 16:
        if byte(buf, at) >> 6 != 2 or not 200 <= byte(buf, at + 1) <= 207 or (at == start and byte(buf, at + 1) > 201):
            return False
        at += 4 + 4 * be16(buf, at + 2)
        count += 1
    return count > 0 and at == end


@inner
def _is_syslog(buf: Any, start: Integer, end: Integer) -> bool:
    """Syslog (RFC 5424, 6.2.1): a priority up to 191 in angle brackets, then text."""
    at, value = start + 1, 0
    if end - start < 12 or byte(buf, start) != ord("<"):
        return False
    while at < start + 4 and is_digit(byte(buf, at)):
        value = 10 * value + byte(buf, at) - 48
        at += 1
    if at == start + 1 or value > 191 or byte(buf, at) != ord(">"):
        return False
    for i in range(at + 1, min(end, at + 8)):
        if not 32 <= byte(buf, i) < 127:
            return False
    return True


@inner
def _text_service(buf: Any, start: Integer, end: Integer) -> Integer:
    """Datagrams whose first line is readable."""
    if not begins_as_text(buf, start, end):
        return 0
    if starts_with(buf, start, end, _SEARCH) or starts_with(buf, start, end, _NOTIFY):
        return _SSDP
    if starts_with(buf, start, end, _HTTP_OK):
        return _SSDP
    if starts_with(buf, start, end, _SIP_VERSION):
        return _SIP
    after = line_end(buf, start, end)
    if after > 0 and is_letter(byte(buf, start)):
        stop = trim_line(buf, start, after)
        if stop - start >= 14 and byte(buf, stop - 8) == 32 and starts_with(buf, stop - 7, stop, _SIP_VERSION):
            return _SIP
    return 0


@inner
def _by_port(buf: Any, start: Integer, end: Integer, by_port: Integer) -> Integer:
    """Services whose signature is weak, on their own port."""
    size = end - start
    if by_port == _NTP and _is_ntp(buf, start, end, True):
        return _NTP
    if by_port == _NBNS and size >= 12 and (byte(buf, start + 2) >> 3) & 15 <= 9 and be16(buf, start + 4) <= 1:
        return _NBNS
    if by_port == _NBDGM and size >= 14 and 0x10 <= byte(buf, start) <= 0x16:
        return _NBDGM
    if by_port == _COAP and byte(buf, start) >> 6 == 1 and byte(buf, start) & 15 <= 8:
        return _COAP
    if by_port == _RADIUS and size >= 20 and be16(buf, start + 2) == size:
        return _RADIUS
    if by_port == _DHCPV6 and 1 <= byte(buf, start) <= 36 and size >= 4:
        return _DHCPV6
    if by_port == _WSD and starts_with(buf, start, end, _XML):
        return _WSD
    if by_port == _TEAMVIEWER and size >= 4 and be16(buf, start) in (0x1724, 0x0017, 0x0011):
        return _TEAMVIEWER
    if by_port == _RTP and byte(buf, start) >> 6 == 2 and size > 12:
        return _RTP
    return 0


@inner
def _fixed(buf: Any, start: Integer, end: Integer) -> Integer:
    """Protocols that always begin with the same byte or a letter, one of `_FIXED`."""
    size = end - start
    if _is_classic_stun(buf, start, end):
        return _STUN
    if is_wireguard(buf, start, end):
        return _WIREGUARD
    if is_openvpn(buf, start, end):
        return _OPENVPN
    if _is_bittorrent(buf, start, end):
        return _BITTORRENT
    if is_snmp(buf, start, end):
        return _SNMP
    if _is_dhcp(buf, start, end):
        return _DHCP
    if _is_rtcp(buf, start, end):
        return _RTCP
    if be32(buf, start) == 0xFFFFFFFF and size > 8 and is_letter(byte(buf, start + 4)):
        return _STEAM if byte(buf, start + 4) in (84, 85, 86, 73, 68, 69, 65, 105, 106, 113) else 0
    if byte(buf, start) == 0x81 and byte(buf, start + 1) <= 11 and be16(buf, start + 2) == size:
        return _BACNET if byte(buf, start + 4) == 1 or byte(buf, start + 1) == 4 else 0
    if is_kerberos(buf, start, end):
        return _KERBEROS
    if is_ldap(buf, start, end):
        return _LDAP
    if _is_tftp(buf, start, end):
        return _TFTP
    if _is_syslog(buf, start, end):
        return _SYSLOG
    if starts_with(buf, start, end, _DNSCRYPT_ANSWER):
        return _DNSCRYPT
    if _is_ntp(buf, start, end, False):
        return _NTP
    if size >= 80 and byte(buf, start) == 4 and byte(buf, start + 1) <= 10 and le16(buf, start + 74) == size - 80:
        return _DCERPC if byte(buf, start + 4) in (0, 0x10) and byte(buf, start + 5) == 0 else 0
    return _text_service(buf, start, end)


_FIXED = np.zeros(256, np.bool_)
_FIXED[list(range(0x05)) + list(range(0x80, 0xA0)) + list(b"0<8@AP#\x1b\x81\xff\x6a\x6b\x6c\x6d\x6e\x6f\x7e")] = True
_FIXED[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")] = True
"""First bytes of the protocols of `_fixed`."""


@kernel
def datagram_service(buf: Any, start: Integer, end: Integer, by_port: Integer) -> Integer:
    """Service whose signature one datagram matches, else 0. `by_port`: what its ports suggest."""
    size = end - start
    if size < 8:
        return 0
    if by_port != 0:
        service = _by_port(buf, start, end, by_port)
        if service:
            return service
    if is_stun(buf, start, end):
        return _STUN
    if is_ike(buf, start, end):
        return _IKE
    service = is_sunrpc(buf, start, end)
    if service == 0 and _FIXED[byte(buf, start)]:
        service = _fixed(buf, start, end)
    return service


def parse(payload: bytes) -> Names:
    """The service that one datagram matches whatever its port. Raises ValueError when it matches none."""
    service = datagram_service(np.frombuffer(payload, np.uint8), 0, len(payload), 0)
    if service == 0:
        raise ValueError(f"no signature matches: {payload[:16].hex()}")
    return Names(service=SERVICE_NAMES[service])
