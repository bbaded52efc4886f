"""The flow table: when flows end, what gives way when it is full, and that nothing but the packets decides it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from conversations import CLIENT, CPORT, MS, SECOND, SERVER, SPORT, Talk, flows, only
from hypothesis import given
from hypothesis import strategies as st
from mutations import CORPUS, Broken, at_random, broken_batch
from packets import START, Packet, batch, ethernet, icmp, ip, tcp, udp

from monitor.capture import PacketBatch
from monitor.flows import FlowMeter
from monitor.settings import FlowSettings

OSPF = ethernet(ip(CLIENT, SERVER, 89, bytes(24)))


def elsewhere(count: int, until: int) -> list[Packet]:
    """Packets of other hosts, spread over the time up to `until`, that make event time go on."""
    return [(START + i * (until - START) // count, udp(f"10.9.{i % 50}.1", SERVER, 5000 + i, 53)) for i in range(count)]


def named(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The flows that are not of `elsewhere`."""
    return [flow for flow in rows if flow["src_ip"][12:14] != b"\x0a\x09"]


SILENCES: dict[str, tuple[list[bytes], float]] = {
    "udp": ([udp(CLIENT, SERVER, 40000, 53)], 60),
    "icmp": ([icmp(CLIENT, SERVER)], 60),
    "icmp6": ([icmp("fe80::1", "fe80::2", 128)], 60),
    "another protocol": ([OSPF], 60),
    "tcp attempt": ([tcp(CLIENT, SERVER, CPORT, SPORT, "S", seq=1)], 5),
    "tcp": ([tcp(CLIENT, SERVER, CPORT, SPORT, "S", seq=1), tcp(SERVER, CLIENT, SPORT, CPORT, "SA", seq=1)], 300),
    "tcp mid-stream": ([tcp(CLIENT, SERVER, CPORT, SPORT, "A", seq=1)], 300),
    "tcp closed": ([tcp(CLIENT, SERVER, CPORT, SPORT, "A", seq=1), tcp(SERVER, CLIENT, SPORT, CPORT, "R")], 5),
}


@pytest.mark.parametrize("busy", [0, 500], ids=["quiet", "busy"])
@pytest.mark.parametrize("name", SILENCES)
def test_timeouts_are_exact(name: str, busy: int) -> None:
    """A beacon at the time-out's length is one flow or many, but always the same, whatever else is on the wire."""
    frames, seconds = SILENCES[name]
    first = [(START + i, frame) for i, frame in enumerate(frames)]
    silent = first[-1][0] + int(seconds * SECOND)
    for at, expected in ((silent, 1), (silent + 1, 2)):
        packets = sorted([*first, (at, frames[0]), *elsewhere(busy, at)], key=lambda packet: packet[0])
        found = named(flows(packets))
        assert len(found) == expected
        assert sum(flow["src_packets"] + flow["dst_packets"] for flow in found) == len(frames) + 1
    assert found[0]["end_reason"] == (3 if name == "tcp closed" else 1)
    assert found[1]["end_reason"] == 4, "the end of the capture"


def test_timeouts_are_settings() -> None:
    """Each of the settings governs its own flows."""
    frame = udp(CLIENT, SERVER, 40000, 53)
    assert len(flows([(START, frame), (START + 2 * SECOND, frame)], udp=1)) == 2
    assert len(flows([(START, frame), (START + 999 * SECOND, frame)], udp=1000, active=0)) == 1
    talk = Talk().shake().wait(20 * SECOND).c("PA", b"x")
    assert len(flows(talk, tcp_idle=10)) == 2
    assert len(flows(talk, tcp_attempt=1, tcp_closed=1)) == 1


ADDED = (
    "src_packets", "dst_packets", "src_bytes", "dst_bytes", "src_payload", "dst_payload", "src_retransmits",
    "dst_retransmits", "src_zero_windows", "dst_zero_windows", "missed_bytes",
)  # fmt: skip
"""Columns whose parts add up to the whole."""


def long_talk() -> Talk:
    """Two hours of a connection, with everything that is counted, across every part's end."""
    talk = Talk().shake()
    for i in range(720):
        talk.c("PA", b"x" * (i % 700 + 1), after=5 * SECOND).s("PA", b"y" * 50, after=5 * SECOND)
        if i % 10 == 0:
            talk.lose("s", 100).s("PA", b"y" * 10)
        if i % 7 == 0:
            talk.c("PA", b"x" * (i % 700 + 1), seq=talk.next["c"] - (i % 700 + 1)).s("A", window=0)
    return talk.c("FA").s("FA").c("A")


def test_parts_add_up() -> None:
    """A long connection is reported while it lasts, and what is reported is neither lost nor doubled."""
    talk = long_talk()
    whole = only(talk, active=0)
    parts = flows(talk)
    assert [part["part"] for part in parts] == list(range(5))
    assert {part["flow_id"] for part in parts} == {whole["flow_id"]}
    assert {part["community_id"] for part in parts} == {whole["community_id"]}
    assert [part["end_reason"] for part in parts] == [2, 2, 2, 2, 3]
    assert {name: sum(part[name] for part in parts) for name in ADDED} == {name: whole[name] for name in ADDED}
    assert parts[-1]["state"] == whole["state"] == "SF"
    assert (parts[0]["start"], parts[-1]["end"]) == (whole["start"], whole["end"])
    for before, after in pairwise(parts):
        assert before["end"] < after["start"]
        assert (after["start"] - before["start"]).total_seconds() >= 1800
    assert all((part["src_ip"], part["src_port"]) == (whole["src_ip"], CPORT) for part in parts)


def wireguard(*, reserved: bytes = bytes(3), seconds: int = 300) -> list[Packet]:
    """A handshake (whitepaper, 5.4), then keep-alives every ten seconds."""
    out, back = (CLIENT, SERVER, 51820, 51820), (SERVER, CLIENT, 51820, 51820)
    packets = [
        (START, udp(*out, b"\x01" + reserved + bytes(144))),
        (START + MS, udp(*back, b"\x02" + reserved + bytes(88))),
    ]
    ticks = range(START + 10 * SECOND, START + seconds * SECOND, 10 * SECOND)
    return [*packets, *((at, udp(*out, b"\x04" + reserved + bytes(28))) for at in ticks)]


def test_a_tunnel_is_told_while_it_lasts() -> None:
    """A VPN that is never silent would be told half an hour late; what is no tunnel is told as before."""
    first, rest = flows(wireguard())
    assert (first["service"], first["part"], rest["part"]) == ("wireguard", 0, 1)
    assert (first["end"] - first["start"]).total_seconds() < 60
    assert (rest["end"] - rest["start"]).total_seconds() > 200, "further parts come no sooner than others'"
    assert first["src_packets"] + rest["src_packets"] == 30
    assert len(flows(wireguard(), tunnel=0)) == len(flows(wireguard(), active=0)) == 1
    assert len(flows(wireguard(reserved=b"\x77\x01\x02"))) == 1


def test_a_gap_over_the_end_of_a_part_is_missed_once() -> None:
    """What one part told as missing is not told again by the next."""
    talk = Talk().shake().s("PA", b"x" * 100).lose("s", 700).s("PA", b"x" * 100).wait(10 * SECOND).s("PA", b"x")
    first, second = flows(talk, active=5)
    assert (first["missed_bytes"], second["missed_bytes"]) == (700, 0)
    assert first["dst_payload"] + second["dst_payload"] == 901


def meter(**settings: Any) -> FlowMeter:
    """A meter of the smallest table."""
    return FlowMeter(FlowSettings(**({"max_flows": 1024, "dedup": False} | settings)))


def test_the_oldest_half_open_flow_gives_way_first() -> None:
    """A flood of SYNs must not push out the connections that are under way."""
    answered, packets = 300, []
    for i in range(answered):
        ends = f"10.1.{i // 200}.{i % 200 + 1}", SERVER, 40000 + i, 443
        packets.append((START + i * 3, tcp(*ends, "S", seq=1)))
        packets.append((START + i * 3 + 1, tcp(ends[1], ends[0], 443, 40000 + i, "SA", seq=1)))
    begin = START + 10_000
    packets += [(begin + i, tcp(f"203.0.{i % 200}.{i // 200 + 1}", SERVER, 1025 + i, 443)) for i in range(3000)]
    taker = meter()
    found = [flow for records in taker.records([batch(packets)]) for flow in records.to_pylist()]
    evicted = [flow for flow in found if flow["end_reason"] == 5]
    assert taker.counters.evicted == len(evicted) == answered + 3000 - 1024
    assert all(flow["dst_packets"] == 0 for flow in evicted)
    assert [flow["start"] for flow in evicted] == sorted(flow["start"] for flow in evicted)
    assert sum(flow["dst_packets"] for flow in found) == answered
    assert taker.counters.flows == len(found) == answered + 3000


def test_with_nothing_half_open_the_oldest_gives_way() -> None:
    packets = []
    for i in range(1030):
        ends = f"10.1.{i // 200}.{i % 200 + 1}", SERVER, 40000, 53
        packets += [(START + 2 * i, udp(*ends)), (START + 2 * i + 1, udp(ends[1], ends[0], 53, 40000))]
    found = [flow for records in meter().records([batch(packets)]) for flow in records.to_pylist()]
    assert [flow["start"] for flow in found[:6]] == sorted(flow["start"] for flow in found)[:6]
    assert [flow["end_reason"] for flow in found] == [5] * 6 + [4] * 1024


def test_a_flood_is_counted_in_bounded_memory() -> None:
    """A flood of SYNs from forged sources: every one becomes a flow, the table keeps its size."""
    rng = np.random.default_rng(3)
    taker = meter()
    frame = np.frombuffer(tcp("1.2.3.4", SERVER, 1, 443), np.uint8)
    sizes = {name: array.nbytes for name, array in vars(taker._table).items() if isinstance(array, np.ndarray)}

    def flood() -> Iterable[PacketBatch]:
        for lot in range(20):
            count = 10_000
            frames = np.tile(frame, (count, 1))
            frames[:, 26:30] = rng.integers(0, 256, (count, 4))
            frames[:, 34:36] = rng.integers(0, 256, (count, 2))
            yield PacketBatch(
                data=np.frombuffer(frames.tobytes(), np.uint8),
                offset=np.arange(count, dtype=np.int64) * len(frame),
                captured=np.full(count, len(frame), np.uint32),
                wire=np.full(count, len(frame), np.uint32),
                time=START + (lot * count + np.arange(count, dtype=np.int64)) // 10,
                link=np.ones(count, np.uint16),
            )

    found = sum(records.num_rows for records in taker.records(flood()))
    counters = taker.counters
    assert counters.packets == counters.decoded == 200_000
    assert counters.flows == found >= 199_900
    assert counters.evicted == found - 1024
    assert counters.peak_active == 1024
    assert sizes == {name: array.nbytes for name, array in vars(taker._table).items() if isinstance(array, np.ndarray)}


def test_the_clock_jumps_forward() -> None:
    """After a sleep of the sensor all flows are over, in order; none is lost and none goes on."""
    before = [(START + i, udp(f"10.0.1.{i}", SERVER, 1000, 53)) for i in range(1, 100)]
    after = [(at + 86400 * 30 * SECOND, frame) for at, frame in before]
    found = flows(before + after)
    assert len(found) == 198
    assert [flow["end_reason"] for flow in found] == [1] * 99 + [4] * 99


def test_the_clock_jumps_back() -> None:
    """A clock set back (by NTP, or a second capture) goes on metering; time-outs count from the new time."""
    frame = udp(CLIENT, SERVER, 40000, 53)
    back = START - 3600 * SECOND
    taker = meter()
    packets = [(START + i * SECOND, udp(f"10.0.1.{i}", SERVER, 1000, 53)) for i in range(1, 100)]
    packets += [(back, frame), (back + 60 * SECOND, frame), (back + 121 * SECOND, frame)]
    packets += [(back + (121 + i) * SECOND, udp("10.0.2.1", SERVER, 1000, 53)) for i in range(300)]
    found = [flow for records in taker.records([batch(packets)]) for flow in records.to_pylist()]
    mine = [flow for flow in found if flow["src_port"] == 40000]
    assert [flow["src_packets"] for flow in mine] == [2, 1]
    assert [flow["end_reason"] for flow in mine] == [1, 1], "they ended by silence, not by the capture's end"
    assert taker.counters.clock_steps == 1
    assert all(flow["duration"] >= 0 for flow in found)


def test_two_clocks_in_turn_are_no_burden() -> None:
    """Interfaces whose clocks are an hour apart must not make each packet look at every flow."""
    packets = [(START + i, udp(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", SERVER, 1000, 53)) for i in range(60_000)]
    packets = [(at - 3600 * SECOND * (i % 2), frame) for i, (at, frame) in enumerate(packets)]
    taker = FlowMeter(FlowSettings(dedup=False))
    begin = time.process_time()
    found = sum(records.num_rows for records in taker.records([batch(packets)]))
    assert found == 60_000
    assert time.process_time() - begin < 10


def test_packets_out_of_order_in_time() -> None:
    """Capture threads swap packets by some milliseconds: durations stay sound, nothing is split."""
    frame, back = udp(CLIENT, SERVER, 40000, 53), udp(SERVER, CLIENT, 53, 40000)
    flow = only([(START + 5 * MS, frame), (START, back), (START + 2 * MS, frame), (START + 9 * MS, back)])
    assert (flow["src_packets"], flow["dst_packets"]) == (2, 2)
    assert flow["duration"] == pytest.approx(0.004)
    assert flow["src_iat_min"] >= 0
    assert all(iat >= 0 for iat in flow["splt_iat"])


KINDS: tuple[Callable[[int], bytes], ...] = (
    lambda host: udp(f"10.0.0.{host}", SERVER, 40000, 53),
    lambda host: udp(SERVER, f"10.0.0.{host}", 53, 40000),
    lambda host: icmp(f"10.0.0.{host}", SERVER),
    lambda host: tcp(f"10.0.0.{host}", SERVER, 40000, 443, "S", seq=7),
    lambda host: ethernet(ip(f"10.0.0.{host}", SERVER, 89, bytes(24))),
)
KEYS = (0, 0, 1, 2, 3)
TIMEOUTS = (60, 60, 5, 60)


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(KINDS) - 1),
            st.integers(1, 4),
            st.one_of(st.integers(0, 7 * SECOND), st.sampled_from([60 * SECOND, 60 * SECOND + 1, 700 * SECOND])),
        ),
        max_size=60,
    )
)  # fmt: skip
def test_a_plain_dictionary_agrees(steps: list[tuple[int, int, int]]) -> None:
    """Against the simplest table there is: times by key, and a new flow after more than the silence."""
    now, packets = START, []
    expected: dict[tuple[int, int], list[list[int]]] = defaultdict(list)
    for kind, host, step in steps:
        now += step
        packets.append((now, KINDS[kind](host)))
        key = KEYS[kind], host
        if not expected[key] or now - expected[key][-1][-1] > TIMEOUTS[key[0]] * SECOND:
            expected[key].append([])
        expected[key][-1].append(now)
    found = meter(active=0).records([batch(packets)]) if packets else iter(())
    ours = sorted(
        (start.as_py(), sent + received)
        for records in found
        for start, sent, received in zip(
            records["start"].cast(pa.int64()), records["src_packets"].to_pylist(), records["dst_packets"].to_pylist(),
            strict=True,
        )
    )  # fmt: skip
    assert ours == sorted((times[0], len(times)) for lot in expected.values() for times in lot)


def cut(whole: PacketBatch, size: int) -> Iterable[PacketBatch]:
    """The same packets in batches of `size`."""
    for at in range(0, len(whole), size):
        part = slice(at, at + size)
        yield PacketBatch(
            whole.data, whole.offset[part], whole.captured[part], whole.wire[part], whole.time[part], whole.link[part]
        )


def joined(one: PacketBatch, other: PacketBatch) -> PacketBatch:
    """Both batches' packets as one batch."""
    return PacketBatch(
        np.frombuffer(one.data.tobytes() + other.data.tobytes(), np.uint8),
        np.concatenate([one.offset, other.offset + len(one.data)]),
        *(np.concatenate([getattr(one, name), getattr(other, name)]) for name in ("captured", "wire", "time", "link")),
    )


def test_batches_and_hash_seed_change_nothing() -> None:
    """Replay equals live, and yesterday's replay equals today's: the records are the same to the byte and in order."""
    rng = np.random.default_rng(8)
    scan = [Broken(seed, (), 256, 0, 0, 40_000) for seed in range(len(CORPUS))] * 2
    wild = broken_batch(scan + at_random(rng, 12_000), 0)
    back = int(wild.time[-1]) - 7200 * SECOND
    flood = [(back + i * MS, udp(f"10.{i >> 8}.{i & 255}.1", SERVER, 9, 9)) for i in range(3000)]
    whole = joined(wild, batch(flood))
    results, counters = [], []
    for seed, size in enumerate((1, 7, 1000, 32768, 32768)):
        taker = meter(dedup=True, active=20)
        taker._seed = 0x9E3779B97F4A7C15 * (seed + 1) % 2**64
        results.append(pa.Table.from_batches(taker.records(cut(whole, size))).combine_chunks())
        counters.append(taker.counters)
    assert results[0].num_rows > 4000
    assert set(results[0]["end_reason"].to_pylist()) == {1, 2, 3, 4, 5}
    assert counters[0].clock_steps > 0
    for result, counted in zip(results[1:], counters[1:], strict=True):
        assert result.equals(results[0])
        assert counted == counters[0]
