"""From rows of the flow table to flow records: one kernel pass over the rows, then Arrow arrays without a copy.

The kernel writes one matrix a machine type, a row of it for each column; the names of those rows are the tuples below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.community import COMMUNITY_ID_BYTES, community_id
from monitor.flows.key import key_hash
from monitor.flows.packet import ICMP, ICMP6, TCP, UDP
from monitor.flows.services import settle_service
from monitor.flows.tcp import connection_state, missed_bytes
from monitor.flows.zones import at_home, zone_of
from monitor.jit import Integer, inlined, kernel
from monitor.stack import stack_u8

U64 = (
    "flow_id", "src_packets", "dst_packets", "src_bytes", "dst_bytes", "src_payload", "dst_payload", "missed_bytes",
    "start", "end", "chain",
)  # fmt: skip
U32 = (
    "part", "src_retransmits", "dst_retransmits", "src_out_of_order", "dst_out_of_order", "src_zero_windows",
    "dst_zero_windows",
)  # fmt: skip
U16 = ("src_port", "dst_port", "vlan")
U8 = (
    "proto", "src_flags", "dst_flags", "end_reason", "icmp_type", "icmp_code", "service_on_odd_port",
)  # fmt: skip
F4 = (
    *(
    f"{side}_{what}_{stat}"
    for side in ("src", "dst")
    for what in ("len", "iat")
    for stat in ("min", "mean", "std", "max")
    ),
    "rtt", "src_entropy", "dst_entropy",
)  # fmt: skip
WORDS = ("state", "service", "direction", "src_zone", "dst_zone")
"""Columns that the kernel gives as indices into a fixed list of words."""

_ID_SEED = np.uint64(0x9E3779B97F4A7C15)


@kernel
def fill(
    flows: Any, sides: Any, u64: Any, u32: Any, u16: Any, u8: Any, f4: Any, words: Any, duration: Any, src_ip: Any,
    dst_ip: Any, ids: Any, splt_at: Any, splt_len: Any, splt_iat: Any, history_at: Any, history: Any, home: Any,
    ranges: Any,
) -> None:  # fmt: skip
    """Fill the matrices from n rows of FLOW and 2 n of SIDE.

    u64 … words: (len(U64), n) and so on; src_ip, dst_ip: (n, 16) uint8; ids: (30 n,) uint8; splt_at, history_at:
    (n + 1,) int32 offsets into splt_len, splt_iat (16 n,) and history (24 n,); home, ranges: see `zones`.
    """
    block, digest = stack_u8(64), stack_u8(20)
    splt, text = 0, 0
    for i in range(len(flows)):
        flow = flows[i]
        origin = np.int64(flow["origin"])
        src, dst = sides[2 * i + origin], sides[2 * i + 1 - origin]
        if origin == 0:
            s_hi, s_lo, d_hi, d_lo = flow["a_hi"], flow["a_lo"], flow["b_hi"], flow["b_lo"]
        else:
            s_hi, s_lo, d_hi, d_lo = flow["b_hi"], flow["b_lo"], flow["a_hi"], flow["a_lo"]
        proto = np.int64(flow["proto"])
        sport, dport = np.int64(flow["port_src"]), np.int64(flow["port_dst"])
        put_address(src_ip, i, s_hi, s_lo)
        put_address(dst_ip, i, d_hi, d_lo)
        community_id(s_hi, s_lo, d_hi, d_lo, proto, sport, dport, block, digest, ids, i * COMMUNITY_ID_BYTES)
        u64[0, i] = flow_id(flow)
        u64[1, i], u64[2, i] = src["packets"], dst["packets"]
        u64[3, i], u64[4, i] = src["bytes"], dst["bytes"]
        u64[5, i], u64[6, i] = src["payload"], dst["payload"]
        u64[7, i] = missed_bytes(src) + missed_bytes(dst)
        u64[8, i], u64[9, i] = flow["start"], flow["last"]
        u64[10, i] = flow["chain"]
        duration[i] = (flow["last"] - flow["start"]) * 1e-6
        u32[0, i] = flow["part"]
        u32[1, i], u32[2, i] = src["retransmits"], dst["retransmits"]
        u32[3, i], u32[4, i] = src["out_of_order"], dst["out_of_order"]
        u32[5, i], u32[6, i] = src["zero_windows"], dst["zero_windows"]
        u16[0, i], u16[1, i], u16[2, i] = sport, dport, flow["vlan"]
        icmp = proto == ICMP or proto == ICMP6
        u8[0, i], u8[1, i], u8[2, i] = proto, src["flags"], dst["flags"]
        u8[3, i] = flow["end_reason"]
        u8[4, i] = flow["icmp_type"] if icmp else 0
        u8[5, i] = flow["icmp_code"] if icmp else 0
        shape(src, f4, 0, i)
        shape(dst, f4, 8, i)
        f4[16, i] = flow["rtt"] * 1e-6
        f4[17, i], f4[18, i] = src["entropy"], dst["entropy"]
        service, odd = settle_service(proto, sport, dport, np.int64(flow["service"]), flow["ruled_out"] != 0)
        u8[6, i] = 1 if odd else 0
        words[0, i] = state_of(proto, src, dst)
        words[1, i] = service
        src_home, dst_home = at_home(s_hi, s_lo, home), at_home(d_hi, d_lo, home)
        words[2, i] = (2 if src_home else 0) + (1 if dst_home else 0)
        words[3, i] = zone_of(s_hi, s_lo, ranges, src_home)
        words[4, i] = zone_of(d_hi, d_lo, ranges, dst_home)
        splt_at[i] = splt
        for k in range(np.int64(flow["splt_count"])):
            splt_len[splt], splt_iat[splt] = flow["splt_len"][k], flow["splt_iat"][k]
            splt += 1
        history_at[i] = text
        for k in range(np.int64(flow["history_len"])):
            history[text] = flow["history"][k]
            text += 1
    splt_at[len(flows)] = splt
    history_at[len(flows)] = text


@inlined
def flow_id(flow: Any) -> Any:
    """Stable over runs and parts: a hash of the key and the start of the whole flow."""
    ports = (
        (np.uint64(flow["proto"]) << np.uint64(32))
        | np.uint64(flow["port_a"]) << np.uint64(16)
        | np.uint64(flow["port_b"])
    )
    seed = _ID_SEED ^ np.uint64(flow["birth"])
    return key_hash(flow["a_hi"], flow["a_lo"], flow["b_hi"], flow["b_lo"], ports, seed)


@inlined
def put_address(out: Any, i: Integer, hi: Any, lo: Any) -> None:
    """Sixteen bytes in network order."""
    for k in range(8):
        out[i, k] = np.uint8((hi >> np.uint64(56 - 8 * k)) & np.uint64(0xFF))
        out[i, 8 + k] = np.uint8((lo >> np.uint64(56 - 8 * k)) & np.uint64(0xFF))


@inlined
def shape(side: Any, f4: Any, at: Integer, i: Integer) -> None:
    """Minimum, mean, standard deviation (of the population) and maximum of lengths (bytes) and of times between (s)."""
    n = np.int64(side["packets"])
    if n == 0:
        for k in range(8):
            f4[at + k, i] = 0.0
        return
    mean = np.float64(side["bytes"]) / n
    f4[at, i] = side["len_min"]
    f4[at + 1, i] = mean
    f4[at + 2, i] = np.sqrt(max(side["len_squares"] / n - mean * mean, 0.0))
    f4[at + 3, i] = side["len_max"]
    if n == 1:
        for k in range(4, 8):
            f4[at + k, i] = 0.0
        return
    mean = np.float64(side["last"] - side["first"]) / (n - 1)
    f4[at + 4, i] = side["iat_min"] * 1e-6
    f4[at + 5, i] = mean * 1e-6
    f4[at + 6, i] = np.sqrt(max(side["iat_squares"] / (n - 1) - mean * mean, 0.0)) * 1e-6
    f4[at + 7, i] = side["iat_max"] * 1e-6


@inlined
def state_of(proto: Integer, src: Any, dst: Any) -> Integer:
    """Index into STATES. UDP as Zeek has it: S0 unanswered, SF answered; all else OTH."""
    if proto == TCP:
        empty = src["payload"] == 0 and dst["payload"] == 0
        return connection_state(np.int64(src["state"]), np.int64(dst["state"]), empty)
    if proto == UDP:
        if src["packets"]:
            return 3 if dst["packets"] else 1
        return 12 if dst["packets"] else 0
    return 0
