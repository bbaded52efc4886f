"""All hunts over a day of flows: seconds and peak memory in the embedded engine, each hunt timed, growth with flows.

    python -m benchmarks.hunts [--flows 1000000,10000000] [--each]

The flows are made by the engine itself: 1,000 hosts, 24 hours, services and names as an office has them, with a few
scans, beacons and tunnels among them. Each size has a process and a store of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta

from benchmarks.table import Row, against
from monitor.detect import find_incidents, load_hunts
from monitor.store import Store, open_store

SIZES = (1_000_000, 10_000_000, 30_000_000)
DAY = datetime(2026, 11, 2, tzinfo=UTC)
RUN = "benchmark"
BLOCK = 1_000_000
"""Flows of one INSERT."""

MADE = """
INSERT INTO flows (sensor, run_id, flow_id, community_id, start, end, duration, src_ip, dst_ip, src_port, dst_port, proto,
  direction, src_packets, dst_packets, src_bytes, dst_bytes, src_payload, dst_payload, state, history, src_flags, dst_flags,
  service, server_name, ja4, dns_query, dns_type, dns_rcode, src_iat_max, splt_iat, splt_len)
WITH
  cityHash64(number, 1) AS h, cityHash64(number, 2) AS g, h % 1000 AS who, bitShiftRight(h, 10) % 100 AS kind,
  kind < 45 AS is_dns, kind >= 45 AND kind < 82 AS is_tls, kind >= 82 AND kind < 88 AS is_quic, kind >= 88 AND kind < 94 AS is_http,
  kind >= 94 AND kind < 97 AS is_internal, kind >= 97 AS is_inbound,
  toUInt32(pow((g % 1000003) / 1000003, 3) * 40000) AS site,
  toUInt32({begin:Int64} / 1000000) AS base, bitShiftRight(h, 20) % 86400000000 AS offset,
  toIPv6(concat('::ffff:10.20.', toString(intDiv(who, 250)), '.', toString(who % 250 + 1))) AS inside,
  toIPv6(concat('::ffff:', toString(11 + site % 100), '.', toString(intDiv(site, 100) % 250), '.', toString(intDiv(site, 25000)), '.', toString(site % 250 + 1))) AS outside,
  bitShiftRight(g, 20) % 97 = 0 AS failed, 500 + bitShiftRight(g, 8) % 3000 AS up, 800 + bitShiftRight(g, 16) % 60000 AS down
SELECT
  'sensor', {run:String}, number + {first:UInt64}, '1:AAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  fromUnixTimestamp64Micro({begin:Int64} + offset, 'UTC') AS s, s + toIntervalMillisecond(bitShiftRight(g, 24) % 20000),
  (bitShiftRight(g, 24) % 20000) / 1000, if(is_inbound, outside, inside),
  multiIf(is_dns, toIPv6('::ffff:10.20.9.53'), is_internal, toIPv6(concat('::ffff:10.20.9.', toString(site % 9 + 1))), is_inbound, toIPv6('::ffff:10.20.9.80'), outside),
  32768 + bitShiftRight(g, 30) % 28000, multiIf(is_dns, 53, is_tls OR is_quic OR is_inbound, 443, is_internal, [445, 88, 389, 22][site % 4 + 1], 80),
  if(is_dns OR is_quic, 17, 6), multiIf(is_dns OR is_internal, 'internal', is_inbound, 'inbound', 'outbound'),
  if(is_dns, 1, 12), multiIf(failed, 0, is_dns, 1, 20), if(is_dns, 70, up + 400), if(failed, 0, down), multiIf(is_dns, 42, failed AND is_tls, 0, up), if(failed, 0, down),
  if(failed, 'S0', 'SF'), multiIf(is_dns OR is_quic, if(failed, 'D', 'Dd'), failed, 'S', 'ShADadFf'), if(is_dns OR is_quic, 0, 27), 27,
  multiIf(is_dns, 'dns', is_quic, 'quic', is_http, 'http', is_internal, ['smb', 'kerberos', 'ldap', 'ssh'][site % 4 + 1], 'tls'),
  if(is_tls OR is_quic OR is_http, concat('www.site', toString(site), '.example'), ''),
  if(is_tls, concat('t13d', toString(who % 40)), ''),
  if(is_dns, concat('host', toString(g % 3), '.site', toString(site), '.example'), ''), if(is_dns, 'A', ''), if(is_dns, 'NOERROR', ''),
  2.5, [0, 12000, 300, 9000, 1500000, 800], [60, -60, 52, 569, -1400, 52]
FROM numbers({count:UInt64})
"""


def fill(store: Store, flows: int) -> None:
    """Make `flows` flows of the run and publish them."""
    store.begin_run(RUN)
    begin = int(DAY.timestamp()) * 1_000_000
    sql = MADE.replace("INSERT INTO flows ", "INSERT INTO flows_incoming ")
    for first in range(0, flows, BLOCK):
        asked = {"run": RUN, "begin": begin, "first": first, "count": min(BLOCK, flows - first)}
        text = sql.replace("cityHash64(number, ", f"cityHash64(number + {first}, ")
        store._client().command(text, asked)  # noqa: SLF001  (the engine makes its own rows; the product never does)
    store.publish_flows()


def measure(flows: int, *, rounds: int = 1) -> dict[str, float]:
    """Seconds of each hunt and of all (best of `rounds`), incidents found, peak memory of the process in GiB."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder, open_store(f"chdb://{folder}/store") as store:
        fill(store, flows)
        for hunt in load_hunts():
            best = float("inf")
            for _ in range(rounds):
                began = time.perf_counter()
                incidents = find_incidents(
                    store, RUN, p_cut=0, hunts=[hunt], since=DAY, until=DAY + timedelta(days=1), parameters={"conduits": "[]"}
                )
                best = min(best, time.perf_counter() - began)
            found[hunt.id] = best
            found[f"{hunt.id} incidents"] = len(incidents)
    found["all"] = sum(value for name, value in found.items() if not name.endswith(" incidents"))
    found["GiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    return found


def apart(flows: int) -> dict[str, float]:
    """The same in a process of its own: its peak memory is that of this size alone."""
    command = [sys.executable, "-m", "benchmarks.hunts", "--flows", str(flows), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def rows() -> list[Row]:
    """Rows of RESULTS.md."""
    sizes = {flows: apart(flows) for flows in SIZES}
    ten = sizes[10_000_000]
    slowest = sorted((value, name) for name, value in ten.items() if name in {hunt.id for hunt in load_hunts()})[-3:]
    growth = ", ".join(f"{flows / 1e6:.0f} M {found['all']:.1f} s" for flows, found in sizes.items())
    detail = "slowest " + ", ".join(f"{name} {value:.1f} s" for value, name in reversed(slowest)) + f"; {growth}"
    command = "python -m benchmarks hunts"
    return [
        against("all hunts over 10 M flows (24 h, 1,000 hosts) in chDB", ten["all"], 20, "s", most=True, command=command, detail=detail),
        against("memory of that process at its peak", ten["GiB"], 6, "GiB", most=True, command=command),
    ]  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flows", default=",".join(map(str, SIZES)))
    parser.add_argument("--json", action="store_true", help="one size, as a JSON object")
    given = parser.parse_args()
    for flows in (int(word) for word in given.flows.split(",")):
        result = measure(flows) if given.json or "," not in given.flows else apart(flows)
        if given.json:
            print(json.dumps(result))
            continue
        print(f"{flows:,} flows: {result['all']:.1f} s, {result['GiB']:.2f} GiB")
        for name, value in sorted(result.items(), key=lambda entry: -entry[1]):
            if f"{name} incidents" in result:
                print(f"  {name:20} {value:6.2f} s  {result[f'{name} incidents']:.0f} incidents")


if __name__ == "__main__":
    main()
