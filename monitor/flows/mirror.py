"""What flow records tell about the mirror that the packets came by: directions never seen, bytes lost before us.

Duplicates are told by the decoder (`duplicates`); what becomes of the numbers is up to whoever counts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.flows.packet import ACK, TCP

if TYPE_CHECKING:
    import pyarrow as pa

LASTING = 4
"""Packets from which on a TCP flow says something: a lone RST or stray segment says nothing of the mirror."""

_COLUMNS = ("src_packets", "dst_packets", "src_payload", "dst_payload", "missed_bytes", "src_flags", "dst_flags")


@dataclass(slots=True)
class Mirror:
    """Sums over TCP flows."""

    connections: int = 0
    """Flows of at least LASTING packets that carried an acknowledgement."""
    one_sided: int = 0
    """Of those, the ones of which one direction was never seen."""
    payload: int = 0
    """Bytes of payload by sequence number, seen or missed."""
    missed: int = 0
    """Of those, the ones never seen: gaps, and what was acknowledged without having been seen."""

    def add(self, records: pa.RecordBatch) -> Mirror:
        """Add flow records; gives what they alone come to."""
        tcp = records.column("proto").to_numpy() == TCP
        one = {name: records.column(name).to_numpy()[tcp] for name in _COLUMNS}
        lasting = one["src_packets"] + one["dst_packets"] >= LASTING
        spoke = (((one["src_flags"] | one["dst_flags"]) & ACK) > 0) & lasting
        alone = (one["src_packets"] == 0) | (one["dst_packets"] == 0)
        these = Mirror(
            connections=int(spoke.sum()),
            one_sided=int((spoke & alone).sum()),
            payload=int(one["src_payload"].sum()) + int(one["dst_payload"].sum()),
            missed=int(one["missed_bytes"].sum()),
        )
        self.connections += these.connections
        self.one_sided += these.one_sided
        self.payload += these.payload
        self.missed += these.missed
        return these
