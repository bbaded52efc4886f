"""Broken packets through decoder, flow table and columns, in a process whose kernels check every array access.

Run by `test_hostile`, in a process of its own with NUMBA_BOUNDSCHECK=1: an access outside an array is an IndexError.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import BROKEN_BYTES, Broken, at_random, broken_batch, from_bytes

from monitor.capture import PacketBatch, open_captures
from monitor.flows import FlowMeter
from monitor.flows.apart import call
from monitor.flows.decode import decode_batch
from monitor.flows.first_payload import TAKE
from monitor.flows.link import SUPPORTED
from monitor.flows.packet import OUTCOMES, PACKET, Outcome
from monitor.jit import kernel
from monitor.settings import FlowSettings

SETTINGS = FlowSettings(max_flows=1024, first_payload_memory=1 << 20)
EXAMPLES, PACKETS = 420, 50
"""21,000 packets of the property test in `make test`."""

LONG_RUN = 2_200_000


def test_kernels_are_checked() -> None:
    """The rest proves nothing otherwise."""
    assert os.environ["NUMBA_BOUNDSCHECK"] == "1"
    batch = broken_batch([Broken(0, (), 256, 0, 0, 0)], 0)
    meter = FlowMeter(SETTINGS)
    with pytest.raises(IndexError):
        decode_batch(
            batch.data, batch.offset, batch.captured, batch.wire, batch.time, batch.link, np.empty(0, PACKET),
            meter._fragments, meter._seen, np.zeros(OUTCOMES, np.int64), np.uint64(1), 8, 0,
        )  # fmt: skip


def test_the_naming_kernel_is_checked() -> None:
    """It is called by address; what it raises is raised in its caller."""
    meter = FlowMeter(SETTINGS)
    with pytest.raises(IndexError):
        call_step(meter._naming, TAKE, 0, 7)  # of no packets


@kernel
def call_step(naming: Any, what: int, slot: int, number: int) -> int:
    return call(naming[0], naming[1], what, slot, number)


def metered(batch: PacketBatch) -> tuple[np.ndarray, list[pa.RecordBatch]]:
    """Decoded rows and flow records of a batch; both, and the counters, must add up."""
    rows = FlowMeter(SETTINGS).decode(batch)
    meter = FlowMeter(SETTINGS)
    records = list(meter.records([batch]))
    counters = meter.counters
    good = rows[rows["outcome"] == Outcome.DECODED]
    assert counters.packets == len(batch)
    assert counters.packets == counters.decoded + sum(counters.ignored.values()) + sum(counters.dropped.values())
    assert counters.decoded == len(good)
    assert counters.flows == sum(records_.num_rows for records_ in records)
    assert counters.active == 0
    sums = {name: sum(int(np.sum(lot[name].to_numpy())) for lot in records) for name in
            ("src_packets", "dst_packets", "src_bytes", "dst_bytes")}  # fmt: skip
    assert sums["src_packets"] + sums["dst_packets"] == len(good)
    assert sums["src_bytes"] + sums["dst_bytes"] == int(good["ip_bytes"].sum(dtype=np.int64))
    return rows, records


def check(packets: list[Broken]) -> None:
    """Whatever the packets: all are accounted for, and nothing but their own captured bytes matters."""
    batch = broken_batch(packets, 0x00)
    rows, records = metered(batch)
    good = rows["outcome"] == Outcome.DECODED
    end = batch.offset + batch.captured
    assert (rows["payload"][good] >= batch.offset[good]).all()
    assert (rows["payload_cap"][good] <= rows["payload_len"][good]).all()
    inside = rows["payload"][good] + rows["payload_cap"][good]
    assert ((inside <= end[good]) | (rows["payload_cap"][good] == 0)).all()
    assert (rows["ip_bytes"][good] <= np.maximum(batch.wire, batch.captured)[good]).all()
    for filler in (0xFF, 0x45):
        others, records_again = metered(broken_batch(packets, filler))
        assert (rows["outcome"] == others["outcome"]).all()
        for name in PACKET.names or ():
            if name not in ("hash", "outcome"):  # the hash is keyed per meter
                assert (rows[name][good] == others[name][good]).all(), name
        assert records == records_again


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(min_size=PACKETS * BROKEN_BYTES, max_size=PACKETS * BROKEN_BYTES))
def test_any_packets_are_accounted(choices: bytes) -> None:
    check([from_bytes(choices[at : at + BROKEN_BYTES]) for at in range(0, len(choices), BROKEN_BYTES)])


@pytest.mark.data
def test_damaged_captures(shared_data: Path) -> None:
    """Every capture of protocols/, as it is and with its frames taken for each link type."""
    files = sorted((shared_data / "protocols").glob("*.xz"))
    assert len(files) > 100
    for path in files:
        with open_captures([path]) as reader:
            for batch in reader:
                metered(batch)
                cut = slice(0, 500)
                for link in SUPPORTED:
                    FlowMeter(SETTINGS).decode(
                        PacketBatch(batch.data, batch.offset[cut], batch.captured[cut], batch.wire[cut],
                                    batch.time[cut], np.full_like(batch.link[cut], link))
                    )  # fmt: skip


@pytest.mark.bench
def test_two_million_broken_packets() -> None:
    rng = np.random.default_rng(20261123)
    for _ in range(LONG_RUN // 20_000):
        check(at_random(rng, 20_000))
