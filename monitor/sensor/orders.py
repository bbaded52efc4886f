"""What the main process and a worker say to each other: one JSON object a packet on a socket pair, with descriptors.

The end of the socket is the end of the other side.
"""

from __future__ import annotations

import array
import json
import socket
from collections.abc import Sequence
from typing import Any, Final

LONGEST: Final = 1 << 18
"""Bytes of a message; the settings of a large site fit many times."""
_DESCRIPTORS: Final = 8


def socket_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends that keep messages apart."""
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in pair:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * LONGEST)
    return pair


def send(end: socket.socket, order: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Raises OSError when the other side is gone."""
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    end.sendmsg([json.dumps(order).encode()], rights)


def receive(end: socket.socket, *, wait: bool) -> tuple[dict[str, Any], list[int]] | None:
    """The next message, None when there is none yet; EOFError when the other side is gone."""
    room = socket.CMSG_SPACE(_DESCRIPTORS * array.array("i").itemsize)
    try:
        text, rights, _, _ = end.recvmsg(LONGEST, room, 0 if wait else socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None
    except ConnectionError as error:
        raise EOFError from error
    if not text:
        raise EOFError
    descriptors = array.array("i")
    for level, kind, raw in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(raw[: len(raw) - len(raw) % descriptors.itemsize])
    order: dict[str, Any] = json.loads(text)
    return order, list(descriptors)
