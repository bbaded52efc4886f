"""The one table of flow columns: name, NumPy dtype, ClickHouse type and codec, unit, meaning, Zeek and IPFIX names.

Everything that knows columns (DDL, Arrow schema, docs, command output, features) is derived from `COLUMNS`; a column
is added here in one line and filled by the stage named by its group. Values only; how they are measured is elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["u8", "u16", "u32", "u64", "f4", "f8", "time", "ip", "text", "word", "words", "i32s", "u32s", "bool"]
"""What a column holds; `text` is free text, `word` comes from a small set (dictionary encoded), `words` is a list."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a flow record."""

    name: str
    group: str
    kind: Kind
    unit: str
    meaning: str
    zeek: str = ""
    ipfix: str = ""
    codec: str = ""

    @property
    def clickhouse(self) -> str:
        """ClickHouse type."""
        return _CLICKHOUSE[self.kind]

    @property
    def compression(self) -> str:
        """ClickHouse codec list, without the keyword."""
        return self.codec or _CODECS[self.kind]

    @property
    def arrow(self) -> pa.DataType:
        """Arrow type between stages; addresses are 16 bytes, IPv4 mapped."""
        return _arrow_types()[self.kind]


_CLICKHOUSE: dict[str, str] = {
    "u8": "UInt8",
    "u16": "UInt16",
    "u32": "UInt32",
    "u64": "UInt64",
    "f4": "Float32",
    "f8": "Float64",
    "time": "DateTime64(6, 'UTC')",
    "ip": "IPv6",
    "text": "String",
    "word": "LowCardinality(String)",
    "words": "Array(String)",
    "i32s": "Array(Int32)",
    "u32s": "Array(UInt32)",
    "bool": "Bool",
}

_CODECS: dict[str, str] = {
    "u8": "ZSTD(1)",
    "u16": "ZSTD(1)",
    "u32": "T64, ZSTD(1)",
    "u64": "T64, ZSTD(1)",
    "f4": "ZSTD(1)",
    "f8": "ZSTD(1)",
    "time": "T64, ZSTD(1)",
    "ip": "ZSTD(1)",
    "text": "ZSTD(3)",
    "word": "ZSTD(1)",
    "words": "ZSTD(3)",
    "i32s": "ZSTD(3)",
    "u32s": "T64, ZSTD(3)",
    "bool": "ZSTD(1)",
}


@cache
def _arrow_types() -> dict[str, pa.DataType]:
    import pyarrow as pa

    return {
        "u8": pa.uint8(),
        "u16": pa.uint16(),
        "u32": pa.uint32(),
        "u64": pa.uint64(),
        "f4": pa.float32(),
        "f8": pa.float64(),
        "time": pa.timestamp("us", tz="UTC"),
        "ip": pa.binary(16),
        "text": pa.string(),
        "word": pa.dictionary(pa.int32(), pa.string()),
        "words": pa.list_(pa.string()),
        "i32s": pa.list_(pa.int32()),
        "u32s": pa.list_(pa.uint32()),
        "bool": pa.bool_(),
    }


def _shape(side: str, who: str) -> tuple[Column, ...]:
    """Packet length and inter-arrival statistics of one direction."""
    return tuple(
        Column(f"{side}_{what}_{stat}", "shape", "f4", unit, f"{word} {meaning} {who}")
        for what, unit, meaning in (
            ("len", "byte", "IP packet length of packets sent by the"),
            ("iat", "s", "time between successive packets sent by the"),
        )
        for stat, word in (("min", "smallest"), ("mean", "mean"), ("std", "standard deviation of"), ("max", "largest"))
    )


COLUMNS: tuple[Column, ...] = (
    Column(
        "sensor", "identity", "word", "", "name of the sensor that saw the flow", "_system_name", "observationPointId"
    ),
    Column("run_id", "identity", "word", "", "replay that made the row; empty for live traffic"),
    Column("flow_id", "identity", "u64", "", "stable hash of the flow's key and start", "uid", "flowId", "ZSTD(1)"),
    Column("part", "identity", "u32", "", "0, 1, … for a long flow reported in parts"),
    Column("community_id", "identity", "text", "", "Community ID v1, seed 0", "community_id", "", "ZSTD(1)"),
    Column("start", "time", "time", "µs UTC", "time of the first packet", "ts", "flowStartMicroseconds"),
    Column("end", "time", "time", "µs UTC", "time of the last packet", "", "flowEndMicroseconds"),
    Column("duration", "time", "f8", "s", "end minus start", "duration", "flowDurationMicroseconds"),
    Column("src_ip", "endpoints", "ip", "", "initiator's address (IPv4 mapped)", "id.orig_h", "sourceIPv6Address"),
    Column("dst_ip", "endpoints", "ip", "", "responder's address (IPv4 mapped)", "id.resp_h", "destinationIPv6Address"),
    Column("src_port", "endpoints", "u16", "", "initiator's port; ICMP: type", "id.orig_p", "sourceTransportPort"),
    Column("dst_port", "endpoints", "u16", "", "responder's port; ICMP: code", "id.resp_p", "destinationTransportPort"),
    Column("proto", "endpoints", "u8", "", "IP protocol number", "proto", "protocolIdentifier"),
    Column("vlan", "endpoints", "u16", "", "outermost VLAN of the first packet; 0 without a tag", "vlan", "vlanId"),
    Column("tunnel", "endpoints", "word", "", "encapsulations, outermost first, such as gre/erspan2", "tunnel_parents"),
    Column("src_zone", "zones", "word", "", "zone of the initiator's address"),
    Column("dst_zone", "zones", "word", "", "zone of the responder's address"),
    Column("direction", "zones", "word", "", "outbound, inbound, internal, external, by home network", "local_orig"),
    Column("src_packets", "volume", "u64", "packet", "packets sent by the initiator", "orig_pkts", "packetDeltaCount"),
    Column("dst_packets", "volume", "u64", "packet", "packets sent by the responder", "resp_pkts", "packetDeltaCount"),
    Column("src_bytes", "volume", "u64", "byte", "IP bytes sent by the initiator", "orig_ip_bytes", "octetDeltaCount"),
    Column("dst_bytes", "volume", "u64", "byte", "IP bytes sent by the responder", "resp_ip_bytes", "octetDeltaCount"),
    Column("src_payload", "volume", "u64", "byte", "payload sent by the initiator; TCP: by sequence", "orig_bytes"),
    Column("dst_payload", "volume", "u64", "byte", "payload sent by the responder; TCP: by sequence", "resp_bytes"),
    Column("state", "tcp", "word", "", "connection state, Zeek's words", "conn_state"),
    Column("history", "tcp", "text", "", "events in order, Zeek's letters; upper case: initiator", "history"),
    Column("src_flags", "tcp", "u8", "", "TCP flags seen from the initiator, or-ed", "", "tcpControlBits"),
    Column("dst_flags", "tcp", "u8", "", "TCP flags seen from the responder, or-ed", "", "tcpControlBits"),
    Column("src_retransmits", "tcp", "u32", "packet", "segments sent again by the initiator"),
    Column("dst_retransmits", "tcp", "u32", "packet", "segments sent again by the responder"),
    Column("src_out_of_order", "tcp", "u32", "packet", "segments of the initiator that filled an earlier gap"),
    Column("dst_out_of_order", "tcp", "u32", "packet", "segments of the responder that filled an earlier gap"),
    Column("src_zero_windows", "tcp", "u32", "packet", "segments in which the initiator closed its window"),
    Column("dst_zero_windows", "tcp", "u32", "packet", "segments in which the responder closed its window"),
    Column(
        "missed_bytes", "tcp", "u64", "byte", "payload that was sent but never seen, both directions", "missed_bytes"
    ),
    Column("rtt", "tcp", "f4", "s", "SYN to the ACK that ends the handshake; 0: not seen", "", "tcpHandshakeRtt"),
    Column(
        "end_reason", "tcp", "u8", "", "1 idle, 2 active timeout, 3 end seen, 4 forced, 5 evicted", "", "flowEndReason"
    ),
    *_shape("src", "initiator"),
    *_shape("dst", "responder"),
    Column("splt_len", "shape", "i32s", "byte", "IP length of the first 16 packets; negative: sent by the responder"),
    Column("splt_iat", "shape", "u32s", "µs", "time since the packet before it, for the packets of splt_len"),
    Column("src_entropy", "shape", "f4", "bit/byte", "Shannon entropy of the initiator's first payload; 0: none"),
    Column("dst_entropy", "shape", "f4", "bit/byte", "Shannon entropy of the responder's first payload; 0: none"),
    Column(
        "service",
        "service",
        "word",
        "",
        "application protocol, by content first, port second",
        "service",
        "applicationName",
    ),
    Column("service_on_odd_port", "service", "bool", "", "content and port disagree about the service"),
    Column("server_name", "service", "text", "", "TLS or QUIC SNI, HTTP host", "server_name", "httpRequestHost"),
    Column("alpn", "service", "word", "", "application protocol chosen, else first offered", "next_protocol"),
    Column("tls_version", "service", "word", "", "TLS version agreed, else best offered", "version"),
    Column("cert_names", "service", "words", "", "names in the server's certificate (TLS 1.2 and before)", "san.dns"),
    Column("ja4", "service", "word", "", "JA4 fingerprint of the TLS client", "ja4"),
    Column("http_method", "service", "word", "", "method of the first request", "method", "httpRequestMethod"),
    Column("http_uri", "service", "text", "", "target of the first request, without query", "uri", "httpRequestTarget"),
    Column(
        "http_status", "service", "u16", "", "status of the first response; 0: none", "status_code", "httpStatusCode"
    ),
    Column("user_agent", "service", "text", "", "User-Agent of the first request", "user_agent", "httpUserAgent"),
    Column("dns_query", "service", "text", "", "name asked for first", "query"),
    Column("dns_type", "service", "word", "", "type asked for", "qtype_name"),
    Column("dns_rcode", "service", "word", "", "answer's code", "rcode_name"),
    Column("dns_answers", "service", "words", "", "answers, at most 16", "answers"),
    Column("dns_ttl", "service", "u32", "s", "lowest time to live among the answers", "TTLs"),
    Column("ssh_client", "service", "text", "", "client's version banner", "client"),
    Column("ssh_server", "service", "text", "", "server's version banner", "server"),
    Column("hassh", "service", "word", "", "HASSH fingerprint of the SSH client", "hassh"),
    Column("icmp_type", "service", "u8", "", "type of the first ICMP message", "id.orig_p", "icmpTypeIPv4"),
    Column("icmp_code", "service", "u8", "", "code of the first ICMP message", "id.resp_p", "icmpCodeIPv4"),
    Column("model_version", "score", "word", "", "model that scored the flow; empty: none"),
    Column("score", "score", "f4", "", "anomaly score, 0–1, higher is stranger; 0: not scored"),
    Column("p_value", "score", "f8", "", "share of usual flows of the service at least as strange; 1: not scored"),
    Column("reasons", "score", "words", "", "features that made the score high, strongest first"),
)
"""Every column, in the order of output."""

SPLT = 16
"""Packets that `splt_len` and `splt_iat` describe."""

NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)


def column(name: str) -> Column:
    """The column of that name. Raises KeyError."""
    return _by_name()[name]


@cache
def _by_name() -> dict[str, Column]:
    return {entry.name: entry for entry in COLUMNS}


@cache
def arrow_schema() -> pa.Schema:
    """Arrow schema of a batch of flow records between stages, one field a column, none nullable."""
    import pyarrow as pa

    return pa.schema([pa.field(entry.name, entry.arrow, nullable=False) for entry in COLUMNS])
