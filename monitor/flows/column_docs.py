"""docs/flows.md: every flow column with its meaning, unit, how it is computed, and what Zeek and IPFIX call it.

    python -m monitor.flows.column_docs > docs/flows.md

Names, units and meanings are those of `schema`; only how a column comes about is said here.
"""

from __future__ import annotations

from itertools import groupby

from monitor.flows.schema import COLUMNS, Column

_LEN = "over the IP lengths of this side's packets, padding left out; standard deviation of the population"
_IAT = "over the times between this side's packets, in capture order, never below 0; 0 with fewer than two packets"
_SEQUENCE = "TCP: bytes of sequence space, each once, gaps included, modulo 2³²; else bytes of payload by the headers"
_FLAGS = "the flag bytes of this side's segments, or-ed"
_FIRST_PAYLOAD = "from the first 8 KiB of each side, put together by sequence number"
_HTTP = f"{_FIRST_PAYLOAD}; the first request or response of a connection"
_DNS = "from the first question seen and the answer with its number, over UDP or TCP; also mDNS and LLMNR"

HOW: dict[str, str] = {
    "sensor": "setting `sensor`",
    "run_id": "hash of the captures' content, or `--run-id`",
    "flow_id": "64-bit hash of the key (both addresses, ports, protocol) and the time of the first packet; the same in "
    "all parts and all runs",
    "part": "counts up when a flow has lasted for the setting `flows.active`",
    "community_id": "Base64 of SHA-1 over seed, addresses, protocol and ports, the smaller end first (Community ID v1)",
    "start": "event time of the first packet of this part",
    "end": "latest event time of this part's packets",
    "duration": "`end` − `start`",
    "src_ip": "sender of the first SYN, else of the first packet; the receiver of a SYN-ACK that comes first",
    "dst_ip": "the other end",
    "src_port": "as on the wire; 0 for fragments without a first one",
    "dst_port": "as on the wire; 0 for fragments without a first one",
    "proto": "of the innermost IP packet, behind extension headers",
    "vlan": "12-bit VLAN id",
    "tunnel": "words of docs/decoding.md, joined by /; of the first packet",
    "src_zone": "longest network of `zones` that holds the address, else `home` or `internet`",
    "dst_zone": "longest network of `zones` that holds the address, else `home` or `internet`",
    "direction": "whether each end is in RFC 1918, ULA or `home_networks`",
    "src_packets": "duplicates of a mirror left out",
    "dst_packets": "duplicates of a mirror left out",
    "src_bytes": "IP total length, cut to what was on the wire",
    "dst_bytes": "IP total length, cut to what was on the wire",
    "src_payload": _SEQUENCE,
    "dst_payload": _SEQUENCE,
    "state": "from the two ends' states, by Zeek's table; UDP: S0 unanswered, SF answered; else OTH",
    "history": "letters s h a d f r c g t w i q ^ as in Zeek; t, g and w again at their 10th, 100th … time",
    "src_flags": _FLAGS,
    "dst_flags": _FLAGS,
    "src_retransmits": "segments whose payload, SYN or FIN was seen before; keep-alive probes are none",
    "dst_retransmits": "segments whose payload, SYN or FIN was seen before; keep-alive probes are none",
    "src_out_of_order": "segments that filled a hole in the sequence space",
    "dst_out_of_order": "segments that filled a hole in the sequence space",
    "src_zero_windows": "segments without SYN and RST whose window is 0",
    "dst_zero_windows": "segments without SYN and RST whose window is 0",
    "missed_bytes": "holes in both sequence spaces, and what was acknowledged without having been seen",
    "rtt": "time from the initiator's last SYN to its first ACK after the SYN-ACK",
    "end_reason": "IPFIX flowEndReason (RFC 5102, 5.11.3)",
    "splt_len": "IP length with the sign of the direction",
    "splt_iat": "time since the packet before, of either side; the first is 0",
    "src_entropy": "over the first 256 bytes of the side's first packet with payload",
    "dst_entropy": "over the first 256 bytes of the side's first packet with payload",
    "service": f"{_FIRST_PAYLOAD}: signatures of some sixty protocols; else the owner of the responder's port",
    "service_on_odd_port": "content known, and neither port is usual for it; or a port whose service always shows in "
    "its first bytes, and these were something else",
    "server_name": f"{_FIRST_PAYLOAD}, or decrypted QUIC Initials: SNI; HTTP: target's host, else Host, without port; "
    "behind an ECH the outer name",
    "alpn": "server's choice if it is in the clear, else the first that the client offers and that is no GREASE",
    "tls_version": "of the ServerHello with supported_versions, else the best that the ClientHello offers",
    "cert_names": "common name and DNS names, at most 16, of the server's first certificate, sent in the clear",
    "ja4": "JA4 of the ClientHello (FoxIO, BSD part): t TCP, q QUIC, d DTLS",
    "http_method": _HTTP,
    "http_uri": f"{_HTTP}; path, or host and port of CONNECT; without credentials and, unless `keep_query`, query",
    "http_status": f"{_HTTP}, interim ones (1xx) left out",
    "user_agent": _HTTP,
    "dns_query": _DNS,
    "dns_type": f"{_DNS}; IANA's mnemonic, else TYPEn",
    "dns_rcode": f"{_DNS}; IANA's mnemonic; empty: no answer seen",
    "dns_answers": f"{_DNS}; addresses and names as text, other types as in RFC 3597",
    "dns_ttl": f"{_DNS}; 0 without answers",
    "ssh_client": f"{_FIRST_PAYLOAD}: first line that begins with SSH-",
    "ssh_server": f"{_FIRST_PAYLOAD}: first line that begins with SSH-",
    "hassh": "MD5 of the client's key exchange, cipher, MAC and compression lists (Salesforce HASSH)",
    "icmp_type": "of the first packet",
    "icmp_code": "of the first packet",
    "model_version": "name of the artefact",
    "score": "isolation forest of the flow's service class",
    "p_value": "conformal: against the scores of calibration flows; below 1/n from a fitted tail",
    "reasons": "features by what they add to the score, with the usual range",
    **{
        f"{side}_{what}_{stat}": how
        for side in ("src", "dst")
        for what, how in (("len", _LEN), ("iat", _IAT))
        for stat in ("min", "mean", "std", "max")
    },
}
"""How each column is computed."""

_HEAD = """\
# Flow records

<!-- Written by `make docs` from monitor/flows/schema.py and column_docs.py: change those. -->

A flow is bidirectional: `src` is the initiator, `dst` the responder. Times are event time. What is not known is empty
or 0; no column is ever null. A name under Zeek is a field of conn.log, ssl.log, dns.log, http.log or ssh.log; one under
IPFIX is an information element (RFC 7012 and its successors).
"""


def markdown() -> str:
    """The whole document."""
    parts = [_HEAD]
    for group, columns in groupby(COLUMNS, key=lambda column: column.group):
        parts.append(f"\n## {'TCP' if group == 'tcp' else group.capitalize()}\n\n")
        parts.append(
            "| column | type | unit | meaning | how it is computed | Zeek | IPFIX |\n|---|---|---|---|---|---|---|\n"
        )
        parts.extend(_row(column) for column in columns)
    return "".join(parts)


def _row(column: Column) -> str:
    cells = (
        f"`{column.name}`", column.clickhouse, column.unit, column.meaning, HOW[column.name], column.zeek, column.ipfix,
    )  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    print(markdown(), end="")
