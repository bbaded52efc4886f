"""What `monitor doctor` reads in the store of the sensor's own measures: how well it heard in its latest day.

The measures are written by `diary`; the shares from which on something is wrong are those of the alert rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from monitor.measures import losses
from monitor.sensor.checks import Finding

if TYPE_CHECKING:
    from monitor.store import Store

DAY: Final = timedelta(days=1)

SHARES: Final = (
    ("kernel drops", "kernel_drops", "packets", "of packets dropped by the kernel", 0.001, "KernelDrops"),
    ("loss before us", "tcp_missed_bytes", "tcp_payload_bytes", "of TCP payload never seen", 0.01, "CaptureLoss"),
    ("one-sided", "tcp_one_sided", "tcp_connections", "of TCP connections in one direction", 0.2, "MirrorOneSided"),
    ("duplicates", "duplicate", "packets", "of packets twice", 0.6, "CaptureLoss"),
)
"""Check, part, whole, what the share is of, the most that is well, the runbook."""


def heard(store: Store, sensor: str) -> Iterator[Finding]:
    """Kernel drops, loss before us, one-sidedness, duplicates and lost flows of the sensor's latest day."""
    sql = "SELECT max(at) AS at, count() AS rows FROM sensor_health WHERE run_id = '' AND sensor = {sensor:String}"
    (latest,) = store.query(sql, {"sensor": sensor}).to_pylist()
    if not latest["rows"]:
        yield Finding("heard", "ok", f"sensor {sensor} has written nothing down yet")
        return
    until = latest["at"] + timedelta(microseconds=1)
    counts: dict[str, float] = {}
    for row in losses(store, "", until - DAY, until):
        if row["sensor"] == sensor:
            name = row["label"] if row["label"] == "duplicate" else row["measure"]
            counts[name] = counts.get(name, 0.0) + row["value"]
    said = f"{counts.get('packets', 0.0):,.0f} packets in the day until {latest['at']:%Y-%m-%d %H:%M:%S} UTC"
    yield Finding("heard", "ok", said)
    for check, part, whole, what, most, runbook in SHARES:
        share = counts.get(part, 0.0) / max(counts.get(whole, 0.0), 1.0)
        if share > most:
            yield Finding(check, "warning", f"{share:.2%} {what}", f"docs/runbooks/{runbook}.md")
        else:
            yield Finding(check, "ok", f"{share:.2%} {what}")
    if lost := counts.get("flows_lost", 0.0):
        yield Finding("flows", "warning", f"{lost:,.0f} did not reach the store", "docs/runbooks/FlowsLost.md")
