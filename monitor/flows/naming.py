"""First payload of flows read into names: the steps that the flow table calls, in the order of packets.

The table calls `step` alone, by address, so that the parsers are compiled apart from it. A flow's `names` is
-1 without any, 0 and up while they are being read (a READING and a row of NAMES), -2 and down once they are kept in
cells. Every decision hangs on the packets before it, never on a batch. When memory runs short, the flow that has been
read longest is settled with what it has; flows themselves are never touched.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.flows.apart import array_at
from monitor.flows.first_payload import CONTROL, EXPORT, READING, STREAM_BYTES, TAKE
from monitor.flows.names import DEFER, DONE, MORE, NAMES, NOT, clear
from monitor.flows.packed import forget, keep, write_kept, write_row
from monitor.flows.packet import PACKET, RST, SYN, TCP
from monitor.flows.pools import SLOT, acquire, give_back, is_empty
from monitor.flows.quic import hello
from monitor.flows.reassembly import place
from monitor.flows.recognise import feed
from monitor.flows.services import TCP_PORTS
from monitor.flows.state import FLOW, SIDE
from monitor.flows.tcp import ahead
from monitor.jit import Integer, inner, kernel
from monitor.stack import read_only

MOST_DATAGRAMS = 16
"""Datagrams of one side that are shown to the parsers."""
MOST_STRAYS = 64
"""Segments of one side that may add nothing to the beginning of its stream."""
EVERY_TIME = 16
"""Segments after each of which a parser looks again; later only when an eighth more has come, to bound the work."""


@kernel
def step(address: int, what: int, slot: int, number: int) -> int:
    """One step for the flow in row `slot`: `number` is a packet (TAKE) or an exported row (EXPORT).

    `address`: of the control row. Gives the bytes of text in the export buffer.
    """
    control = array_at(address, 1, CONTROL)[0]
    if what == TAKE:
        take(control, slot, number)
    elif what == EXPORT:
        export(control, slot, number)
    else:
        release(control, slot)
    return int(control["out_text_used"])


@inner
def take(control: Any, slot: Integer, number: Integer) -> None:
    """Read the payload of packet `number`, which its flow still wants."""
    row = array_at(control["packets"], control["packet_count"], PACKET)[number]
    flow = array_at(control["flows"], control["flow_count"], FLOW)[slot]
    sender = 0 if row["forward"] else 1
    at, size = np.int64(row["payload"]), np.int64(row["payload_cap"])
    cut = row["payload_cap"] < row["payload_len"]
    offset = np.int64(0)
    if row["proto"] == TCP:
        flags = np.int64(row["flags"])
        if flags & RST:
            return
        side = array_at(control["sides"], 2 * control["flow_count"], SIDE)[2 * slot + sender]
        offset = ahead(np.int64(row["seq"]) + (1 if flags & SYN else 0), np.int64(side["first_seq"]))
        if offset == 1 and side["seq_known"] == 1 and flow["names"] < 0:
            side["first_seq"] += np.uint32(1)  # a keep-alive's number, one too low, was taken for the beginning
            offset = np.int64(0)
        if offset < 0:
            at, size, offset = at - offset, size + offset, np.int64(0)
        if size <= 0:
            return
    if flow["names"] < 0:
        begin(control, flow, slot)
    reading = array_at(control["readings"], control["reading_pool"]["size"], READING)[np.int64(flow["names"])]
    reading["turns"][sender] += np.uint16(1)
    if cut:
        reading["cut"][sender] = 1
    data = read_only(array_at(control["data"], control["data_size"], np.uint8))
    if row["proto"] == TCP:
        segment(control, flow, slot, reading, sender, offset, data, at, size)
    else:
        status = parse(control, flow, sender, data, at, at + size)
        if status == DEFER:
            status = initials(control, flow, reading, sender, data, at, at + size)
        elif reading["stream"][sender] >= 0:
            status = np.int64(MORE)  # of QUIC, between the Initials that a ClientHello is spread over
        if status == DONE or status == NOT or reading["turns"][sender] >= MOST_DATAGRAMS:
            finish(control, flow, slot, sender, status)


@inner
def begin(control: Any, flow: Any, slot: Integer) -> None:
    """Give the flow a place to be read in; when there is none, that of the flow which has had one longest."""
    pool = control["reading_pool"]
    slots = array_at(control["reading_slots"], pool["size"], SLOT)
    if is_empty(pool):
        oldest = np.int64(slots[np.int64(pool["head"])]["owner"])
        other = array_at(control["flows"], control["flow_count"], FLOW)[oldest]
        control["hurried"] += 1
        settle(control, other, oldest)
    number = acquire(slots, pool, slot)
    flow["names"] = number
    reading = array_at(control["readings"], pool["size"], READING)[number]
    for sender in range(2):
        reading["stream"][sender] = -1
        reading["joined"][sender] = 0
        reading["high"][sender] = 0
        reading["fed"][sender] = 0
        reading["turns"][sender] = 0
        reading["cut"][sender] = 0
    reading["identity_size"] = -1
    reading["turned"] = 1 if server_spoke_first(control, flow, slot) else 0
    clear(array_at(control["names"], pool["size"], NAMES)[number], control["keep_query"])


@inner
def server_spoke_first(control: Any, flow: Any, slot: Integer) -> bool:
    """Is the initiator rather the server, by the ports: TCP that was under way when its first packet was seen?"""
    if flow["proto"] != TCP:
        return False
    sides = array_at(control["sides"], 2 * control["flow_count"], SIDE)
    if sides[2 * slot]["seq_known"] == 2 or sides[2 * slot + 1]["seq_known"] == 2:
        return False
    return bool(TCP_PORTS[np.int64(flow["port_src"])] != 0 and TCP_PORTS[np.int64(flow["port_dst"])] == 0)


@inner
def parse(control: Any, flow: Any, sender: Integer, data: Any, at: Integer, end: Integer) -> Integer:
    """Show the bytes to the parsers."""
    names = array_at(control["names"], control["reading_pool"]["size"], NAMES)[np.int64(flow["names"])]
    reading = array_at(control["readings"], control["reading_pool"]["size"], READING)[np.int64(flow["names"])]
    from_client = sender == (1 - np.int64(flow["origin"]) if reading["turned"] else np.int64(flow["origin"]))
    ports = np.int64(flow["port_src"]), np.int64(flow["port_dst"])
    return feed(data, at, end, from_client, np.int64(flow["proto"]), ports[0], ports[1], names)


@inner
def segment(
    control: Any, flow: Any, slot: Integer, reading: Any, sender: Integer, offset: Integer, data: Any, at: Integer,
    size: Integer,
) -> None:  # fmt: skip
    """A segment of a side whose first payload is not over yet."""
    fed = np.int64(reading["fed"][sender])
    if reading["stream"][sender] < 0:
        if offset == 0:  # the usual case: all that is wanted lies in the first segment
            status = parse(control, flow, sender, data, at, at + min(size, STREAM_BYTES))
            if status == DONE or status == NOT or size >= STREAM_BYTES or reading["cut"][sender]:
                finish(control, flow, slot, sender, status)
                return
            fed = size
        new_stream(control, flow, reading, sender)
    before = np.int64(reading["joined"][sender])
    if offset < STREAM_BYTES:
        stream, marks = stream_of(control, np.int64(reading["stream"][sender]))
        joined, high = place(stream, marks, before, np.int64(reading["high"][sender]), offset, data, at, size)
        reading["joined"][sender], reading["high"][sender] = joined, high
    else:
        joined = before
    reading["fed"][sender] = fed
    turns = np.int64(reading["turns"][sender])
    if joined > fed and (turns <= EVERY_TIME or joined >= fed + (fed >> 3) or joined == STREAM_BYTES):
        status = look(control, flow, reading, sender)
        if status == DONE or status == NOT or joined == STREAM_BYTES:
            finish(control, flow, slot, sender, status)
    elif joined == before and turns > MOST_STRAYS:
        finish(control, flow, slot, sender, np.int64(MORE))


@inner
def initials(control: Any, flow: Any, reading: Any, sender: Integer, data: Any, at: Integer, end: Integer) -> Integer:
    """A datagram with Initials of a QUIC client."""
    if reading["stream"][sender] < 0:
        new_stream(control, flow, reading, sender)
    names = array_at(control["names"], control["reading_pool"]["size"], NAMES)[np.int64(flow["names"])]
    stream, marks = stream_of(control, np.int64(reading["stream"][sender]))
    joined, high = np.int64(reading["joined"][sender]), np.int64(reading["high"][sender])
    status, joined, high, size = hello(
        data, at, end, reading["identity"], np.int64(reading["identity_size"]), stream, marks, joined, high, names
    )
    reading["joined"][sender] = reading["fed"][sender] = joined
    reading["high"][sender], reading["identity_size"] = high, size
    return status


@inner
def look(control: Any, flow: Any, reading: Any, sender: Integer) -> Integer:
    """Show the stream so far to the parsers."""
    stream, _ = stream_of(control, np.int64(reading["stream"][sender]))
    joined = np.int64(reading["joined"][sender])
    reading["fed"][sender] = joined
    return parse(control, flow, sender, read_only(stream), np.int64(0), joined)


@inner
def stream_of(control: Any, number: Integer) -> tuple[Any, Any]:
    """Bytes and marks of a stream."""
    stream = array_at(control["streams"] + number * STREAM_BYTES, STREAM_BYTES, np.uint8)
    return stream, array_at(control["marks"] + number * (STREAM_BYTES // 8), STREAM_BYTES // 8, np.uint8)


@inner
def new_stream(control: Any, flow: Any, reading: Any, sender: Integer) -> None:
    """Room for a side's stream; when there is none, that of the side which has had one longest, which is then over."""
    pool = control["stream_pool"]
    slots = array_at(control["stream_slots"], pool["size"], SLOT)
    if is_empty(pool):
        owner = np.int64(slots[np.int64(pool["head"])]["owner"])
        oldest, its_sender = owner >> 1, owner & 1
        reading_slots = array_at(control["reading_slots"], control["reading_pool"]["size"], SLOT)
        other_slot = np.int64(reading_slots[oldest]["owner"])
        other = array_at(control["flows"], control["flow_count"], FLOW)[other_slot]
        control["hurried"] += 1
        finish(control, other, other_slot, its_sender, np.int64(MORE))
    number = acquire(slots, pool, 2 * np.int64(flow["names"]) + sender)
    reading["stream"][sender] = number
    _, marks = stream_of(control, number)
    for i in range(STREAM_BYTES // 8):
        marks[i] = 0


@inner
def drop_stream(control: Any, reading: Any, sender: Integer) -> None:
    """Give a side's stream back, if it has one."""
    if reading["stream"][sender] >= 0:
        pool = control["stream_pool"]
        give_back(array_at(control["stream_slots"], pool["size"], SLOT), pool, np.int64(reading["stream"][sender]))
        reading["stream"][sender] = -1


@inner
def finish(control: Any, flow: Any, slot: Integer, sender: Integer, status: Integer) -> None:
    """No more is wanted of this side; with both, the flow is settled."""
    size = control["reading_pool"]["size"]
    reading = array_at(control["readings"], size, READING)[np.int64(flow["names"])]
    names = array_at(control["names"], size, NAMES)[np.int64(flow["names"])]
    drop_stream(control, reading, sender)
    flow["want"] &= np.uint8(3 - (1 << sender))
    if status == NOT and sender == np.int64(flow["origin"]) and not reading["cut"][sender] and names.service == 0:
        sides = array_at(control["sides"], 2 * control["flow_count"], SIDE)
        if flow["proto"] != TCP or sides[2 * slot + sender]["seq_known"] == 2:
            flow["ruled_out"] = 1
    if flow["want"] == 0:
        settle(control, flow, slot)


@inner
def settle(control: Any, flow: Any, slot: Integer) -> None:
    """Keep what was found, and make room for another flow."""
    last_look(control, flow)
    number = np.int64(flow["names"])
    names = array_at(control["names"], control["reading_pool"]["size"], NAMES)[number]
    flow["service"] = names.service
    flow["want"] = 0
    close(control, flow)
    first = keep(control, names)
    flow["names"] = -1 if first < 0 else -2 - first


@inner
def last_look(control: Any, flow: Any) -> None:
    """Show the parsers what came since they looked last."""
    readings = array_at(control["readings"], control["reading_pool"]["size"], READING)
    reading = readings[np.int64(flow["names"])]
    for sender in range(2):
        if reading["stream"][sender] >= 0 and reading["joined"][sender] > reading["fed"][sender]:
            look(control, flow, reading, sender)


@inner
def close(control: Any, flow: Any) -> None:
    """Give back where the flow was read."""
    pool = control["reading_pool"]
    number = np.int64(flow["names"])
    reading = array_at(control["readings"], pool["size"], READING)[number]
    drop_stream(control, reading, 0)
    drop_stream(control, reading, 1)
    give_back(array_at(control["reading_slots"], pool["size"], SLOT), pool, number)


@inner
def export(control: Any, slot: Integer, number: Integer) -> None:
    """Names of a flow beside row `number` of the export buffer; the flow keeps them."""
    flow = array_at(control["flows"], control["flow_count"], FLOW)[slot]
    out = array_at(control["out_flows"], control["out_count"], FLOW)[number]
    if flow["names"] >= 0:
        last_look(control, flow)
        names = array_at(control["names"], control["reading_pool"]["size"], NAMES)[np.int64(flow["names"])]
        out["service"] = names.service
        out["names"] = write_row(control, names)
    else:
        out["names"] = write_kept(control, -2 - np.int64(flow["names"]))


@inner
def release(control: Any, slot: Integer) -> None:
    """The flow is over."""
    flow = array_at(control["flows"], control["flow_count"], FLOW)[slot]
    if flow["names"] >= 0:
        close(control, flow)
    else:
        forget(control, -2 - np.int64(flow["names"]))
    flow["names"] = -1
