"""The hunts on real captures: known scanners and beacons, backscatter, quiet networks; the truth is in labels.tsv."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.capture import open_captures
from monitor.config import Settings
from monitor.detect import Incident, find_incidents
from monitor.flows import FlowMeter, Zones
from monitor.store import Store

SCANS = [
    ("scan/nmap_syn", "port_scan", "192.168.1.10", "192.168.1.25"),
    ("scan/nmap_ack", "port_scan", "192.168.1.10", "192.168.1.25"),
    ("scan/nmap_fin", "port_scan", "192.168.1.10", "192.168.1.25"),
    ("scan/nmap_udp", "port_scan", "192.168.1.10", "192.168.1.25"),
    ("scan/nmap_ipproto", "port_scan", "192.168.1.10", "192.168.1.25"),
    ("scan/nmap_tcp_connect", "port_scan", "192.168.1.10", "192.168.1.25"),
    ("scan/synscan_64.13.134.52", "port_scan", "172.16.0.8", "64.13.134.52"),
    ("scan/forensics04_portscan", "port_scan", "10.42.42.253", None),
    ("scan/telnet_horizontal_200.125", "horizontal_scan", "200.125.200.2", None),
    ("scan/icmp_ping_sweep", "horizontal_scan", "192.168.1.109", None),
    ("c2/periodic_curl_2s", "beacon", "147.32.80.37", "141.193.213.21"),
    ("c2/empire_from_wmi_20170221", "beacon", "192.168.1.195", "192.168.1.161"),
]
QUIET = [
    "scan/backscatter_24h",
    "benign/ad_lab_20160816_44min",
    "benign/app_wechat_66min",
    "benign/iot_netatmo_24h",
    "benign/browse_badssl",
    "benign/iot_sentinel_WeMoLink",
]


def hunted(store: Store, shared_data: Path, name: str) -> list[Incident]:
    """What the hunts find in a capture."""
    (capture,) = (path for path in shared_data.glob(f"{name}*") if path.name.startswith(Path(name).name + ".pcap"))
    settings = Settings()
    meter = FlowMeter(settings.flows, zones=Zones(settings.zones, settings.home_networks))
    run = name.replace("/", ".")
    store.begin_run(run, sources=[capture.name])
    for batch in meter.records(open_captures([capture])):
        store.insert_flows(batch)
    store.publish_flows()
    return find_incidents(store, run, p_cut=0)


@pytest.mark.data
@pytest.mark.parametrize(("name", "detector", "host", "peer"), SCANS)
def test_the_right_host_is_named(
    name: str, detector: str, host: str, peer: str | None, store: Store, shared_data: Path
) -> None:
    found = hunted(store, shared_data, name)
    (right,) = (incident for incident in found if incident.detector == detector)
    assert right.host == host
    assert peer in (None, right.peer)
    assert {incident.host for incident in found} == {host}


@pytest.mark.data
@pytest.mark.parametrize("name", QUIET)
def test_a_quiet_capture_stays_quiet(name: str, store: Store, shared_data: Path) -> None:
    assert hunted(store, shared_data, name) == []
