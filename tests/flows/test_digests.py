from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.flows.digests import md5, sha1, sha256

KERNELS = {"md5": md5, "sha1": sha1, "sha256": sha256}


def digest(function: Callable[..., Any], message: bytes, before: int = 0, after: int = 0) -> bytes:
    """Digest of a message that lies inside a larger buffer."""
    buf = np.frombuffer(b"\xa5" * before + message + b"\x5a" * after, np.uint8)
    out = np.zeros(32, np.uint8)
    function(buf, before, before + len(message), out)
    return out.tobytes()


@pytest.mark.parametrize("name", KERNELS)
def test_every_length_around_block_ends(name: str) -> None:
    size = hashlib.new(name).digest_size
    for length in range(200):
        message = bytes(range(256))[:length]
        assert digest(KERNELS[name], message)[:size] == hashlib.new(name, message).digest(), length


@pytest.mark.parametrize("name", KERNELS)
@given(message=st.binary(max_size=600), before=st.integers(0, 70), after=st.integers(0, 70))
def test_any_message_anywhere_in_a_buffer(name: str, message: bytes, before: int, after: int) -> None:
    size = hashlib.new(name).digest_size
    assert digest(KERNELS[name], message, before, after)[:size] == hashlib.new(name, message).digest()
