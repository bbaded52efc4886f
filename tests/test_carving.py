"""Carving: the right packets, untouched, of every capture format; compared with tshark and with what was put in."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import packets
import pytest
from capture.capture_builder import SPB, block, interface, packet, pcap, section
from commands import Run
from flows.envelopes import erspan2, gtpu, ip_in_ip, vxlan
from packets import START, ethernet, ip, tcp, tcp_segment, udp, write_pcap

pytestmark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed (tests/install-tools)")

SECOND = "2023-11-14T22:13:20"
CLIENT, SERVER, OTHER = "10.0.0.5", "203.0.113.9", "198.51.100.7"


def told(path: Path, *fields: str, only: str = "") -> list[list[str]]:
    """Those fields of each packet that the display filter passes, by tshark."""
    chosen = [part for field in fields for part in ("-e", field)]
    command = ["tshark", "-r", path, "-Y", only, "-T", "fields", "-E", "separator=|", *chosen]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split("|") for line in text.splitlines()]


def contents(path: Path) -> list[tuple[int, bytes]]:
    """Time and bytes of each packet."""
    from monitor.capture import open_captures

    return [
        (int(batch.time[n]), batch.data[batch.offset[n] : batch.offset[n] + batch.captured[n]].tobytes())
        for batch in open_captures([path])
        for n in range(len(batch))
    ]


def carved(run: Run, *arguments: object) -> dict[str, Any]:
    status, out, err = run("carve", *arguments, "--format", "json")
    assert status == 0, err
    facts: dict[str, Any] = json.loads(out)
    assert hashlib.sha256(Path(facts["output"]).read_bytes()).hexdigest() == facts["sha256"]
    return facts


def community_id(run: Run, capture: Path, **ends: object) -> str:
    """Community ID of the one flow with those columns."""
    _, out, _ = run("flows", capture)
    rows = [json.loads(line) for line in out.splitlines()]
    (found,) = {row["community_id"] for row in rows if all(row[name] == value for name, value in ends.items())}
    return str(found)


def mixture() -> list[packets.Packet]:
    """One TCP flow plain, in five tunnels and as fragments; and the same between others."""
    out: list[packets.Packet] = []
    for n, server in enumerate((SERVER, OTHER, SERVER, OTHER)):
        segment = tcp_segment(CLIENT, server, 50000, 443, "PA", b"z" * 900, seq=n)
        inner = ip(CLIENT, server, 6, segment, ident=n + 1)
        first = ip(CLIENT, server, 6, segment[:400], ident=n + 9, more_fragments=True)
        last = ip(CLIENT, server, 6, segment[400:], ident=n + 9, fragment_offset=400)
        tunnels = vxlan(inner), erspan2(inner), ip_in_ip(inner), gtpu(inner), vxlan(ip_in_ip(inner))
        for wrapped in (inner, *tunnels, first, last):
            out.append((START + len(out) * 1000, ethernet(wrapped)))
        out.append((START + len(out) * 1000, udp(CLIENT, server, 50000, 443)))
        out.append((START + len(out) * 1000, tcp(server, CLIENT, 443, 50000, "A", ack=n + 900)))
    return out


def test_tunnels_and_fragments_follow_their_flow(run: Run, tmp_path: Path) -> None:
    rows = mixture()
    capture = write_pcap(tmp_path / "all.pcap", rows)
    flow = community_id(run, capture, dst_ip=SERVER, proto=6)
    facts = carved(run, capture, "--flow", flow, "-o", tmp_path / "flow.pcapng")
    assert contents(tmp_path / "flow.pcapng") == [rows[10 * n + k] for n in (0, 2) for k in (0, 1, 2, 3, 4, 5, 6, 7, 9)]
    assert (facts["packets"], facts["searched"]) == (18, len(rows))
    assert facts["inputs"][str(capture)]["bytes"] == capture.stat().st_size
    assert facts["inputs"][str(capture)]["sha256"] == ""  # nobody asked: it takes longer than the search
    hashed = carved(run, capture, "--flow", flow, "-o", tmp_path / "flow.pcapng", "--hash-inputs")
    assert hashed["inputs"][str(capture)]["sha256"] == hashlib.sha256(capture.read_bytes()).hexdigest()


def test_a_flow_is_what_tshark_takes_for_it(run: Run, tmp_path: Path) -> None:
    capture = write_pcap(tmp_path / "all.pcap", sorted(mixture()))
    flow = community_id(run, capture, dst_ip=OTHER, proto=17)
    carved(run, capture, "--flow", flow, "-o", tmp_path / "flow.pcapng")
    command = ["tshark", "-r", capture, "--enable-protocol", "communityid", "-Y", f'communityid == "{flow}"', "-w"]
    subprocess.run([*command, tmp_path / "theirs.pcapng"], check=True, capture_output=True)
    assert contents(tmp_path / "flow.pcapng") == contents(tmp_path / "theirs.pcapng") != []


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        (("--host", SERVER), lambda n, row: n // 10 in (0, 2)),
        (("--host", "10.0.0.0/24", "--peer", OTHER), lambda n, row: n // 10 in (1, 3)),
        (("--host", "10.99.0.1", "--host", SERVER), lambda n, row: n // 10 in (0, 2)),
        (("--since", f"{SECOND}.005000Z", "--until", f"{SECOND}.020000Z"), lambda n, row: 5 <= n < 20),
        (("--filter", "udp port 4789"), lambda n, row: n % 10 in (1, 5)),
        (("--filter", "udp port 4789", "--host", SERVER), lambda n, row: n % 10 in (1, 5) and n // 10 in (0, 2)),
    ],
)  # fmt: skip
def test_hosts_times_and_filters_choose(run: Run, tmp_path: Path, chosen: tuple[str, ...], kept: Any) -> None:
    rows = mixture()
    capture = write_pcap(tmp_path / "all.pcap", rows)
    carved(run, capture, *chosen, "-o", tmp_path / "some.pcapng")
    assert contents(tmp_path / "some.pcapng") == [row for n, row in enumerate(rows) if kept(n, row)]


def formats() -> dict[str, bytes]:
    """A packet of ours and one of another in every format: nanoseconds, units, byte orders, interfaces, comments."""
    ours, other = tcp(CLIENT, SERVER, 50000, 443, "S"), tcp(CLIENT, OTHER, 50000, 443, "S")
    raw = ip(CLIENT, SERVER, 6, tcp_segment(CLIENT, SERVER, 50000, 443, "S"))
    rows = [(START, other, 900, 1), (START + 7, ours, 1500, 1)]
    comment = struct.pack("<HH", 1, 8) + b"a remark" + struct.pack("<HHIHH", 2, 4, 0x2, 0, 0)
    captures = {
        "us": pcap(rows), "modified": pcap(rows, magic=0xA1B2CD34),
        "ns": pcap(rows, magic=0xA1B23C4D, extra=123, order=">"),
        "simple": section() + interface() + packet("<", other, kind=SPB) + packet("<", ours, kind=SPB),
        "obsolete": section() + interface(resolution=9) + packet("<", ours, ticks=START * 1000 + 321, kind=2),
    }  # fmt: skip
    for order in "<>":
        described = interface(order, resolution=9) + interface(
            order, link=101, resolution=0x80 | 20, offset=1_600_000_000
        )
        some = packet(order, ours, ticks=START * 1000 + 987, options=comment if order == "<" else b"")
        more = packet(order, other, ticks=START * 1000) + packet(order, raw, ticks=(100_000_000 << 20) + 77, number=1)
        captures[f"pcapng{order}"] = section(order) + described + block(order, 5, bytes(12)) + some + more
    captures["two sections"] = captures["pcapng>"] + captures["pcapng<"]
    return captures


@pytest.mark.parametrize("name", formats())
def test_bytes_times_units_and_links_stay_as_they_were(run: Run, tmp_path: Path, name: str) -> None:
    capture = tmp_path / "input.cap"
    capture.write_bytes(formats()[name])
    carved(run, capture, "--host", SERVER, "-o", tmp_path / "ours.pcapng")
    fields = ["frame.time_epoch", "frame.len", "frame.cap_len", "frame.encap_type", "frame.comment", "tcp.checksum"]
    if name == "simple":  # tshark has no time for them, and shows 1970; we take that of the packet before
        fields.remove("frame.time_epoch")
    assert told(tmp_path / "ours.pcapng", *fields) == told(capture, *fields, only=f"ip.addr == {SERVER}") != []
    theirs = [content for _, content in contents(capture) if bytes([203, 0, 113, 9]) in content]
    assert [content for _, content in contents(tmp_path / "ours.pcapng")] == theirs


def test_captures_of_two_taps_come_out_in_time_order_and_say_which(run: Run, tmp_path: Path) -> None:
    rows = [(START + n * 1000, tcp(CLIENT, SERVER, 50000, 443, "A", seq=n)) for n in range(10)]
    write_pcap(tmp_path / "inside.pcap", rows[::2])
    write_pcap(tmp_path / "outside.pcap", rows[1::2])
    facts = carved(run, tmp_path, "--host", CLIENT, "-o", tmp_path / "both.pcapng")
    assert contents(tmp_path / "both.pcapng") == rows
    assert [row[0] for row in told(tmp_path / "both.pcapng", "frame.interface_description")] == [
        "from inside.pcap", "from outside.pcap"
    ] * 5  # fmt: skip
    assert set(facts["inputs"]) == {str(tmp_path / "inside.pcap"), str(tmp_path / "outside.pcap")}


def test_an_incident_is_carved_by_its_id_and_the_file_says_so(run: Run, tmp_path: Path) -> None:
    scan = [(START + port * 9000, tcp(CLIENT, SERVER, 40000 + port, port, "S")) for port in range(1, 120)]
    other = [(START + port * 9001, tcp(CLIENT, OTHER, 40000 + port, 443, "S")) for port in range(1, 9)]
    capture = write_pcap(tmp_path / "scan.pcap", sorted(scan + other))
    store = ("--store", f"chdb://{tmp_path}/store")
    _, out, _ = run("replay", capture, *store, "--format", "json")
    incident = next(found for line in out.splitlines() if (found := json.loads(line))["detector"] == "port_scan")
    carved(run, capture, *store, "--incident", incident["incident_id"][:8], "-o", tmp_path / "out.pcapng")
    assert contents(tmp_path / "out.pcapng") == scan
    said = (tmp_path / "out.pcapng").read_bytes()[:1000].decode("latin-1")
    assert f"incident {incident['incident_id']}" in said
    assert hashlib.sha256(capture.read_bytes()).hexdigest() in said


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "say what to carve"),
        (("--flow", "1:abc"), 2, "no Community ID"),
        (("--host", "10.0.0.300"), 2, "neither an address nor a network"),
        (("--peer", "10.0.0.1"), 2, "--peer wants a --host"),
        (("--filter", "hots 1"), 2, "--filter"),
        (("--host", "10.9.9.9"), 1, "none of 40 packets is wanted"),
        (("--incident", "feed", "--store", "none"), 1, "monitor db init"),
    ],
)
def test_mistakes_are_told_and_leave_no_file(
    run: Run,
    tmp_path: Path,
    arguments: tuple[str, ...],
    status: int,
    said: str,
) -> None:
    capture = write_pcap(tmp_path / "all.pcap", mixture())
    got, out, err = run("carve", capture, *arguments, "-o", tmp_path / "out.pcapng")
    assert (got, out) == (status, "")
    assert said in err
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_a_damaged_capture_is_carved_up_to_the_damage(run: Run, tmp_path: Path) -> None:
    rows = mixture()
    capture = write_pcap(tmp_path / "all.pcap", rows)
    capture.write_bytes(capture.read_bytes()[:-5])
    status, _, err = run("carve", capture, "--host", SERVER, "-o", tmp_path / "out.pcapng")
    assert status == 3
    assert "stopped at byte" in err
    assert contents(tmp_path / "out.pcapng") == [row for n, row in enumerate(rows) if n // 10 in (0, 2)]
