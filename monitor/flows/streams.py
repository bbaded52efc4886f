"""Signatures of services over TCP that are recognised and not read further.

Each is strict enough that random bytes match less than once in 100 000 times; weaker ones count only on the service's
own port. Services with names to keep have files of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.ber import ber_size, is_kerberos, is_ldap
from monitor.flows.bytes import be16, be32, byte
from monitor.flows.databases import database_service
from monitor.flows.names import Names
from monitor.flows.octets import be24, is_letter, le16, le32, line_end, pattern, starts_with, trim_line
from monitor.flows.rdp import tpkt_status
from monitor.flows.services import SERVICE_NAMES, service_id
from monitor.flows.starttls import begins_as_text, contains_word
from monitor.flows.vpn import opens_openvpn
from monitor.jit import Integer, inner, kernel

_ADB, _AMQP, _BGP, _BITTORRENT = (service_id(name) for name in ("adb", "amqp", "bgp", "bittorrent"))
_DCERPC, _EDONKEY, _ENIP, _GIT = (service_id(name) for name in ("dcerpc", "edonkey", "enip", "git"))
_GNUTELLA, _ICA, _IEC104, _KERBEROS = (service_id(name) for name in ("gnutella", "ica", "iec104", "kerberos"))
_LDAP, _MINING, _MQTT, _NFS = (service_id(name) for name in ("ldap", "mining", "mqtt", "nfs"))
_OPENVPN, _PORTMAP, _PPTP, _RSYNC = (service_id(name) for name in ("openvpn", "portmap", "pptp", "rsync"))
_RTMP, _RTSP, _S7COMM, _SIP = (service_id(name) for name in ("rtmp", "rtsp", "s7comm", "sip"))
_STUN, _SUNRPC, _SVN, _TACACS = (service_id(name) for name in ("stun", "sunrpc", "svn", "tacacs"))
_TEAMVIEWER, _TELNET, _VNC, _WHATSAPP = (service_id(name) for name in ("teamviewer", "telnet", "vnc", "whatsapp"))
_X11, _ZABBIX = (service_id(name) for name in ("x11", "zabbix"))

_PEER_WIRE = pattern(b"\x13BitTorrent protocol")
_RFB, _RSYNCD, _AMQP_START = pattern(b"RFB 00"), pattern(b"@RSYNCD:"), pattern(b"AMQP\0")
_AMQP_OTHER, _CNXN = pattern(b"AMQP\3"), pattern(b"CNXN\0\0\0\1")
_GNUTELLA_START, _ZABBIX_START = pattern(b"GNUTELLA CONNECT/"), pattern(b"ZBXD\1")
_ICA_START, _CGP_START = pattern(b"\x7f\x7fICA\0"), pattern(b"\x1aCGP/01")
_UPLOAD, _RECEIVE = pattern(b"git-upload-pack "), pattern(b"git-receive-pack ")
_SVN_GREETING, _SVN_CLIENT = pattern(b"( success ( "), pattern(b"( 2 ( ")
_RTSP_VERSION, _SIP_VERSION = pattern(b"RTSP/1.0"), pattern(b"SIP/2.0")
_MINING_WORD, _LOGIN_WORD = pattern(b'"mining.'), pattern(b'"login"')
_MINING_LOGIN, _SUBMIT = pattern(b'"agent"'), pattern(b'"eth_submitlogin"')
_WHATSAPP_EDGE = pattern(b"ED\0\1")
_WHATSAPP_START = pattern(b"WA")


@inner
def is_sunrpc(buf: Any, at: Integer, end: Integer) -> Integer:
    """Service of an ONC RPC call (RFC 5531, 9) at `at`: portmap, nfs, another program, or 0."""
    if end - at < 40 or be32(buf, at + 4) != 0 or be32(buf, at + 8) != 2:
        return 0
    program, version, flavour = be32(buf, at + 12), be32(buf, at + 16), be32(buf, at + 24)
    if not 100000 <= program <= 0x5FFFFFFF or version > 10 or be32(buf, at + 20) > 100 or flavour > 6:
        return 0
    if program == 100000:
        return _PORTMAP
    return _NFS if program == 100003 else _SUNRPC


@inner
def is_dcerpc(buf: Any, start: Integer, end: Integer) -> bool:
    """A DCE/RPC version 5 fragment over a connection (C706, 12.6): bind, request, response ..., its length right."""
    if end - start < 16 or byte(buf, start) != 5 or byte(buf, start + 1) > 1 or byte(buf, start + 2) > 19:
        return False
    size = le16(buf, start + 8)
    return bool(be32(buf, start + 4) == 0x10000000 and size >= 16 and byte(buf, start + 3) & 3)


@inner
def is_stun(buf: Any, start: Integer, end: Integer) -> bool:
    """A STUN message (RFC 8489, 5): two zero bits, magic cookie, length in fours and right."""
    if end - start < 20 or byte(buf, start) >= 0x40 or be32(buf, start + 4) != 0x2112A442:
        return False
    size = be16(buf, start + 2)
    return size & 3 == 0 and start + 20 + size <= end


@inner
def _text(buf: Any, start: Integer, end: Integer) -> Integer:
    """Protocols whose first line is readable."""
    if not begins_as_text(buf, start, end):
        return 0
    after = line_end(buf, start, end)
    if starts_with(buf, start, end, _RFB) and after == start + 12:
        return _VNC
    if starts_with(buf, start, end, _RSYNCD):
        return _RSYNC
    if starts_with(buf, start, end, _SIP_VERSION):
        return _SIP
    if starts_with(buf, start, end, _RTSP_VERSION):
        return _RTSP
    if after > 0 and is_letter(byte(buf, start)):
        stop = trim_line(buf, start, after)
        if stop - start >= 16 and byte(buf, stop - 9) == 32 and starts_with(buf, stop - 8, stop, _RTSP_VERSION):
            return _RTSP
        if stop - start >= 14 and byte(buf, stop - 8) == 32 and starts_with(buf, stop - 7, stop, _SIP_VERSION):
            return _SIP
    if starts_with(buf, start, end, _GNUTELLA_START):
        return _GNUTELLA
    if starts_with(buf, start, end, _SVN_GREETING) or starts_with(buf, start, end, _SVN_CLIENT):
        return _SVN
    if end - start > 20 and (starts_with(buf, start + 4, end, _UPLOAD) or starts_with(buf, start + 4, end, _RECEIVE)):
        return _GIT
    if end - start > 20 and byte(buf, start) == ord("{"):
        stop = min(end, start + 512)
        if contains_word(buf, start, stop, _MINING_WORD) or contains_word(buf, start, stop, _SUBMIT):
            return _MINING
        if contains_word(buf, start, stop, _LOGIN_WORD) and contains_word(buf, start, stop, _MINING_LOGIN):
            return _MINING
    return 0


@inner
def _remote(buf: Any, start: Integer, end: Integer, by_port: Integer) -> Integer:
    """Remote access and messengers."""
    size = end - start
    if byte(buf, start) == 0xFF and size >= 3 and 0xFB <= byte(buf, start + 1) <= 0xFE and byte(buf, start + 2) <= 50:
        again = size >= 6 and byte(buf, start + 3) == 0xFF and 0xFA <= byte(buf, start + 4) <= 0xFE
        return _TELNET if again or (size == 3 and by_port == _TELNET) else 0
    if starts_with(buf, start, end, _ICA_START) or starts_with(buf, start, end, _CGP_START):
        return _ICA
    if starts_with(buf, start, end, _CNXN):
        return _ADB
    if starts_with(buf, start, end, _WHATSAPP_EDGE):
        return _WHATSAPP
    if starts_with(buf, start, end, _WHATSAPP_START) and size > 8 and max(buf[start + 2], buf[start + 3]) <= 10:
        return _WHATSAPP
    if by_port == _TEAMVIEWER and size >= 4 and be16(buf, start) == 0x1724:
        return _TEAMVIEWER
    if by_port == _X11 and size >= 12 and be16(buf, start) in (0x6C00, 0x4200):
        return _X11 if be16(buf, start + 2) == 11 or le16(buf, start + 2) == 11 else 0
    if by_port == _TACACS and size >= 12 and byte(buf, start) >> 4 == 0xC and 1 <= byte(buf, start + 1) <= 3:
        return _TACACS
    return 0


@inner
def _fixed(buf: Any, start: Integer, end: Integer) -> Integer:
    """Protocols that always begin with the same byte, one of `_FIXED`."""
    size = end - start
    if starts_with(buf, start, end, _PEER_WIRE):
        return _BITTORRENT
    if size >= 12 and byte(buf, start) == 0x10 and byte(buf, start + 1) >= 10:
        for at in (start + 2, start + 3):
            if at + 6 <= end and be16(buf, at) == 4 and be32(buf, at + 2) == 0x4D515454:  # MQTT
                return _MQTT
            if at + 8 <= end and be16(buf, at) == 6 and be32(buf, at + 2) == 0x4D514973:  # MQIs(dp)
                return _MQTT
    if starts_with(buf, start, end, _AMQP_START) or starts_with(buf, start, end, _AMQP_OTHER):
        return _AMQP
    if size >= 19 and be32(buf, start) == 0xFFFFFFFF and be32(buf, start + 4) == 0xFFFFFFFF:
        return _BGP if be32(buf, start + 12) == 0xFFFFFFFF and byte(buf, start + 18) <= 5 else 0
    if is_ldap(buf, start, end):
        return _LDAP
    if size >= 16 and is_kerberos(buf, start + 4, end) and be32(buf, start) == ber_size(buf, start + 4, end):
        return _KERBEROS
    if is_dcerpc(buf, start, end):
        return _DCERPC
    if size >= 44 and byte(buf, start) == 0x80 and be24(buf, start + 1) + 4 >= size:
        return is_sunrpc(buf, start + 4, end)
    if size >= 1500 and byte(buf, start) == 3 and be32(buf, start + 5) == 0:
        return _RTMP
    if size > 25 and byte(buf, start) in (0xE3, 0xC5) and le32(buf, start + 1) == size - 5:
        return _EDONKEY if byte(buf, start + 5) in (1, 0x4C) else 0
    if starts_with(buf, start, end, _ZABBIX_START):
        return _ZABBIX
    if size == 6 and be32(buf, start) in (0x68040700, 0x68044300) and be16(buf, start + 4) == 0:
        return _IEC104
    if size == 28 and be32(buf, start) == 0x65000400 and be32(buf, start + 4) == 0 and be32(buf, start + 8) == 0:
        return _ENIP
    if tpkt_status(buf, start, end, 0xE0) == 0 and size >= 18 and byte(buf, start + 11) in (0xC0, 0xC1, 0xC2):
        return _S7COMM
    return _STUN if is_stun(buf, start, end) else 0


@inner
def _by_length(buf: Any, start: Integer, end: Integer) -> Integer:
    """Protocols that begin with a length, or a number of their own."""
    size = end - start
    if be16(buf, start) == size - 2 and size >= 16 and opens_openvpn(buf, start + 2, size - 2):
        return _OPENVPN
    if size >= 12 and be32(buf, start + 4) == 0x1A2B3C4D and be16(buf, start + 2) == 1:
        return _PPTP
    return 0


_FIXED = np.zeros(256, np.bool_)
_FIXED[list(b"\x00\x01\x03\x05\x10\x12\x13\x17\x1a\x7f\x80\xc0\xc1\xc5\xe3\xff0ABCEWZehl")] = True
"""First bytes of the protocols of `_fixed` and `_remote`."""


@kernel
def stream_service(buf: Any, start: Integer, end: Integer, by_port: Integer) -> Integer:
    """Service whose signature the first bytes of one side of a TCP connection match, else 0."""
    size, service = end - start, 0
    if size < 3:
        return 0
    if _FIXED[byte(buf, start)]:
        service = _fixed(buf, start, end)
        if service == 0:
            service = _remote(buf, start, end, by_port)
    if service == 0 and 32 <= byte(buf, start) < 127:
        service = _text(buf, start, end)
    if service == 0 and size >= 6:
        service = database_service(buf, start, end)
    if service == 0 and size >= 8:
        service = _by_length(buf, start, end)
    return service


def parse(payload: bytes) -> Names:
    """The service that first bytes over TCP match. Raises ValueError when they match none."""
    service = stream_service(np.frombuffer(payload, np.uint8), 0, len(payload), 0)
    if service == 0:
        raise ValueError(f"no signature matches: {payload[:16].hex()}")
    return Names(service=SERVICE_NAMES[service])
