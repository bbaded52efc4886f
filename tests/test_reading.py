"""What the closing lines say of captures that hold broken packets and of mirrors that do not show everything."""

from __future__ import annotations

from pathlib import Path

from commands import Run
from packets import START, TCP, Packet, ethernet, ip, pcap, tcp, tcp_segment, tcp_session, write_pcap

from monitor.flows.packet import IGNORED, UNDECODABLE

CLIENT, SERVER = "10.0.0.5", "203.0.113.9"


def session(start: int = START, port: int = 50000) -> list[Packet]:
    return list(tcp_session(start, CLIENT, SERVER, port, 443, b"x" * 3000, b"y" * 9000))


def headless() -> bytes:
    """A whole frame whose TCP header claims to be 8 bytes long."""
    segment = bytearray(tcp_segment(CLIENT, SERVER, 1, 2, "S"))
    segment[12] = 0x20
    return ethernet(ip(CLIENT, SERVER, TCP, bytes(segment)))


def test_broken_packets_are_placed_and_exit_3(run: Run, tmp_path: Path) -> None:
    """Which capture, which packet in it, what is wrong, how often; the flows are all there nonetheless."""
    folder = tmp_path / "captures"
    folder.mkdir()
    first = session()
    write_pcap(folder / "a.pcap", first)
    second = [(at + 60_000_000, frame) for at, frame in session()]
    second[4:4] = [(second[4][0], headless()), (second[4][0], headless())]
    write_pcap(folder / "b.pcap", second)
    status, out, err = run("flows", folder)
    assert status == 3
    assert "b.pcap: packet 5: cannot be decoded: bad_tcp_header, as 2 are in all" in err
    assert "+ 2 ignored (bad_tcp_header 2)" in err
    assert len(out.splitlines()) == 2


def test_a_short_snap_length_is_no_damage(run: Run, tmp_path: Path) -> None:
    """A capture that keeps 40 bytes of each packet cuts TCP headers; that is how it was made."""
    path = tmp_path / "short.pcap"
    path.write_bytes(pcap(session(), snaplen=40))
    status, _, err = run("flows", path)
    assert status == 0
    assert "truncated_transport" in err
    assert "cannot be decoded" not in err


def test_an_unknown_link_type_is_told(run: Run, tmp_path: Path) -> None:
    path = write_pcap(tmp_path / "usb.pcap", session(), link=220)
    status, _, err = run("flows", path)
    assert status == 3
    assert "usb.pcap: packet 1: cannot be decoded: unsupported_link" in err


def test_a_good_mirror_is_not_talked_about(run: Run, tmp_path: Path) -> None:
    status, _, err = run("flows", write_pcap(tmp_path / "good.pcap", session()))
    assert status == 0
    assert "mirror" not in err
    assert "names" not in err


def test_faults_of_the_mirror_are_told(run: Run, tmp_path: Path) -> None:
    """One direction of a connection, bytes acknowledged though never seen, and every packet of a third one twice."""
    both = session()
    one_way = [(at, frame) for at, frame in session(port=50001) if frame[26:30] == bytes([10, 0, 0, 5])]
    lossy = [packet for packet in session(port=50002) if not len(packet[1]) > 1400]
    numbered = [
        (at, frame[:18] + (i + 1).to_bytes(2) + frame[20:]) for i, (at, frame) in enumerate(session(port=50003))
    ]
    twice = [copy for at, frame in numbered for copy in ((at, frame), (at + 50, frame))]
    path = write_pcap(tmp_path / "faulty.pcap", sorted(both + one_way + lossy + twice))
    status, _, err = run("flows", path)
    assert status == 0
    (line,) = [line for line in err.splitlines() if "mirror:" in line]
    assert "25.00% of TCP connections in one direction only" in line
    assert "of TCP payload lost before us" in line
    assert f"{len(numbered) / (len(both) + len(one_way) + len(lossy) + len(twice)):.2%} of packets twice" in line


def test_lost_bytes_are_measured(run: Run, tmp_path: Path) -> None:
    """A kilobyte in four is acknowledged, but never passed by."""
    packets = [
        (START, tcp(CLIENT, SERVER, 1, 2, "A", seq=1, ack=1)),
        (START + 1, tcp(SERVER, CLIENT, 2, 1, "A", b"z" * 3000, seq=1, ack=1)),
    ]
    packets += [
        (START + 2, tcp(CLIENT, SERVER, 1, 2, "A", seq=1, ack=4001)),
        (START + 3, tcp(CLIENT, SERVER, 1, 2, "A", seq=1, ack=4001)),
    ]
    _, _, err = run("flows", write_pcap(tmp_path / "lossy.pcap", packets))
    assert "mirror: 25.00% of TCP payload lost before us" in err


def test_memory_for_names_that_is_too_small_is_told(run: Run, tmp_path: Path) -> None:
    """Hellos that never end, more than there is room for."""
    hello = bytes.fromhex("160301080001000700")
    packets = [(START + i, tcp(f"10.1.{i >> 8}.{i & 255}", SERVER, 999, 443, "A", hello, seq=1)) for i in range(900)]
    (tmp_path / "monitor.toml").write_text("[flows]\nfirst_payload_memory = 1048576\n")
    path = write_pcap(tmp_path / "hellos.pcap", packets)
    status, out, err = run("flows", path, "--config", tmp_path / "monitor.toml")
    assert (status, len(out.splitlines())) == (0, 900)
    assert "flows.first_payload_memory is too small" in err


def test_only_reasons_that_mean_damage_are_damage() -> None:
    assert set(UNDECODABLE) < set(IGNORED)
    assert {reason.name.lower() for reason in set(IGNORED) - set(UNDECODABLE)} >= {"arp", "macsec", "unknown_ethertype"}
