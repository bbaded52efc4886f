"""Flow records to a matrix of features, in one kernel over the columns of a batch.

Names, scales and meanings of the features are in `features`; what is done with the matrix is up to forest and reasons.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from monitor.jit import inlined, kernel
from monitor.model.features import FEATURES, index
from monitor.model.quantities import OUTCOMES

if TYPE_CHECKING:
    import pyarrow as pa

_COUNTS = ("src_packets", "dst_packets", "src_payload", "dst_payload", "missed_bytes")
_EVENTS = (
    "src_retransmits",
    "dst_retransmits",
    "src_out_of_order",
    "dst_out_of_order",
    "src_zero_windows",
    "dst_zero_windows",
)
_SHAPE = tuple(
    f"{side}_{what}" for side in ("src", "dst") for what in ("len_mean", "len_min", "len_max", "len_std")
) + tuple(f"{side}_iat_{what}" for side in ("src", "dst") for what in ("mean", "max", "std"))
_FLOATS = (*_SHAPE, "src_entropy", "dst_entropy", "rtt")

COLUMNS_READ: tuple[str, ...] = (
    *_COUNTS,
    *_EVENTS,
    *_FLOATS,
    "duration",
    "dst_port",
    "proto",
    "service_on_odd_port",
    "state",
    "splt_len",
    "splt_iat",
)
"""Columns of a flow record that the features are made of."""

_PER_FLOOR = np.array([1.0 / feature.floor if feature.floor else 0.0 for feature in FEATURES], np.float32)
_LARGEST = 1e15
"""Values beyond it (hostile or damaged input) are cut to it: finite in float32 on every scale."""

_HEADERS = 80
"""A TCP packet of at most this many IP bytes may be headers only (IPv6 with options), so it opens no message."""

_AT = {feature.name: index(feature.name) for feature in FEATURES}
_SRC_PAYLOAD, _DST_PAYLOAD = _AT["src_payload"], _AT["dst_payload"]
_SRC_PACKETS, _DST_PACKETS = _AT["src_packets"], _AT["dst_packets"]
_UPLOAD_SHARE, _DURATION, _RTT = _AT["upload_share"], _AT["duration"], _AT["rtt"]
_SRC_RATE, _DST_RATE, _PACKET_RATE = _AT["src_rate"], _AT["dst_rate"], _AT["packet_rate"]
_SRC_LEN, _DST_LEN = _AT["src_len_mean"], _AT["dst_len_mean"]
_SRC_IAT, _DST_IAT = _AT["src_iat_mean"], _AT["dst_iat_mean"]
_REQUEST_LEN, _RESPONSE_LEN = _AT["request_len"], _AT["response_len"]
_RESPONSE_DELAY, _EARLY_PAUSE, _TURNS = _AT["response_delay"], _AT["early_pause"], _AT["turns"]
_SRC_ENTROPY, _DST_ENTROPY = _AT["src_entropy"], _AT["dst_entropy"]
_OUTCOME, _RESEND, _MISSED = _AT["outcome"], _AT["resend_share"], _AT["missed_share"]
_ZERO_WINDOWS, _PORT_RANGE, _ODD_PORT = _AT["zero_windows"], _AT["port_range"], _AT["odd_port"]
_TRANSPORT = _AT["transport"]


def natural(batch: pa.RecordBatch) -> NDArray[np.float32]:
    """Features of each flow in the unit that `features` names (bytes, seconds, shares): (n, F), finite, >= 0.

    Needs the columns of `COLUMNS_READ`. Raises KeyError naming a column that is missing.
    """
    out = np.zeros((batch.num_rows, len(FEATURES)), np.float32)
    if batch.num_rows:
        lengths, lengths_at = _lists(batch, "splt_len", np.int32)
        gaps, gaps_at = _lists(batch, "splt_iat", np.uint32)
        _measure(
            tuple(_numbers(batch, name, np.uint64) for name in _COUNTS),
            tuple(_numbers(batch, name, np.uint32) for name in _EVENTS),
            tuple(_numbers(batch, name, np.float32) for name in _FLOATS),
            _numbers(batch, "duration", np.float64),
            _numbers(batch, "dst_port", np.uint16),
            _numbers(batch, "proto", np.uint8),
            _numbers(batch, "service_on_odd_port", np.uint8),
            _outcomes(batch),
            (lengths, lengths_at, gaps, gaps_at),
            out,
        )
    return out


def scaled(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features as the forests see them: log2(1 + value / floor) where the feature has a floor; (n, F), finite."""
    out = np.empty_like(values)
    _scale(values, _PER_FLOOR, out)
    return out


def _column(batch: pa.RecordBatch, name: str) -> Any:
    at = batch.schema.get_field_index(name)
    if at < 0:
        raise KeyError(f"the flow records have no column {name!r}, which the model's features need")
    return batch.column(at)


def _numbers(batch: pa.RecordBatch, name: str, dtype: type[np.generic]) -> NDArray[Any]:
    """A numeric column as a read-only array, without copying where the type is already right."""
    array = _column(batch, name).to_numpy(zero_copy_only=False)
    array = np.ascontiguousarray(array, dtype)
    array.flags.writeable = False
    return array


def _lists(batch: pa.RecordBatch, name: str, dtype: type[np.generic]) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Values of a list column, and where each row's begin and end."""
    column = _column(batch, name)
    values = np.ascontiguousarray(column.values.to_numpy(zero_copy_only=False), dtype)
    offsets = np.ascontiguousarray(column.offsets.to_numpy(zero_copy_only=False), np.int32)
    values.flags.writeable = False
    offsets.flags.writeable = False
    return values, offsets


def codes(batch: pa.RecordBatch, name: str) -> tuple[NDArray[np.int32], list[str]]:
    """A column of words as indices (n,) into the words that occur; plain strings are encoded first."""
    column = _column(batch, name)
    if not hasattr(column, "dictionary"):
        column = column.dictionary_encode()
    return np.ascontiguousarray(column.indices.to_numpy(zero_copy_only=False), np.int32), column.dictionary.to_pylist()


def _outcomes(batch: pa.RecordBatch) -> NDArray[np.uint8]:
    """Rank of each flow's connection state; an unknown word counts as seen from the middle."""
    indices, words = codes(batch, "state")
    other = OUTCOMES["OTH"][0]
    ranks = np.array([OUTCOMES.get(word, (other, ""))[0] for word in words] or [other], np.uint8)
    out = ranks[indices]
    out.flags.writeable = False
    return out


@inlined
def _positive(value: float) -> float:
    """Finite and >= 0, whatever came in."""
    if not value > 0.0:
        return 0.0
    return min(value, _LARGEST)


@inlined
def _share(part: float, rest: float, of_nothing: float) -> float:
    whole = part + rest
    return part / whole if whole > 0.0 else of_nothing


@kernel
def _volume(counts: Any, i: int, seconds: float, out: NDArray[np.float32]) -> None:
    """Volumes, ratios and rates; a flow shorter than 10 ms is given 10 ms, so that one packet has a rate at all."""
    sent, received = _positive(float(counts[2][i])), _positive(float(counts[3][i]))
    packets_sent, packets_received = _positive(float(counts[0][i])), _positive(float(counts[1][i]))
    over = max(seconds, 0.01)
    out[i, _SRC_PAYLOAD], out[i, _DST_PAYLOAD] = sent, received
    out[i, _SRC_PACKETS], out[i, _DST_PACKETS] = packets_sent, packets_received
    out[i, _UPLOAD_SHARE] = _share(sent, received, 0.5)
    out[i, _DURATION] = seconds
    out[i, _SRC_RATE], out[i, _DST_RATE] = _positive(sent / over), _positive(received / over)
    out[i, _PACKET_RATE] = _positive((packets_sent + packets_received) / over)


@kernel
def _lengths_and_timing(floats: Any, i: int, out: NDArray[np.float32]) -> None:
    """Length and inter-arrival statistics, in the order of `_FLOATS`; irregularity is std / (mean + std)."""
    for k in range(4):
        out[i, _SRC_LEN + k] = _positive(floats[k][i])
        out[i, _DST_LEN + k] = _positive(floats[4 + k][i])
    for k in range(2):
        out[i, _SRC_IAT + k] = _positive(floats[8 + k][i])
        out[i, _DST_IAT + k] = _positive(floats[11 + k][i])
    out[i, _SRC_IAT + 2] = _share(_positive(floats[10][i]), _positive(floats[8][i]), 0.0)
    out[i, _DST_IAT + 2] = _share(_positive(floats[13][i]), _positive(floats[11][i]), 0.0)
    out[i, _SRC_ENTROPY], out[i, _DST_ENTROPY] = _positive(floats[14][i]), _positive(floats[15][i])
    out[i, _RTT] = _positive(floats[16][i])


@kernel
def _opening(splt: Any, i: int, tcp: bool, out: NDArray[np.float32]) -> None:
    """What the first packets say: first message and answer, the wait between them, pauses, changes of direction."""
    lengths, lengths_at, gaps, gaps_at = splt
    first, count = lengths_at[i], lengths_at[i + 1] - lengths_at[i]
    timed = min(count, gaps_at[i + 1] - gaps_at[i])
    request = response = pause = wait = delay = 0.0
    turns = 0
    for k in range(count):
        signed = float(lengths[first + k])
        length = abs(signed)
        gap = float(gaps[gaps_at[i] + k]) * 1e-6 if k < timed else 0.0
        pause = max(pause, gap)
        wait += gap
        if k and (signed < 0.0) != (float(lengths[first + k - 1]) < 0.0):
            turns += 1
        if tcp and length <= _HEADERS:
            continue
        if signed > 0.0:
            if request == 0.0:
                request = length
            if response == 0.0:
                wait = 0.0
        elif response == 0.0:
            response = length
            delay = wait
    out[i, _REQUEST_LEN], out[i, _RESPONSE_LEN] = _positive(request), _positive(response)
    out[i, _RESPONSE_DELAY], out[i, _EARLY_PAUSE] = _positive(delay), _positive(pause)
    out[i, _TURNS] = turns / (count - 1) if count > 1 else 0.0


@kernel
def _health(counts: Any, events: Any, i: int, out: NDArray[np.float32]) -> None:
    """What went wrong on the way: sent again, out of order, never seen, window closed."""
    disorder = float(events[0][i]) + float(events[1][i]) + float(events[2][i]) + float(events[3][i])
    packets = float(counts[0][i]) + float(counts[1][i])
    out[i, _RESEND] = min(disorder / packets, 1.0) if packets > 0.0 else 0.0
    out[i, _MISSED] = _share(_positive(float(counts[4][i])), float(counts[2][i]) + float(counts[3][i]), 0.0)
    out[i, _ZERO_WINDOWS] = float(events[4][i]) + float(events[5][i])


@kernel
def _measure(
    counts: Any,
    events: Any,
    floats: Any,
    duration: NDArray[np.float64],
    port: NDArray[np.uint16],
    proto: NDArray[np.uint8],
    odd: NDArray[np.uint8],
    outcome: NDArray[np.uint8],
    splt: Any,
    out: NDArray[np.float32],
) -> None:
    """Fill `out` (n, F) with natural values; the tuples hold the columns in the order of the lists above."""
    for i in range(out.shape[0]):
        protocol = proto[i]
        _volume(counts, i, _positive(duration[i]), out)
        _lengths_and_timing(floats, i, out)
        _opening(splt, i, protocol == 6, out)
        _health(counts, events, i, out)
        out[i, _OUTCOME] = outcome[i]
        out[i, _PORT_RANGE] = 0 if port[i] < 1024 else (1 if port[i] < 49152 else 2)
        out[i, _ODD_PORT] = odd[i]
        out[i, _TRANSPORT] = 0 if protocol == 6 else (1 if protocol == 17 else (2 if protocol in (1, 58) else 3))


@kernel
def _scale(values: NDArray[np.float32], per_floor: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """log2(1 + value / floor) in single precision; 0 in `per_floor` leaves the value as it is."""
    one = np.float32(1.0)
    for i in range(values.shape[0]):
        for f in range(values.shape[1]):
            value = values[i, f]
            out[i, f] = math.log2(one + value * per_floor[f]) if per_floor[f] > 0 else value
