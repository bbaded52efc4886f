"""Signatures of databases over TCP; each has its own length in its header."""

from __future__ import annotations

from typing import Any

from monitor.flows.bytes import be16, be32, byte
from monitor.flows.octets import is_digit, le16, le32, pattern, starts_with
from monitor.flows.services import service_id
from monitor.flows.starttls import contains_word
from monitor.jit import Integer, inner

_MYSQL, _POSTGRES, _MSSQL, _ORACLE = (service_id(name) for name in ("mysql", "postgres", "mssql", "oracle"))
_MONGODB, _REDIS, _MEMCACHED = (service_id(name) for name in ("mongodb", "redis", "memcached"))

_DESCRIPTION = pattern(b"(description")
_STATS, _VERSION = pattern(b"stats\r\n"), pattern(b"version\r\n")


@inner
def _is_tds(buf: Any, start: Integer, size: Integer) -> bool:
    """Pre-login or login of TDS (MS-TDS, 2.2.3.1): type, status, length, channel 0, window 0."""
    if size < 20 or byte(buf, start) not in (0x12, 0x10) or byte(buf, start + 1) > 1 or be16(buf, start + 4) != 0:
        return False
    return bool(be16(buf, start + 2) == size and byte(buf, start + 6) <= 1 and byte(buf, start + 7) == 0)


@inner
def _is_mysql(buf: Any, start: Integer, end: Integer) -> bool:
    """MySQL's greeting: packet 0, protocol 10, a version that begins with a number and a dot."""
    if end - start < 10 or byte(buf, start + 3) != 0 or byte(buf, start + 4) != 10:
        return False
    if byte(buf, start + 2) != 0 or le16(buf, start) + 4 != end - start:
        return False
    at = start + 5
    while at < start + 8 and is_digit(byte(buf, at)):
        at += 1
    return bool(at > start + 5 and byte(buf, at) == ord("."))


@inner
def _is_mongodb(buf: Any, start: Integer, size: Integer) -> bool:
    """MongoDB's header: length, id, in answer to none, a known operation."""
    if size < 16 or le32(buf, start + 8) != 0 or not 21 <= le32(buf, start) < 48 << 20:
        return False
    return le32(buf, start + 12) in (2004, 2010, 2012, 2013)


@inner
def _is_tns(buf: Any, start: Integer, size: Integer) -> bool:
    """Connect packet of Oracle's TNS."""
    if size < 34 or be16(buf, start) > size or be16(buf, start + 2) != 0:
        return False
    return bool(byte(buf, start + 4) == 1 and be16(buf, start + 6) == 0)


@inner
def _is_redis(buf: Any, start: Integer, end: Integer) -> bool:
    """A command of RESP: an array of up to 99 strings."""
    if end - start < 8 or byte(buf, start) != ord("*") or not is_digit(byte(buf, start + 1)):
        return False
    at = start + 2 if byte(buf, start + 2) == 13 else start + 3
    if at + 4 > end or be16(buf, at) != 0x0D0A:
        return False
    return bool(byte(buf, at + 2) == ord("$") and is_digit(byte(buf, at + 3)))


@inner
def database_service(buf: Any, start: Integer, end: Integer) -> Integer:
    """Databases: binary headers with their own length in them."""
    size = end - start
    if size >= 8 and be32(buf, start) == 8 and be32(buf, start + 4) in (0x04D2162F, 0x04D21630):
        return _POSTGRES
    if size >= 9 and be32(buf, start + 4) == 0x00030000 and be32(buf, start) == size and byte(buf, end - 1) == 0:
        return _POSTGRES
    if _is_tds(buf, start, size):
        return _MSSQL
    if _is_mysql(buf, start, end):
        return _MYSQL
    if _is_mongodb(buf, start, size):
        return _MONGODB
    if _is_tns(buf, start, size) and contains_word(buf, start, end, _DESCRIPTION):
        return _ORACLE
    if _is_redis(buf, start, end):
        return _REDIS
    known = starts_with(buf, start, end, _STATS) or starts_with(buf, start, end, _VERSION)
    return _MEMCACHED if known else 0
