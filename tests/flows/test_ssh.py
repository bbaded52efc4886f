from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.flows import ssh
from monitor.flows.names import IncompleteError

BANNER = b"SSH-2.0-OpenSSH_9.6p1 Debian-3\r\n"
LISTS = [
    b"curve25519-sha256,ext-info-c",
    b"ssh-ed25519",
    b"aes128-ctr,aes256-ctr",
    b"aes256-gcm",
    b"hmac-sha2-256",
    b"hmac-sha1",
    b"none,zlib",
    b"none",
    b"",
    b"",
]


def kexinit(lists: list[bytes] = LISTS, padding: int = 6) -> bytes:
    body = b"\x14" + bytes(16) + b"".join(struct.pack("!I", len(one)) + one for one in lists) + bytes(5)
    return struct.pack("!IB", 1 + len(body) + padding, padding) + body + bytes(padding)


def test_client_banner_and_hassh() -> None:
    names = ssh.parse(BANNER + kexinit())
    assert names.ssh_client == "SSH-2.0-OpenSSH_9.6p1 Debian-3"
    expected = b"curve25519-sha256,ext-info-c;aes128-ctr,aes256-ctr;hmac-sha2-256;none,zlib"
    assert names.hassh == hashlib.md5(expected).hexdigest()


def test_server_banner() -> None:
    names = ssh.parse(BANNER, from_client=False)
    assert (names.ssh_server, names.ssh_client) == ("SSH-2.0-OpenSSH_9.6p1 Debian-3", None)


def test_shorter_payloads_are_incomplete() -> None:
    payload = BANNER + kexinit()
    for size in range(len(payload)):
        with pytest.raises(IncompleteError):
            ssh.parse(payload[:size])


def test_version_1_has_no_fingerprint() -> None:
    assert ssh.parse(b"SSH-1.5-old\n").ssh_client == "SSH-1.5-old"
    with pytest.raises(IncompleteError):
        ssh.parse(b"SSH-1.99-both\n")


def test_broken_lists_give_no_fingerprint() -> None:
    packet = bytearray(kexinit())
    packet[22:26] = b"\x7f\xff\xff\xff"
    assert ssh.parse(BANNER + bytes(packet)).hassh is None


@pytest.mark.parametrize("payload", [b"SSHX", b"SSH-2.0-" + b"x" * 600, b"\0SSH-2.0-a\r\n"])
def test_others_are_not_ssh(payload: bytes) -> None:
    with pytest.raises(ValueError, match="not ssh"):
        ssh.parse(payload)


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"SSH-2.0-x\r\n", b"SSH-2.0-x\r\n\0\0\0\x90\x04\x14"]), st.booleans()
)
def test_any_bytes_are_a_result_or_value_error(octets: bytes, first: bytes, from_client: bool) -> None:
    try:
        ssh.parse(first + octets, from_client)
    except ValueError:
        return
