from __future__ import annotations

import pytest

from monitor.flows.services import SERVICE_NAMES, SERVICES, ports, service_by_port, service_id, settle_service

TCP, UDP = 6, 17


def test_names_are_unique_and_fit_one_byte() -> None:
    assert len(set(SERVICE_NAMES)) == len(SERVICES) < 256
    assert SERVICE_NAMES[0] == "unknown"


def test_ports_text() -> None:
    assert ports("80 8000-8002") == (80, 8000, 8001, 8002)
    assert ports("") == ()


@pytest.mark.parametrize(
    ("proto", "src", "dst", "name"),
    [
        (TCP, 50000, 443, "tls"),
        (UDP, 50000, 443, "quic"),
        (TCP, 443, 50000, "tls"),
        (UDP, 53, 123, "ntp"),
        (UDP, 5353, 5353, "mdns"),
        (TCP, 50000, 50001, "unknown"),
        (1, 53, 53, "unknown"),
    ],
)
def test_port_names_the_service_responder_first(proto: int, src: int, dst: int, name: str) -> None:
    assert SERVICE_NAMES[service_by_port(proto, src, dst)] == name


@pytest.mark.parametrize(
    ("proto", "dst", "content", "ruled_out", "service", "odd"),
    [
        (TCP, 8080, "http", False, "http", False),
        (TCP, 993, "tls", False, "tls", False),
        (TCP, 443, "ssh", False, "ssh", True),
        (TCP, 22, "ssh", False, "ssh", False),
        (TCP, 40000, "ssh", False, "ssh", True),
        (TCP, 443, "unknown", True, "unknown", True),
        (TCP, 443, "unknown", False, "tls", False),
        (TCP, 40000, "unknown", True, "unknown", False),
        (UDP, 40000, "bittorrent", False, "bittorrent", False),
        (UDP, 53, "bittorrent", False, "bittorrent", True),
        (UDP, 53, "unknown", True, "unknown", True),
    ],
)
def test_content_comes_before_port(
    proto: int, dst: int, content: str, ruled_out: bool, service: str, odd: bool
) -> None:
    settled, is_odd = settle_service(proto, 50000, dst, service_id(content), ruled_out)
    assert (SERVICE_NAMES[settled], bool(is_odd)) == (service, odd)
