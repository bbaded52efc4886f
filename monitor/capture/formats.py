"""Tells by a capture's first bytes which scanner reads it.

One line for each format; the formats themselves are in `pcap` and `pcapng`.
"""

from __future__ import annotations

from monitor.capture.errors import BrokenCaptureError, NotACaptureError
from monitor.capture.pcap import FILE_HEADER, PcapScanner, is_pcap
from monitor.capture.pcapng import SECTION_HEADER, PcapngScanner
from monitor.capture.scan import Scanner
from monitor.capture.windows import MappedWindow, StreamWindow


def scanner_for(window: MappedWindow | StreamWindow) -> Scanner:
    """The scanner of the capture that begins in `window`, which is moved to its first record.

    NotACaptureError if the bytes are of no known format; BrokenCaptureError if the file header is cut
    or nonsense.
    """
    head = _first(window, 4)
    if is_pcap(head):
        head = _first(window, FILE_HEADER)
        if len(head) < FILE_HEADER:
            raise BrokenCaptureError(f"the pcap file header is cut short ({len(head)} of {FILE_HEADER} bytes)")
        scanner = PcapScanner(head)
        window.at += FILE_HEADER
        return scanner
    if head == SECTION_HEADER.to_bytes(4):  # the same in both byte orders
        return PcapngScanner()
    if not head:
        raise NotACaptureError("is empty")
    raise NotACaptureError(f"is no capture that this program reads (it begins with {head!r})")


def _first(window: MappedWindow | StreamWindow, length: int) -> bytes:
    """Up to `length` bytes from the position on."""
    window.need = length
    while window.end - window.at < length and window.more():
        pass
    return window.data[window.at : min(window.at + length, window.end)].tobytes()
