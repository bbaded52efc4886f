"""The lab works: the smallest town shows each packet on its mirror once, and the committed sample holds its truth."""

from __future__ import annotations

import ipaddress
import lzma
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from . import services, truth
from .attacks import ATTACKS, SESSION
from .compact import compact
from .plan import EVERYONE, INTERNET, INTERNET6, SEGMENT, SEGMENT6, SITES, host
from .town import Town
from .wiring import MIRROR, PREFIX, SENSOR

SAMPLE = Path(__file__).with_name("town.pcapng.xz")
TRUTH = SAMPLE.with_suffix("").with_suffix(".yaml")
NEEDED = ("ip", "nft", "ethtool", "tcpdump", "nginx", "unbound", "dnsmasq", "sshd", "curl", "openssl")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plain = tmp_path_factory.mktemp("lab") / "town.pcapng"
    with lzma.open(SAMPLE) as packed, plain.open("wb") as target:
        shutil.copyfileobj(packed, target)
    return plain


def test_sample_is_small() -> None:
    assert SAMPLE.stat().st_size < 8_000_000


def test_every_behaviour_is_in_the_sample(sample: Path) -> None:
    """Each entry's filter finds exactly the packets that were counted, and its times are their first and last."""
    behaviours = truth.read(TRUTH)
    assert len(behaviours) >= 3
    for entry in behaviours:
        times = truth.packet_times(entry, sample, slack=1e-6)
        assert len(times) == entry.packets, entry
        assert times[0] == pytest.approx(entry.start, abs=2e-6), entry
        assert times[-1] == pytest.approx(entry.end, abs=2e-6), entry


def test_sample_holds_no_foreign_address(sample: Path) -> None:
    """Every address is of the town's plan, or link-local or multicast IPv6."""
    own = [
        ipaddress.ip_network(text)
        for text in (SEGMENT, *INTERNET, SEGMENT6, INTERNET6, "fe80::/10", "ff00::/8", "::/128")
    ]
    argv = ["tshark", "-n", "-r", str(sample), "-T", "fields", "-E", "occurrence=f"]
    argv += [word for end in ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst") for word in ("-e", end)]
    seen = {ipaddress.ip_address(text) for text in subprocess.check_output(argv, text=True).split()}
    assert len(seen) > 20
    assert not {address for address in seen if not any(address in network for network in own)}


def test_compaction_keeps_times_and_lengths(sample: Path, tmp_path: Path) -> None:
    """Cutting payload leaves every packet, its time to the nanosecond, its length and its headers."""
    some, smaller = tmp_path / "some.pcapng", tmp_path / "smaller.pcapng"
    subprocess.run(["editcap", "-r", str(sample), str(some), "5000-20000"], check=True)
    packets = compact(some, smaller, whole=0)
    columns = ("frame.time_epoch", "frame.len", "ip.len", "tcp.seq_raw", "udp.length")
    before, after = (_fields(path, "", *columns) for path in (some, smaller))
    assert len(before) == packets
    assert before == after
    assert smaller.stat().st_size < some.stat().st_size


def test_plan_and_attacks_agree() -> None:
    """No two hosts share a name, address or hardware address; each attack is between hosts of the plan."""
    for values in (
        [known.name for known in EVERYONE],
        [address for known in EVERYONE for address in (*known.addresses, known.address6)],
        [known.mac for known in EVERYONE],
    ):
        assert len(values) == len(set(values))
    assert all(len(f"p-{known.name}") <= 15 for known in EVERYONE)  # IFNAMSIZ
    for entry in ATTACKS:
        assert "{" not in entry.display_filter().replace("in {", "in ")
        assert entry.at < SESSION


@pytest.mark.root
def test_smallest_town_shows_a_request_once(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("laying out network namespaces needs root")
    if missing := [program for program in NEEDED if not shutil.which(program)]:
        pytest.skip(f"the lab's programs are missing ({', '.join(missing)}); run tests/lab/install")
    capture = tmp_path / "seen.pcap"
    people = [host(name) for name in ("sato", "resolver", "upstream", "web0")]
    with Town(people) as town:
        services.start_all(town)
        recorder = town.spawn(SENSOR, "tcpdump", "-n", "-U", "-i", MIRROR, "-w", str(capture), "tcp or udp")
        deadline = time.monotonic() + 10
        while not capture.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        begin = time.monotonic()
        done = town.run("sato", "curl", "-sS", "--cacert", str(town.folder / "ca.crt"), f"https://{SITES[0].name}/")
        took = time.monotonic() - begin
        assert done.returncode == 0, done.stdout
        time.sleep(1)
        recorder.send_signal(signal.SIGINT)
        recorder.wait(10)
    lines = _fields(capture, "tcp.flags.syn == 1 && tcp.flags.ack == 0", "ip.src", "ip.dst", "tcp.dstport")
    assert lines == [f"{host('sato').address}\t{SITES[0].address}\t443"]
    assert _fields(capture, "tls.handshake.type == 1", "tls.handshake.extensions_server_name") == [SITES[0].name]
    assert took > 3 * host("web0").delay / 1000  # TCP, TLS and request each cross the long line and back
    listing = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    assert f"{PREFIX}{town.tag}" not in listing
    assert not town.folder.exists()


def _fields(capture: Path, display_filter: str, *names: str) -> list[str]:
    argv = ["tshark", "-n", "-r", str(capture), "-T", "fields"] + (["-Y", display_filter] if display_filter else [])
    argv += [word for name in names for word in ("-e", name)]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
