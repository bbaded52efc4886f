"""QUIC Initial packets built by hand, with keys from `cryptography`'s HKDF, for tests of their decryption."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

VERSION_1, VERSION_2 = 1, 0x6B3343CF
SALTS = {
    VERSION_1: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
    VERSION_2: "0dede3def700a6db819381be6e269dcbf9bd2ed9",
    0xFF00001D: "afbfec289993d24c9e9786f19c6111e04390a899",
}
CONNECTION_ID = bytes.fromhex("8394c8f03e515708")  # of the examples in RFC 9001, appendix A


def varint(value: int, size: int = 0) -> bytes:
    for power, limit in ((0, 1 << 6), (1, 1 << 14), (2, 1 << 30), (3, 1 << 62)):
        if value < limit and (1 << power) >= size:
            octets = bytearray(value.to_bytes(1 << power, "big"))
            octets[0] |= power << 6
            return bytes(octets)
    raise ValueError(value)


def crypto(offset: int, octets: bytes) -> bytes:
    return b"\x06" + varint(offset) + varint(len(octets)) + octets


def expand(secret: bytes, label: str, size: int) -> bytes:
    full = b"tls13 " + label.encode()
    info = struct.pack("!HB", size, len(full)) + full + b"\0"
    return HKDFExpand(hashes.SHA256(), size, info).derive(secret)


def client_keys(version: int, connection_id: bytes) -> tuple[bytes, bytes, bytes]:
    extract = HMAC(bytes.fromhex(SALTS[version]), hashes.SHA256())
    extract.update(connection_id)
    client = expand(extract.finalize(), "client in", 32)
    prefix = "quicv2 " if version == VERSION_2 else "quic "
    return expand(client, prefix + "key", 16), expand(client, prefix + "iv", 12), expand(client, prefix + "hp", 16)


def initial(
    frames: bytes,
    number: int = 0,
    version: int = VERSION_1,
    connection_id: bytes = CONNECTION_ID,
    key_id: bytes | None = None,
    token: bytes = b"",
    number_size: int = 4,
) -> bytes:
    """A protected Initial packet of the client. `key_id`: the id that the keys are from, when it is another."""
    key, iv, header_key = client_keys(version, key_id or connection_id)
    first = 0xC0 | (0x10 if version == VERSION_2 else 0) | (number_size - 1)
    frames = frames.ljust(4, b"\0")
    header = bytes([first]) + struct.pack("!I", version) + bytes([len(connection_id)]) + connection_id + b"\0"
    header += varint(len(token)) + token + varint(number_size + len(frames) + 16, 2)
    header += number.to_bytes(number_size, "big")
    nonce = (int.from_bytes(iv, "big") ^ number).to_bytes(12, "big")
    sealed = AESGCM(key).encrypt(nonce, frames, header)
    sample = (header[-number_size:] + sealed)[4:20]
    mask = Cipher(algorithms.AES(header_key), modes.ECB()).encryptor().update(sample)
    number_part = bytes(a ^ b for a, b in zip(header[-number_size:], mask[1:], strict=False))
    return bytes([first ^ (mask[0] & 0x0F)]) + header[1:-number_size] + number_part + sealed


def spread(message: bytes, cuts: Sequence[int]) -> list[bytes]:
    """CRYPTO frames of a message cut at those offsets."""
    edges = [0, *cuts, len(message)]
    return [crypto(a, message[a:b]) for a, b in itertools.pairwise(edges)]
