"""Hand-built TCP conversations and the flow records that come of them: what a test of TCP's meaning is written in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from packets import START, Packet, batch, tcp

from monitor.flows import FlowMeter
from monitor.settings import FlowSettings

CLIENT, SERVER = "10.0.0.5", "198.51.100.7"
CPORT, SPORT = 40000, 443
MS = 1000
SECOND = 1_000_000


class Talk:
    """Packets of one connection, 1 ms apart; sequence numbers are followed for the speaker, and may be overridden."""

    def __init__(self, *, isn: tuple[int, int] = (1000, 5000), start: int = START, cport: int = CPORT) -> None:
        self.packets: list[Packet] = []
        self.now = start
        self.cport = cport
        self.next = {"c": isn[0], "s": isn[1]}

    def _say(
        self, who: str, flags: str, payload: bytes, seq: int | None, ack: int | None, window: int, after: int
    ) -> Talk:
        other = "s" if who == "c" else "c"
        said = self.next[who] if seq is None else seq
        heard = (self.next[other] if ack is None else ack) if "A" in flags else 0
        ends = (CLIENT, SERVER, self.cport, SPORT) if who == "c" else (SERVER, CLIENT, SPORT, self.cport)
        self.packets.append((self.now, tcp(*ends, flags, payload, seq=said, ack=heard, window=window)))
        self.now += after
        if seq is None:
            self.next[who] = (said + len(payload) + ("S" in flags) + ("F" in flags)) % 2**32
        return self

    def c(self, flags: str = "A", payload: bytes = b"", *, seq: int | None = None, ack: int | None = None,
          window: int = 64240, after: int = MS) -> Talk:  # fmt: skip
        """The client says something."""
        return self._say("c", flags, payload, seq, ack, window, after)

    def s(self, flags: str = "A", payload: bytes = b"", *, seq: int | None = None, ack: int | None = None,
          window: int = 64240, after: int = MS) -> Talk:  # fmt: skip
        """The server says something."""
        return self._say("s", flags, payload, seq, ack, window, after)

    def shake(self) -> Talk:
        """The handshake."""
        return self.c("S").s("SA").c("A")

    def wait(self, micros: int) -> Talk:
        """Silence."""
        self.now += micros
        return self

    def lose(self, who: str, count: int) -> Talk:
        """`count` bytes are sent but not seen by us."""
        self.next[who] = (self.next[who] + count) % 2**32
        return self


def flows(packets: Iterable[Packet] | Talk, **settings: Any) -> list[dict[str, Any]]:
    """Flow records as dictionaries, by start; duplicates are not looked for unless asked."""
    rows = packets.packets if isinstance(packets, Talk) else packets
    meter = FlowMeter(FlowSettings(**({"dedup": False} | settings)))
    found = [flow for records in meter.records([batch(rows)]) for flow in records.to_pylist()]
    return sorted(found, key=lambda flow: (flow["start"], flow["part"]))


def only(packets: Iterable[Packet] | Talk, **settings: Any) -> dict[str, Any]:
    """The one flow record of the packets."""
    (flow,) = flows(packets, **settings)
    return flow
