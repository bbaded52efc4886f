"""The words of flow columns for numbers of the wire: TLS versions, DNS types and codes."""

from __future__ import annotations

VERSION_WORDS = {
    0x0002: "SSLv2",
    0x0300: "SSLv3",
    0x0301: "TLSv1.0",
    0x0302: "TLSv1.1",
    0x0303: "TLSv1.2",
    0x0304: "TLSv1.3",
    0xFEFF: "DTLSv1.0",
    0xFEFD: "DTLSv1.2",
    0xFEFC: "DTLSv1.3",
}
"""Column `tls_version` by number of the protocol."""


def version_word(number: int) -> str:
    """Column `tls_version` for a version number: a known word, a draft of TLS 1.3, else hexadecimal; 0 is empty."""
    if number == 0:
        return ""
    if number >> 8 == 0x7F:
        return "TLSv1.3"
    return VERSION_WORDS.get(number, f"0x{number:04x}")


TYPE_WORDS = {
    1: "A",
    2: "NS",
    5: "CNAME",
    6: "SOA",
    10: "NULL",
    11: "WKS",
    12: "PTR",
    13: "HINFO",
    15: "MX",
    16: "TXT",
    17: "RP",
    18: "AFSDB",
    24: "SIG",
    25: "KEY",
    28: "AAAA",
    29: "LOC",
    32: "NB",
    33: "SRV",
    35: "NAPTR",
    36: "KX",
    37: "CERT",
    39: "DNAME",
    41: "OPT",
    42: "APL",
    43: "DS",
    44: "SSHFP",
    45: "IPSECKEY",
    46: "RRSIG",
    47: "NSEC",
    48: "DNSKEY",
    49: "DHCID",
    50: "NSEC3",
    51: "NSEC3PARAM",
    52: "TLSA",
    53: "SMIMEA",
    55: "HIP",
    59: "CDS",
    60: "CDNSKEY",
    61: "OPENPGPKEY",
    62: "CSYNC",
    63: "ZONEMD",
    64: "SVCB",
    65: "HTTPS",
    99: "SPF",
    108: "EUI48",
    109: "EUI64",
    249: "TKEY",
    250: "TSIG",
    251: "IXFR",
    252: "AXFR",
    255: "ANY",
    256: "URI",
    257: "CAA",
    32768: "TA",
    32769: "DLV",
}
"""Column `dns_type` by number (IANA DNS parameters)."""

RCODE_WORDS = (
    "NOERROR",
    "FORMERR",
    "SERVFAIL",
    "NXDOMAIN",
    "NOTIMP",
    "REFUSED",
    "YXDOMAIN",
    "YXRRSET",
    "NXRRSET",
    "NOTAUTH",
    "NOTZONE",
    "DSOTYPENI",
)
"""Column `dns_rcode` by number (IANA DNS parameters)."""


def type_word(number: int) -> str:
    """Column `dns_type`: the type's mnemonic, else TYPEn (RFC 3597); 0 is empty."""
    return TYPE_WORDS.get(number, f"TYPE{number}") if number else ""


def rcode_word(number: int) -> str:
    """Column `dns_rcode`: the code's mnemonic, else RCODEn; 0xFFFF (no response seen) is empty."""
    if number == 0xFFFF:
        return ""
    return RCODE_WORDS[number] if number < len(RCODE_WORDS) else f"RCODE{number}"
