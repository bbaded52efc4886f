"""A small site's flows: ten hosts' visits, a loud one's look-ups, a beacon in ten hours of them."""

from __future__ import annotations

from typing import Any

BEACONER, PEER, LOUD = "10.0.0.66", "203.0.113.9", "10.0.0.77"


def visits(hours: int = 30) -> list[dict[str, Any]]:
    """5,000 flows over so many hours from time 0 on; 660 of the beaconer's from the tenth hour to the twentieth."""
    rows = [
        {
            "src_ip": f"10.0.0.{1 + n % 10}", "dst_ip": f"198.51.100.{n % 7}", "service": "tls", "dst_port": 443,
            "start": n * hours * 3600 / 2400, "src_port": 2000 + n, "src_payload": 300 + n * 37 % 900,
            "dst_payload": 900 + n * 91 % 5000, "duration": 0.1 + n % 13, "history": "ShADadFf",
        }
        for n in range(2400)
    ]  # fmt: skip
    rows += [
        {
            "src_ip": LOUD, "dst_ip": "10.0.0.2", "service": "dns", "proto": 17, "dst_port": 53, "start": n * 30.0,
            "src_port": 1024 + n, "src_payload": 30 + n % 9, "dst_payload": 90, "duration": 0.01,
        }
        for n in range(3000)
    ]  # fmt: skip
    for peer, every, port in ((PEER, 60.0, 3000), ("198.51.100.1", 600.0, 9000)):
        rows += [
            {"src_ip": BEACONER, "dst_ip": peer, "service": "tls", "start": 36_000 + n * every, "src_port": port + n}
            for n in range(round(36_000 / every))
        ]
    return rows
