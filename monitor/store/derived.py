"""Columns of `flows` that the others of the row give: ALIAS expressions, computed when asked for, in place of bytes.

`duration` is `end` minus `start`. A Community ID is a hash of the ends, 20 bytes that nothing compresses; it is stored,
in `community_id_other`, only where it is another than computed (as a log of Zeek's may have it). Lengths and times
between packets follow from `splt_len` and `splt_iat` where these have all packets, as for most flows; else
`shape_other` has the sixteen figures. `packing` leaves out of a batch what these expressions give back, bit by bit.

Every query over `flows` resolves all of them, so they are kept short. The skipping index of `community_id` is found by
its expression, which the analyzer must leave as it is: no IN, no BETWEEN with constants to fold, no comparison with an
empty string (tests/store/test_derived.py asks for the plan).
"""

from __future__ import annotations

from monitor.store.ddl import Column

SHAPE: tuple[str, ...] = tuple(
    f"{side}_{what}_{stat}"
    for side in ("src", "dst")
    for what in ("len", "iat")
    for stat in ("min", "mean", "std", "max")
)
"""The columns that are entries of `shape`, in its order."""

_ANSWERS = {
    1: {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17, 10: 9, 9: 10},
    58: {
        128: 129, 129: 128, 133: 134, 134: 133, 135: 136, 136: 135, 130: 131, 131: 130, 139: 140, 140: 139, 144: 145,
        145: 144,
    },
}  # fmt: skip
"""ICMP types and the type that answers them, by protocol (Community ID v1)."""

_ONE_WAY = 65535


def _community_id() -> str:
    """Community ID v1, seed 0, as in `flows.community`: `1:` and Base64 of SHA-1 over the ends in their order."""
    answers = ", ".join(
        f"proto = {proto}, transform(src_port, {list(known)}, {list(known.values())}, {_ONE_WAY})"
        for proto, known in _ANSWERS.items()
    )
    answer, icmp = f"multiIf({answers}, dst_port)", "((proto = 1) OR (proto = 58))"
    one_way = f"({icmp} AND ({answer} = {_ONE_WAY}))"
    v4 = "bitShiftRight(toUInt128(src_ip), 32) = 65535"  # then the other end is, too, or `packing` keeps the id
    src, dst = (f"substring(reinterpretAsFixedString({end}), if({v4}, 13, 1))" for end in ("src_ip", "dst_ip"))
    sport, dport = (
        f"reinterpretAsFixedString(byteSwap({port}))" for port in ("src_port", f"if({one_way}, dst_port, {answer})")
    )
    forward = f"{one_way} OR ((src_ip, src_port) <= (dst_ip, {answer}))"
    turned = f"concat({dst}, {src}, char(proto, 0), {dport}, {sport})"
    ends = f"if({forward}, concat({src}, {dst}, char(proto, 0), {sport}, {dport}), {turned})"
    length = "transform(proto, [1, 6, 17, 58, 132], [38, 38, 38, 38, 38], -4)"  # the others have no ports
    return f"concat('1:', base64Encode(SHA1(concat('\\0\\0', substring({ends}, 1, {length})))))"


def _shape() -> str:
    """The figures of `export.shape` from the lists: the same sums of whole numbers, divided and rounded alike."""
    lists = []
    for sign in (">", "<"):
        lists += [
            f"arrayMap(size -> toInt64(abs(size)), arrayFilter(size -> size {sign} 0, splt_len))",
            f"arrayPopFront(arrayDifference(arrayFilter((moment, size) -> size {sign} 0, "
            "arrayCumSum(arrayResize(splt_iat, length(splt_len))), splt_len)))",
        ]
    squares = "arraySum(value -> value * value, values) / length(values)"
    deviation = f"sqrt(greatest({squares} - arrayAvg(values) * arrayAvg(values), 0))"
    figures = ", ".join(
        f"toFloat32({figure} * unit)"
        for figure in ("arrayMin(values)", "arrayAvg(values)", deviation, "arrayMax(values)")
    )
    return (
        f"arrayFlatten(arrayMap((values, unit) -> if(empty(values), [0, 0, 0, 0], [{figures}]), "
        f"[{', '.join(lists)}], [1, 1e-6, 1, 1e-6]))"
    )


COMPUTED: dict[str, str] = {"community_id": _community_id(), "shape": _shape()}
"""What the other columns of a row say, as SQL expressions."""

OTHER: tuple[Column, ...] = (
    Column("community_id_other", "String", "community_id where the ends do not give it; else empty", "Default"),
    Column("shape_other", "Array(Float32)", "shape where splt_len and splt_iat do not give it; else empty", "Default"),
    Column(
        "shape",
        f"Array(Float32) ALIAS if(notEmpty(shape_other), shape_other, {COMPUTED['shape']})",
        f"{SHAPE[0]} … {SHAPE[-1]}",
    ),
)
"""What the tables of flows have beyond the schema: what is stored in the place of columns, and their common part."""

DERIVED: dict[str, str] = {
    "community_id": f"if(notEmpty(community_id_other), community_id_other, {COMPUTED['community_id']})",
    "duration": "(toUnixTimestamp64Micro(end) - toUnixTimestamp64Micro(start)) * 1e-6",
    **{name: f"shape[{place}]" for place, name in enumerate(SHAPE, 1)},
}
"""The ALIAS expression of each column of the schema that is not stored."""

KEEPING = (
    f"community_id_other = if(community_id = {COMPUTED['community_id']}, '', community_id), "
    f"shape_other = if([{', '.join(SHAPE)}] = {COMPUTED['shape']}, [], [{', '.join(SHAPE)}])"
)
"""Assignments of an UPDATE, of a table that has all columns, to what is to be stored."""
