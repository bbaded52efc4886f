"""The inputs are what they claim: right checksums after new addresses, disjoint replicas, a flow for every SYN of C."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import numpy as np
import packets
import pytest

from benchmarks import inputs, town

V4 = ("192.168.1.20", "198.51.100.7")
V6 = ("2001:db8:1::20", "2001:db8:2::7")
SEEDS = (0, 1, 4711, 65_534)


def session(*frames: bytes) -> town.Session:
    return town._session("office", "made", [(number, len(frame), frame) for number, frame in enumerate(frames)])


def readdressed(one: town.Session, row: int, replica: int, key: int = 77) -> bytes:
    out = np.frombuffer(one.frames[row], np.uint8).copy()
    inputs._readdress(out, one.layer3[row], len(out), one.kind[row], one.rank[row], replica, key)
    return out.tobytes()


def addresses(frame: bytes, at: int = 14) -> tuple[str, str]:
    src, dst = town._addresses(frame, at)
    return str(ip_address(src)), str(ip_address(dst))


@pytest.mark.parametrize("replica", SEEDS)
@pytest.mark.parametrize("ends", [V4, V6])
def test_a_replica_is_what_its_hosts_would_have_sent(ends: tuple[str, str], replica: int) -> None:
    made = [
        lambda a, b: packets.tcp(a, b, 50_000, 443, "PA", b"odd", seq=7, ack=9),
        lambda a, b: packets.udp(a, b, 50_000, 53, b"query"),
        lambda a, b: packets.icmp(a, b, 128 if ":" in a else 8),
    ]
    one = session(*(build(*ends) for build in made))
    for row, build in enumerate(made):
        frame = readdressed(one, row, replica)
        assert addresses(frame) != ends
        assert frame == build(*addresses(frame))


def test_udp_without_a_checksum_stays_without() -> None:
    bare = packets.udp(*V4, 5000, 53, b"x")
    bare = bare[:40] + b"\0\0" + bare[42:]
    assert readdressed(session(bare), 0, 5)[40:42] == b"\0\0"


def test_both_directions_get_the_same_hosts_and_replicas_get_others() -> None:
    one = session(packets.tcp(*V4, 50_000, 443), packets.tcp(*reversed(V4), 443, 50_000, "SA"))
    there, back = addresses(readdressed(one, 0, 3)), addresses(readdressed(one, 1, 3))
    assert there == (back[1], back[0])
    assert ip_address(there[0]).is_private
    assert addresses(readdressed(one, 0, 4))[0] != there[0]


def test_multicast_and_what_is_no_ip_stay() -> None:
    one = session(packets.udp("192.168.1.20", "224.0.0.251", 5353, 5353, b"x"), b"\xff" * 12 + b"\x08\x06" + b"\0" * 46)
    assert addresses(readdressed(one, 0, 9))[1] == "224.0.0.251"
    assert one.layer3[1] == -1


def test_long_silence_is_cut() -> None:
    day = 86_400_000_000
    frame = packets.udp(*V4, 1, 2, b"x")
    one = town._session("office", "made", [(0, 60, frame), (day, 60, frame), (day + 5, 60, frame), (day, 60, frame)])
    assert list(one.time) == [0, town.LONGEST_GAP, town.LONGEST_GAP + 5, town.LONGEST_GAP + 5]


def test_the_flood_is_a_flow_a_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(inputs.PACKETS, "C", 500)
    found = list(town._packets(inputs.capture("C").read_bytes()))
    frames = [frame for _, _, frame in found]
    assert {len(frame) for frame in frames} == {60}
    assert len({frame[26:30] + frame[34:36] for frame in frames}) == 500
    assert all(earlier[0] < later[0] for earlier, later in pairwise(found))
    for frame in frames:
        assert packets.checksum(frame[14:34]) == 0
        assert packets.checksum(frame[26:34] + b"\0\6\0\x14" + frame[34:54]) == 0


def test_what_was_built_is_used_again(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    monkeypatch.setitem(inputs.PACKETS, "C", 50)
    path = inputs.capture("C")
    path.write_bytes(path.read_bytes()[: 24 + 10 * 76])
    assert inputs.capture("C").stat().st_size == 24 + 10 * 76
    assert len(list(town._packets(inputs.cut("C", 4).read_bytes()))) == 4
    assert not list(own_cache.glob("*.part"))


def test_the_town_is_laid_in_time_order_and_exact(monkeypatch: pytest.MonkeyPatch, shared_data: Path) -> None:
    few = [one for one in town.SHARES if one[0] in ("browsing", "transfers")]
    monkeypatch.setattr(town, "SHARES", few)
    monkeypatch.setattr(inputs, "SHARES", [(name, 0.5, patterns) for name, _, patterns in few])
    monkeypatch.setitem(inputs.PACKETS, "A", 20_000)
    found = list(town._packets(inputs.capture("A").read_bytes()))
    assert len(found) == 20_000
    assert all(earlier[0] <= later[0] for earlier, later in pairwise(found))
    assert found[-1][0] - found[0][0] <= inputs.PERIOD
