"""The program by which the kernel shares packets among workers: both directions of a flow, and its fragments, to one.

The kernel's own PACKET_FANOUT_HASH counts ports in, which fragments have none of: it would tear such a flow in two. So
only the addresses count here, of the outer IP header behind up to two VLAN tags, an MPLS label or PPPoE.
"""

from __future__ import annotations

from typing import Final

from monitor.capture.packet_filter import Instructions

_LINK: Final = -0x200000  # SKF_LL_OFF: from the frame's first byte, wherever the packet's own pointer stands
_LD_W, _LD_H, _LD_B = 0x20, 0x28, 0x30  # absolute
_LD_W_X, _LD_H_X, _LD_B_X = 0x40, 0x48, 0x50  # relative to X
_LDX_IMM, _TAX, _TXA = 0x01, 0x07, 0x87
_ADD_K, _MUL_K, _RSH_K, _XOR_X, _AND_K = 0x04, 0x24, 0x74, 0xAC, 0x54
_ST, _LDX_MEM = 0x02, 0x61
_JEQ, _RET_A, _RET_K, _JA = 0x15, 0x16, 0x06, 0x05

_TAGS: Final = (0x8100, 0x88A8, 0x9100)
_DEPTH: Final = 3
"""Tags that are stepped over; the kernel took one more out of the frame already."""
_IPV4, _IPV6 = (12, 2), (8, 8)
"""Where the addresses begin in the header, and how many words the two have."""


class _Assembler:
    """Puts instructions together with jumps to labels; classic BPF jumps forward only, by less than 256."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, int, str, str]] = []
        self._labels: dict[str, int] = {}

    def add(self, code: int, value: int = 0, yes: str = "", no: str = "") -> None:
        self._lines.append((code, value & 0xFFFFFFFF, yes, no))

    def label(self, name: str) -> None:
        self._labels[name] = len(self._lines)

    def program(self) -> Instructions:
        done = []
        for at, (code, value, yes, no) in enumerate(self._lines):
            if code == _JA:
                done.append((code, 0, 0, self._labels[yes] - at - 1))
                continue
            steps = [self._labels[label] - at - 1 if label else 0 for label in (yes, no)]
            done.append((code, steps[0], steps[1], value))
        return tuple(done)


def _assembled() -> Instructions:
    asm = _Assembler()
    asm.add(_LDX_IMM, 0)  # X: bytes of tags stepped over
    for _ in range(_DEPTH):
        asm.add(_LD_H_X, _LINK + 12)
        step, on = f"step{_}", f"on{_}"
        for tag in _TAGS:
            asm.add(_JEQ, tag, step)
        asm.add(_JA, yes=on)
        asm.label(step)
        asm.add(_TXA)
        asm.add(_ADD_K, 4)
        asm.add(_TAX)
        if _ < _DEPTH - 1:
            asm.add(_JA, yes=f"next{_}")
        asm.label(on)
        if _ < _DEPTH - 1:
            asm.add(_JA, yes="typed")
            asm.label(f"next{_}")
    asm.label("typed")
    asm.add(_LD_H_X, _LINK + 12)
    asm.add(_JEQ, 0x0800, "v4")
    asm.add(_JEQ, 0x86DD, "v6")
    asm.add(_JEQ, 0x8864, "pppoe")
    asm.add(_JEQ, 0x8847, "mpls", "other")
    for name, behind, first in (("pppoe", 8, 6), ("mpls", 4, 4)):  # bytes of their header; where IP's version stands
        asm.label(name)
        if name == "pppoe":
            asm.add(_LD_H_X, _LINK + 14 + first)
            asm.add(_JEQ, 0x0021, f"{name}4")
            asm.add(_JEQ, 0x0057, f"{name}6", "other")
        else:
            asm.add(_LD_B_X, _LINK + 14 + first)
            asm.add(_AND_K, 0xF0)
            asm.add(_JEQ, 0x40, f"{name}4")
            asm.add(_JEQ, 0x60, f"{name}6", "other")
        for version in ("4", "6"):
            asm.label(name + version)
            asm.add(_TXA)
            asm.add(_ADD_K, behind)
            asm.add(_TAX)
            asm.add(_JA, yes="v" + version)
    for name, (offset, words) in (("v4", _IPV4), ("v6", _IPV6)):
        asm.label(name)
        _folded(asm, offset, words)
        asm.add(_JA, yes="mix")
    asm.label("mix")  # neighbouring addresses must not all go to one worker (Knuth's multiplicative hash)
    asm.add(_MUL_K, 0x9E3779B1)
    asm.add(_RSH_K, 16)
    asm.add(_RET_A)
    asm.label("other")
    asm.add(_RET_K, 0)
    return asm.program()


def _folded(asm: _Assembler, offset: int, words: int) -> None:
    """A: exclusive or of all words of both addresses, the same for both directions. X is the bytes stepped over."""
    at = _LINK + 14 + offset
    asm.add(_LD_W_X, at)
    for word in range(1, words):
        asm.add(_ST, 0)
        asm.add(_LD_W_X, at + 4 * word)
        asm.add(_ST, 1)
        asm.add(_TXA)
        asm.add(_ST, 2)
        asm.add(0x60, 1)  # ld M[1]
        asm.add(_LDX_MEM, 0)
        asm.add(_XOR_X)
        asm.add(_LDX_MEM, 2)


PROGRAM: Final = _assembled()
"""Gives the worker's number modulo the number of workers."""
