"""The columns of volume, shape and time against NumPy, recomputed from the decoder's rows of real and wild packets."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from mutations import at_random, broken_batch

from monitor.capture import PacketBatch, open_captures
from monitor.flows import FlowMeter
from monitor.flows.packet import ICMP, ICMP6, Outcome
from monitor.settings import FlowSettings

LONG = FlowSettings(dedup=False, active=0, udp=3600, icmp=3600, tcp_idle=3600, tcp_attempt=3600, tcp_closed=3600)
"""Settings under which nearly every key is one flow."""


def entropy(payload: bytes) -> float:
    """Shannon entropy of bytes, in bits a byte."""
    counts = np.bincount(np.frombuffer(payload, np.uint8), minlength=256)
    shares = counts[counts > 0] / len(payload)
    return float(-(shares * np.log2(shares)).sum())


def check(batch: PacketBatch) -> int:
    """Compare each flow with a plain computation over its packets; how many flows there were."""
    rows = FlowMeter(LONG).decode(batch)
    lots: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i in np.flatnonzero(rows["outcome"] == Outcome.DECODED).tolist():
        row = rows[i]
        ends = sorted(
            [
                (int(row["src_hi"]), int(row["src_lo"]), int(row["key_src"])),
                (int(row["dst_hi"]), int(row["dst_lo"]), int(row["key_dst"])),
            ]
        )
        lots[int(row["proto"]), *ends[0], *ends[1]].append(i)
    checked = 0
    found: dict[tuple[int, ...], list[dict[str, Any]]] = defaultdict(list)
    for records in FlowMeter(LONG).records([batch]):
        for flow in records.to_pylist():
            ends = [
                (int.from_bytes(flow["src_ip"]), flow["src_port"]),
                (int.from_bytes(flow["dst_ip"]), flow["dst_port"]),
            ]
            found[flow["proto"], *min(ends), *max(ends)].append(flow)
    for key, members in lots.items():
        proto, a_hi, a_lo, a_port, b_hi, b_lo, b_port = key
        ends = [(a_hi << 64 | a_lo, a_port), (b_hi << 64 | b_lo, b_port)]
        flows = found[proto, *min(ends), *max(ends)]
        if proto in (ICMP, ICMP6) or len(flows) != 1:  # keys of ICMP are not its columns; ports used again
            continue
        one_flow(flows[0], rows[members], batch)
        checked += 1
    return checked


def one_flow(flow: dict[str, Any], rows: np.ndarray, batch: PacketBatch) -> None:
    """A record against the rows of its packets."""
    src = int.from_bytes(flow["src_ip"])
    sent = (rows["src_hi"] == np.uint64(src >> 64)) & (rows["src_lo"] == np.uint64(src & (2**64 - 1)))
    sent &= rows["src_port"] == flow["src_port"]
    for side, mine in (("src", rows[sent]), ("dst", rows[~sent])):
        lengths = mine["ip_bytes"].astype(float)
        assert flow[f"{side}_packets"] == len(mine)
        assert flow[f"{side}_bytes"] == lengths.sum()
        if len(mine) == 0:
            continue
        stats = lengths.min(), lengths.mean(), lengths.std(), lengths.max()
        names = ("min", "mean", "std", "max")
        assert [flow[f"{side}_len_{name}"] for name in names] == pytest.approx(stats, rel=1e-5, abs=0.02)
        gaps = np.diff(mine["time"]) / 1e6
        if len(gaps) and gaps.min() >= 0:
            stats = gaps.min(), gaps.mean(), gaps.std(), gaps.max()
            assert [flow[f"{side}_iat_{name}"] for name in names] == pytest.approx(stats, rel=1e-4, abs=2e-3)
        whole = mine[(mine["payload_cap"] > 0) & (mine["fragment"] == 0)]
        if len(whole):
            at, size = int(whole[0]["payload"]), int(whole[0]["payload_cap"])
            payload = batch.data[at : at + min(size, 256)].tobytes()
            assert flow[f"{side}_entropy"] == pytest.approx(entropy(payload), abs=1e-4) or entropy(payload) == 0
    first = rows[:16]
    assert flow["splt_len"] == (np.where(sent[:16], 1, -1) * first["ip_bytes"].astype(np.int64)).tolist()
    times = rows["time"]
    if (np.diff(times) >= 0).all():
        assert flow["splt_iat"] == [0, *np.diff(first["time"]).tolist()][: len(first)]
        assert flow["duration"] == pytest.approx((times[-1] - times[0]) / 1e6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_packets(seed: int) -> None:
    assert check(broken_batch(at_random(np.random.default_rng(seed), 3000), 0)) > 50


@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["benign/browse_win7_chrome.pcap", "p2p_vpn_tor/bittorrent.pcap", "dnstunnel/dnscat2_cname.pcap"]
)
def test_real_packets(name: str, shared_data: Any) -> None:
    with open_captures([shared_data / f"{name}.xz"]) as reader:
        assert check(next(reader)) > 0
