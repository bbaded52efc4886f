"""Community ID v1, seed 0: the flow's name that other tools compute alike (github.com/corelight/community-id-spec).

`1:` and the Base64 of SHA-1 over seed, addresses, protocol and ports, with the smaller endpoint first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.digests import sha1
from monitor.flows.key import icmp_counterpart
from monitor.flows.packet import ICMP, ICMP6, SCTP, TCP, UDP
from monitor.jit import Integer, inlined, kernel

COMMUNITY_ID_BYTES = 30

_BASE64 = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8).copy()
_MAPPED_HIGH = 0x0000FFFF


@inlined
def _store(block: Any, at: Integer, value: Any, size: Integer) -> Integer:
    """Write the low `size` bytes of `value`, most significant first; the position behind them."""
    for i in range(size):
        block[at + i] = np.uint8((value >> np.uint64(8 * (size - 1 - i))) & np.uint64(0xFF))
    return at + size


@kernel
def community_id(
    src_hi: Any, src_lo: Any, dst_hi: Any, dst_lo: Any, proto: Integer, src_port: Integer, dst_port: Integer,
    block: Any, digest: Any, out: Any, at: Integer,
) -> None:  # fmt: skip
    """Write the 30 characters of a flow's Community ID to out[at:].

    block: (64,) uint8 scratch; digest: (20,) uint8 scratch. ICMP: src_port is the type, dst_port the code.
    """
    ordered = src_hi < dst_hi or (src_hi == dst_hi and (src_lo < dst_lo or (src_lo == dst_lo and src_port <= dst_port)))
    if proto == ICMP or proto == ICMP6:
        other = icmp_counterpart(proto, src_port)
        if other < 0:  # one-way: the ends stay as they are
            ordered = True
        else:
            dst_port = other
            ordered = src_hi < dst_hi or (
                src_hi == dst_hi and (src_lo < dst_lo or (src_lo == dst_lo and src_port <= other))
            )
    if not ordered:
        src_hi, src_lo, dst_hi, dst_lo = dst_hi, dst_lo, src_hi, src_lo
        src_port, dst_port = dst_port, src_port
    n = _store(block, 0, np.uint64(0), 2)
    v4 = (
        src_hi == 0
        and dst_hi == 0
        and src_lo >> np.uint64(32) == _MAPPED_HIGH
        and dst_lo >> np.uint64(32) == _MAPPED_HIGH
    )
    if v4:
        n = _store(block, n, src_lo, 4)
        n = _store(block, n, dst_lo, 4)
    else:
        n = _store(block, n, src_hi, 8)
        n = _store(block, n, src_lo, 8)
        n = _store(block, n, dst_hi, 8)
        n = _store(block, n, dst_lo, 8)
    n = _store(block, n, np.uint64(proto), 1)
    n = _store(block, n, np.uint64(0), 1)
    if proto == TCP or proto == UDP or proto == SCTP or proto == ICMP or proto == ICMP6:
        n = _store(block, n, np.uint64(src_port), 2)
        n = _store(block, n, np.uint64(dst_port), 2)
    sha1(block, 0, n, digest)
    base64_digest(digest, out, at)


@inlined
def base64_digest(digest: Any, out: Any, at: Integer) -> None:
    """`1:` and the Base64 (RFC 4648) of 20 bytes, to out[at:at + 30]."""
    out[at] = 49
    out[at + 1] = 58
    to = at + 2
    for i in range(0, 18, 3):
        bits = (np.int64(digest[i]) << 16) | (np.int64(digest[i + 1]) << 8) | np.int64(digest[i + 2])
        out[to] = _BASE64[bits >> 18]
        out[to + 1] = _BASE64[(bits >> 12) & 63]
        out[to + 2] = _BASE64[(bits >> 6) & 63]
        out[to + 3] = _BASE64[bits & 63]
        to += 4
    bits = (np.int64(digest[18]) << 16) | (np.int64(digest[19]) << 8)
    out[to] = _BASE64[bits >> 18]
    out[to + 1] = _BASE64[(bits >> 12) & 63]
    out[to + 2] = _BASE64[(bits >> 6) & 63]
    out[to + 3] = 61
