"""Names in flow records against tshark's, on real captures: the whole collection is `python -m benchmarks.names`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.names import KINDS, Tally, judge, unpacked

CAPTURES = (
    "benign/app_youtube_quic.pcap", "benign/ad_lab_20160816_18min.pcap", "benign/dns_user_browsing.pcap",
    "benign/iot_sentinel_EdimaxCam2.pcap", "exfil/ftp_leak_filezilla_2018.pcap", "protocols/ipfixprobe_tls.pcap",
    "protocols/ipfixprobe_http.pcap", "protocols/ipfixprobe_quic_initial-sample.pcap",
    "protocols/zeek_http-qinq-0.pcap",
    "protocols/zeek_tunnels_vxlan-encapsulated-http.pcap", "protocols/suri_pppoe-session-http.pcap",
)  # fmt: skip


@pytest.mark.data
def test_tshark_finds_the_same_names(shared_data: Path, tmp_path: Path) -> None:
    """Every SNI, ALPN, DNS query and HTTP host of these captures, over TLS, QUIC and tunnels."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed; `make tools` installs it")
    tallies = {kind: Tally() for kind in KINDS}
    for name in CAPTURES:
        judge(unpacked(shared_data / f"{name}.xz", tmp_path), tallies)
    assert [example for tally in tallies.values() for example in tally.examples] == []
    assert all(tally.same > 0 for tally in tallies.values())
    assert tallies["DNS query"].same > 100
