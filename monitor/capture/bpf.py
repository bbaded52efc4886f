"""Packet filters in the words of tcpdump (pcap-filter(7)): libpcap compiles them, a kernel runs them over a batch.

The machine is the classic BPF (McCanne and Jacobson, USENIX 1993). libpcap is loaded when a filter is used, and only
then has to be installed.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import threading
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.capture.byteorder import u16, u32
from monitor.capture.packets import PacketBatch
from monitor.jit import Integer, kernel
from monitor.stack import stack_i64

_SNAPLEN: Final = 262_144
_ANY_NETMASK: Final = 0xFFFFFFFF
_DLT_OF_LINK: Final = {101: 12}
"""Link types whose number in a file is another than in libpcap on Linux (raw IP)."""
_MEMORY: Final = 16
"""Words of scratch memory (BPF_MEMWORDS)."""


class FilterError(ValueError):
    """The filter cannot be compiled: what libpcap says of it, or that there is no libpcap."""


class PacketFilter:
    """One filter expression, compiled for each link type that comes."""

    def __init__(self, expression: str) -> None:
        """Raises FilterError when it is no filter; whether a link type can do it shows when one comes."""
        self._expression = expression
        self._library = _libpcap()
        self._programs: dict[int, NDArray[np.int64]] = {}
        self._compiling = threading.Lock()  # libpcap's compiler was not made for threads until 1.8
        self.program(1)

    def matches(self, batch: PacketBatch) -> NDArray[np.bool_]:
        """Whether each packet of the batch passes. Raises FilterError."""
        passed = np.zeros(len(batch), np.bool_)
        others = np.arange(len(batch))
        while len(others):
            link = batch.link[others[0]]
            _run(
                self.program(int(link)), batch.data, batch.offset, batch.captured, batch.wire, batch.link, link, passed
            )
            others = others[batch.link[others] != link]
        return passed

    def program(self, link: int) -> NDArray[np.int64]:
        """Instructions for a link type, (n, 4): code, jump if true, jump if false, constant. Raises FilterError."""
        with self._compiling:
            if link not in self._programs:
                self._programs[link] = self._compiled(link)
            return self._programs[link]

    def _compiled(self, link: int) -> NDArray[np.int64]:
        library = self._library
        handle = library.pcap_open_dead(_DLT_OF_LINK.get(link, link), _SNAPLEN)
        if not handle:
            raise FilterError("libpcap gives no handle to compile a filter with")
        try:
            program = _Program()
            if library.pcap_compile(handle, ctypes.byref(program), self._expression.encode(), 1, _ANY_NETMASK):
                said = library.pcap_geterr(handle).decode(errors="replace")
                where = "" if link == 1 else f" (for link type {link})"
                raise FilterError(f"{said}{where}; the words are those of pcap-filter(7), such as `host 10.0.0.1`")
            try:
                code = [program.code[n] for n in range(program.length)]
                return np.array([(one.code, one.jt, one.jf, one.k) for one in code], np.int64).reshape(-1, 4)
            finally:
                library.pcap_freecode(ctypes.byref(program))
        finally:
            library.pcap_close(handle)


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint), ("code", ctypes.POINTER(_Instruction)))


def _libpcap() -> Any:
    for name in ("libpcap.so.0.8", "libpcap.so.1", ctypes.util.find_library("pcap")):
        try:
            library = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if library is not None:
            library.pcap_open_dead.restype = ctypes.c_void_p
            library.pcap_open_dead.argtypes = (ctypes.c_int, ctypes.c_int)
            library.pcap_compile.argtypes = (
                ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint32,
            )  # fmt: skip
            library.pcap_geterr.restype = ctypes.c_char_p
            library.pcap_geterr.argtypes = (ctypes.c_void_p,)
            library.pcap_freecode.argtypes = (ctypes.c_void_p,)
            library.pcap_close.argtypes = (ctypes.c_void_p,)
            return library
    raise FilterError("filters are compiled by libpcap, which is not installed (Debian: apt install libpcap0.8)")


@kernel
def _run(
    program: Any, data: Any, offset: Any, captured: Any, wire: Any, link: Any, wanted: Integer, passed: Any
) -> None:
    """Set `passed` for the packets of link type `wanted` that the program accepts."""
    memory = stack_i64(_MEMORY)
    memory[:] = 0
    for n in range(len(offset)):
        if link[n] == wanted:
            passed[n] = _accepts(program, data, offset[n], np.int64(captured[n]), np.int64(wire[n]), memory)


@kernel
def _load(data: Any, at: Integer, place: Integer, size: Integer, captured: Integer) -> Integer:
    """`size` bytes at `place` of the packet, big endian; -1 when the packet has them not."""
    if place < 0 or place + size > captured:
        return -1
    if size == 4:
        return u32(data, at + place, True)
    if size == 2:
        return u16(data, at + place, True)
    return np.int64(data[np.uint64(at + place)])


@kernel
def _calculated(operation: Integer, a: Integer, b: Integer) -> Integer:
    """32-bit arithmetic of the accumulator; -1: division by zero, which ends the program."""
    if operation == 0x00:
        value = a + b
    elif operation == 0x10:
        value = a - b
    elif operation == 0x20:
        value = np.int64(np.uint64(a) * np.uint64(b) & np.uint64(0xFFFFFFFF))
    elif operation == 0x30:
        value = a // b if b else np.int64(-1)
    elif operation == 0x40:
        value = a | b
    elif operation == 0x50:
        value = a & b
    elif operation == 0x60:
        value = a << b if b < 32 else np.int64(0)
    elif operation == 0x70:
        value = a >> b if b < 32 else np.int64(0)
    elif operation == 0x80:
        value = -a
    elif operation == 0x90:
        value = a % b if b else np.int64(-1)
    else:
        value = a ^ b
    if (operation == 0x30 or operation == 0x90) and b == 0:
        return -1
    return value & 0xFFFFFFFF


@kernel
def _holds(test: Integer, a: Integer, b: Integer) -> Any:
    """A conditional jump's test."""
    if test == 0x10:
        return a == b
    if test == 0x20:
        return a > b
    if test == 0x30:
        return a >= b
    return a & b != 0


@kernel
def _accepts(program: Any, data: Any, at: Integer, captured: Integer, wire: Integer, memory: Any) -> Any:
    """Run the program over one packet. It ends: jumps go forward only; it reads within the captured bytes only."""
    a, x, pc = np.int64(0), np.int64(0), 0
    while pc < len(program):
        code, k = program[pc, 0], program[pc, 3]
        kind, mode, operand = code & 7, code & 0xE0, x if code & 8 else k
        if kind == 6:  # RET
            return (a if code & 0x18 == 0x10 else k) != 0
        if kind == 5:  # JMP
            if code & 0xF0 == 0:
                pc += k
            else:
                pc += program[pc, 1] if _holds(code & 0xF0, a, operand) else program[pc, 2]
        elif kind == 4:  # ALU
            a = _calculated(code & 0xF0, a, operand)
            if a < 0:
                return False
        elif kind == 7:  # MISC
            if code & 0x80:
                a = x
            else:
                x = a
        elif kind == 2 or kind == 3:  # ST, STX
            memory[k & (_MEMORY - 1)] = a if kind == 2 else x
        else:  # LD, LDX
            size = 4 if code & 0x18 == 0 else 2 if code & 0x18 == 0x08 else 1
            if mode == 0x00:
                value = k
            elif mode == 0x20:
                value = _load(data, at, k, size, captured)
            elif mode == 0x40:
                value = _load(data, at, x + k, size, captured)
            elif mode == 0x60:
                value = memory[k & (_MEMORY - 1)]
            elif mode == 0x80:
                value = wire
            else:  # MSH: four times the low nibble, for the length of an IPv4 header
                value = _load(data, at, k, 1, captured)
                if value >= 0:
                    value = (value & 0x0F) * 4
            if value < 0:
                return False
            if kind == 0:
                a = value
            else:
                x = value
        pc += 1
    return False
