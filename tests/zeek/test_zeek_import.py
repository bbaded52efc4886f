"""Zeek's logs become flow records: TSV and JSON alike, damaged ones up to the damage, hostile ones without a crash."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import communityid
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.flows import Zones
from monitor.flows.schema import arrow_schema
from monitor.store import open_store
from monitor.zeek import LogError, ZeekFlows, logs_in
from monitor.zeek.logs import Log

SHARED = Path(__file__).parents[3] / "shared" / "data" / "flowlogs"
CONN = {
    "ts": 1700000000.123456, "uid": "CAbc1", "id.orig_h": "10.0.0.5", "id.orig_p": 50000, "id.resp_h": "203.0.113.9",
    "id.resp_p": 443, "proto": "tcp", "service": "ssl", "duration": 2.5, "orig_bytes": 700, "resp_bytes": 4000,
    "conn_state": "SF", "missed_bytes": 3, "history": "ShADadTTFf", "orig_pkts": 10, "orig_ip_bytes": 1200,
    "resp_pkts": 8, "resp_ip_bytes": 4400,
}  # fmt: skip
SSL = {"ts": 1700000000.2, "uid": "CAbc1", "version": "TLSv12", "server_name": "www.example", "next_protocol": "h2",
       "ja4": "t13d1516h2_8daaf6152771_e5627efa2ab1"}  # fmt: skip
DNS = {"ts": 1700000001.0, "uid": "CAbc2", "query": "a.example", "qtype_name": "A", "rcode_name": "NOERROR",
       "answers": ["203.0.113.9", "203.0.113.10"], "TTLs": [60.0, 30.0]}  # fmt: skip
HTTP = {"ts": 1700000002.0, "uid": "CAbc3", "host": "shop.example", "uri": "/a?secret=1", "method": "GET",
        "status_code": 200, "user_agent": "curl/8\x1b[31m"}  # fmt: skip
QUIC = {"ts": 1700000004.0, "uid": "CAbc5", "version": "1", "server_name": "video.example", "client_protocol": "h3"}
CONNS = [
    CONN,
    {**CONN, "uid": "CAbc2", "id.resp_p": 53, "proto": "udp", "service": "dns", "history": "Dd", "ts": 1700000001.0},
    {**CONN, "uid": "CAbc3", "id.resp_p": 4711, "service": "http", "ts": 1700000002.0},
    {**CONN, "uid": "CAbc4", "id.orig_h": "2001:db8::1", "id.resp_h": "10.0.0.5", "service": None, "id.resp_p": 22},
    {**CONN, "uid": "CAbc5", "proto": "udp", "service": "quic", "history": "Dd", "ts": 1700000004.0},
]


def tsv(path: Path, kind: str, rows: list[dict[str, Any]]) -> None:
    """As Zeek's ASCII writer does."""
    names = list(rows[0])
    kinds = ["vector[string]" if isinstance(rows[0][name], list) else "string" for name in names]
    lines = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", f"#path\t{kind}",
             "#fields\t" + "\t".join(names), "#types\t" + "\t".join(kinds)]  # fmt: skip
    for row in rows:
        lines.append("\t".join(_written(row[name]) for name in names))
    path.write_bytes(gzip.compress(("\n".join([*lines, "#close\t2026-01-01-00-00-00"]) + "\n").encode()))


def _written(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ",".join(map(str, value)) or "(empty)"
    return str(value).replace("\x1b", "\\x1b")


def as_json(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n" for row in rows))


def read(place: Path, **options: Any) -> tuple[list[dict[str, Any]], ZeekFlows]:
    flows = ZeekFlows(logs_in(place), Zones({}, ()), sensor="z", **options)
    batches = list(flows.batches())
    assert all(batch.schema == arrow_schema() for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()], flows


def folder(tmp_path: Path, form: str) -> Path:
    for kind, rows in (("conn", CONNS), ("ssl", [SSL]), ("dns", [DNS]), ("http", [HTTP]), ("quic", [QUIC])):
        if form == "tsv":
            tsv(tmp_path / f"{kind}.00:00:00-01:00:00.log.gz", kind, rows)
        else:
            as_json(tmp_path / f"{kind}.log", rows)
    (tmp_path / "weird.log").write_text("#path\tweird\n")
    return tmp_path


@pytest.mark.parametrize("form", ["tsv", "json"])
def test_what_the_logs_say_of_a_connection_is_one_flow(tmp_path: Path, form: str) -> None:
    rows, flows = read(folder(tmp_path, form))
    assert (flows.flows, flows.skipped, flows.damage) == (5, 0, [])
    tls, dns, http, six, quic = rows
    assert tls["community_id"] == communityid.CommunityID().calc(
        communityid.FlowTuple.make_tcp("10.0.0.5", "203.0.113.9", 50000, 443)
    )
    told = {
        "service": "tls", "server_name": "www.example", "tls_version": "TLSv1.2", "alpn": "h2", "direction": "outbound",
        "src_packets": 10, "dst_bytes": 4400, "src_payload": 700, "missed_bytes": 3, "state": "SF", "duration": 2.5,
        "src_flags": 0x13, "src_retransmits": 10, "dst_retransmits": 0, "service_on_odd_port": False,
    }  # fmt: skip
    assert {name: tls[name] for name in told} == told
    assert tls["start"].timestamp() == 1700000000.123456
    assert (tls["end"] - tls["start"]).total_seconds() == 2.5
    assert (dns["dns_query"], dns["dns_answers"], dns["dns_ttl"]) == ("a.example", ["203.0.113.9", "203.0.113.10"], 30)
    assert (http["http_uri"], http["http_status"], http["service_on_odd_port"]) == ("/a", 200, True)
    assert (six["service"], six["direction"]) == ("ssh", "inbound")
    assert (quic["service"], quic["server_name"], quic["alpn"]) == ("quic", "video.example", "h3")


def test_the_query_is_kept_when_it_is_asked_for(tmp_path: Path) -> None:
    rows, _ = read(folder(tmp_path, "json"), keep_query=True)
    assert rows[2]["http_uri"] == "/a?secret=1"


def test_lines_that_are_no_connection_are_counted(tmp_path: Path) -> None:
    bad = [{**CONN, "id.orig_h": "nowhere"}, {**CONN, "proto": "ospf"}, {**CONN, "id.resp_p": 70000},
           {**CONN, "ts": "yesterday"}, {**CONN, "orig_pkts": -1}, {"uid": "x"}]  # fmt: skip
    as_json(tmp_path / "conn.log", [*bad, CONN])
    rows, flows = read(tmp_path)
    assert (len(rows), flows.skipped) == (1, len(bad))


def test_a_cut_log_gives_what_comes_before_and_says_where(tmp_path: Path) -> None:
    tsv(tmp_path / "conn.log.gz", "conn", CONNS * 500)
    whole = (tmp_path / "conn.log.gz").read_bytes()
    (tmp_path / "conn.log.gz").write_bytes(whole[: len(whole) // 2])
    rows, flows = read(tmp_path)
    assert 0 < len(rows) < 2000
    assert flows.damage[0].startswith(f"{tmp_path}/conn.log.gz: line ")


def test_a_folder_without_conn_log_is_refused(tmp_path: Path) -> None:
    as_json(tmp_path / "dns.log", [DNS])
    with pytest.raises(LogError, match=r"no conn\.log"):
        logs_in(tmp_path)
    with pytest.raises(LogError, match="no such"):
        logs_in(tmp_path / "nothing")


@given(st.binary(max_size=400), st.sampled_from(["conn.log", "dns.log", "conn.log.gz"]))
def test_any_bytes_end_without_a_crash(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(b"#path\tconn\n#fields\tts\tuid\n#types\ttime\tstring\n" + data if data[:1] < b"\x40" else data)
    log = Log(path, "conn")
    for row in log.rows():
        assert all(isinstance(field, str) for field in row)


@pytest.mark.data
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared captures are not here")
def test_real_logs_of_three_sites_are_read_whole(tmp_path: Path) -> None:
    """Corelight JSON, labelled TSV, RITA's TSV: every line of the conn logs is a flow."""
    rows, flows = read(SHARED)
    lines = 0
    for path in SHARED.glob("*conn*.gz"):
        with gzip.open(path, "rt") as stream:
            lines += sum(not line.startswith("#") for line in stream)
    assert (len(rows), flows.skipped, flows.damage) == (lines, 0, [])
    assert sum(bool(row["user_agent"]) for row in rows) > 300
    assert {row["service"] for row in rows} >= {"tls", "dns", "http", "smb", "kerberos", "ldap"}


def test_the_command_stores_a_run_and_hunts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from monitor.cli import main

    (tmp_path / "logs").mkdir()
    scan = [{**CONN, "uid": f"C{port}", "id.resp_p": port, "service": None, "conn_state": "REJ", "history": "Sr",
             "ts": 1700000000 + port / 100, "duration": 0.001, "orig_pkts": 1, "orig_ip_bytes": 60, "resp_pkts": 1,
             "resp_ip_bytes": 40, "orig_bytes": 0, "resp_bytes": 0} for port in range(1, 1001)]  # fmt: skip
    as_json(tmp_path / "logs" / "conn.log", scan)
    url = f"chdb://{tmp_path}/store"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["monitor", "import", "zeek", str(tmp_path / "logs"), "--store", url,
                                   "--format", "json", "--run-id", "z1"])  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main()
    told = capsys.readouterr()
    assert ended.value.code == 0, told.err
    found = [json.loads(line) for line in told.out.splitlines()]
    assert [(incident["host"], incident["peer"]) for incident in found if "scan" in incident["detector"]] == [
        ("10.0.0.5", "203.0.113.9")
    ]
    assert "1,000 flows, 0 lines skipped; run z1" in told.err
    with open_store(url) as store:
        assert store.query("SELECT count() AS n FROM flows WHERE run_id = 'z1'").to_pylist() == [{"n": 1000}]
