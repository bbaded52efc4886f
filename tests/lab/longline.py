"""Carry frames between two interfaces with the delay of the far address: the line from the town to the Internet.

A plain script of the standard library, run inside the exchange's namespace; not every kernel has `netem`. Layout and
start are left to `town`. Usage: longline.py NEAR FAR '{"198.51.100.10": 8, ...}' (round-trip times in milliseconds).
"""

from __future__ import annotations

import heapq
import json
import random
import selectors
import socket
import sys
import time

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
IPV4 = b"\x08\x00"
IPV6 = b"\x86\xdd"


def _open(interface: str) -> socket.socket:
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    line.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
    line.bind((interface, 0))
    line.setblocking(False)
    return line


def _half_delay(frame: bytes, delays: dict[bytes, float]) -> float:
    """Seconds that this frame waits: half the round trip of its far end, by IPv4 or IPv6 address."""
    if frame[12:14] == IPV4:
        return delays.get(frame[26:30]) or delays.get(frame[30:34]) or 0.0
    if frame[12:14] == IPV6:
        return delays.get(frame[22:38]) or delays.get(frame[38:54]) or 0.0
    return 0.0


def _packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def carry(near: str, far: str, round_trips: dict[str, float]) -> None:
    """Forward for ever; frames of one direction and delay keep their order (jitter is 3 % of the delay)."""
    delays = {_packed(address): ms / 2000.0 for address, ms in round_trips.items()}
    lines = (_open(near), _open(far))
    waiting: list[tuple[float, int, int, bytes]] = []
    last: dict[tuple[int, float], float] = {}
    number = 0
    with selectors.DefaultSelector() as ready:
        for side, line in enumerate(lines):
            ready.register(line, selectors.EVENT_READ, side)
        while True:
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                _, _, side, frame = heapq.heappop(waiting)
                try:
                    lines[side].send(frame)
                except OSError as error:  # a full queue loses the frame, as a line does
                    print(f"longline: lost a frame: {error}", file=sys.stderr)
            for key, _ in ready.select(max(0.0, waiting[0][0] - now) if waiting else None):
                for _ in range(64):
                    try:
                        frame, sender = lines[key.data].recvfrom(65_535)
                    except BlockingIOError:
                        break
                    if sender[2] == socket.PACKET_OUTGOING:
                        continue
                    delay = _half_delay(frame, delays)
                    queue = (key.data, delay)
                    due = max(time.monotonic() + delay * random.uniform(1.0, 1.03), last.get(queue, 0.0))
                    last[queue] = due
                    number += 1
                    heapq.heappush(waiting, (due, number, 1 - key.data, frame))


if __name__ == "__main__":
    carry(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
